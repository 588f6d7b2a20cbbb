"""Lines in, entries out: through a real file, the real reader and the real encoder; only the network is left out."""

import os
import tempfile
from typing import Any

from outrider.exporters.stackdriver.context import StreamContext
from outrider.exporters.stackdriver.encode import Encoder
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.pod import Controller, Pod
from outrider.model.stream import Stream
from outrider.tail.files import StreamFiles
from outrider.tail.reader import Reader
from outrider.tail.records import Assembler, Budget, Joining

NOW = 1_790_000_000.0  # 2026-09-21


def render(
    lines: list[bytes],
    *,
    fmt: str = "cri",
    labels: dict[str, str] | None = None,
    controller: tuple[str, str] | None = None,
    stream_file: dict[str, Any],
    project: str = "acme",
    join: dict[str, Any] | None = None,
    strict: bool = False,
    now: float | None = None,
    pod_known: bool = True,
) -> list[bytes]:
    """The entries, as the bytes of the request body, of a log file that holds `lines`. `fmt` is for the reader of the
    table: the collector tells CRI from docker by itself."""
    assert fmt in ("cri", "docker")
    clock, counters = ManualClock(NOW if now is None else now), Counters()
    stream = Stream(**stream_file)
    cluster = Cluster("acme", "on-prem-1", "europe-north1", "node-1")
    owner = Controller(*controller) if controller else None
    pod = Pod(stream.uid, stream.pod, stream.namespace, labels or {}, {}, owner)
    joining = Joining(partials=False, exceptions=False) if strict else Joining(**(join or {}))
    encoder = Encoder(project, strict, clock, counters, "google")
    context = StreamContext(stream, pod if pod_known else None, cluster, project)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, f"{stream.restart}.log")
        with open(path, "wb") as f:
            f.write(b"".join(line + b"\n" for line in lines))
        files = StreamFiles(stream, path, frozenset({"google"}), clock, counters)
        files.refresh()
        reader = Reader("google", files, Assembler(joining, Budget()), {}, False, counters)
        entries: list[bytes] = []
        for _ in range(30):
            while (taken := reader.take(clock.monotonic())) is not None:
                entries += encoder.encode(taken.records, context, reader.generation_at).entries()
            clock.advance(1.0)
        for generation in files.generations:
            generation.leave("google")
    return entries
