"""The pod cache: what readers see, what lingers, what the snapshot brings back, and what damage to it costs."""

import os
import threading
from pathlib import Path

import pytest

from outrider.kube.pods import Pods
from outrider.kube.source import NoSource, Sink
from outrider.model.clock import ManualClock, SystemClock
from outrider.model.counters import Counters
from outrider.model.files import read_state, write_state
from outrider.model.pod import Container, Controller, Owner, Pod
from tests.support.wait import until

A = Pod("u1", "a", "default", {"app": "a"}, {"note": "x"}, Controller("Deployment", "a"))
B = Pod("u2", "b", "default", {"app": "b"})


class Quiet:
    """A source that says nothing; the test speaks through the sink itself."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.woken = 0

    def run(self, sink: Sink) -> None:
        del sink
        self.stopped.wait()

    def stop(self) -> None:
        self.stopped.set()

    def wake(self) -> None:
        self.woken += 1

    def health(self, now: float) -> str | None:
        return f"silent since {now}"


class World:
    """Pods on a clock that is moved by hand."""

    def __init__(self, path: Path | None = None) -> None:
        self.clock, self.counters, self.source = ManualClock(), Counters(), Quiet()
        self.told: list[str] = []
        self.pods = Pods(self.source, path, self.clock, self.counters, self.told.append)

    def errors(self, cause: str) -> int:
        return self.counters.value("outrider_pod_snapshot_errors_total", cause=cause)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pods.json"


def test_changes_are_told_once() -> None:
    w = World()
    w.pods.replace([A, B])
    w.pods.replace([A, B])
    w.pods.put(A)
    assert w.told == ["u1", "u2"]
    changed = Pod("u1", "a", "default", {"app": "new"})
    w.pods.put(changed)
    assert w.told == ["u1", "u2", "u1"]
    assert w.pods.get("u1") == changed
    assert w.pods.get("nobody") is None


def test_a_callback_that_raises_harms_nobody() -> None:
    def bad(uid: str) -> None:
        raise RuntimeError(uid)

    pods = Pods(Quiet(), None, ManualClock(), Counters(), bad)
    pods.replace([A, B])
    assert pods.get("u1")
    assert pods.get("u2")


@pytest.mark.parametrize("how", ["removed", "missing from the list"])
def test_a_deleted_pod_lingers_for_an_hour(how: str) -> None:
    w = World()
    w.pods.replace([A, B])
    if how == "removed":
        w.pods.remove("u1")
    else:
        w.pods.replace([B])
    w.clock.advance(3599)
    w.pods.replace([B])
    assert w.pods.get("u1") == A
    w.clock.jump(7200)  # the wall clock does not count
    assert w.pods.get("u1") == A
    w.clock.advance(2)
    assert w.pods.get("u1") is None
    assert w.pods.get("u2") == B


def test_a_pod_that_comes_back_is_not_forgotten() -> None:
    w = World()
    w.pods.replace([A])
    w.pods.replace([])  # a kubelet that has just started may list nothing
    w.clock.advance(1800)
    w.pods.replace([A])
    w.clock.advance(3000)
    assert w.pods.get("u1") == A


def test_forget_drops_deleted_pods_only() -> None:
    w = World()
    w.pods.replace([A, B])
    w.pods.remove("u1")
    w.pods.forget("u1")
    w.pods.forget("u2")
    w.pods.forget("nobody")
    assert (w.pods.get("u1"), w.pods.get("u2")) == (None, B)


def test_want_hurries_for_five_seconds_once() -> None:
    w = World()
    w.pods.replace([A])
    w.pods.want("u1")
    assert (w.source.woken, w.pods.pressing()) == (0, False)
    w.pods.want("u2")
    w.pods.want("u2")
    assert (w.source.woken, w.pods.pressing()) == (1, True)
    w.clock.advance(5.1)
    w.pods.want("u2")
    assert (w.source.woken, w.pods.pressing()) == (1, False)
    w.pods.want("u3")
    assert w.pods.pressing()
    w.pods.put(Pod("u3", "c", "default"))
    assert not w.pods.pressing()


def test_settled_when_known_or_out_of_patience() -> None:
    w = World()
    since = w.clock.monotonic()
    assert not w.pods.settled("u1", since)
    w.clock.advance(4.9)
    assert not w.pods.settled("u1", since)
    assert w.pods.settled("u1", since, bound=4.0)
    w.clock.advance(0.2)
    assert w.pods.settled("u1", since)
    w.pods.put(B)
    assert w.pods.settled("u2", w.clock.monotonic())


def test_without_a_source_everything_is_settled_and_healthy() -> None:
    clock = ManualClock()
    pods = Pods(NoSource(), None, clock, Counters(), lambda _: None)
    pods.start()
    pods.want("u1")
    assert pods.settled("u1", clock.monotonic())
    assert pods.get("u1") is None
    assert pods.health(clock.monotonic() + 1e6) is None
    pods.stop()


def test_health_is_the_sources() -> None:
    assert World().pods.health(7.0) == "silent since 7.0"


def test_the_snapshot_brings_back_pods_deleted_while_down(path: Path) -> None:
    first = World(path)
    first.pods.start()
    first.pods.replace([A, B])
    first.pods.stop()
    second = World(path)
    second.pods.start()
    assert (second.pods.get("u1"), second.pods.get("u2")) == (A, B)
    second.pods.replace([B])  # u1 was deleted meanwhile
    assert second.pods.get("u1") == A
    second.pods.stop()
    assert second.told == []


def test_a_snapshot_of_a_version_without_details_is_readable(path: Path) -> None:
    old = {"uid": "u1", "name": "a", "namespace": "default", "labels": {"app": "a"}, "annotations": {"note": "x"}}
    old["controller"] = {"type": "Deployment", "name": "a"}
    write_state(path, {"pods": [old], "gone": {}})
    w = World(path)
    w.pods.start()
    assert (w.pods.get("u1"), w.errors("corrupt")) == (A, 0)
    w.pods.stop()


def test_details_come_back_from_the_snapshot(path: Path) -> None:
    main = Container("app:1", "app@sha256:a", "containerd://c2", "containerd://c1", 2, {"DD_ENV": "prod"})
    whole = Pod(
        *("u3", "c", "default"),
        owner=Owner("StatefulSet", "c"),
        qos="Burstable",
        priority_class="high",
        runtime_class="gvisor",
        phase="Running",
        claims=("data-c-0",),
        containers={"main": main},
    )
    first = World(path)
    first.pods.start()
    first.pods.replace([whole, B])
    first.pods.stop()
    second = World(path)
    second.pods.start()
    assert (second.pods.get("u3"), second.pods.get("u2")) == (whole, B)
    second.pods.stop()


def test_the_rest_of_the_linger_survives_a_restart(path: Path) -> None:
    first = World(path)
    first.pods.start()
    first.pods.replace([A, B])
    first.pods.remove("u1")
    first.clock.advance(3000)
    first.pods.stop()
    second = World(path)
    second.pods.start()
    second.clock.advance(590)
    assert second.pods.get("u1") == A
    second.clock.advance(20)
    assert second.pods.get("u1") is None
    assert second.pods.get("u2") == B
    second.pods.stop()


def test_changes_reach_the_disk_within_seconds(path: Path) -> None:
    pods = Pods(Quiet(), path, SystemClock(), Counters(), lambda _: None)
    pods.start()
    pods.put(A)
    until(lambda: path.exists() and b'"u1"' in path.read_bytes())
    pods.put(B)
    until(lambda: b'"u2"' in path.read_bytes())
    pods.remove("u1")
    until(lambda: "u1" in read_state(path)["gone"])  # type: ignore[index]
    pods.stop()


def test_many_changes_are_few_writes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writes: list[int] = []

    def counted(target: Path, body: object) -> None:
        writes.append(1)
        write_state(target, body)

    monkeypatch.setattr("outrider.kube.snapshot.write_state", counted)
    pods = Pods(Quiet(), path, SystemClock(), Counters(), lambda _: None)
    pods.start()
    for n in range(500):
        pods.put(Pod(f"u{n}", f"p{n}", "default"))
    pods.stop()
    assert len(writes) <= 2
    again = World(path)
    again.pods.start()
    assert again.pods.get("u499")
    again.pods.stop()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\x00" * 100,
        b'{"version":1,"crc32":1,"body":{"pods":[]}}',
        b'{"version":9,"crc32":0,"body":{}}',
    ],
    ids=["empty", "cut off", "zeroes", "wrong checksum", "other version"],
)
def test_a_corrupt_snapshot_is_counted_and_set_aside(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    w = World(path)
    w.pods.start()
    assert w.errors("corrupt") == 1
    w.pods.replace([A])
    w.pods.stop()
    assert path.with_name("pods.json.corrupt-0").read_bytes() == content
    again = World(path)
    again.pods.start()
    assert again.pods.get("u1") == A
    again.pods.stop()


@pytest.mark.parametrize("body", [[], 3, {"pods": 1}, {"pods": [{"uid": 1}]}, {"pods": [], "gone": {"u": "x"}}, "x"])
def test_a_whole_snapshot_of_the_wrong_shape_is_corrupt_too(path: Path, body: object) -> None:
    write_state(path, body)
    w = World(path)
    w.pods.start()
    assert w.errors("corrupt") == 1
    w.pods.stop()


def test_an_unreadable_snapshot_is_counted(path: Path) -> None:
    path.mkdir()
    w = World(path)
    w.pods.start()
    assert w.errors("unreadable") == 1
    w.pods.put(A)
    assert w.pods.get("u1") == A
    w.pods.stop()


@pytest.mark.parametrize("errno", ["ENOSPC", "EROFS"])
def test_a_full_or_read_only_disk_is_counted_and_logged_once(
    path: Path, errno: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    code = getattr(__import__("errno"), errno)

    def refuse(fd: int) -> None:
        del fd
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("outrider.model.files.os.fsync", refuse)
    w = World(path)
    w.pods.start()
    w.pods.put(A)
    until(lambda: w.errors("unwritable") >= 3)
    assert w.pods.get("u1") == A
    w.pods.stop()
    assert len([r for r in caplog.records if "unwritable" in r.getMessage()]) == 1
    assert not path.exists()


def test_a_source_that_breaks_starts_again(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Quiet):
        def run(self, sink: Sink) -> None:
            if not self.woken:
                self.woken = 1
                raise RuntimeError("bug")
            sink.put(A)
            super().run(sink)

    counters = Counters()
    pods = Pods(Broken(), None, ManualClock(), counters, lambda _: None)
    pods.start()
    assert until(lambda: pods.get("u1"))
    pods.stop()
    assert counters.value("outrider_kube_errors_total", kind="internal") == 1
    assert "broke" in caplog.text
