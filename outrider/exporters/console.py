"""Entries on standard output, one JSON object a line: what would be sent to Cloud Logging, for eyes and pipes, or lines
of a container for the collector of its node (`stackdriver/relay.py`).
"""

from collections.abc import Callable
from typing import BinaryIO

from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.block import Block, apart, spelled
from outrider.exporters.destination import UNLIMITED
from outrider.exporters.glance import Glance
from outrider.exporters.stackdriver.context import StreamContext
from outrider.exporters.stackdriver.encode import Encoder
from outrider.exporters.stackdriver.glance import glance
from outrider.exporters.stackdriver.relay import relayed
from outrider.exporters.standard_output import StandardOutput
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.model.records import Records
from outrider.model.stream import Stream


class ConsoleLogs:
    """A `LogDestination` whose requests are writes to `out`."""

    max_request = 1 << 20
    max_entries = UNLIMITED

    def __init__(
        self,
        name: str,
        cluster: Cluster,
        clock: Clock,
        counters: Counters,
        out: BinaryIO | None = None,
        relay: bool = False,
    ) -> None:
        """`relay`: the lines are for a collector, not for people."""
        self._cluster = cluster
        self._encoder = Encoder(cluster.project, False, clock, counters, name)
        self._out = StandardOutput(out)
        self._relay = relay

    def context(self, stream: Stream, pod: Pod | None) -> StreamContext:
        return StreamContext(stream, pod, self._cluster, self._cluster.project, self._encoder.labels_shed.add)

    def encode(self, records: Records, context: StreamContext, generation: Callable[[int], tuple[str, bytes]]) -> Block:
        return self._encoder.encode(records, context, generation)

    def multi_line(self, context: StreamContext) -> str | None:  # noqa: ARG002 - what is joined is `logs.join`'s
        return None

    def send(self, pieces: list[bytes], common: bytes = b"") -> Answer:
        lines = [entry for piece in pieces for entry in apart(spelled(piece, common))]
        if self._relay:
            lines = [relayed(line) for line in lines]
        return self._out.write(b"\n".join(lines) + b"\n")

    def probe(self) -> Answer:
        """There is nothing that could be asked without being printed."""
        return Answer(Verdict.ACCEPTED)

    def plainer(self, entry: bytes) -> bytes | None:  # noqa: ARG002 - nothing is ever refused here
        return None

    def glance(self, entry: bytes) -> Glance:
        return glance(entry)

    def refresh(self) -> None:
        """There is nobody to ask."""

    def changed(self) -> bool:
        return False

    def close(self) -> None:
        """Standard output belongs to the process."""
