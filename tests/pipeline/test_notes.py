"""Entries that are in no file: how they look, who they are, and what becomes of them when the destination is slow."""

import json
import threading
from collections.abc import Iterator

import pytest

from outrider.config import Redact
from outrider.config.secrets import Secret
from outrider.exporters.datadog.exporter import DatadogLogs
from outrider.exporters.stackdriver.auth import token_source
from outrider.exporters.stackdriver.exporter import StackdriverLogs
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.model.stream import Stream
from outrider.pipeline.notes import MOST_WAITING, Note, Notes
from outrider.pipeline.redact import Redactor
from tests.pipeline.test_pump import Rig, arrived, lines, write
from tests.support.destination import FakeDestination
from tests.support.wait import until

CLUSTER = Cluster("acme", "on-prem-1", "europe-north1", "node-1")
STREAM = Stream("shop", "web-1", "u1", "main", 2)
NOW = 1_780_000_000.25


def note(message: str = "host is not this pod", pod: Pod | None = None) -> Note:
    return Note(STREAM, pod, NOW, message, (("annotation", "outrider.io/checks"),))


@pytest.fixture
def google() -> Iterator[StackdriverLogs]:
    clock, counters = ManualClock(NOW), Counters()
    tokens = token_source("none", clock=clock)
    made = StackdriverLogs("google", "acme", CLUSTER, "http://127.0.0.1:1", tokens, clock, counters)
    yield made
    made.close()


@pytest.fixture
def datadog() -> Iterator[DatadogLogs]:
    clock, counters = ManualClock(NOW), Counters()
    made = DatadogLogs("datadog", CLUSTER, "http://127.0.0.1:1", Secret("k"), clock, counters)
    yield made
    made.close()


def entry(notes: Notes) -> dict[str, object]:
    batch = notes.take_batch(0.0)
    assert batch is not None
    [piece], count, common = batch.request()
    assert (count, common) == (1, b"")
    return dict(json.loads(piece))


def test_it_is_an_entry_of_the_pods_log(google: StackdriverLogs, datadog: DatadogLogs) -> None:
    pod = Pod("u1", "web-1", "shop", labels={"app": "web"})
    notes = Notes(google, Redactor([], Counters()))
    for one in (note(pod=pod), note(pod=pod), note("another")):
        notes.add(one)
    first, again, other = entry(notes), entry(notes), entry(notes)
    assert (first["severity"], first["timestamp"]) == ("WARNING", "2026-05-28T20:26:40.250000Z")
    assert first["jsonPayload"] == {
        "message": "host is not this pod",
        "annotation": "outrider.io/checks",
        "status": "warning",
    }
    labels = first["resource"]["labels"]  # type: ignore[index]
    assert (labels["pod_name"], labels["container_name"]) == ("web-1", "main")
    assert first["insertId"] == again["insertId"] != other["insertId"]
    notes = Notes(datadog, Redactor([], Counters()))
    notes.add(note(pod=pod))
    same = entry(notes)
    assert (same["outrider.id"], same["hostname"]) == (first["insertId"], "node-1")
    assert json.loads(str(same["message"]))["message"] == "host is not this pod"


def test_it_is_redacted_as_every_line_is(google: StackdriverLogs) -> None:
    notes = Notes(google, Redactor([Redact(pattern="hunter2")], Counters()))
    notes.add(note("no host hunter2"))
    assert entry(notes)["jsonPayload"]["message"] == "no host [redacted]"  # type: ignore[index]


def test_what_a_destination_does_not_want_is_no_request() -> None:
    destination = FakeDestination()
    destination.leave_out = note().record().contents[0]
    notes = Notes(destination, Redactor([], Counters()))
    notes.add(note())
    assert notes.take_batch(0.0) is None
    assert len(notes) == 0


def test_there_is_an_end_to_what_waits() -> None:
    notes = Notes(FakeDestination(), Redactor([], Counters()))
    for i in range(MOST_WAITING + 5):
        notes.add(note(str(i)))
    assert len(notes) == MOST_WAITING
    assert entry_text(notes) == "5", "the oldest give way"


def entry_text(notes: Notes) -> str:
    batch = notes.take_batch(0.0)
    assert batch is not None
    return str(json.loads(json.loads(batch.request()[0][0]))["message"])


def test_notes_wait_for_a_sender_like_lines(rig: Rig) -> None:
    rig.destination.open.clear()
    size = write(rig.pod(), lines(10))
    with rig.running() as pump:
        until(lambda: rig.destination.offered)
        for i in range(20):
            pump.note(note(str(i)))
        until(lambda: len(rig.destination.offered) == rig.limits.in_flight)
        rig.destination.open.set()
        until(lambda: len(rig.destination.stored) == 30)
        assert rig.value("outrider_pump_errors_total", exporter="google") == 0
    assert rig.committed() == size, "a note has no place in the file"
    assert len(set(rig.destination.stored)) == 30


@pytest.fixture
def rig(tmp_path_factory: pytest.TempPathFactory) -> Rig:
    return Rig(tmp_path_factory.mktemp("pump"))


def test_a_note_that_cannot_be_encoded_costs_itself_only(rig: Rig) -> None:
    rig.destination.choke_on = note("odd").record().contents[0]
    write(rig.pod(), lines(10))
    with rig.running() as pump:
        pump.note(note("odd"))
        pump.note(note("even"))
        until(arrived(rig, lines(11)))
    assert rig.value("outrider_pump_errors_total", exporter="google") == 1


def test_what_waits_when_the_pump_ends_is_sent(rig: Rig) -> None:
    """Whoever takes over does not say it again; and what cannot be sent keeps nothing else from it."""
    rig.destination.open.clear()
    rig.destination.choke_on = note("odd").record().contents[0]
    with rig.running(grace=10.0) as pump:
        for words in [*map(str, range(10)), "odd", *map(str, range(10, 20))]:
            pump.note(note(words))
        until(lambda: len(rig.destination.offered) == rig.limits.in_flight)
        threading.Timer(0.2, rig.destination.open.set).start()
    assert len(set(rig.destination.stored)) == 20
    assert rig.value("outrider_pump_errors_total", exporter="google") == 1
