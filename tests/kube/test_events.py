"""The events of a cluster against a stand-in API server: from any mark, through any trouble, each one once."""

import threading
from collections.abc import Callable, Iterator

import pytest

from outrider.kube.client import KubeClient
from outrider.kube.events import Events
from outrider.kube.listwatch import Pace
from outrider.model.clock import SystemClock
from outrider.model.counters import Counters
from outrider.model.happening import Happening
from tests.support.fake_api import EVENTS, FakeApi, event
from tests.support.wait import until


class Reading:
    """A reader that runs, and what it has handed on."""

    def __init__(self, api: FakeApi, counters: Counters, mark: int | None, from_end: bool, pace: Pace) -> None:
        self.clock = SystemClock()
        self.happenings: list[Happening] = []
        self.mark = mark
        self.room = threading.Event()
        self.room.set()
        client = KubeClient(api.url, None, None, self.clock)
        self.events = Events(client, mark, from_end, self._take, self.clock, counters, pace)
        self.thread = threading.Thread(target=self.events.run, daemon=True)
        self.thread.start()

    def _take(self, happening: Happening | None, mark: int | None) -> None:
        self.room.wait()
        if happening is not None:
            self.happenings.append(happening)
        if mark is not None:
            self.mark = mark

    @property
    def names(self) -> list[str]:
        return [str(one.id).removeprefix("uid-of-") for one in self.happenings]

    def stop(self) -> None:
        self.room.set()
        self.events.stop()
        self.thread.join(5)
        assert not self.thread.is_alive()


Start = Callable[..., Reading]


@pytest.fixture
def start(api: FakeApi, counters: Counters) -> Iterator[Start]:
    begun: list[Reading] = []

    def begin(mark: int | None = None, from_end: bool = False, watch: float = 60.0, grace: float = 10.0) -> Reading:
        reading = Reading(api, counters, mark, from_end, Pace(watch, grace, gap=0.02, retry=0.02))
        begun.append(reading)
        return reading

    yield begin
    for reading in begun:
        reading.stop()


def watching(api: FakeApi, n: int = 1) -> None:
    until(lambda: len(api.seen(EVENTS, watch=True)) >= n)


def add(api: FakeApi, *names: str) -> int:
    """Events of these names, created or told again; the version of the last one."""
    for name in names:
        made = api.put(EVENTS, event("shop", name, "Pulled"))
    return int(made["metadata"]["resourceVersion"])


def test_without_a_mark_all_there_are_are_told_and_then_what_comes(api: FakeApi, start: Start) -> None:
    add(api, "a", "b")
    reading = start()
    watching(api)
    assert reading.names == ["a-101", "b-102"]
    assert reading.mark == 102
    add(api, "c", "a")
    until(lambda: reading.mark == 104)
    assert reading.names == ["a-101", "b-102", "c-103", "a-104"]


def test_from_the_end(api: FakeApi, start: Start) -> None:
    add(api, "a", "b")
    reading = start(from_end=True)
    watching(api)
    add(api, "c")
    until(lambda: reading.names == ["c-103"])


def test_with_a_mark_nothing_is_listed(api: FakeApi, start: Start) -> None:
    add(api, "a", "b", "c")
    reading = start(mark=102, from_end=True)
    until(lambda: reading.names == ["c-103"])
    assert api.seen(EVENTS) == []
    query = api.seen(EVENTS, watch=True)[0].query
    assert (query["resourceVersion"], query["allowWatchBookmarks"]) == ("102", "true")
    assert 48 <= int(query["timeoutSeconds"]) <= 60


def test_a_mark_that_is_forgotten(api: FakeApi, start: Start) -> None:
    """What is newer is told from a list, and what is as old or older is not."""
    mark = add(api, "a", "b")
    add(api, "c", "a")
    api.compact()
    reading = start(mark=mark)
    watching(api, 2)
    assert sorted(reading.names) == ["a-104", "c-103"]
    assert reading.mark == 106
    assert "resourceVersion" not in api.seen(EVENTS)[0].query  # of the newest state, not from a cache


