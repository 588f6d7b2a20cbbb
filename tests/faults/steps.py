"""What can happen in a story. Every step is data with one method, so that a history can be printed and played again."""

import signal
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.faults.story import Background, Stage
from tests.support.sink import HANG as HANG
from tests.support.sink import LOST_ACK, Entry, Fault
from tests.support.sink import RESET as RESET

# -- writing ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Write:
    """`count` records to each of `pods` (all, if none is named), in turns."""

    count: int = 150
    pods: tuple[str, ...] = ()

    def play(self, stage: Stage) -> None:
        left = stage.amount(self.count)
        while left > 0:
            for w in stage.chosen(*self.pods):
                w.write(min(left, 50))
            left -= 50


@dataclass(frozen=True)
class Flow:
    """From now on `pods` write in the background and kubelet rotates what is due, until `Still`, or until each has
    written `total` records.

    `careless`: kubelet rotates, and deletes, whether the vendors have it or not, as it does in life. Otherwise a
    rotation that would delete what has not arrived waits: no collector without `hold` can be blamed for it.
    """

    per_turn: int = 2
    pods: tuple[str, ...] = ()
    total: int | None = None
    careless: bool = False
    every: float = 0.01

    def play(self, stage: Stage) -> None:
        writers = stage.chosen(*self.pods)
        total = None if self.total is None else stage.amount(self.total)
        per_turn = stage.amount(self.per_turn) if total is None else self.per_turn
        ends = {w.name: None if total is None else w.written + total for w in writers}

        def turn() -> bool:
            for w in writers:
                end = ends[w.name]
                w.write(per_turn if end is None else min(per_turn, end - w.written))
                if w.due() and (self.careless or stage.may_rotate(w)):
                    w.rotate()
            return any(
                end is None or (w.written < end and not w.deleted)
                for w, end in zip(writers, ends.values(), strict=True)
            )

        stage.background.append(Background(turn, self.every))


@dataclass(frozen=True)
class Still:
    """The background writing ends; one with a `total` is waited for."""

    def play(self, stage: Stage) -> None:
        for thread in stage.background:
            thread.stop()
        stage.background.clear()


@dataclass(frozen=True)
class Written:
    """Wait until the background writing has come to its total."""

    def play(self, stage: Stage) -> None:
        stage.wait(
            lambda: not any(t.alive for t in stage.background), "the writers to be done", 60 * max(1, stage.scale)
        )
        Still().play(stage)


@dataclass(frozen=True)
class Rotate:
    """Rotations with `between` records before each; waits where a rotation would delete what has not arrived, and
    leaves it out where waiting is no use (`careless`: neither)."""

    times: int = 1
    between: int = 0
    pods: tuple[str, ...] = ()
    careless: bool = False

    def play(self, stage: Stage) -> None:
        for _ in range(self.times):
            for w in stage.chosen(*self.pods):
                if self.between:
                    w.write(self.between)
                if not self.careless and not stage.may_rotate(w):
                    if not stage.node.alive or any(s.always for s in stage.sinks.values()):
                        continue
                    stage.wait(lambda w=w: stage.may_rotate(w), lambda: f"the oldest rotation: {stage.missing()}")  # type: ignore[misc]
                w.rotate()


@dataclass(frozen=True)
class RestartContainer:
    """The containers of `pods` are started again, each into a new file."""

    pods: tuple[str, ...] = ()

    def play(self, stage: Stage) -> None:
        for w in stage.chosen(*self.pods):
            w.restart()


@dataclass(frozen=True)
class DeletePod:
    """`pod` writes its last `count` records and is deleted with its files at once.

    Open descriptors are all that is left of it, so the collector must know the pod, and is not killed before it has
    delivered them; where it is down or the vendor refuses, the pod stays.
    """

    pod: str
    count: int = 100

    def play(self, stage: Stage) -> None:
        w = stage.writers[self.pod]
        if w.deleted or not stage.node.alive or any(s.always for s in stage.sinks.values()):
            return
        w.write()
        one = w.written
        stage.wait(lambda: all(stage.prefix(s, w.name) >= one for s in stage.sinks), lambda: f"{stage.missing()}", 60)
        w.write(stage.amount(self.count))
        w.delete()
        stage.wait(lambda: stage.arrived(writers=[w]), lambda: f"the deleted pod: {stage.missing(writers=[w])}", 60)


@dataclass(frozen=True)
class Jump:
    """The node's wall clock is set forward (or back) by `seconds`: the times in the files show it."""

    seconds: float

    def play(self, stage: Stage) -> None:
        stage.clock.shift += self.seconds


