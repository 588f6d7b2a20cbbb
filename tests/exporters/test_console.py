"""The console exporter prints what would be sent, an entry a line."""

import io

import orjson

from outrider.exporters.answer import Verdict
from outrider.exporters.console import ConsoleLogs
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.records import Records
from outrider.model.stream import Stream

CLUSTER = Cluster("acme", "c", "l", "n")


def console(out: io.BytesIO | io.BufferedWriter) -> ConsoleLogs:
    return ConsoleLogs("screen", CLUSTER, ManualClock(), Counters(), out)


def test_entries_are_lines_of_json() -> None:
    out = io.BytesIO()
    exporter = console(out)
    context = exporter.context(Stream("ns", "pod", "uid", "app", 0), None)
    records = [(0, b"2026-05-16T09:19:06Z", b"stdout", b"a"), (50, b"2026-05-16T09:19:06Z", b"stderr", b"b")]
    block = exporter.encode(Records.of(records), context, lambda _: ("g", b""))
    assert exporter.send([block.data], block.common).verdict is Verdict.ACCEPTED
    printed = [orjson.loads(line) for line in out.getvalue().splitlines()]
    assert [(e["textPayload"], e["severity"]) for e in printed] == [("a", "INFO"), ("b", "ERROR")]


def test_a_closed_pipe_is_an_answer_and_no_exception() -> None:
    with open("/dev/full", "wb") as full:
        answer = console(full).send([b"{}"])
        assert answer.verdict is Verdict.HOLD
        full.raw.close()


def test_a_probe_prints_nothing() -> None:
    out = io.BytesIO()
    assert console(out).probe().verdict is Verdict.ACCEPTED
    assert out.getvalue() == b""
