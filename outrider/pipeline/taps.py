"""Following what is shipped while it is shipped, for `outrider tap`.

Whoever delivers looks once per request whether there is a tap; that is all that it costs while there is none. To a tap
it hands the request as it stands, already redacted and encoded, with the destination's answer, and goes on at once.

    delivery -> a bounded queue for each tap -> taken apart, filtered, written -> its reader

The right column is the tap's own thread. It never holds up a delivery: what comes while the queue is full is dropped,
and the reader is told how many entries that were. And it rests three times as long as it works, so that a tap on a
node with very much to ship costs a quarter of a core, and shows a part.

What the reader gets are lines of JSON: first one that names the exporters, then

    {"exporter":…,"verdict":"accepted","words":"",  "time":…,"severity":…,"namespace":…,"pod":…,"container":…,"text":…,
     "entry":{…as it was sent…}}                    for each entry that the destination has taken, or refused for good
    {"exporter":…,"verdict":"retry","words":…,"entries":812}              for a request that has to be made again
    {"dropped":40}                                  entries, whether they would have matched or not
                                                    a blank line each second in which there is nothing else
"""

import fnmatch
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec

from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.block import apart, spelled
from outrider.exporters.glance import Glance
from outrider.model.counters import Counters
from outrider.model.patterns import compiled, valid_utf8

ROOM = 4 << 20
"""Bytes of entries that wait for a tap, at most; a larger request is taken when nothing else waits."""
WAITING = 1000
"""Requests that wait, at most."""
BEAT = 1.0
"""Seconds after which a reader hears that there is nothing: so it knows that the collector lives, and the collector
that the reader does.
"""
REST = 3.0
"""How much longer a tap rests than it works."""

_encode = msgspec.json.Encoder().encode
_UNREADABLE = Glance("", "DEFAULT", "", "", "", "")


class Wish(msgspec.Struct, frozen=True):
    """What somebody wants to see: of these namespaces (globs) and exporters, if any are named, and with this pattern
    (RE2) in their text.
    """

    namespaces: tuple[str, ...] = ()
    exporters: tuple[str, ...] = ()
    grep: str = ""


class Shipped(NamedTuple):
    """A request and its answer. `settled`: nothing of it is offered again but what the answer names."""

    exporter: str
    pieces: Sequence[bytes]
    common: bytes
    entries: int
    answer: Answer
    settled: bool
    glance: Callable[[bytes], Glance]


class Tapped(Protocol):
    """What can be followed: this process, or several."""

    @property
    def exporters(self) -> tuple[str, ...]:
        """Whose entries there are."""
        ...

    def follow(self, wish: Wish) -> Generator[bytes, None, None]:
        """Lines of JSON, for as long as somebody takes them. Raises PatternError at the first."""
        ...

    def close(self) -> None:
        """Come to the end everywhere."""
        ...


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


class Taps:
    """The taps of one process. Whoever ships looks at `open` first, and offers if it is not empty."""

    def __init__(self, exporters: Sequence[str] = (), counters: Counters | None = None) -> None:
        self.exporters = tuple(exporters)
        self.open: tuple[Tap, ...] = ()
        self._lock, self._closed = threading.Lock(), threading.Event()
        if counters is not None:
            counters.gauge("outrider_taps", "Taps that follow what is shipped.", lambda: len(self.open))

    def offer(self, shipped: Shipped) -> None:
        """Hand it to every tap. Never waits, never raises."""
        for tap in self.open:
            tap.offer(shipped)

    def add(self, wish: Wish) -> Tap:
        """A tap that is offered what is shipped from now on. Raises PatternError."""
        tap = Tap(wish)
        with self._lock:
            self.open = (*self.open, tap)
        return tap

    def remove(self, tap: Tap) -> None:
        with self._lock:
            self.open = tuple(other for other in self.open if other is not tap)

    def follow(self, wish: Wish) -> Generator[bytes, None, None]:
        """See `Tapped`."""
        tap = self.add(wish)
        try:
            yield opening(self.exporters)
            told = time.monotonic()
            while not self._closed.is_set():
                tap.wait(BEAT)
                for lines in self._unhurried(tap.lines()):
                    if lines or time.monotonic() - told >= BEAT:
                        yield lines or b"\n"
                        told = time.monotonic()
            yield from tap.lines()
        finally:
            self.remove(tap)

    def _unhurried(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        """`lines` with rests between them, and b"" at the end."""
        began = time.thread_time()
        for some in lines:
            worked = time.thread_time() - began
            yield some
            self._closed.wait(worked * REST)
            began = time.thread_time()
        yield b""

    def close(self) -> None:
        """See `Tapped`."""
        self._closed.set()
        for tap in self.open:
            tap.wake()


def opening(exporters: Sequence[str]) -> bytes:
    """The first line."""
    return _encode({"exporters": exporters}) + b"\n"