def test_deleted_and_bookmarked(api: FakeApi, start: Start) -> None:
    """An event that expires is told no second time; the mark moves all the same."""
    add(api, "a")
    reading = start()
    watching(api)
    api.delete(EVENTS, "shop", "a")
    until(lambda: reading.mark == 102)
    api.bookmarks = True
    api.version = 200
    api.end_watches()
    until(lambda: reading.mark == 200)
    assert reading.names == ["a-101"]


def test_a_watch_that_is_cut_or_ended_goes_on_where_it_was(api: FakeApi, start: Start) -> None:
    add(api, "z")
    reading = start()
    watching(api)
    for n, end in enumerate([api.cut_watches, api.end_watches, api.cut_watches]):
        add(api, f"a{n}")
        until(lambda n=n: reading.mark == 102 + n)
        end()
        watching(api, n + 2)
    assert reading.names == ["z-101", "a0-102", "a1-103", "a2-104"]
    assert len(api.seen(EVENTS)) == 1


def test_an_api_server_that_is_away(api: FakeApi, start: Start, counters: Counters) -> None:
    reading = start()
    watching(api)
    api.down()
    add(api, "a")
    until(lambda: counters.value("outrider_kube_errors_total", kind="connection"))
    add(api, "b")
    api.up()
    until(lambda: reading.names == ["a-101", "b-102"])


def test_a_silent_watch_is_broken_off(api: FakeApi, start: Start, counters: Counters) -> None:
    api.silent = True
    reading = start(watch=1.0, grace=0.2)
    watching(api)
    add(api, "a")
    until(lambda: counters.value("outrider_kube_errors_total", kind="timeout"))
    assert reading.names == []
    api.silent = False
    until(lambda: reading.names == ["a-101"])


def test_a_watch_that_lasts_its_time_without_a_word_is_followed_by_a_list(api: FakeApi, start: Start) -> None:
    add(api, "a")
    reading = start(watch=1.0)
    watching(api)
    until(lambda: len(api.seen(EVENTS)) == 2)
    assert "resourceVersion" not in api.seen(EVENTS)[1].query
    watching(api, 2)
    add(api, "b")
    until(lambda: reading.names == ["a-101", "b-102"])


def test_a_cluster_that_was_restored(api: FakeApi, start: Start) -> None:
    """Its versions begin again below the mark: everything that there is is told."""
    add(api, "a", "b")
    api.version = 500
    api.restore(102)
    reading = start(mark=500, watch=1.0)
    until(lambda: sorted(reading.names) == ["a-101", "b-102"])
    until(lambda: reading.mark == 102)
    add(api, "c")
    until(lambda: reading.names[-1] == "c-103")


def test_a_list_that_breaks_off_is_not_told_twice(api: FakeApi, start: Start) -> None:
    api.page = 2
    add(api, *"abcdef")
    api.fail(500, path="continue", times=2)
    reading = start()
    watching(api)
    assert reading.names == [f"{name}-{101 + n}" for n, name in enumerate("abcdef")]
    assert reading.mark == 106


def test_what_is_no_event_is_counted_and_passed_over(api: FakeApi, start: Start, counters: Counters) -> None:
    add(api, "a")
    api.put(EVENTS, {**event("shop", "odd", "Pulled"), "involvedObject": 7})
    reading = start()
    watching(api)
    api.put(EVENTS, {**event("shop", "odder", "Pulled"), "source": ["?"]})
    add(api, "b")
    until(lambda: reading.mark == 104)
    assert reading.names == ["a-101", "b-104"]
    assert counters.value("outrider_kube_garbage_total") == 2
    assert len(api.seen(EVENTS)) == 1


def test_who_waits_for_room_is_not_dead(api: FakeApi, start: Start) -> None:
    reading = start()
    watching(api)
    long_after = reading.clock.monotonic() + 1000
    assert "nothing heard for" in str(reading.events.health(long_after))
    reading.room.clear()
    add(api, "a")
    until(lambda: reading.events.health(long_after) is None)
    reading.room.set()
    until(lambda: reading.events.health(long_after) is not None)
    assert reading.events.health(reading.clock.monotonic()) is None
