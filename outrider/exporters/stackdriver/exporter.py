"""The Cloud Logging exporter: encoder and client, put together for one entry of the configuration's `exporters`."""

from collections.abc import Callable

import msgspec

from outrider.exporters.answer import Answer
from outrider.exporters.block import Block, block
from outrider.exporters.destination import UNLIMITED
from outrider.exporters.glance import Glance
from outrider.exporters.pieces import pieces
from outrider.exporters.stackdriver.auth import TokenSource
from outrider.exporters.stackdriver.client import MAX_REQUEST, Client
from outrider.exporters.stackdriver.context import StreamContext
from outrider.exporters.stackdriver.encode import Encoder
from outrider.exporters.stackdriver.glance import glance
from outrider.exporters.stackdriver.limits import MAX_ENTRY
from outrider.model.clock import Clock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.model.records import Records
from outrider.model.stream import Stream


class StackdriverLogs:
    """A `LogDestination` that writes to the logs of `project`; resources are named after `cluster`."""

    max_request = MAX_REQUEST
    max_entries = UNLIMITED

    def __init__(
        self,
        name: str,
        project: str,
        cluster: Cluster,
        endpoint: str,
        tokens: TokenSource,
        clock: Clock,
        counters: Counters,
        *,
        connections: int = 4,
        compress: bool = True,
        ca: str | None = None,
        strict: bool = False,
    ) -> None:
        self._project, self._cluster = project, cluster
        self._client = Client(endpoint, tokens, clock, connections, compress, ca)
        self._encoder = Encoder(project, strict, clock, counters, name)

    def context(self, stream: Stream, pod: Pod | None) -> StreamContext:
        return StreamContext(stream, pod, self._cluster, self._project, self._encoder.labels_shed.add)

    def encode(self, records: Records, context: StreamContext, generation: Callable[[int], tuple[str, bytes]]) -> Block:
        return self._encoder.encode(records, context, generation)

    def multi_line(self, context: StreamContext) -> str | None:  # noqa: ARG002 - what is joined is `logs.join`'s
        return None

    def send(self, pieces: list[bytes], common: bytes = b"") -> Answer:
        return self._client.send(pieces, common)

    def probe(self) -> Answer:
        """A dry run of an entry that nothing can be wrong with, under the resource and the log of all others."""
        nowhere = self.context(Stream("outrider", "probe", "", "probe", 0), None)
        entry = {"insertId": "probe", "severity": "DEBUG", "textPayload": "probe", "logName": nowhere.wholes[b"stdout"]}
        return self._client.rehearse(block([entry]).data)

    def plainer(self, entry: bytes) -> bytes | None:
        """JSON that the API does not take, for whatever reason, as text; the special fields are in it again."""
        fields = msgspec.json.decode(entry)
        if "jsonPayload" not in fields:
            return None
        kept = {k: fields[k] for k in ("insertId", "timestamp", "severity") if k in fields}
        rest = {k: fields[k] for k in ("logName", "resource", "labels") if k in fields}
        moved = {k: v for k, v in fields.items() if k not in kept and k not in rest and k != "jsonPayload"}
        text = msgspec.json.encode(moved | fields["jsonPayload"]).decode()
        room = MAX_ENTRY - len(msgspec.json.encode(kept | rest)) - 100
        head = msgspec.json.encode(kept)[:-1] + b',"textPayload":' + pieces(text, room)[0]
        return head + b"," + msgspec.json.encode(rest)[1:]

    def glance(self, entry: bytes) -> Glance:
        return glance(entry)

    def refresh(self) -> None:
        self._client.refresh()

    def changed(self) -> bool:
        return self._client.changed()

    def close(self) -> None:
        self._client.close()
