"""One exporter's engine, on real files and with a destination in memory."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from outrider.config import Redact, Route
from outrider.demo.kubelet import PodLog
from outrider.exporters.answer import Answer, Verdict
from outrider.model.clock import SystemClock
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.pipeline import pump as pump_module
from outrider.pipeline.batch import BatchLimits
from outrider.pipeline.deadletters import DeadLetters
from outrider.pipeline.packing import SLICE
from outrider.pipeline.pump import Pump
from outrider.pipeline.redact import Redactor
from outrider.pipeline.routing import Routing
from outrider.tail.cursors import Cursors
from outrider.tail.reader import Reader
from outrider.tail.records import Joining
from outrider.tail.watch import Watcher
from tests.support.destination import ACCEPTED, FakeDestination
from tests.support.wait import until

KEY = "shop_web_u-web/main/0"
SMALL = BatchLimits(bytes=64 * 1024, wait=0.05, in_flight=2)


@dataclass
class Book:
    """What is known about pods. With `patient`, lines of unknown pods wait."""

    pods: dict[str, Pod] = field(default_factory=dict)
    patient: bool = False
    wanted: list[str] = field(default_factory=list)

    def get(self, uid: str) -> Pod | None:
        return self.pods.get(uid)

    def want(self, uid: str) -> None:
        self.wanted.append(uid)

    def settled(self, uid: str, since: float, bound: float = 5.0) -> bool:  # noqa: ARG002
        return not self.patient or uid in self.pods


class CountingClock(SystemClock):
    """Counts how often it is looked at: whoever runs in circles looks at the clock."""

    def __init__(self) -> None:
        self.times = 0

    def monotonic(self) -> float:
        self.times += 1
        return super().monotonic()


class Rig:
    """A tree, a watcher, and one pump after the other on the same state."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.destination = FakeDestination()
        self.book = Book()
        self.counters = Counters()
        self.limits = SMALL
        self.routes = [Route(to=["google"])]
        self.redactor = Redactor([], Counters())
        self.clock: SystemClock = SystemClock()
        (root / "pods").mkdir()

    @contextmanager
    def running(self, grace: float = 1.0, drain: bool = False) -> Iterator[Pump]:
        pump = Pump(
            "google",
            self.destination,
            DeadLetters(self.root / "dead-letters", "google", self.clock, self.counters),
            self.cursors(),
            self.book,
            Routing([], [], self.routes, self.counters),
            self.limits,
            Joining(),
            self.redactor,
            self.clock,
            self.counters,
        )
        watcher = Watcher(
            str(self.root / "pods"),
            lambda _: frozenset({"google"}),
            lambda files: pump.follow(files, from_end=False),
            self.clock,
            self.counters,
        )
        pump.cursors.load()
        pump.start(watcher)
        watcher.start()
        try:
            yield pump
        finally:
            watcher.stop()
            pump.stop(grace, drain)
            pump.cursors.save()

    def cursors(self) -> Cursors:
        return Cursors(self.root / "cursors.json", self.counters, "google")

    def committed(self, key: str = KEY) -> int | None:
        """The offset that a restart would begin at, by the file."""
        cursors = self.cursors()
        cursors.load()
        places = cursors.get(key)
        return max(offset for offset, _ in places.values()) if places else None

    def pod(self, name: str = "web", namespace: str = "shop") -> PodLog:
        return PodLog(self.root / "pods", namespace, name, f"u-{name}", self.clock)

    def value(self, name: str, **labels: str) -> int:
        return self.counters.value(name, **labels)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def lines(n: int, start: int = 0, width: int = 100) -> list[str]:
    return [f"{i:06d} ".ljust(width, ".") for i in range(start, start + n)]


def write(pod: PodLog, texts: list[str]) -> int:
    """Write to the pod's container; the size of its file."""
    for text in texts:
        pod.container("main").write(text)
    return pod.container("main").path.stat().st_size


def arrived(rig: Rig, texts: list[str]) -> Callable[[], bool]:
    return lambda: len(rig.destination.stored) >= len(texts)


