"""What a destination may answer, or not answer: nothing is lost, nothing is skipped, nobody else waits.

One collector for the module with two exporters, one of which writes to a port where nobody listens from beginning to
end. Each test makes the sink misbehave in its own way, writes lines, and looks at what became of them.
"""

import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

import orjson
import pytest

from outrider.demo.kubelet import PodLog
from outrider.model.clock import SystemClock
from tests.support.node import NodeProcess, exporter_to, node_process
from tests.support.sink import HANG, LOST_ACK, RESET, Entry, Fault, Sink, repeats_are_identical
from tests.support.tree import Numbered, assert_complete, await_lines, numbers
from tests.support.wait import until


@dataclass
class Setup:
    node: NodeProcess
    sink: Sink

    def pod(self, name: str) -> Numbered:
        """A new pod whose first line has arrived."""
        pod = PodLog(self.node.pods, "shop", name, f"uid-{name}", SystemClock())
        writer = Numbered(name, pod.container("main"))
        writer.write()
        await_lines(self.sink, writer)
        return writer

    def verdicts(self, verdict: str) -> float:
        return self.node.metric("outrider_requests_total", exporter="google", verdict=verdict)

    def settle(self) -> None:
        """Wait until every fault has been met and every request is over."""
        until(lambda: self.sink.scripted == 0)
        until(lambda: _busy(self) == 0)

    def dead_letters(self) -> list[Entry]:
        path = self.node.state / "dead-letters" / "google.ndjson"
        return [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    with Sink() as sink, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and never listens
        dead = {"kind": "stackdriver", "credentials": "none"}
        dead["logs_endpoint"] = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        exporters = {"google": exporter_to(sink, batch={"wait": "50ms", "in_flight": 2}), "dead": dead}
        with node_process(tmp_path_factory.mktemp("faults"), exporters) as node:
            yield Setup(node.start(), sink)
            assert sink.complaints == []


@pytest.fixture(autouse=True)
def well_again(setup: Setup) -> Iterator[None]:
    yield
    sink = setup.sink
    sink.always = sink.refuse = sink.fail_entry = sink.most_bytes = None
    assert sink.scripted == 0, "a fault was not met"


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        (503, "retry"),
        (500, "retry"),
        (429, "retry"),
        (401, "refresh"),
        (RESET, "retry"),
        (LOST_ACK, "retry"),
    ],
)
def test_a_passing_failure_is_waited_out(setup: Setup, kind: int | str, verdict: str) -> None:
    w = setup.pod(f"passing-{kind}")
    before = setup.verdicts(verdict)
    setup.sink.next(Fault(kind))
    w.write(20)
    await_lines(setup.sink, w)
    setup.settle()
    assert_complete(setup.sink, w)
    assert setup.verdicts(verdict) - before == 1
    received = setup.sink.received(w.name)
    assert (len(received) > w.written) == (kind == LOST_ACK), "only what was stored without an answer comes twice"
    assert repeats_are_identical(received)


def test_retry_after_is_kept(setup: Setup) -> None:
    w = setup.pod("later")
    setup.sink.next(Fault(429, {"Retry-After": "1"}))
    at = len(setup.sink.requests)
    w.write()
    await_lines(setup.sink, w)
    refused, taken = setup.sink.requests[at : at + 2]
    assert (refused.answered, taken.answered) == (429, 200)
    assert 1.0 <= taken.at - refused.at < 3.0
    assert_complete(setup.sink, w)


def test_a_refusal_is_held_and_nothing_is_skipped(setup: Setup) -> None:
    """403: somebody has to give a permission. Until then everything waits where it is, and then it all arrives."""
    w = setup.pod("held")
    before = len(setup.dead_letters())
    setup.sink.always = Fault(403)
    w.write(50)
    until(lambda: setup.verdicts("hold") >= 1)
    w.write(50)
    assert numbers(setup.sink.received(w.name)) == [0]
    assert "told to answer 403" in setup.node.said
    setup.sink.always = None
    await_lines(setup.sink, w)
    assert_complete(setup.sink, w)
    assert len(setup.dead_letters()) == before


def test_one_bad_entry_is_found_by_halving_and_buried_with_the_words(setup: Setup) -> None:
    """400 without a word about which entry: the others are delivered, in any case."""
    w = setup.pod("bad-entry")
    before = setup.node.metric("outrider_entries_rejected_total", exporter="google")
    setup.sink.refuse = lambda entry: "poison" in entry.get("textPayload", "")
    w.write(50)
    w.log.write("this one is poison")
    w.write(49)
    await_lines(setup.sink, w)
    letter = until(lambda: [x for x in setup.dead_letters() if "poison" in x["entry"].get("textPayload", "")])[0]
    assert letter["exporter"] == "google"
    assert letter["error"] == "HTTP 400: Invalid value in one of the entries"
    assert letter["entry"]["resource"]["labels"]["pod_name"] == "bad-entry"
    assert setup.node.metric("outrider_entries_rejected_total", exporter="google") - before == 1
    assert_complete(setup.sink, w)


