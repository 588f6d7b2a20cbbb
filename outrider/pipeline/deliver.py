"""A batch is offered until the destination has answered for every entry of it.

What each verdict leads to (the table of answers is the exporter's):

    * ACCEPTED: done.
    * PARTIAL: the rejected are buried, passing failures tried again.
    * RETRY: again, after a jittered exponential pause, or after what Retry-After asks for.
    * REFRESH: new credentials, then as RETRY.
    * HOLD: again after 5 to 30 s, or once the credentials change, and the log says so: nothing is skipped.
    * SPLIT: each half by itself. An entry that stands alone is the guilty one: it is sent in a plainer form if it has
      one, else buried. If the destination refuses anything whatever (`probe`), no entry is guilty: that is a HOLD.

Nothing else ends a batch but the end of the program, and then it was not delivered and its cursor has not moved.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.block import apart, spelled
from outrider.exporters.destination import Destination
from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.pipeline.deadletters import DeadLetters
from outrider.pipeline.pauses import Backoff
from outrider.pipeline.taps import Shipped, Taps

log = logging.getLogger(__name__)

PROVEN = 60.0
"""Seconds for which a probe that was accepted speaks for the destination."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Some entries of a batch, in pieces of one or more, and where in the batch they stood. What is taken out of a part
    (`of`) has a piece for each entry.
    """

    pieces: list[bytes]
    places: Sequence[int]
    common: bytes = b""

    def entries(self) -> list[bytes]:
        return [entry for piece in self.pieces for entry in apart(spelled(piece, self.common))]

    def of(self, *chosen: Iterable[int]) -> list["_Part"]:
        entries = self.entries()
        return [_Part([entries[i] for i in some], [self.places[i] for i in some]) for some in map(list, chosen)]


class Delivery:
    """Delivers batches to one destination; used by several sender threads at once."""

    def __init__(
        self,
        name: str,
        destination: Destination,
        dead_letters: DeadLetters,
        clock: Clock,
        counters: Counters,
        stop: threading.Event,
        taps: Taps | None = None,
    ) -> None:
        self.name = name
        self._taps = taps or Taps()
        self._troubles: dict[int, tuple[float, str]] = {}  # by sender: what one says says nothing about another
        self._destination = destination
        self._dead_letters = dead_letters
        self._clock = clock
        self._stop = stop
        self._counters = counters
        self._accepted = counters.counter(
            "outrider_entries_accepted_total", "Entries that the destination acknowledged.", exporter=name
        )
        self._accepted_at_doubt, self._proven_until = self._accepted.value, 0.0
        self._requests = {
            verdict: counters.counter(
                "outrider_requests_total", "Requests by what came of them.", exporter=name, verdict=verdict.value
            )
            for verdict in Verdict
        }

    @property
    def trouble(self) -> str | None:
        """What the destination said to the request that has been refused for longest; None if none is."""
        return min(list(self._troubles.values()), default=(0.0, None))[1]

    @property
    def trouble_since(self) -> float:
        """When that began, in monotonic seconds."""
        return min(list(self._troubles.values()), default=(0.0, None))[0]

    def deliver(self, pieces: list[bytes], count: int, common: bytes = b"") -> list[int] | None:
        """The places of the entries that were refused for good, once the destination has answered for every one of the
        `count` that are in `pieces` (blocks, from which `common` is left out); None if the program ends before that.
        """
        refused: list[int] = []
        todo = [_Part(pieces, range(count), common)] if count else []
        backoff = Backoff()
        while todo:
            part = todo.pop()
            if self._stop.is_set():
                return None
            answer = self._judged(part, self._send(part))
            self._requests[answer.verdict].add()
            self._report(answer)
            left = self._left(part, answer, refused)
            if self._taps.open:
                self._show(part, answer, left)
            todo += reversed(left)
            if answer.verdict in (Verdict.ACCEPTED, Verdict.SPLIT) or not left:
                backoff.over()
                continue
            if self._pause(backoff.after(answer), answer.verdict):
                return None
        return refused

    def _pause(self, seconds: float, verdict: Verdict) -> bool:
        """Wait; True if the program ends meanwhile. What credentials were refused for goes on when they change."""
        if verdict not in (Verdict.HOLD, Verdict.REFRESH):
            return self._clock.wait(self._stop, seconds)
        end = self._clock.monotonic() + seconds
        while (left := end - self._clock.monotonic()) > 0 and not self._destination.changed():
            if self._clock.wait(self._stop, min(left, 1.0)):
                return True
        return self._stop.is_set()

    def _judged(self, part: _Part, answer: Answer) -> Answer:
        """The answer, unless it blames an entry for what is the destination's own trouble."""
        lone = answer.verdict is Verdict.SPLIT and len(part.places) == 1
        if lone and self._destination.plainer(part.entries()[0]) is None:
            trouble = self._own_trouble()
            if trouble is not None:
                return Answer(Verdict.HOLD, f"{answer.words} (and a plain test entry was refused too: {trouble})")
        return answer

    def _own_trouble(self) -> str | None:
        """Whether the destination takes entries at all: None, or what it said to a test entry."""
        now, accepted = self._clock.monotonic(), self._accepted.value
        if accepted != self._accepted_at_doubt or now < self._proven_until:
            self._accepted_at_doubt = accepted
            return None
        answer = self._attempt(self._destination.probe)
        if answer.verdict is Verdict.ACCEPTED:
            self._proven_until = now + PROVEN
            return None
        return answer.words or answer.verdict.value

    def _left(self, part: _Part, answer: Answer, refused: list[int]) -> list[_Part]:
        """What is still to be offered of `part`, in order. The places of what was buried are added to `refused`."""
        match answer.verdict:
            case Verdict.ACCEPTED:
                self._accepted.add(len(part.places))
                return []
            case Verdict.PARTIAL:
                return self._settle(part, answer, refused)
            case Verdict.SPLIT if len(part.places) == 1:
                [entry] = part.entries()
                plainer = self._destination.plainer(entry)
                if plainer is not None:
                    return [_Part([plainer], part.places)]
                self._dead_letters.bury(entry, answer.words)
                refused += part.places
                return []
            case Verdict.SPLIT:
                half = len(part.places) // 2
                return part.of(range(half), range(half, len(part.places)))
            case Verdict.REFRESH:
                self._destination.refresh()
        return [part]

    def _show(self, part: _Part, answer: Answer, left: list[_Part]) -> None:
        settled = answer.verdict in (Verdict.ACCEPTED, Verdict.PARTIAL) or not left
        glance = self._destination.glance
        self._taps.offer(Shipped(self.name, part.pieces, part.common, len(part.places), answer, settled, glance))

    def _send(self, part: _Part) -> Answer:
        return self._attempt(lambda: self._destination.send(part.pieces, part.common))

    def _attempt(self, request: Callable[[], Answer]) -> Answer:
        try:
            return request()
        except Exception as e:
            # A destination that breaks its promise is no reason to lose a batch, nor to go on without it.
            log.exception("%s: unexpected failure while sending", self.name)
            return Answer(Verdict.RETRY, f"unexpected failure: {type(e).__name__}: {e}")

    def _settle(self, part: _Part, answer: Answer, refused: list[int]) -> list[_Part]:
        there = range(len(part.places))
        rejected = [i for i in sorted(answer.rejected) if i in there]
        again = [i for i in sorted(answer.again) if i in there]
        self._accepted.add(len(there) - len(rejected) - len(again))
        entries = part.entries() if rejected else []
        for i in rejected:
            self._dead_letters.bury(entries[i], answer.rejected[i])
            refused.append(part.places[i])
        return part.of(again) if again else []

    def _report(self, answer: Answer) -> None:
        """Say once that something is wrong, with the destination's words, and once that it is over."""
        sender = threading.get_ident()
        if answer.verdict in (Verdict.ACCEPTED, Verdict.PARTIAL, Verdict.SPLIT):
            if self._troubles.pop(sender, None) is not None and not self._troubles:
                log.info("%s takes entries again", self.name)
            return
        told = any(words == answer.words for _, words in list(self._troubles.values()))
        since, _ = self._troubles.get(sender, (self._clock.monotonic(), ""))
        self._troubles[sender] = since, answer.words
        if not told:
            level = logging.ERROR if answer.verdict is Verdict.HOLD else logging.WARNING
            log.log(level, "%s: %s (%s; nothing is skipped)", self.name, answer.words, answer.verdict.value)
