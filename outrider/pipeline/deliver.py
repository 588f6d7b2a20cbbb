"""A batch is offered until the destination has answered for every entry of it.

What each verdict leads to (the table of answers is the exporter's):

    * ACCEPTED: done.
    * PARTIAL: the rejected are buried, passing failures tried again.
    * RETRY: again, after a jittered exponential pause, or after what Retry-After asks for.
    * REFRESH: new credentials, then as RETRY.
    * HOLD: as RETRY with longer pauses, and the log says so: nothing is skipped.
    * SPLIT: each half by itself. An entry that stands alone is the guilty one: it is sent in a plainer form if it has
      one, else buried.

Nothing else ends a batch but the end of the program, and then it was not delivered and its cursor has not moved.
"""

import logging
import random
import threading

from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.destination import LogDestination
from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.pipeline.deadletters import DeadLetters

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
FIRST_HOLD = 5.0
LONGEST_RETRY_AFTER = 600.0
"""Seconds; a server that asks for more (a misread date, a proxy's whim) is asked again all the same."""


class Delivery:
    """Delivers batches to one destination; used by several sender threads at once."""

    def __init__(
        self,
        name: str,
        destination: LogDestination,
        dead_letters: DeadLetters,
        clock: Clock,
        counters: Counters,
        stop: threading.Event,
    ) -> None:
        self.name = name
        self.trouble: str | None = None
        """Why the last request did not succeed; None if it did."""
        self._destination = destination
        self._dead_letters = dead_letters
        self._clock = clock
        self._stop = stop
        self._counters = counters
        self._accepted = counters.counter(
            "outrider_entries_accepted_total", "Entries that the destination acknowledged.", exporter=name
        )
        self._requests = {
            verdict: counters.counter(
                "outrider_requests_total", "Requests by what came of them.", exporter=name, verdict=verdict.value
            )
            for verdict in Verdict
        }

    def deliver(self, entries: list[bytes]) -> bool:
        """True when the destination has answered for every entry; False if the program ends before that."""
        todo = [entries]
        pause = 0.0
        while todo:
            part = todo.pop()
            if not part:
                continue
            if self._stop.is_set():
                return False
            answer = self._send(part)
            self._requests[answer.verdict].add()
            self._report(answer)
            match answer.verdict:
                case Verdict.ACCEPTED:
                    self._accepted.add(len(part))
                    pause = 0.0
                    continue
                case Verdict.PARTIAL if not answer.again:
                    self._settle(part, answer)
                    pause = 0.0
                    continue
                case Verdict.PARTIAL:
                    self._settle(part, answer)
                    todo.append([part[i] for i in sorted(answer.again) if i < len(part)])
                case Verdict.SPLIT if len(part) == 1:
                    plainer = self._destination.plainer(part[0])
                    if plainer is None:
                        self._dead_letters.bury(part[0], answer.words)
                    else:
                        todo.append([plainer])
                    continue
                case Verdict.SPLIT:
                    half = len(part) // 2
                    todo += [part[half:], part[:half]]
                    continue
                case Verdict.REFRESH:
                    self._destination.refresh()
                    todo.append(part)
                case _:
                    todo.append(part)
            pause = _longer(pause, answer)
            jittered = pause * random.uniform(0.5, 1.0)
            asked = min(answer.retry_after or 0.0, LONGEST_RETRY_AFTER)
            if self._clock.wait(self._stop, max(jittered, asked)):
                return False
        return True

    def _send(self, part: list[bytes]) -> Answer:
        try:
            return self._destination.send(part)
        except Exception as e:
            # A destination that breaks its promise is no reason to lose a batch, nor to go on without it.
            log.exception("%s: unexpected failure while sending", self.name)
            return Answer(Verdict.RETRY, f"unexpected failure: {type(e).__name__}: {e}")

    def _settle(self, part: list[bytes], answer: Answer) -> None:
        self._accepted.add(len(part) - len(answer.rejected) - len(answer.again))
        for i, words in sorted(answer.rejected.items()):
            if i < len(part):
                self._dead_letters.bury(part[i], words)

    def _report(self, answer: Answer) -> None:
        """Say once that something is wrong, with the destination's words, and once that it is over."""
        if answer.verdict in (Verdict.ACCEPTED, Verdict.PARTIAL, Verdict.SPLIT):
            if self.trouble is not None:
                log.info("%s takes entries again", self.name)
            self.trouble = None
        elif self.trouble != answer.words:
            self.trouble = answer.words
            level = logging.ERROR if answer.verdict is Verdict.HOLD else logging.WARNING
            log.log(level, "%s: %s (%s; nothing is skipped)", self.name, answer.words, answer.verdict.value)


def _longer(pause: float, answer: Answer) -> float:
    """The pause after this one, before jitter."""
    first = FIRST_HOLD if answer.verdict is Verdict.HOLD else FIRST_PAUSE
    return min(max(pause * 2, first), LONGEST_PAUSE)
