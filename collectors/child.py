"""One worker as its supervisor sees it: a child process that is started, asked, and started again when it dies.

What a worker has counted would go with it, and sums over all workers would fall, which a counter must not. So the last
answer is kept; when the process is no more (it may have said a last word), its counters are added to those of the
supervisor, where they stay.
"""

import logging
import subprocess
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from collectors.line import LAST_WORDS, Line, LineError
from outrider.model.clock import Clock
from outrider.model.counters import Counters, Family
from outrider.model.shard import Shard
from outrider.pipeline.merging import RULES

log = logging.getLogger(__name__)

PAUSES = (1.0, 60.0)
"""Seconds between a worker's death and its next start: at first, and at most. They double each time."""
STEADY = 60.0
"""Seconds of life after which a worker's earlier deaths are forgotten."""
LISTENS = 5.0
"""Seconds in which a worker takes what it is told; one that does not is killed."""
GIVEN_UP = 5
"""Deaths in a row after which more than a restart of the worker seems to be needed."""


class _Wire(NamedTuple):
    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: list[tuple[tuple[tuple[str, str], ...], int | float]]


class Child:
    """A worker for one share. `command` gives the command line for (line, buckets), two inherited descriptors; `text`
    the configuration of the moment. Not for two threads at once.
    """

    def __init__(
        self,
        shard: Shard,
        command: Callable[[Shard, int, int], Sequence[str]],
        buckets: int,
        text: Callable[[], bytes],
        clock: Clock,
        counters: Counters,
    ) -> None:
        self.name = f"worker {shard.index}"
        self.known: list[Family] = []
        """What it has counted, as far as it was asked."""
        self.deaths = 0
        """In a row."""
        self._shard, self._command, self._buckets, self._text = shard, command, buckets, text
        self._clock, self._counters = clock, counters
        self._process: subprocess.Popen[bytes] | None = None
        self._line: Line | None = None
        self._began = self._again = 0.0
        self._code = 0
        self._ending = False
        self._number = LAST_WORDS
        self._restarts = counters.counter(
            "outrider_worker_restarts_total", "Workers that died and were started again.", worker=str(shard.index)
        )

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def absent(self) -> str:
        """Why it does not run."""
        left = max(0.0, self._again - self._clock.monotonic())
        return f"{self.name} does not run: it ended with {self._code}, and is started again in {left:.0f} s"

    def start(self) -> None:
        """Start the process and give it its configuration. What fails counts as a death."""
        self._began = self._clock.monotonic()
        try:
            ours, its = Line.pair()
            try:
                self._process = subprocess.Popen(
                    self._command(self._shard, its.fileno(), self._buckets),
                    stdin=subprocess.DEVNULL,
                    pass_fds=(its.fileno(), self._buckets),
                    process_group=0,  # Ctrl-C is for the supervisor, which ends all in order
                )
            finally:
                its.close()
        except OSError as e:
            log.error("%s cannot be started: %s", self.name, e)
            self._died(e.errno or 1)
            return
        self._line = ours
        self.hand_over()

    def hand_over(self) -> None:
        """Tell it the configuration as it is now."""
        self._say({"config": self._text().decode("utf-8", "surrogateescape")})

    def attend(self) -> None:
        """Notice its death, and start it again in time."""
        self.notice()
        if self._process is None and self._clock.monotonic() >= self._again:
            self._restarts.add()
            self.start()

    def notice(self) -> None:
        """If the process has ended, it is no more."""
        code = None if self._process is None else self._process.poll()
        if code is None:
            return
        self._bury()
        if not self._ending:
            self.deaths = 0 if self._clock.monotonic() - self._began >= STEADY else self.deaths
            self._died(code)
            log.error("%s", self.absent)

    def _died(self, code: int) -> None:
        first, most = PAUSES
        pause = min(first * 2.0 ** min(self.deaths, 10), most)
        self.deaths += 1
        self._code, self._again = code, self._clock.monotonic() + pause

    # -- the end ------------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Ask it to end in order."""
        self._ending = True
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        if self._process is not None:
            log.error("%s is killed", self.name)
            self._process.kill()

    def _bury(self) -> None:
        """The process has ended: what it had counted is kept."""
        while self._line is not None:
            try:
                number, answer = self._line.hear(0.0)
                if number == LAST_WORDS:
                    self.learn(answer)
            except (LineError, TypeError, ValueError):  # the end, or nonsense
                self._line.close()
                self._line = None
        for name, kind, text, samples in self.known:
            for labels, value in samples if kind == "counter" and name not in RULES else ():
                self._counters.counter(name, text, **dict(labels)).add(int(value))
        self.known, self._process = [], None

    # -- questions ----------------------------------------------------------------------------------------------------

    def ask(self, what: str, about: object = None) -> int:
        """Put a question; its number, under which `hear` has the answer."""
        self._number += 1
        self._say({"ask": what, "number": self._number, "about": about})
        return self._number

    def hear(self, asked: int, timeout: float) -> Any:
        """The answer. Raises LineError if there is none within `timeout` seconds."""
        deadline = self._clock.monotonic() + timeout
        while self._line is not None:
            message = self._line.hear(max(0.0, deadline - self._clock.monotonic()))
            match message:
                case [number, answer] if number == asked:
                    return answer
                case [number, answer] if number == LAST_WORDS:
                    self.learn(answer)
        raise LineError("it does not run")

    def learn(self, answer: Any) -> None:
        """Remember what it has counted, from an answer to `families`. Raises LineError if it is none."""
        try:
            self.known = [Family(*family) for family in msgspec.convert(answer, list[_Wire])]
        except msgspec.ValidationError as e:
            raise LineError(str(e)) from e

    def forget_gauges(self) -> None:
        """It does not answer: what it was once asked of is not so any more, but what it has counted stays counted."""
        self.known = [family for family in self.known if family.kind == "counter"]

    def _say(self, message: Any) -> None:
        if self._line is None or self._process is None:
            return
        try:
            self._line.say(message, LISTENS)
        except LineError as e:
            if self._process.poll() is None:
                log.error("%s does not listen: %s", self.name, e)
                self.kill()
