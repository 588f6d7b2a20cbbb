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

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from outrider.exporters.answer import Answer
from outrider.model.counters import Counters

if TYPE_CHECKING:
    from outrider.exporters.glance import Glance
    from outrider.pipeline.tap import Tap

BEAT = 1.0
"""Seconds after which a reader hears that there is nothing: so it knows that the collector lives, and the collector
that the reader does.
"""
REST = 3.0
"""How much longer a tap rests than it works."""


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
    glance: "Callable[[bytes], Glance]"


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

    def add(self, wish: Wish) -> "Tap":
        """A tap that is offered what is shipped from now on. Raises PatternError."""
        from outrider.pipeline.tap import Tap

        tap = Tap(wish)
        with self._lock:
            self.open = (*self.open, tap)
        return tap

    def remove(self, tap: "Tap") -> None:
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
    return msgspec.json.encode({"exporters": exporters}) + b"\n"
