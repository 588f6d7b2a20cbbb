"""The sum of the demo as a table, and the words that say how it came out."""

import pytest

from outrider.demo.balance import Events, Row, Summary, rows, total, verdict
from outrider.demo.kubelet import Counts
from outrider.demo.points import Points


@pytest.mark.parametrize(
    ("lines", "parts", "traces", "received", "difference"),
    [
        (0, 0, 0, 0, 0),
        (10, 0, 0, 10, 0),
        (10, 3, 0, 7, 0),
        (10, 0, 4, 6, 0),
        (10, 3, 4, 3, 0),
        (10, 3, 4, 2, -1),
        (10, 3, 4, 10, 7),
        (0, 0, 0, 1, 1),
    ],
)
def test_a_row_balances_when_lines_are_entries_and_joins(
    lines: int, parts: int, traces: int, received: int, difference: int
) -> None:
    row = Row("shop", lines, parts, traces, {"google": received, "datadog": received + 1})
    assert row.differences == {"google": difference, "datadog": difference + 1}
    assert row.lines == row.received["google"] + row.parts + row.traces - difference


def test_what_is_missing_is_counted_at_each_vendor_and_what_is_too_much_makes_up_for_nothing() -> None:
    assert Row("shop", 10, 3, 1, {"google": 2, "datadog": 5}).missing == 5
    assert Row("shop", 10, 3, 1, {"google": 2, "datadog": 12}).missing == 4


@pytest.mark.parametrize(
    ("received", "words"),
    [
        ({"a": 8, "b": 5}, "balanced"),
        ({"a": 8, "b": 4}, "not balanced: entries of b at {}: 1 missing"),
        ({"a": 9, "b": 4}, "not balanced: entries of a at {}: 1 too many; b at {}: 1 missing"),
        ({"a": 8}, "not balanced: entries of b at {}: 5 missing"),
        ({"a": 8, "b": 5, "stray": 1200}, "not balanced: entries of stray at {}: 1,200 too many"),
    ],
)
@pytest.mark.parametrize(("vendor", "name"), [("google", "Cloud Logging"), ("datadog", "Datadog")])
def test_the_verdict_names_what_differs_and_where(vendor: str, name: str, received: dict[str, int], words: str) -> None:
    written = {"b": Counts(lines=5), "a": Counts(lines=12, parts=1)}
    right = {"a": 8, "b": 5}
    found = rows(written, {"a": 3}, {"google": right, "datadog": right} | {vendor: received})
    assert [r.namespace for r in found] == sorted({*written, *received})
    assert verdict(found, {}) == words.replace("{}", name)


GOOD = {"google": Points(48, 0, 0, 48), "datadog": Points(1320, 2, 0, 1320)}


def summary(parts: list[Row], lag: float | None = 0.25, points: dict[str, Points] = GOOD) -> Summary:
    events, repeats, rejected = Events(7, 3, 1, 1, 1, 1), {"google": 2, "datadog": 3}, {"google": 0, "datadog": 4}
    return Summary(parts, events, 5.0, repeats, rejected, lag_p50=lag, lag_p99=lag, ledger={}, points=points)


def both(n: int) -> dict[str, int]:
    return {"google": n, "datadog": n}


def test_differences_that_cancel_out_do_not_balance() -> None:
    off = summary([Row("a", 1, 0, 0, {"google": 1, "datadog": 2}), Row("b", 1, 0, 0, {"google": 1, "datadog": 0})])
    assert total(off.rows).differences == both(0)
    assert not off.balanced
    assert not off.as_dict()["balanced"]


def test_json_has_every_number_once() -> None:
    found = summary([Row("a", 10, 3, 4, both(3))]).as_dict()
    assert (
        found["total"]
        == found["namespaces"]["a"]
        == {
            "lines_written": 10,
            "entries_received": both(3),
            "parts_joined": 3,
            "trace_lines_joined": 4,
            "difference": both(0),
        }
    )
    assert found["verdict"] == "balanced"
    assert found["repeats"] == {"google": 2, "datadog": 3}
    assert (found["rotations"], found["gzips"], found["lag_p50"]) == (7, 3, 0.25)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            Row("a", 1000, 30, 4, both(966)),
            "1,000 lines written = 966 entries received + 30 parts joined + 4 trace lines joined",
        ),
        (
            Row("a", 9, 0, 0, both(7)),
            "9 lines written = 7 entries received + 0 parts joined + 0 trace lines joined + 2 missing",
        ),
        (
            Row("a", 9, 0, 0, both(12)),
            "9 lines written = 12 entries received + 0 parts joined + 0 trace lines joined - 3 too many",
        ),
    ],
)
def test_text_says_the_sum_and_ends_with_the_verdict(row: Row, sentence: str) -> None:
    text = summary([row], lag=None).as_text().splitlines()
    for name, counts in (("Cloud Logging", "repeated 2, rejected 0"), ("Datadog", "repeated 3, rejected 4")):
        at = text.index(f"{name}:")
        assert text[at + 1 : at + 3] == [f"  {sentence}", f"  entries {counts}"]
    assert text[-1] == verdict([row], GOOD)
    assert "unknown median" in text[-2]


def test_the_table_fits_eighty_columns() -> None:
    row = Row("kube-system", 10_000_000, 0, 0, both(9_999_999))
    head, line, *_ = summary([row]).as_text().splitlines()
    assert "Cloud Logging" in head
    assert "Datadog" in head
    assert line.split() == ["kube-system", "10,000,000", "0", "0", "9,999,999", "-1", "9,999,999", "-1"]
    assert len(head) == len(line) <= 80
