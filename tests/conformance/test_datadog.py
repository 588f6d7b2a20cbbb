"""Lines in, entries out, for Datadog: every row D of the facts that is about logs of containers."""

import re

import pytest

from tests.conformance.cases import line_bytes
from tests.conformance.datadog import Case, all_cases, differences, faults, run, wrong_pieces

CASES = all_cases()
ROWS = {case.row for case in CASES}
RANGES = ((1, 7), (10, 20), (30, 33), (40, 46), (50, 53), (60, 63))
FACTS = [f"D{n}" for first, last in RANGES for n in range(first, last + 1)]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_lines_become_the_entries(case: Case) -> None:
    entries, counters = run(case)
    problems = [f"entry {n}: {fault}" for n, raw in enumerate(entries) for fault in faults(raw)]
    if case.expected is not None:
        if len(entries) != len(case.expected):
            problems.append(f"{len(entries)} entries, not {len(case.expected)}: {[e[:200] for e in entries[:5]]}")
        for n, (want, raw) in enumerate(zip(case.expected, entries, strict=False)):
            problems += [f"entry {n}: {d}" for d in differences(want, raw)]
    if case.expect_pieces is not None:
        problems += wrong_pieces(line_bytes(case.expect_pieces).decode(), entries)
    for name, n in case.counted.items():
        if (got := counters.value(name, exporter="dd")) != n:
            problems.append(f"{name} is {got}, not {n}")
    assert not problems, "\n".join([f"{case.id} ({case.mark}, {case.source})", *problems])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_second_reading_writes_the_same_bytes(case: Case) -> None:
    assert run(case)[0] == run(case)[0]


@pytest.mark.parametrize("fact", FACTS)
def test_every_fact_has_a_case(fact: str) -> None:
    assert fact in ROWS


def test_ids_are_unique_and_begin_with_a_row() -> None:
    ids = [case.id for case in CASES]
    assert sorted(ids) == sorted(set(ids))
    assert [i for i in ids if not re.fullmatch(r"(?:D\d+|own)-[a-z0-9-]+", i)] == []


def test_every_case_says_what_it_expects_and_those_that_leave_the_agents_way_say_why() -> None:
    assert all(case.source and (case.expected is not None or case.expect_pieces) for case in CASES)
    assert [case.id for case in CASES if case.mark == "own" and not case.decided] == []
    assert {"D16", "D30", "D63"} <= {case.row for case in CASES if case.mark == "own"}


def test_a_difference_is_found() -> None:
    raw = b'{"message":"m","status":"info","timestamp":1,"ddtags":"a:b,c","outrider.id":"x"}'
    assert not differences({"message": "m", "timestamp": 1, "tags": ["c"], "tags_end": "c", "no_tags": ["d"]}, raw)
    for want in (
        {"message": "n"},
        {"timestamp": 2},
        {"tags": ["d"]},
        {"tags_end": "a:b"},
        {"no_tags": ["a"]},
        {"absent": ["message"]},
        {"keys": ["message"]},
        {"service": "s"},
    ):
        assert differences(want, raw)
    with pytest.raises(ValueError, match="mesage"):
        differences({"mesage": "m"}, raw)
