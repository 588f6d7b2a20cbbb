"""The most active rows are reported by themselves, the rest as one whose counters never fall."""

import logging

import pytest

from outrider.checks.budget import Budget, Row

S = 1_000_000_000


def _budget(most: int = 2) -> Budget[str]:
    return Budget("test queues", "max_queues", most, counters={"published"}, gauges={"messages"})


def _rows(**published: int) -> dict[str, dict[str, int | float | None]]:
    return {name: {"published": n, "messages": 1, "mean": 0.5} for name, n in published.items()}


def _ask(budget: Budget[str], time: int = S, /, **published: int) -> dict[str | None, Row[str]]:
    return {row.key: row for row in budget.rows(_rows(**published), lambda values: values["published"], time)}


def test_rows_within_the_budget_are_reported_as_they_are(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found = _ask(_budget(), a=1, b=2)
    assert {key: row.values for key, row in found.items()} == _rows(a=1, b=2)
    assert all(row.start is None for row in found.values())
    assert caplog.records == []


def test_the_most_active_stand_alone_and_the_rest_is_summed_where_a_sum_means_something() -> None:
    found = _ask(_budget(), a=1, b=30, c=20, d=3)
    assert found.keys() == {"b", "c", None}
    assert found[None].values == {"messages": 2}


def test_the_counters_of_the_rest_count_from_the_first_run() -> None:
    budget = _budget()
    _ask(budget, 5 * S, a=1, b=30, c=20, d=3)
    found = _ask(budget, 6 * S, a=2, b=40, c=20, d=5)
    assert found[None] == Row(None, {"messages": 2, "published": 1 + 2}, 5 * S)


def test_the_counters_of_the_rest_do_not_fall_when_a_row_goes_or_begins_anew_or_moves() -> None:
    budget = _budget()
    _ask(budget, a=10, b=100, c=100, d=10)
    steps = [
        ({"a": 12, "b": 100, "c": 100}, 2),  # d is gone
        ({"a": 1, "b": 100, "c": 100}, 3),  # a began anew
        ({"a": 1, "b": 100, "c": 100, "e": 4}, 7),  # e is new
        ({"a": 1, "b": 100, "c": 100, "e": 900}, 7),  # e moves up, and one of the others down as it is
    ]
    assert [_ask(budget, **rows)[None].values["published"] for rows, _ in steps] == [total for _, total in steps]


def test_a_reported_row_gives_way_only_to_one_twice_as_active() -> None:
    budget = _budget(most=1)
    assert _ask(budget, a=10, b=9).keys() == {"a", None}
    assert _ask(budget, a=10, b=20).keys() == {"a", None}
    assert _ask(budget, a=10, b=21).keys() == {"b", None}


def test_values_that_are_not_there_count_as_nothing() -> None:
    rows: dict[str, dict[str, int | float | None]] = {"a": {"published": None}, "b": {}, "c": {"published": 1}}
    budget = _budget(most=1)
    budget.rows(rows, lambda values: values.get("published"), S)
    found = budget.rows(rows, lambda values: values.get("published"), 2 * S)
    assert [(row.key, row.values.get("published")) for row in found] == [("c", 1), (None, 0)]


def test_it_is_said_once_and_with_the_setting_that_changes_it(caplog: pytest.LogCaptureFixture) -> None:
    budget = _budget()
    for _ in range(3):
        _ask(budget, a=1, b=2, c=3)
    (record,) = caplog.records
    assert "3 test queues are more than max_queues (2)" in record.getMessage()
