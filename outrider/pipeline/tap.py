"""One tap: the queue between who ships and who follows, and what is told of each entry.

See `taps.py`, which loads this when the first one follows.
"""

import fnmatch
import re
import threading
from collections import deque
from collections.abc import Iterator

import msgspec

from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.block import apart, spelled
from outrider.exporters.glance import Glance
from outrider.model.patterns import compiled, valid_utf8
from outrider.pipeline.taps import Shipped, Wish

ROOM = 4 << 20
"""Bytes of entries that wait for a tap, at most; a larger request is taken when nothing else waits."""
WAITING = 1000
"""Requests that wait, at most."""

_encode = msgspec.json.Encoder().encode
_UNREADABLE = Glance("", "DEFAULT", "", "", "", "")


class Tap:
    """The queue of one reader. Made for one thread that reads; anybody may offer. Raises PatternError."""

    def __init__(self, wish: Wish) -> None:
        self._exporters = frozenset(wish.exporters)
        globs = "|".join(fnmatch.translate(glob) for glob in wish.namespaces)
        self._namespace = re.compile(globs).match if globs else None
        plain = not any(sign in glob for glob in wish.namespaces for sign in "*?[")
        self._names = [glob.encode() for glob in wish.namespaces] if plain else []
        self._search = compiled(wish.grep).search if wish.grep else None
        self._lock, self._some = threading.Lock(), threading.Event()
        self._queue: deque[tuple[int, Shipped]] = deque()
        self._size = self._dropped = 0

    def offer(self, shipped: Shipped) -> None:
        """Take it, or drop it. Never waits."""
        if self._exporters and shipped.exporter not in self._exporters:
            return
        if not shipped.settled:
            shipped = shipped._replace(pieces=())
        size = sum(map(len, shipped.pieces))
        with self._lock:
            if self._queue and (self._size + size > ROOM or len(self._queue) >= WAITING):
                self._dropped += shipped.entries if shipped.settled else 0
            else:
                self._queue.append((size, shipped))
                self._size += size
        self._some.set()

    def wait(self, timeout: float) -> None:
        """Until there is something, for at most `timeout` seconds."""
        self._some.wait(timeout)

    def wake(self) -> None:
        self._some.set()

    def lines(self) -> Iterator[bytes]:
        """What is there by now, a few lines at a time."""
        self._some.clear()
        while True:
            with self._lock:
                dropped, self._dropped = self._dropped, 0
                size, shipped = self._queue.popleft() if self._queue else (0, None)
                self._size -= size
            if dropped:
                yield b'{"dropped":%d}\n' % dropped
            if shipped is None:
                return
            yield from self._of_entries(shipped) if shipped.settled else self._of_request(shipped)

    def _of_request(self, shipped: Shipped) -> Iterator[bytes]:
        answer = shipped.answer
        told = {"exporter": shipped.exporter, "verdict": answer.verdict.value, "words": answer.words}
        yield _encode(told | {"entries": shipped.entries}) + b"\n"

    def _of_entries(self, shipped: Shipped) -> Iterator[bytes]:
        answer, i = shipped.answer, 0
        for piece in shipped.pieces:
            if answer.verdict is Verdict.ACCEPTED and self._names and not self._may_be_of(shipped.common, piece):
                continue
            lines = []
            for entry in apart(spelled(piece, shipped.common)):
                if i not in answer.again:
                    lines.append(self._line(shipped, entry, *_verdict(answer, i)))
                i += 1
            yield b"".join(lines)
        if answer.again:
            yield from self._of_request(shipped._replace(entries=len(answer.again)))

    def _may_be_of(self, common: bytes, piece: bytes) -> bool:
        """Whether any of the namespaces is named anywhere: on a node with much to ship that spares most of the work."""
        return any(name in common or name in piece for name in self._names)

    def _line(self, shipped: Shipped, entry: bytes, verdict: str, words: str) -> bytes:
        try:
            seen = shipped.glance(entry)
        except (msgspec.MsgspecError, RecursionError):
            seen = _UNREADABLE._replace(text=entry.decode("utf-8", "replace"))
        if self._namespace is not None and self._namespace(seen.namespace) is None:
            return b""
        if self._search is not None and self._search(valid_utf8(seen.text.encode("utf-8", "replace"))) is None:
            return b""
        told = {"exporter": shipped.exporter, "verdict": verdict, "words": words, **seen._asdict()}
        return _encode(told | {"entry": msgspec.Raw(entry)}) + b"\n"


def _verdict(answer: Answer, i: int) -> tuple[str, str]:
    """What became of the entry at place `i` of a request that is settled, and the destination's words."""
    match answer.verdict:
        case Verdict.ACCEPTED:
            return "accepted", answer.words
        case Verdict.PARTIAL if i not in answer.rejected:
            return "accepted", ""
        case _:
            return "rejected", answer.rejected.get(i, answer.words)