def test_lines_are_delivered_in_order_and_then_committed(rig: Rig) -> None:
    size = write(rig.pod(), lines(3000))
    with rig.running():
        until(arrived(rig, lines(3000)))
    assert rig.destination.stored == [text.encode() for text in lines(3000)]
    assert rig.committed() == size
    assert rig.destination.closed
    assert rig.value("outrider_lines_read_total", exporter="google") == 3000


def test_batches_close_at_their_size(rig: Rig) -> None:
    write(rig.pod(), lines(5000))
    with rig.running():
        until(arrived(rig, lines(5000)))
    sizes = [sum(map(len, request)) for request in rig.destination.offered]
    assert max(sizes) < SMALL.bytes + SLICE * 101
    assert len(sizes) > 3


def test_no_request_is_larger_than_the_destination_takes(rig: Rig) -> None:
    rig.destination = FakeDestination(max_request=10_000)
    write(rig.pod(), lines(1000))
    with rig.running():
        until(arrived(rig, lines(1000)))
    assert sorted(rig.destination.stored) == [text.encode() for text in lines(1000)]
    assert max(sum(len(e) + 1 for e in request) for request in rig.destination.offered) <= 10_000


def test_while_all_senders_are_busy_nothing_more_is_read(rig: Rig) -> None:
    """The log files are the queue: memory is bounded by what is in flight, whatever is in the files."""
    rig.destination.open.clear()
    write(rig.pod(), lines(20_000, width=200))
    with rig.running():
        until(lambda: len(rig.destination.offered) == 2)
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 0.5)
        read = rig.value("outrider_lines_read_total")
        assert read * 200 < 3 * SMALL.bytes + 2 * (256 * 1024)
        assert len(rig.destination.offered) == 2
        rig.destination.open.set()
        until(arrived(rig, lines(20_000)), timeout=20)
    assert sorted(rig.destination.stored) == [text.encode() for text in lines(20_000, width=200)]


def test_a_later_batch_acknowledged_first_does_not_move_the_cursor(rig: Rig) -> None:
    def judge(entries: list[bytes]) -> Answer:
        refused = blocked and lines(1)[0].encode() in entries
        return Answer(Verdict.RETRY, "503", retry_after=0.3) if refused else ACCEPTED

    blocked = True
    rig.destination.answer = judge
    rig.limits = BatchLimits(bytes=64 * 1024, wait=0.01, in_flight=2)
    pod = rig.pod()
    write(pod, lines(10))
    with rig.running() as pump:
        until(lambda: rig.destination.offered)
        size = write(pod, lines(10, start=10))
        until(lambda: len(rig.destination.stored) >= 10)
        pump.cursors.save()
        assert rig.committed() is None
        blocked = False
        until(lambda: pump.cursors.save() and rig.committed() == size)
    assert sorted(rig.destination.stored) == [text.encode() for text in lines(20)]


def test_what_was_not_acknowledged_is_read_again(rig: Rig) -> None:
    rig.destination.answer = lambda _: Answer(Verdict.HOLD, "403")
    pod = rig.pod()
    size = write(pod, lines(100))
    with rig.running(grace=0.1):
        until(lambda: rig.destination.offered)
    assert rig.destination.stored == []
    assert rig.committed() is None
    rig.destination.answer = lambda _: ACCEPTED
    with rig.running():
        until(arrived(rig, lines(100)))
    assert rig.destination.stored == [text.encode() for text in lines(100)]
    assert rig.committed() == size


def test_the_end_waits_for_answers_no_longer_than_its_grace(rig: Rig) -> None:
    rig.destination.open.clear()
    write(rig.pod(), lines(10))
    with rig.running(grace=0.2):
        until(lambda: rig.destination.offered)
        began = time.monotonic()
    took = time.monotonic() - began
    rig.destination.open.set()
    assert took < 4.0
    assert rig.committed() is None


