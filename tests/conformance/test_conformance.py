"""Lines in, entries out: every case of `data/*.yaml` against the reader and the encoder as a program runs them.

The lines are written to a real file, read, joined, encoded and put into a request body; what is compared are the exact
bytes of each entry in that body. The cases were written from the sources they name, not from the encoder.
"""

import json
from typing import Any

import pytest

from outrider.kube.owners import OwnerReference, controller_of
from tests.conformance.cases import STREAM, Case, all_cases, line_bytes
from tests.conformance.compare import differences, faults
from tests.support.render import render

CASES = all_cases()
ONCE_AND_AGAIN = [case for case in CASES if case.row in ("T1", "T2", "P1", "P2", "S3", "M1", "2.12", "2.13")]


def run(case: Case) -> list[bytes]:
    """The entries that the case's lines become, in the order of writing."""
    pod = case.pod
    controller = pod.controller if pod else None
    if pod and pod.owners is not None:
        found = controller_of([OwnerReference(o.kind, o.name) for o in pod.owners], pod.labels)
        controller = (found.type, found.name) if found else None
    return render(
        case.lines,
        fmt=case.format,
        labels=pod.labels if pod else None,
        controller=controller,
        stream_file={**STREAM, **case.stream},
        project=case.project,
        join=case.join,
        strict=case.strict,
        now=case.wall_time,
        pod_known=case.pod_known,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_lines_become_the_entries(case: Case) -> None:
    entries = run(case)
    problems = [f"entry {n}: {fault}" for n, raw in enumerate(entries) for fault in faults(raw, case.wall_time)]
    problems += _wrong_entries(case, entries)
    problems += [f"entry {n}: {d}" for n, raw in enumerate(entries) for d in differences(case.each, raw)]
    assert not problems, "\n".join([f"{case.id} ({case.mark}, {case.source})", *problems])


def _wrong_entries(case: Case, entries: list[bytes]) -> list[str]:
    problems = []
    if case.at_least is not None and len(entries) < case.at_least:
        problems.append(f"{len(entries)} entries, fewer than {case.at_least}")
    if case.at_most is not None and len(entries) > case.at_most:
        problems.append(f"{len(entries)} entries, more than {case.at_most}")
    if case.expected is not None:
        problems += _against_list(case, case.expected, entries)
    if case.expect_split is not None:
        problems += _against_split(line_bytes(case.expect_split).decode(), entries)
    if case.expect_text is not None:
        problems += (
            [] if _whole_texts(entries) == "\n".join(case.texts) else ["the text of all entries is not the lines'"]
        )
    return problems


def _against_list(case: Case, expected: list[dict[str, Any]], entries: list[bytes]) -> list[str]:
    if len(entries) != len(expected):
        shown = [raw.decode(errors="replace")[:300] for raw in entries[:5]]
        return [f"{len(entries)} entries, not {len(expected)}", *shown]
    if not case.any_order:
        return [
            f"entry {n}: {d}"
            for n, (want, raw) in enumerate(zip(expected, entries, strict=True))
            for d in differences(want, raw)
        ]
    left = list(entries)
    problems = []
    for n, want in enumerate(expected):
        match = next((raw for raw in left if not differences(want, raw)), None)
        if match is None:
            problems.append(f"no entry is like expected entry {n}: {want}")
        else:
            left.remove(match)
    return problems


def _against_split(text: str, entries: list[bytes]) -> list[str]:
    """One text over the limit: parts in order, whole when put together, told apart and sorted by their insertIds."""
    parts = [json.loads(raw) for raw in entries]
    if len(parts) < 2:
        return [f"{len(parts)} entries: the text was not split"]
    problems = []
    marks = [(p.get("split", {}).get("uid"), p.get("split", {}).get("index", 0)) for p in parts]
    if not marks[0][0] or marks != [(marks[0][0], n) for n in range(len(parts))]:
        problems.append(f"split uid and index are {marks}")
    if totals := {p.get("split", {}).get("totalSplits") for p in parts} - {len(parts)}:
        problems.append(f"totalSplits is {totals}, not {len(parts)}")
    if "".join(p.get("textPayload", "") for p in parts) != text:
        problems.append("the parts put together are not the text")
    ids = [p.get("insertId", "") for p in parts]
    if ids != sorted(set(ids)):
        problems.append(f"insertIds are not apart and in order: {ids}")
    if len({(p.get("timestamp"), p.get("severity"), p.get("logName")) for p in parts}) != 1:
        problems.append("the parts differ in timestamp, severity or logName")
    return problems


def _whole_texts(entries: list[bytes]) -> str:
    """The texts of all entries as lines; parts of a split text are put together first."""
    whole: list[str] = []
    before = None
    for entry in map(json.loads, entries):
        uid = entry.get("split", {}).get("uid")
        if uid is not None and uid == before:
            whole[-1] += entry.get("textPayload", "")
        else:
            whole.append(entry.get("textPayload", ""))
        before = uid
    return "\n".join(whole)


@pytest.mark.parametrize("case", ONCE_AND_AGAIN, ids=lambda case: case.id)
def test_a_second_reading_writes_the_same_bytes(case: Case) -> None:
    # A cursor that was not committed before a crash makes the same lines go out again. Nothing in an entry may depend
    # on when or how often it was read, or Cloud Logging would not see the repeat.
    assert run(case) == run(case)


def test_insert_ids_are_apart_and_sort_in_file_order() -> None:
    lines = [b"2026-05-16T09:19:06.000000001Z stdout F line %d" % n for n in range(300)]
    ids = [json.loads(raw)["insertId"] for raw in run_lines(lines)]
    assert len(ids) == 300
    assert ids == sorted(set(ids))


def test_equal_lines_of_two_container_runs_have_different_insert_ids() -> None:
    line = [b"2026-05-16T09:19:06.000000001Z stdout F same"]
    others: list[dict[str, Any]] = [
        {},
        {"uid": "22222222-2222-3333-4444-555555555555"},
        {"container": "side"},
        {"restart": 1},
    ]
    ids = {json.loads(run_lines(line, stream)[0])["insertId"] for stream in others}
    assert len(ids) == len(others)


def run_lines(lines: list[bytes], stream: dict[str, Any] | None = None) -> list[bytes]:
    """`lines` under the defaults of the cases."""
    texts = [line.decode() for line in lines]
    return run(Case(id="own-lines", mark="own", source="", input=texts, stream=stream or {}))
