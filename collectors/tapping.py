"""Following what is shipped (`outrider/pipeline/taps.py`) where several processes ship it.

A worker says nothing unasked, and what it ships may be more than anybody can read. So the supervisor asks all workers,
several times a second and for as long as somebody follows, what there is; each has a tap of its own for every reader,
with his wishes, and answers with what has gathered there, as much as fits. What does not is dropped there, and counted.

A worker that dies or changes over to another configuration begins anew when it is asked the next time.
"""

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import count
from typing import Any

import msgspec

from outrider.pipeline.tap import Tap
from outrider.pipeline.taps import BEAT, Taps, Wish, opening

EVERY = 0.2
"""Seconds between two questions."""
ANSWER = 256 * 1024
"""Bytes of an answer, about: no other question is answered meanwhile."""
WORKS = 0.05
"""Seconds of work that an answer may take: a quarter of the time, as of a tap elsewhere."""


class About(msgspec.Struct, frozen=True):
    """What the supervisor asks for: what there is for reader `number`, or (no wish) to forget him."""

    number: int
    wish: Wish | None


class TappedWorker:
    """One worker's side: a tap for each reader."""

    def __init__(self, taps: Taps) -> None:
        self._taps = taps
        self._found: dict[int, tuple[Tap, Iterator[bytes | None]]] = {}

    def answer(self, about: Any) -> str:
        """Lines that there are by now."""
        asked = msgspec.convert(about, About)
        if asked.wish is None:
            if (gone := self._found.pop(asked.number, None)) is not None:
                self._taps.remove(gone[0])
            return ""
        if asked.number not in self._found:
            tap = self._taps.add(asked.wish)
            self._found[asked.number] = tap, _endless(tap)
        some, size, end = [], 0, time.thread_time() + WORKS
        while size < ANSWER and time.thread_time() < end:
            lines = next(self._found[asked.number][1])
            if lines is None:
                break
            some.append(lines)
            size += len(lines)
        return b"".join(some).decode()


def _endless(tap: Tap) -> Iterator[bytes | None]:
    """The lines of a tap, and None whenever there are no more."""
    while True:
        yield from tap.lines()
        yield None


class TappedFleet:
    """The supervisor's side, a `Tapped`. `ask(what, about)` gives what each worker answers, None if it does not."""

    def __init__(
        self,
        exporters: Callable[[], Sequence[str]],
        ask: Callable[[str, object], AbstractContextManager[list[tuple[Any, Any, str | None]]]],
    ) -> None:
        self._exporters, self._ask = exporters, ask
        self._numbers, self._closed = count(1), threading.Event()

    @property
    def exporters(self) -> tuple[str, ...]:
        """Whose entries there are."""
        return tuple(self._exporters())

    def follow(self, wish: Wish) -> Generator[bytes, None, None]:
        """What all workers ship, each in its own order."""
        number = next(self._numbers)
        try:
            self._lines(number, wish)
            yield opening(self.exporters)
            told = time.monotonic()
            while not self._closed.wait(EVERY):
                lines = self._lines(number, wish)
                if lines or time.monotonic() - told >= BEAT:
                    yield lines or b"\n"
                    told = time.monotonic()
        finally:
            self._lines(number, None)

    def _lines(self, number: int, wish: Wish | None) -> bytes:
        with self._ask("tap", About(number, wish)) as answers:
            return "".join(answer for _, answer, _ in answers if answer).encode()

    def close(self) -> None:
        """Come to the end everywhere."""
        self._closed.set()