def test_what_has_been_read_is_sent_at_the_end(rig: Rig) -> None:
    rig.limits = BatchLimits(wait=30.0)
    pod = rig.pod()
    write(pod, lines(1))
    with rig.running(grace=5.0):
        until(arrived(rig, lines(1)))
        size = write(pod, lines(100, start=1))
        until(lambda: rig.value("outrider_lines_read_total") == 101)
        assert len(rig.destination.stored) == 1
    assert len(rig.destination.stored) == 101
    assert rig.committed() == size


def test_the_cursor_stays_before_a_line_that_is_not_whole(rig: Rig) -> None:
    pod = rig.pod()
    size = write(pod, lines(5))
    pod.container("main").write_piece(b"the first half, ", final=False)
    with rig.running():
        until(lambda: rig.value("outrider_lines_read_total") == 6)
        until(arrived(rig, lines(5)))
    assert rig.committed() == size
    pod.container("main").write_piece(b"the second half")
    with rig.running():
        until(lambda: rig.destination.stored[5:] == [b"the first half, the second half"])


def test_a_batch_that_closes_in_the_middle_of_a_chunk_commits_no_more_than_it_holds(rig: Rig) -> None:
    rig.destination.answer = lambda batch: Answer(Verdict.HOLD, "403") if held in batch else ACCEPTED
    held = lines(1, start=1500)[0].encode()
    write(rig.pod(), lines(1800))
    with rig.running(grace=0.1):
        until(lambda: rig.destination.stored)
        until(lambda: rig.value("outrider_requests_total", verdict="hold"))
    assert rig.value("outrider_lines_read_total") == 1800, "one chunk"
    rig.destination.answer = lambda _: ACCEPTED
    with rig.running():
        until(lambda: held in rig.destination.stored)
        until(lambda: len(set(rig.destination.stored)) == 1800)


def test_the_first_line_of_a_container_does_not_queue_up(rig: Rig) -> None:
    rig.limits = BatchLimits(wait=20.0)
    with rig.running():
        for n in range(3):
            began = time.monotonic()
            write(rig.pod(f"new-{n}"), ["x"])
            until(lambda n=n: len(rig.destination.stored) == n + 1)  # type: ignore[misc]
            assert time.monotonic() - began < 2.0


def test_nothing_spins_while_all_senders_wait(rig: Rig) -> None:
    """A batch that is due and cannot go is waited for, not asked after."""
    rig.clock = asked = CountingClock()
    rig.destination.open.clear()
    rig.limits = BatchLimits(wait=0.01, in_flight=1)
    pod = rig.pod()
    with rig.running(grace=0.1):
        write(pod, ["1"])
        until(lambda: rig.destination.offered)
        write(pod, ["2"])
        before, began = asked.times, time.monotonic()
        until(lambda: time.monotonic() - began > 1.0, every=0.1)
        assert asked.times - before < 150
        assert rig.value("outrider_lines_read_total") == 1, "what is read now could only wait in memory"
        rig.destination.open.set()


def test_nothing_spins_between_the_looks_while_all_senders_wait(rig: Rig) -> None:
    """Streams that came later are due, and nobody can have a turn."""
    rig.clock = asked = CountingClock()
    rig.destination.open.clear()
    rig.limits = BatchLimits(bytes=256 * 1024, wait=0.2, in_flight=1)
    for n in range(20):
        write(rig.pod(f"web-{n}"), lines(10))
    with rig.running(grace=0.1) as pump:
        until(lambda: rig.destination.offered)
        until(lambda: len(pump.accounts()) == 20)
        for n in range(20):
            write(rig.pod(f"late-{n}"), lines(10))
        until(lambda: len(pump.accounts()) == 40)
        before, began = asked.times, time.monotonic()
        until(lambda: time.monotonic() - began > 1.0, every=0.1)
        assert asked.times - before < 150
        rig.destination.open.set()


def test_a_trickle_costs_one_request_per_wait(rig: Rig) -> None:
    rig.limits = BatchLimits(wait=0.8)
    pod = rig.pod()
    with rig.running():
        began, n = time.monotonic(), 0
        while time.monotonic() - began < 2.0:
            write(pod, lines(1, start=n))
            n += 1
            until(lambda n=n: time.monotonic() - began > n * 0.05)  # type: ignore[misc]
        until(lambda: len(rig.destination.stored) == n)
    assert n > 6
    assert len(rig.destination.offered) <= 5


