"""The sum of the demo as a table, and the words that say how it came out."""

import pytest

from outrider.demo.balance import Events, Row, Summary, rows, total, verdict
from outrider.demo.kubelet import Counts


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
    row = Row("shop", lines, parts, traces, received)
    assert row.difference == difference
    assert row.lines == row.received + row.parts + row.traces - difference


@pytest.mark.parametrize(
    ("received", "words"),
    [
        ({"a": 8, "b": 5}, "balanced"),
        ({"a": 8, "b": 4}, "not balanced: entries of b: 1 missing"),
        ({"a": 9, "b": 4}, "not balanced: entries of a: 1 too many; b: 1 missing"),
        ({"a": 8}, "not balanced: entries of b: 5 missing"),
        ({"a": 8, "b": 5, "stray": 1200}, "not balanced: entries of stray: 1,200 too many"),
    ],
)
def test_the_verdict_names_what_differs_and_where(received: dict[str, int], words: str) -> None:
    written = {"b": Counts(lines=5), "a": Counts(lines=12, parts=1)}
    found = rows(written, {"a": 3}, received)
    assert [r.namespace for r in found] == sorted({*written, *received})
    assert verdict(found) == words


def summary(parts: list[Row], lag: float | None = 0.25) -> Summary:
    return Summary(parts, Events(7, 3, 1, 1, 1, 1), 5.0, repeats=2, rejected=0, lag_p50=lag, lag_p99=lag)


def test_differences_that_cancel_out_do_not_balance() -> None:
    off = summary([Row("a", 1, 0, 0, 2), Row("b", 1, 0, 0, 0)])
    assert total(off.rows).difference == 0
    assert not off.balanced
    assert not off.as_dict()["balanced"]


def test_json_has_every_number_once() -> None:
    found = summary([Row("a", 10, 3, 4, 3)]).as_dict()
    assert (
        found["total"]
        == found["namespaces"]["a"]
        == {
            "lines_written": 10,
            "entries_received": 3,
            "parts_joined": 3,
            "trace_lines_joined": 4,
            "difference": 0,
        }
    )
    assert found["verdict"] == "balanced"
    assert (found["repeats"], found["rotations"], found["gzips"], found["lag_p50"]) == (2, 7, 3, 0.25)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            Row("a", 1000, 30, 4, 966),
            "1,000 lines written = 966 entries received + 30 parts joined + 4 trace lines joined",
        ),
        (
            Row("a", 9, 0, 0, 7),
            "9 lines written = 7 entries received + 0 parts joined + 0 trace lines joined + 2 missing",
        ),
        (
            Row("a", 9, 0, 0, 12),
            "9 lines written = 12 entries received + 0 parts joined + 0 trace lines joined - 3 too many",
        ),
    ],
)
def test_text_says_the_sum_and_ends_with_the_verdict(row: Row, sentence: str) -> None:
    text = summary([row], lag=None).as_text().splitlines()
    assert sentence in text
    assert text[-1] == verdict([row])
    assert "unknown median" in text[-2]
