"""One worker as its supervisor sees it, with programs that only die."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collectors.child import GIVEN_UP, STEADY, Child
from collectors.line import LineError
from outrider.model.clock import ManualClock
from outrider.model.counters import Counters
from outrider.model.shard import Shard
from outrider.pipeline.ceilings import SharedBuckets
from tests.support.wait import until

TALKS = """
import sys
from collectors.line import Line
line = Line.inherited(int(sys.argv[1]))
print(line.hear(None)["config"], file=open(sys.argv[3], "a"))
counted = [["outrider_lines_read_total", "counter", "Lines.", [[[["exporter", "google"]], 7]]],
           ["outrider_reloads_total", "counter", "Reloads.", [[[], 7]]],
           ["outrider_streams", "gauge", "Streams.", [[[], 7]]]]
line.say([line.hear(None)["number"], counted], 5.0)
line.hear(None)
counted[0][3][0][1] = 9
line.say([0, counted], 5.0)
"""


class Rig:
    def __init__(self, root: Path, program: str) -> None:
        self.clock, self.counters, self.out = ManualClock(), Counters(), root / "out"
        self.buckets = SharedBuckets.create()
        self.text = b"first"
        self.child = Child(
            Shard(1, 2),
            lambda _, line, buckets: [sys.executable, "-c", program, str(line), str(buckets), str(self.out)],
            self.buckets,
            lambda: self.text,
            self.clock,
            self.counters,
        )

    def gone(self) -> bool:
        self.child.notice()
        return not self.child.running

    @property
    def restarts(self) -> int:
        return self.counters.value("outrider_worker_restarts_total", worker="1")


Start = Callable[[str], Rig]


@pytest.fixture
def rig_for(tmp_path: Path) -> Iterator[Start]:
    made: list[Rig] = []
    yield lambda program: made.append(Rig(tmp_path, program)) or made[-1]  # type: ignore[func-returns-value]
    for rig in made:
        rig.child.end()
        until(rig.gone, timeout=20)
        os.close(rig.buckets)


@pytest.fixture
def dying(rig_for: Start) -> Rig:
    return rig_for("raise SystemExit(3)")


def test_the_pause_before_another_start_grows(dying: Rig) -> None:
    dying.child.start()
    for n, pause in enumerate([1, 2, 4, 8, 16, 32, 60, 60]):
        until(dying.gone)
        assert f"worker 1 does not run: it ended with 3, and is started again in {pause} s" == dying.child.absent
        dying.clock.advance(pause - 0.1)
        dying.child.attend()
        assert dying.restarts == n
        dying.clock.advance(0.2)
        dying.child.attend()
        assert dying.restarts == n + 1
    assert dying.child.deaths > GIVEN_UP


def test_who_has_lived_for_a_while_is_started_soon_again(dying: Rig) -> None:
    dying.child.start()
    for _ in range(3):
        until(dying.gone)
        dying.clock.advance(60)
        dying.child.attend()
    dying.clock.advance(STEADY)
    until(dying.gone)
    assert dying.child.deaths == 1
    assert dying.child.absent.endswith("in 1 s")


def test_what_cannot_be_started_counts_as_dead(rig_for: Start, caplog: pytest.LogCaptureFixture) -> None:
    rig = rig_for("")
    rig.child._command = lambda *_: ["/there/is/no/such/program"]
    rig.child.start()
    assert not rig.child.running
    assert "worker 1 cannot be started" in caplog.text
    with pytest.raises(LineError):
        rig.child.hear(rig.child.ask("ready"), 1.0)


def test_counters_of_the_dead_stay_and_their_last_words_count(rig_for: Start) -> None:
    rig = rig_for(TALKS)
    for run in (1, 2):
        rig.text = b"run %d" % run
        rig.child.start()
        rig.child.learn(rig.child.hear(rig.child.ask("families"), 10.0))
        assert [f.samples[0][1] for f in rig.child.known] == [7, 7, 7]
        rig.child.ask("anything")
        until(rig.gone)
        assert rig.child.known == []
        assert rig.counters.value("outrider_lines_read_total", exporter="google") == 9 * run
        assert rig.counters.value("outrider_reloads_total") == 0, "of the workers the largest counts, not the sum"
        assert [family.name for family in rig.counters.families() if family.kind == "gauge"] == []
        rig.clock.advance(100)
    assert rig.out.read_text() == "run 1\nrun 2\n"
