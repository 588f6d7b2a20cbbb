"""The console exporter prints what would be sent, an entry a line."""

import io
import os
import threading
from typing import BinaryIO

import orjson

from outrider.exporters.answer import Verdict
from outrider.exporters.console import ConsoleLogs
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.records import Records
from outrider.model.stream import Stream

CLUSTER = Cluster("acme", "c", "l", "n")


def console(out: BinaryIO) -> ConsoleLogs:
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


def test_a_full_disk_is_an_answer_and_no_exception() -> None:
    with open("/dev/full", "wb", buffering=0) as full:
        assert console(full).send([b"{}"]).verdict is Verdict.HOLD


def test_what_could_not_be_written_is_written_once_when_it_can_be() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "wb", buffering=0) as out:
        exporter = console(out)
        assert exporter.send([b"{}"]).verdict is Verdict.HOLD
        read, again = os.pipe()
        os.dup2(again, writer)
        os.close(again)
        assert exporter.send([b"{}"]).verdict is Verdict.ACCEPTED
    with open(read, "rb") as printed:
        assert printed.read() == b"{}\n"


def test_a_slow_pipe_gets_all_of_it() -> None:
    """A pipe takes 64 KiB, and a write of more may end there."""
    entry = b"{%b}" % (b" " * 300_000)
    reader, writer = os.pipe()
    got: list[bytes] = []
    with open(reader, "rb") as printed, open(writer, "wb", buffering=0) as out:
        thread = threading.Thread(target=lambda: got.append(printed.read(len(entry) + 1)))
        thread.start()
        assert console(out).send([entry]).verdict is Verdict.ACCEPTED
        thread.join(30)
    assert got == [entry + b"\n"]


def test_a_probe_prints_nothing() -> None:
    out = io.BytesIO()
    assert console(out).probe().verdict is Verdict.ACCEPTED
    assert out.getvalue() == b""