# -- the collector ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Start:
    """Start the collector, if it does not run."""

    def play(self, stage: Stage) -> None:
        if not stage.node.alive:
            stage.start()


@dataclass(frozen=True)
class Kill:
    """kill -9, `after` milliseconds from now (none: anywhere between two requests or in the middle of one)."""

    after: int | None = None

    def play(self, stage: Stage) -> None:
        pause = stage.random.random() * 1.2 if self.after is None else self.after / 1000
        time.sleep(pause)  # the moment is what the story is about
        stage.node.kill()


@dataclass(frozen=True)
class Terminate:
    """SIGTERM in the middle of whatever is going on; it must exit 0."""

    def play(self, stage: Stage) -> None:
        if stage.node.alive:
            stage.terminate()


@dataclass(frozen=True)
class Requests:
    """Wait until each vendor has had `count` more requests."""

    count: int = 2

    def play(self, stage: Stage) -> None:
        if not stage.node.alive:
            return
        at = {id(s): len(s.requests) + self.count for s in stage.vendors()}
        stage.wait(lambda: all(len(s.requests) >= at[id(s)] for s in stage.vendors()), "requests to come in")


@dataclass(frozen=True)
class Delivered:
    """Wait until all that was written has come to the sinks named (all, if none is)."""

    sinks: tuple[str, ...] = ()

    def play(self, stage: Stage) -> None:
        sinks = [s for s in self.sinks or stage.sinks if s in stage.sinks]
        stage.wait(
            lambda: stage.arrived(sinks), lambda: f"to arrive: {stage.missing(sinks)}", 60 * max(1, stage.scale / 10)
        )


# -- the vendors ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """The next `times` requests to each vendor meet `kind` (a status, HANG, RESET, LOST_ACK); does not wait."""

    kind: int | str
    times: int = 2
    headers: dict[str, str] = field(default_factory=dict)

    def play(self, stage: Stage) -> None:
        for sink in stage.vendors():
            sink.next(*[Fault(self.kind, dict(self.headers))] * self.times)


@dataclass(frozen=True)
class Met:
    """Wait until every fault that was announced has been met."""

    def play(self, stage: Stage) -> None:
        stage.wait(lambda: not any(s.scripted for s in stage.sinks.values()), "the faults to be met", 60)


@dataclass(frozen=True)
class Always:
    """From now on every request to each vendor meets `kind`; waits until `seen` have, if the collector runs."""

    kind: int | str
    seen: int = 2
    sinks: tuple[str, ...] = ()
    delay: float = 0.0

    def play(self, stage: Stage) -> None:
        sinks = [stage.sinks[s] for s in self.sinks] or stage.vendors()
        at = {id(s): len(s.requests) + self.seen for s in sinks}
        for sink in sinks:
            sink.release.clear()
            sink.always = Fault(self.kind, delay=self.delay)
        if self.seen and stage.node.alive:
            stage.wait(lambda: all(len(s.requests) >= at[id(s)] for s in sinks), f"{self.seen} requests", 60)


@dataclass(frozen=True)
class Hang:
    """The next `times` requests to each vendor get no answer, until `Well`."""

    times: int = 1

    def play(self, stage: Stage) -> None:
        for sink in stage.vendors():
            sink.release.clear()
        Answer(HANG, self.times).play(stage)


@dataclass(frozen=True)
class Slow:
    """The vendors read and answer a byte at a time, with `pause` seconds between two."""

    pause: float = 0.0005

    def play(self, stage: Stage) -> None:
        for sink in stage.vendors():
            sink.slow = self.pause


@dataclass(frozen=True)
class Partial:
    """Google stores a part of each request: every fifth entry is refused for now, the first two times it is seen."""

    def play(self, stage: Stage) -> None:
        seen: dict[str, int] = {}

        def judge(entry: Entry) -> tuple[int, str] | None:
            name = entry["insertId"]
            seen[name] = seen.get(name, 0) + 1
            return (14, "try again") if zlib.crc32(name.encode()) % 5 == 0 and seen[name] <= 2 else None

        stage.sinks["google"].fail_entry = judge


@dataclass(frozen=True)
class Well:
    """Every vendor answers as it should again."""

    def play(self, stage: Stage) -> None:
        stage.make_well()


# -- anything else ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Do:
    """Something that only one story does."""

    what: Callable[[Stage], None]

    def play(self, stage: Stage) -> None:
        self.what(stage)


def lost_acks(times: int = 3) -> Answer:
    """The vendor stores what comes and closes without an answer."""
    return Answer(LOST_ACK, times)


def hang_up(stage: Stage) -> None:
    """SIGHUP to the collector."""
    assert stage.node.process is not None
    stage.node.process.send_signal(signal.SIGHUP)
