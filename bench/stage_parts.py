"""The parts of the hot path as functions of a chunk: the one place that knows their names and how they are called.

Whoever moves a class of the hot path mends this module, and `bench.stages` goes on.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from bench.jobs import manifest
from bench.load import pod_name, uid
from outrider.config.model import Redact
from outrider.config.secrets import Secret
from outrider.exporters.block import Block
from outrider.exporters.datadog.exporter import DatadogLogs
from outrider.exporters.http import document
from outrider.exporters.stackdriver.auth import NoToken
from outrider.exporters.stackdriver.exporter import StackdriverLogs
from outrider.kube.wire import read_list
from outrider.model.clock import SystemClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.model.records import Records
from outrider.model.stream import Stream
from outrider.pipeline.packing import SLICE
from outrider.pipeline.redact import Redactor
from outrider.tail.exceptions import second_line_bits
from outrider.tail.lines import Lines, Scanned, cut
from outrider.tail.reader import CHUNK
from outrider.tail.records import Assembler, Budget, Joining

STREAM = Stream("team-0", pod_name(0), uid(0), "main", 0)
CLUSTER = Cluster("acme", "bench", "europe-north1", "node-1")
VENDORS = ("google", "datadog")
SETS = ("keys", "tokens")
"""What is redacted in the stage that redacts."""
NOWHERE = "https://127.0.0.1:9"
_CHUNKED = {"google": (b'{"partialSuccess":true,"entries":[', b"]}"), "datadog": (b"[", b"]")}


def read(path: Path) -> list[bytes]:
    """The file in chunks of whole lines, each read at its offset as the reader does."""
    chunks, offset = [], 0
    with open(path, "rb", buffering=0) as f:
        while data := os.pread(f.fileno(), CHUNK, offset):
            end = data.rfind(b"\n") + 1
            chunks.append(data if end == len(data) else data[:end])
            offset += end
    return chunks


def splitting(chunk: bytes) -> Lines | Scanned:
    """The physical lines of a chunk."""
    return cut(chunk, 0, second_line_bits())


def assembler(joined: bool) -> Callable[[Lines | Scanned], Records]:
    """What makes lines records, of which it takes over the columns."""
    own = Assembler(Joining(joined, joined), Budget())
    return lambda lines: own.feed(lines, 0, 0.0)


def redactor() -> Callable[[Records], Records]:
    rules = [Redact(set=name) for name in SETS] + [Redact(pattern=r"password=\S+", with_="password=[redacted]")]
    return Redactor(rules, Counters()).apply


def nothing_redacted(records: Records) -> Records:
    """What a pump does without rules."""
    off = Redactor([], Counters())
    return off.apply(records) if off else records


def known_pod() -> Pod:
    """The pod of the stream, as the program learns it from kubelet's answer."""
    answer = orjson.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": [manifest(0)]})
    (pod,) = read_list(answer, True).pods
    return pod


@dataclass
class Encoding:
    """The encoder of one vendor at work for one stream; records go through it in slices, as a pump has them."""

    vendor: str
    _destination: Any = field(init=False)
    _context: Any = field(init=False)

    def __post_init__(self) -> None:
        clock, counters = SystemClock(), Counters()
        if self.vendor == "google":
            self._destination = StackdriverLogs("google", "acme", CLUSTER, NOWHERE, NoToken(), clock, counters)
        else:
            self._destination = DatadogLogs("datadog", CLUSTER, NOWHERE, Secret("a-key"), clock, counters)
        self._context = self._destination.context(STREAM, known_pod())

    def __call__(self, records: Records) -> list[Block]:
        encode, context = self._destination.encode, self._context
        slices = (records.part(i, i + SLICE) for i in range(0, len(records), SLICE))
        return [encode(some, context, lambda _: ("0" * 24, b"2026-05-16T09:19:06.000000001Z")) for some in slices]

    def document(self, blocks: list[Block]) -> bytes:
        """The compressed body of a request."""
        opening, closing = _CHUNKED[self.vendor]
        return document(opening, [block.data for block in blocks], closing, "gzip")


def chosen(records: Records, json: bool) -> Records:
    """Those that are JSON, or those that are not."""
    return records.chosen([i for i in range(len(records)) if (records.content(i)[:1] == b"{") is json])