def test_an_object_that_is_refused_is_sent_as_text(setup: Setup) -> None:
    w = setup.pod("plainer")
    before = len(setup.dead_letters())
    setup.sink.refuse = lambda entry: "jsonPayload" in entry and "odd" in entry["jsonPayload"]
    w.write(5)
    w.log.write('{"odd": "plainer 000006 "}')
    w.written += 1
    w.write(5)
    await_lines(setup.sink, w)
    assert_complete(setup.sink, w)
    assert len(setup.dead_letters()) == before


def test_partial_success_buries_the_refused_and_repeats_only_passing_failures(setup: Setup) -> None:
    w = setup.pod("partial")
    asked: list[str] = []

    def judge(entry: Entry) -> tuple[int, str] | None:
        text = entry.get("textPayload", "")
        if "never" in text:
            return 3, "Log entry with size exceeds maximum"
        if "partial 000002" in text:
            asked.append(text)
            return (14, "try again") if len(asked) < 3 else None
        return None

    setup.sink.fail_entry = judge
    w.log.write("never\n" * 2)
    w.write(30)
    await_lines(setup.sink, w)
    assert_complete(setup.sink, w)
    until(lambda: len(_of(setup.dead_letters(), "partial")) == 2)
    letters = _of(setup.dead_letters(), "partial")
    assert {x["error"] for x in letters} == {"Log entry with size exceeds maximum (code 3)"}
    assert len(setup.sink.received("partial")) == w.written, "what was stored is not sent again"


def test_a_request_that_is_too_large_is_sent_in_halves(setup: Setup) -> None:
    w = setup.pod("large")
    setup.sink.most_bytes = 5_000
    w.write(100)
    await_lines(setup.sink, w)
    assert_complete(setup.sink, w)
    assert _of(setup.dead_letters(), "large") == []


def test_a_hanging_request_delays_only_what_it_carries(setup: Setup) -> None:
    w = setup.pod("hanging")
    setup.sink.next(Fault(HANG))
    w.write(5)
    until(lambda: setup.sink.scripted == 0)
    other = setup.pod("beside")
    w.write(5)
    until(lambda: {6, 7, 8, 9, 10} <= set(numbers(setup.sink.received("hanging"))))
    assert not {1, 2, 3, 4, 5} & set(numbers(setup.sink.received("hanging")))
    setup.sink.release.set()
    await_lines(setup.sink, w, other)
    setup.sink.release.clear()
    assert_complete(setup.sink, w)


def test_a_dead_exporter_does_not_delay_another(setup: Setup) -> None:
    """The dead one has not had a line since the start; the other one's lines arrive as if it were alone."""
    assert setup.node.metric("outrider_entries_accepted_total", exporter="dead") == 0
    assert setup.node.metric("outrider_requests_total", exporter="dead", verdict="retry") > 0
    w = setup.pod("undelayed")
    delays = []
    for n in range(5):
        began = time.monotonic()
        w.write()
        until(lambda n=n: len(setup.sink.received("undelayed")) > n + 1)  # type: ignore[misc]
        delays.append(time.monotonic() - began)
    print("beside a dead exporter lines arrive after", ", ".join(f"{d * 1000:.0f} ms" for d in delays))
    assert max(delays) < 2.0
    saved = orjson.loads((setup.node.state / "cursors-dead.json").read_bytes())["body"]
    assert saved, "what is followed is known"
    assert not any(saved.values()), "a cursor moved without an acknowledgement"


def test_an_outage_costs_no_processor(setup: Setup) -> None:
    """While all senders wait for their next attempt and lines keep coming, nothing spins."""
    w = setup.pod("outage")
    setup.sink.always = Fault(503)
    for _ in range(2):
        w.write()
        at = len(setup.sink.requests)
        until(lambda at=at: len(setup.sink.requests) > at)  # type: ignore[misc]
    w.write()
    until(lambda: _busy(setup) == 2)
    began, used = time.monotonic(), setup.node.cpu_seconds()
    until(lambda: time.monotonic() - began > 1.5)
    share = (setup.node.cpu_seconds() - used) / (time.monotonic() - began)
    print(f"{share:.1%} of a core while the destination is down")
    assert share < 0.05
    setup.sink.always = None
    await_lines(setup.sink, w)
    assert_complete(setup.sink, w)


def test_a_destination_that_hangs_does_not_delay_the_end(setup: Setup) -> None:
    """The last test of this collector. An answer may take a minute; kubelet's patience ends after thirty seconds, with
    SIGKILL, and then no cursor would have been saved."""
    w = setup.pod("last")
    setup.sink.always = Fault(HANG)
    for _ in range(3):
        w.write()
        at = len(setup.sink.requests)
        until(lambda at=at: len(setup.sink.requests) > at or _busy(setup) == 2)  # type: ignore[misc]
    began = time.monotonic()
    assert setup.node.end(timeout=20) == 0
    took = time.monotonic() - began
    print(f"it ended {took:.1f} s after the signal, with two requests hanging")
    assert took < 12
    cursors = orjson.loads((setup.node.state / "cursors-google.json").read_bytes())["body"]
    assert "shop_last_uid-last/main/0" in cursors


def _busy(setup: Setup) -> float:
    return setup.node.metric("outrider_batches_in_flight", exporter="google")


def _of(letters: list[Entry], pod: str) -> list[Entry]:
    return [x for x in letters if x["entry"]["resource"]["labels"]["pod_name"] == pod]