# -- pods -------------------------------------------------------------------------------------------------------------


def test_lines_wait_for_the_metadata_of_their_pod_and_others_do_not(rig: Rig) -> None:
    rig.book.patient = True
    rig.book.pods["u-known"] = Pod("u-known", "known", "shop", {"app": "k"}, {}, None)
    write(rig.pod("web"), ["unknown"])
    write(rig.pod("known"), ["known"])
    with rig.running():
        until(lambda: rig.destination.stored == [b"[k]known"])
        assert rig.value("outrider_lines_read_total") == 1
        assert sorted(rig.book.wanted) == ["u-known", "u-web"]
        rig.book.pods["u-web"] = Pod("u-web", "web", "shop", {"app": "w"}, {}, None)
        until(lambda: rig.destination.stored == [b"[k]known", b"[w]unknown"])


def test_new_metadata_make_a_new_context_and_lost_ones_keep_the_old(rig: Rig) -> None:
    pod = rig.pod()
    with rig.running():
        for app in ("", "1", "2", "2"):
            if app:
                rig.book.pods["u-web"] = Pod("u-web", "web", "shop", {"app": app}, {}, None)
            n = len(rig.destination.stored)
            write(pod, ["x"])
            until(lambda n=n: len(rig.destination.stored) > n)  # type: ignore[misc]
        rig.book.pods.clear()
        write(pod, ["x"])
        until(lambda: len(rig.destination.stored) == 5)
    assert rig.destination.stored == [b"x", b"[1]x", b"[2]x", b"[2]x", b"[2]x"]


