"""A destination in memory: entries are the records' content (as a JSON string on their way), answers are what a test
wants.
"""

import threading
from collections.abc import Callable
from typing import Any

import orjson

from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.block import Block, apart
from outrider.exporters.glance import Glance
from outrider.model.pod import Pod
from outrider.model.records import Records
from outrider.model.stream import Stream

ACCEPTED = Answer(Verdict.ACCEPTED)


def packed(content: bytes) -> bytes:
    """`content` as an entry."""
    return orjson.dumps(content.decode("latin-1"))


def unpacked(entry: bytes) -> bytes:
    return orjson.loads(entry).encode("latin-1")  # type: ignore[no-any-return]


class FakeDestination:
    """A `LogDestination`. `answer` judges every request; while `open` is not set, requests hang."""

    def __init__(self, max_request: int = 1 << 20) -> None:
        self.answer: Callable[[list[bytes]], Answer] = lambda _: ACCEPTED
        self.max_request = max_request
        self.max_entries = 1 << 30
        self.open = threading.Event()
        self.open.set()
        self.offered: list[list[bytes]] = []
        """Every request, in the order in which they came in."""
        self.stored: list[bytes] = []
        """The entries of every request that was accepted as a whole."""
        self.refreshed = 0
        self.closed = False
        self.contexts: list[tuple[Stream, Pod | None]] = []
        self.choke_on: bytes | None = None
        """Content that makes `encode` raise."""
        self.leave_out: bytes | None = None
        """Content that makes no entry."""
        self.plain: dict[bytes, bytes] = {}
        self.pattern: str | None = None
        """What `multi_line` answers."""
        self.renewed = False
        """What `changed` answers."""
        self.probed = ACCEPTED
        self.probes = 0
        self._lock = threading.Lock()

    def context(self, stream: Stream, pod: Pod | None) -> Any:
        self.contexts.append((stream, pod))
        return pod

    def encode(self, records: Records, context: Pod | None, generation: Callable[[int], tuple[str, bytes]]) -> Block:
        label = b"" if context is None else b"[" + context.labels.get("app", "").encode() + b"]"
        entries = []
        for at, _, _, content in records:
            assert generation(at >> 48)
            if self.choke_on is not None and self.choke_on in content:
                raise ValueError("cannot encode this")
            if self.leave_out != content:
                entries.append(label + content)
        return Block(b",".join(map(packed, entries)), len(entries))

    def send(self, pieces: list[bytes], common: bytes = b"") -> Answer:  # noqa: ARG002
        entries = [unpacked(entry) for piece in pieces for entry in apart(piece)]
        with self._lock:
            self.offered.append(entries)
        self.open.wait(30)
        answer = self.answer(entries)
        with self._lock:
            if answer.verdict is Verdict.ACCEPTED:
                self.stored += entries
        return answer

    def plainer(self, entry: bytes) -> bytes | None:
        plainer = self.plain.get(unpacked(entry))
        return None if plainer is None else packed(plainer)

    def multi_line(self, context: Any) -> str | None:  # noqa: ARG002
        return self.pattern

    def probe(self) -> Answer:
        self.probes += 1
        return self.probed

    def glance(self, entry: bytes) -> Glance:
        """Content such as `shop/cart-0/server text` names who says it."""
        whose, _, text = unpacked(entry).decode().partition(" ")
        return Glance("2026-06-02T10:00:00Z", "INFO", *whose.split("/"), text)  # type: ignore[call-arg]

    def refresh(self) -> None:
        self.refreshed += 1

    def changed(self) -> bool:
        return self.renewed

    def close(self) -> None:
        self.closed = True