def test_quiet_files_are_not_read_again_and_again_while_another_is_busy(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node has a thousand quiet files for one that writes; looking at each of them in every round would starve it."""
    looks: Counter[str] = Counter()
    take = Reader.take

    def counting(reader: Reader, now: float) -> Any:
        looks[reader.stream.pod] += 1
        return take(reader, now)

    monkeypatch.setattr(Reader, "take", counting)
    for n in range(20):
        write(rig.pod(f"quiet-{n}"), ["x"])
    write(rig.pod(), lines(40_000, width=200))
    with rig.running():
        until(lambda: len(rig.destination.stored) == 40_020, timeout=20)
    assert looks["web"] > 30
    assert max(count for pod, count in looks.items() if pod != "web") <= 5


def test_streams_for_which_a_round_had_no_room_are_read_in_the_next_one_at_once(rig: Rig) -> None:
    """Hundreds of files of one namespace, each read to its end by one look, are not kept waiting by pauses."""
    rig.limits = BatchLimits(bytes=256 * 1024, wait=1.0, in_flight=4)
    for n in range(80):
        write(rig.pod(f"web-{n}"), lines(500, width=400))
    rig.destination.open.clear()
    with rig.running() as pump:
        until(lambda: len(pump.accounts()) == 80, timeout=20)
        began = time.monotonic()
        rig.destination.open.set()
        until(lambda: len(rig.destination.stored) == 80 * 500, timeout=20)
    assert time.monotonic() - began < 3.0, "two files to a round, and a pause of up to 0.2 s after each"


# -- what must not happen, and does -----------------------------------------------------------------------------------


def test_a_record_that_chokes_the_encoder_is_buried_alone(rig: Rig) -> None:
    rig.destination.choke_on = b"000123"
    size = write(rig.pod(), lines(300))
    with rig.running():
        until(lambda: len(rig.destination.stored) == 299)
    assert rig.destination.stored == [t.encode() for t in lines(300) if "000123" not in t]
    [letter] = [orjson.loads(x) for x in (rig.root / "dead-letters" / "google.ndjson").read_bytes().splitlines()]
    assert letter["entry"]["line"] == lines(1, start=123)[0]
    assert letter["entry"]["stream"] == KEY
    assert letter["error"] == "ValueError: cannot encode this"
    assert rig.value("outrider_entries_rejected_total", exporter="google") == 1
    assert rig.committed() == size


def test_a_stream_that_breaks_an_assumption_takes_no_other_with_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    take = Reader.take

    def breaking(reader: Reader, now: float) -> Any:
        if reader.stream.pod == "web":
            raise AssertionError("an assumption")
        return take(reader, now)

    monkeypatch.setattr(Reader, "take", breaking)
    write(rig.pod("web"), ["lost"])
    pods = [rig.pod(f"good-{n}", namespace=f"ns-{n}") for n in range(3)]
    with rig.running():
        for n in range(3):
            for pod in pods:
                write(pod, ["x"])
            until(lambda n=n: len(rig.destination.stored) == 3 * (n + 1))  # type: ignore[misc]
        assert rig.value("outrider_pump_errors_total", exporter="google") >= 1
    assert rig.committed() is None


def test_a_stream_that_is_gone_is_forgotten_even_if_its_answer_comes_late(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pump_module, "QUIET_AFTER", 0.2)
    pod = rig.pod()
    write(pod, lines(5))
    with rig.running() as pump:
        until(arrived(rig, lines(5)))
        until(lambda: pump.cursors.save() and rig.committed() is not None)
        rig.destination.open.clear()
        write(pod, lines(5, start=5))
        until(lambda: len(rig.destination.offered) == 2)
        pod.remove()
        behind = 'outrider_streams_behind{exporter="google"} 0'
        until(lambda: behind in rig.counters.exposition())
        rig.destination.open.set()
        until(arrived(rig, lines(10)))
        until(lambda: pump.cursors.save() and rig.committed() is None)


def test_redaction_happens_before_anything_leaves(rig: Rig) -> None:
    rig.redactor = Redactor([Redact(r"secret=\S+", "secret=*")], Counters())
    write(rig.pod(), ["secret=42 é", "nothing"])
    with rig.running():
        until(lambda: rig.destination.stored == ["secret=* é".encode(), b"nothing"])


def test_the_first_part_of_a_slice_that_fills_several_requests_holds_the_cursor(rig: Rig) -> None:
    rig.destination.max_request = 4096
    rig.destination.answer = lambda entries: (
        Answer(Verdict.RETRY, "not yet") if any(b"first" in e for e in entries) else ACCEPTED
    )
    log = rig.pod().container("main")
    log.write("first " + "x" * 3000)
    log.write("last " + "y" * 3000)
    with rig.running(grace=0.1):
        until(lambda: any(b"last" in e for e in rig.destination.stored))
    assert not rig.committed()
    rig.destination.answer = lambda _: ACCEPTED
    with rig.running():
        until(lambda: any(b"first" in e for e in rig.destination.stored))
    assert rig.committed() == log.path.stat().st_size


@pytest.mark.parametrize(("drain", "complete"), [(True, True), (False, False)])
def test_a_drain_lasts_as_long_as_the_destination_answers(rig: Rig, drain: bool, complete: bool) -> None:
    """Ten requests of a fifth of the grace: more than the grace allows for, unless each answer gives more time."""
    rig.limits = BatchLimits(bytes=64 * 1024, wait=0.05, in_flight=1)

    def slowly(_: list[bytes]) -> Answer:
        time.sleep(0.1)
        return ACCEPTED

    rig.destination.answer = slowly
    log = rig.pod().container("main")
    with rig.running(grace=0.5, drain=drain):
        for i in range(640):
            log.write(f"{i} " + "x" * 1000)
        until(lambda: rig.destination.offered)
    assert (len(rig.destination.stored) == 640) == complete


def test_a_drain_does_not_wait_for_a_destination_that_does_not_answer(rig: Rig) -> None:
    rig.destination.answer = lambda _: Answer(Verdict.RETRY)
    log = rig.pod().container("main")
    with rig.running(grace=0.2, drain=True):
        log.write("a line")
        until(lambda: rig.destination.offered)
        began = time.monotonic()
    assert time.monotonic() - began < 5.0
