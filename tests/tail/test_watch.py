"""The watcher on real directories, with inotify and without."""

import errno
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from outrider.demo.kubelet import Kubelet
from outrider.model.clock import Clock, ManualClock, SystemClock
from outrider.model.counters import Counters
from outrider.model.stream import Stream
from outrider.tail import watch as watch_module
from outrider.tail.files import StreamFiles
from outrider.tail.inotify import Event, Inotify
from outrider.tail.reader import Reader
from outrider.tail.records import Assembler, Budget, Joining
from outrider.tail.watch import POLL_BESIDE_INOTIFY, POLL_DIRECTORIES, Watcher
from tests.support.descriptors import open_descriptors
from tests.support.wait import until

READERS = frozenset({"google"})
LINE = b"2026-05-16T09:19:06.%09dZ stdout F line\n"
SOON = 1.0
"""Seconds within which a new container must be found."""

both_modes = pytest.mark.parametrize("inotify", [True, False], ids=["inotify", "polling"])


class Watching:
    """A running watcher, and what it found."""

    def __init__(
        self,
        root: Path,
        inotify: bool = True,
        clock: Clock | None = None,
        admit: Callable[[Stream], frozenset[str]] = lambda _: READERS,
        start: bool = True,
    ) -> None:
        self.root = root
        self.counters = Counters()
        self.found: list[StreamFiles] = []
        self.stirred: list[StreamFiles] = []
        self.watcher = Watcher(str(root), admit, self._found, clock or SystemClock(), self.counters, inotify)
        if start:
            self.start()

    def start(self) -> "Watching":
        self.watcher.start()
        assert self.watcher.scanned.wait(10.0)
        return self

    def _found(self, files: StreamFiles) -> None:
        files.changed.append(lambda: self.stirred.append(files))
        self.found.append(files)

    def keys(self) -> set[str]:
        return {files.stream.key for files in self.found}

    def stream(self, key: str, timeout: float = SOON) -> StreamFiles:
        """The stream of this key, which must be found in time."""
        until(lambda: key in self.keys(), timeout)
        return next(f for f in reversed(self.found) if f.stream.key == key)

    def names(self, files: StreamFiles) -> list[str]:
        return [os.path.basename(g.path) for g in files.generations]

    def __enter__(self) -> "Watching":
        return self

    def __exit__(self, *_: object) -> None:
        self.watcher.stop()
        for files in self.found:
            for generation in files.generations:
                generation.leave("google")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polling as it is, only more often: what most tests are about is that nothing is missed, not how long it takes."""
    monkeypatch.setattr(watch_module, "TICK", 0.01)
    monkeypatch.setattr(watch_module, "POLL_FILES", 0.02)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pods").mkdir()
    return tmp_path / "pods"


@pytest.fixture
def kubelet(root: Path) -> Iterator[Kubelet]:
    made = Kubelet(root, SystemClock())
    yield made
    made.close()


def put(path: Path, data: bytes = LINE % 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


# -- discovery --------------------------------------------------------------------------------------------------------


@both_modes
def test_what_is_there_at_the_start(root: Path, inotify: bool) -> None:
    put(root / "a_web_u1" / "app" / "0.log")
    put(root / "a_web_u1" / "app" / "1.log")
    put(root / "a_web_u1" / "app" / "1.log.20260516-091906.gz.tmp")
    put(root / "a_web_u1" / "app" / "7.log.20260516-091906")
    put(root / "b_db_u2" / "mongo" / "0.log", b"")
    (root / "b_db_u2" / "empty").mkdir()
    with Watching(root, inotify) as watching:
        assert watching.keys() == {"a_web_u1/app/0", "a_web_u1/app/1", "a_web_u1/app/7", "b_db_u2/mongo/0"}
        assert len(watching.watcher.streams()) == len(watching.found) == 4
        assert "outrider_streams 4" in watching.counters.exposition()


@both_modes
def test_pods_containers_and_restarts_are_found_soon(
    root: Path, kubelet: Kubelet, inotify: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # not quicker than programs are
    with Watching(root, inotify) as watching:
        pod = kubelet.start_pod("shop", "cart", "uid-1")
        app = pod.container("app")
        files = watching.stream("shop_cart_uid-1/app/0")
        app.write("first")
        until(lambda: files.generations, SOON)
        pod.container("sidecar").write("x")
        watching.stream("shop_cart_uid-1/sidecar/0")
        app.restart()
        watching.stream("shop_cart_uid-1/app/1")
        assert len(watching.found) == 3


@both_modes
def test_two_hundred_pods_at_once(root: Path, inotify: bool) -> None:
    with Watching(root, inotify) as watching:
        for n in range(200):
            put(root / f"ns_pod-{n}_u{n}" / "app" / "0.log")
        until(lambda: len(watching.found) == 200)
        for n in range(0, 200, 2):
            shutil.rmtree(root / f"ns_pod-{n}_u{n}")
        until(lambda: len(watching.watcher.streams()) == 100)
        assert {f.stream.pod for f in watching.watcher.streams()} == {f"pod-{n}" for n in range(1, 200, 2)}


@both_modes
def test_odd_names_are_counted_and_left_alone(root: Path, inotify: bool, caplog: pytest.LogCaptureFixture) -> None:
    put(root / "readme.txt")
    put(root / "lost+found" / "app" / "0.log")
    put(root / "a_b" / "app" / "0.log")
    put(root / "a_b_c_d" / "app" / "0.log")
    put(root / "a_b_ü" / "app" / "0.log")
    os.makedirs(os.fsencode(root) + b"/a_b_\xff/app")
    put(root / "good_pod_u" / "my_app" / "0.log")
    put(root / "good_pod_u" / "notes.txt")
    for name in ("00.log", "app.log", "0.logs", "0.log.gz.tmp"):
        put(root / "good_pod_u" / "app" / name)
    (root / "good_pod_u" / "app" / "5.log").mkdir()
    os.mkfifo(root / "good_pod_u" / "app" / "6.log")
    put(root / "good_file_u")
    with Watching(root, inotify) as watching:
        put(root / "good_pod_u" / "app" / "0.log")
        watching.stream("good_pod_u/app/0")
        put(root / "another odd one" / "0.log")
        until(lambda: watching.counters.value("outrider_odd_names_total") == 8)
        assert watching.keys() == {"good_pod_u/app/0"}
        assert watching.counters.value("outrider_watch_errors_total") == 0
        assert caplog.text.count("lost+found is left alone") == 1


def test_refused_streams_are_asked_about_once(root: Path) -> None:
    asked: list[str] = []

    def admit(stream: Stream) -> frozenset[str]:
        asked.append(stream.key)
        return frozenset() if stream.namespace == "kube-system" else READERS

    path = put(root / "kube-system_dns_u" / "dns" / "0.log")
    before = open_descriptors()
    with Watching(root, admit=admit) as watching:
        for n in range(3):
            put(path.with_name(f"0.log.{n}"))
        put(root / "a_b_c" / "app" / "0.log")
        watching.stream("a_b_c/app/0")
        assert asked == ["kube-system_dns_u/dns/0", "a_b_c/app/0"]
        shutil.rmtree(root / "kube-system_dns_u")
        put(path)
        until(lambda: asked.count("kube-system_dns_u/dns/0") == 2, SOON)
    assert open_descriptors() <= before


@both_modes
def test_a_root_that_appears_later(tmp_path: Path, inotify: bool, caplog: pytest.LogCaptureFixture) -> None:
    root = tmp_path / "var" / "log" / "pods"
    with Watching(root, inotify) as watching:
        put(root / "a_b_c" / "app" / "0.log")
        watching.stream("a_b_c/app/0")
        shutil.rmtree(root)
        until(lambda: not watching.watcher.streams())
        put(root / "a_b_c" / "app" / "1.log")
        watching.stream("a_b_c/app/1")
    assert not [r for r in caplog.records if r.levelname == "ERROR"]


# -- what happens to a stream -----------------------------------------------------------------------------------------


@both_modes
def test_rotations_reach_the_stream(root: Path, kubelet: Kubelet, inotify: bool) -> None:
    app = kubelet.start_pod("shop", "cart", "uid-1").container("app")
    app.write("one")
    with Watching(root, inotify) as watching:
        files = watching.stream("shop_cart_uid-1/app/0")
        first = files.generations[0]
        for n in range(2, 5):
            app.rotate()
            app.write(f"{n}")
            until(lambda n=n: len(files.generations) == n, SOON)  # type: ignore[misc]
        until(lambda: first.path.endswith(".gz"), SOON)
        assert [g.closed_at is None for g in files.generations] == [False, False, False, True]
        assert files.generations[-1].path == str(app.path)


@both_modes
def test_a_removed_directory_ends_the_stream(root: Path, kubelet: Kubelet, inotify: bool) -> None:
    pod = kubelet.start_pod("shop", "cart", "uid-1")
    pod.container("app").write("one")
    with Watching(root, inotify) as watching:
        files = watching.stream("shop_cart_uid-1/app/0")
        pod.remove()
        until(lambda: files.gone and not watching.watcher.streams())
        assert watching.stirred[-1] is files
        again = kubelet.start_pod("shop", "cart", "uid-1")
        again.container("app").write("two")
        until(lambda: len(watching.found) == 2, SOON)


@both_modes
def test_a_directory_that_is_made_again_at_once_is_another(root: Path, inotify: bool) -> None:
    path = root / "a_b_c" / "app" / "0.log"
    put(path)
    with Watching(root, inotify) as watching:
        for n in range(1, 20):
            shutil.rmtree(path.parent if n % 2 else path.parent.parent)
            put(path, LINE % n)
        marks = LINE % 100
        put(path.with_name("9.log"), marks)
        watching.stream("a_b_c/app/9", 2.0)

        def current() -> bool:
            live = [f for f in watching.watcher.streams() if f.stream.restart == 0]
            return len(live) == 1 and bool(live[0].generations) and live[0].generations[-1].head.start == LINE % 19

        until(current, 2.0)


def test_a_pod_directory_that_is_moved_away_ends_its_streams(root: Path) -> None:
    put(root / "a_b_c" / "app" / "0.log")
    with Watching(root) as watching:
        (root / "a_b_c").rename(root.parent / "elsewhere")
        until(lambda: not watching.watcher.streams(), SOON)
        (root.parent / "elsewhere").rename(root / "a_b_c")
        until(lambda: len(watching.watcher.streams()) == 1, SOON)


@both_modes
def test_a_first_line_that_comes_late(root: Path, inotify: bool) -> None:
    path = put(root / "a_b_c" / "app" / "0.log", b"")
    with Watching(root, inotify) as watching:
        files = watching.stream("a_b_c/app/0")
        with open(path, "ab", buffering=0) as f:
            for piece in (LINE[:10], LINE[10:20], (LINE % 5)[20:]):
                f.write(piece)
                time.sleep(0.02)
        until(lambda: files.generations, 2 * SOON)


@both_modes
def test_a_first_line_that_is_finished_after_the_rename(root: Path, inotify: bool) -> None:
    path = put(root / "a_b_c" / "app" / "0.log", b"2026-05-16T09")
    with Watching(root, inotify) as watching:
        files = watching.stream("a_b_c/app/0")
        with open(path, "ab", buffering=0) as f:
            path.rename(path.with_name("0.log.1"))
            until(lambda: str(path.with_name("0.log.1")) in files.unidentified, SOON)
            f.write(b":19:06Z stdout F late\n")
            until(lambda: files.generations, 2 * SOON)


# -- arming -----------------------------------------------------------------------------------------------------------


@both_modes
def test_no_wake_up_is_lost_however_arming_and_writing_meet(root: Path, inotify: bool) -> None:
    path = put(root / "a_b_c" / "app" / "0.log")
    rounds = 300 if inotify else 60
    chance = random.Random(1)
    go, stop = threading.Event(), threading.Event()

    def write() -> None:
        with open(path, "ab", buffering=0) as f:
            while go.wait() and not stop.is_set():
                go.clear()
                for _ in range(chance.randrange(400)):
                    pass
                f.write(LINE % 2)

    writer = threading.Thread(target=write)
    writer.start()
    with Watching(root, inotify) as watching:
        files = watching.stream("a_b_c/app/0")
        try:
            for n in range(rounds):
                size = path.stat().st_size
                woken = len(watching.stirred)
                go.set()
                for _ in range(chance.randrange(400)):
                    pass
                watching.watcher.arm(files)
                if path.stat().st_size == size:  # what a reader does: look once more after arming
                    until(lambda woken=woken: len(watching.stirred) > woken, every=0.0005)  # type: ignore[misc]
                until(lambda size=size: path.stat().st_size > size, every=0.0005), n  # type: ignore[misc]
        finally:
            stop.set()
            go.set()
            writer.join()
        assert watching.counters.value("outrider_inotify_fallbacks_total") == 0


def later() -> ManualClock:
    """A clock to which everything on the disk is old, so that nothing is looked at again without a reason."""
    return ManualClock(time.time() + 1000.0)


@both_modes
def test_quiet_files_cause_no_calls(root: Path, inotify: bool) -> None:
    path, clock = put(root / "a_b_c" / "app" / "0.log"), later()
    with Watching(root, inotify, clock) as watching:
        files = watching.stream("a_b_c/app/0")
        time.sleep(0.03)
        watching.watcher.arm(files)
        calls = len(watching.stirred)
        for _ in range(3):
            clock.advance(1.0)
            time.sleep(0.02)
        assert len(watching.stirred) == calls
        with open(path, "ab") as f:
            f.write(LINE % 2)
        clock.advance(1.0)
        until(lambda: len(watching.stirred) > calls)


def test_what_one_exporter_has_read_still_wakes_the_other_when_polling(root: Path) -> None:
    """A armed, something was written, B read it and armed: A is asleep behind what B has seen."""
    path, clock = put(root / "a_b_c" / "app" / "0.log"), later()
    with Watching(root, inotify=False, clock=clock) as watching:
        files = watching.stream("a_b_c/app/0")
        time.sleep(0.03)
        watching.watcher.arm(files)
        with open(path, "ab") as f:
            f.write(LINE % 2)
        watching.watcher.arm(files)
        calls = len(watching.stirred)
        clock.advance(1.0)
        until(lambda: len(watching.stirred) > calls)


@both_modes
def test_a_renamed_file_that_is_still_written_to_wakes_its_readers(root: Path, inotify: bool) -> None:
    """Between kubelet's rename and the runtime's reopening there is no live file; it may take long, or fail."""
    path = put(root / "a_b_c" / "app" / "0.log")
    with Watching(root, inotify) as watching, open(path, "ab", buffering=0) as f:
        files = watching.stream("a_b_c/app/0")
        path.rename(path.with_name("0.log.1"))
        until(lambda: watching.names(files) == ["0.log.1"])
        time.sleep(0.05)
        watching.watcher.arm(files)
        calls = len(watching.stirred)
        f.write(LINE % 2)
        until(lambda: len(watching.stirred) > calls)


@both_modes
def test_looking_again_on_request(root: Path, inotify: bool) -> None:
    path = put(root / "a_b_c" / "app" / "0.log")
    with Watching(root, inotify) as watching:
        files = watching.stream("a_b_c/app/0")
        path.write_bytes(LINE % 7)  # truncated in place: no name changes
        watching.watcher.look_again(files)
        until(lambda: files.generations[-1].head.start == LINE % 7, SOON)


# -- inotify that is short, silent or deaf ----------------------------------------------------------------------------


def refusing(real: Callable[..., int], code: int, name: str = "") -> Callable[..., int]:
    """The kernel's refusal, patched in: the limits of this machine are not for a test to use up."""

    def call(self: Inotify, path: str) -> int:
        if name in path:
            raise OSError(code, os.strerror(code), path)
        return real(self, path)

    return call


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.ENOMEM])
@pytest.mark.parametrize("at", ["start", "later"])
def test_without_watches_left_the_tree_is_polled(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, code: int, at: str
) -> None:
    put(root / "a_b_c" / "app" / "0.log")
    late = put(root / "old_pod_u" / "app" / "0.log")
    monkeypatch.setattr(watch_module, "POLL_DIRECTORIES", 0.5)
    if at == "start":
        monkeypatch.setattr(Inotify, "directory", refusing(Inotify.directory, code))
    with Watching(root) as watching:
        monkeypatch.setattr(Inotify, "directory", refusing(Inotify.directory, code))
        put(root / "d_e_f" / "app" / "0.log")
        watching.stream("d_e_f/app/0")
        late.rename(late.with_name("0.log.1"))
        put(late, LINE % 2)
        put(late.with_name("1.log"))
        watching.stream("old_pod_u/app/1", 2.0)
        assert len(watching.found) == 4
        assert watching.counters.value("outrider_inotify_fallbacks_total") == 1
        assert "max_user" in caplog.text
        files = watching.stream("old_pod_u/app/0")
        until(lambda: len(files.generations) == 2)


def test_without_a_watch_for_a_quiet_file_the_files_are_polled(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(root / "a_b_c" / "app" / "0.log")
    monkeypatch.setattr(watch_module, "POLL_FILES", 0.05)
    with Watching(root) as watching:
        files = watching.stream("a_b_c/app/0")
        monkeypatch.setattr(Inotify, "once", refusing(Inotify.once, errno.ENOSPC))
        watching.watcher.arm(files)
        until(lambda: watching.counters.value("outrider_inotify_fallbacks_total") == 1)
        calls = len(watching.stirred)
        with open(path, "ab") as f:
            f.write(LINE % 2)
        until(lambda: len(watching.stirred) > calls)


def test_without_an_inotify_instance_the_tree_is_polled(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: Inotify) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "inotify_init1")

    monkeypatch.setattr(Inotify, "__init__", none_left)
    with Watching(root) as watching:
        put(root / "a_b_c" / "app" / "0.log")
        watching.stream("a_b_c/app/0")
        assert watching.counters.value("outrider_inotify_fallbacks_total") == 1


def test_one_directory_that_must_not_be_watched_does_not_end_inotify(
    root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    put(root / "a_b_c" / "app" / "0.log")
    put(root / "x_secret_u" / "app" / "0.log")
    clock = ManualClock()
    with monkeypatch.context() as patch, Watching(root, clock=clock, start=False) as watching:
        patch.setattr(Inotify, "directory", refusing(Inotify.directory, errno.EACCES, "secret"))
        watching.start()
        for _ in range(3):
            clock.advance(POLL_DIRECTORIES)
            time.sleep(0.02)
        put(root / "d_e_f" / "app" / "0.log")
        watching.stream("d_e_f/app/0")
        assert watching.keys() == {"a_b_c/app/0", "d_e_f/app/0"}
        assert watching.counters.value("outrider_inotify_fallbacks_total") == 0
        assert caplog.text.count("cannot list") == 1
        patch.undo()
        clock.advance(POLL_DIRECTORIES)
        watching.stream("x_secret_u/app/0")


@both_modes
def test_a_directory_that_cannot_be_listed_for_a_while_keeps_its_streams(
    root: Path, monkeypatch: pytest.MonkeyPatch, inotify: bool
) -> None:
    path = put(root / "a_b_c" / "app" / "0.log")
    clock = ManualClock()

    def short(real: Callable[[str], Any]) -> Callable[[str], Any]:
        def call(where: str) -> Any:
            if str(where).endswith("app"):
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), where)
            return real(where)

        return call

    with Watching(root, inotify, clock) as watching:
        files = watching.stream("a_b_c/app/0")
        with monkeypatch.context() as patch:
            patch.setattr(os, "listdir", short(os.listdir))
            patch.setattr(os, "scandir", short(os.scandir))
            put(path.with_name("1.log"))
            until(lambda: watching.counters.value("outrider_file_open_errors_total") > 0)
            assert not files.gone
        clock.advance(POLL_DIRECTORIES)
        watching.stream("a_b_c/app/1")
        until(lambda: not files.troubled)
        assert watching.watcher.streams()[0] is files


def test_a_file_that_could_not_be_opened_is_tried_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root / "a_b_c" / "app" / "0.log")
    clock = ManualClock()

    def look(path: str, _gz: bool, *_rest: Any) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), path)

    with Watching(root, clock=clock, start=False) as watching:
        with monkeypatch.context() as patch:
            patch.setattr("outrider.tail.files.look", look)
            watching.start()
            files = watching.stream("a_b_c/app/0")
            assert files.generations == ()
        clock.advance(POLL_DIRECTORIES)
        until(lambda: files.generations)


def test_inotify_that_says_nothing_is_found_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on NFS: the watch is granted, another machine writes, no event comes."""
    path = put(root / "a_b_c" / "app" / "0.log")
    clock = ManualClock()
    monkeypatch.setattr(Inotify, "once", lambda _self, _path: 1 << 20)
    with Watching(root, clock=clock) as watching:
        files = watching.stream("a_b_c/app/0")
        writes = 0
        while not watching.counters.value("outrider_inotify_fallbacks_total"):
            assert writes < 20
            watching.watcher.arm(files)
            with open(path, "ab") as f:
                f.write(LINE % writes)
            writes += 1
            calls = len(watching.stirred)
            clock.advance(POLL_BESIDE_INOTIFY)
            until(lambda calls=calls: len(watching.stirred) > calls)  # type: ignore[misc]
    assert writes >= 3, "a single one may be an event that is late"


def test_an_event_that_is_only_late_is_not_silence(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow poll may see a file grow whose event is still in the queue: that says nothing against inotify."""
    path = put(root / "a_b_c" / "app" / "0.log")
    clock, real = ManualClock(), Inotify.read
    late, events, nothing = threading.Event(), [], []

    def read(self: Inotify, timeout: float, wake: int) -> list[Event]:
        if late.is_set():
            time.sleep(0.01)
            nothing.append(timeout)
            return []
        events.extend(new := real(self, min(timeout, 0.01), wake))
        return new

    monkeypatch.setattr(Inotify, "read", read)
    with Watching(root, clock=clock) as watching:
        files = watching.stream("a_b_c/app/0")
        for n in range(5):
            watching.watcher.arm(files)
            late.set()
            kept_back = len(nothing)
            until(lambda kept_back=kept_back: len(nothing) > kept_back)  # type: ignore[misc]
            with open(path, "ab") as f:
                f.write(LINE % n)
            polled = watching.watcher._polled_files
            clock.advance(POLL_BESIDE_INOTIFY)
            until(lambda polled=polled: watching.watcher._polled_files > polled)  # type: ignore[misc]
            calls = len(events)
            late.clear()
            until(lambda calls=calls: len(events) > calls)  # type: ignore[misc]
        assert watching.counters.value("outrider_inotify_fallbacks_total") == 0


def test_after_lost_events_everything_is_looked_at(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put(root / "a_b_c" / "app" / "0.log")
    real, deaf = Inotify.read, threading.Event()

    def read(self: Inotify, timeout: float, wake: int) -> list[Event]:
        events = real(self, min(timeout, 0.02), wake)
        return [] if deaf.is_set() else [*events, Event(-1, ended=False, overflow=True)]

    monkeypatch.setattr(Inotify, "read", read)
    with Watching(root) as watching:
        files = watching.stream("a_b_c/app/0")
        watching.watcher.arm(files)
        deaf.set()
        time.sleep(0.1)
        put(path.with_name("1.log"))
        put(root / "d_e_f" / "app" / "0.log")
        with open(path, "ab") as f:
            f.write(LINE % 2)
        shutil.rmtree(root / "d_e_f")
        put(root / "d_e_f" / "app" / "1.log")
        time.sleep(0.1)
        calls = watching.stirred.count(files)
        deaf.clear()
        watching.stream("a_b_c/app/1")
        watching.stream("d_e_f/app/1")
        until(lambda: watching.stirred.count(files) > calls)


# -- links ------------------------------------------------------------------------------------------------------------


@both_modes
def test_a_linked_root(tmp_path: Path, inotify: bool) -> None:
    real, link = tmp_path / "real", tmp_path / "pods"
    real.mkdir()
    link.symlink_to(real)
    path = put(real / "a_b_c" / "app" / "0.log")
    with Watching(link, inotify) as watching:
        files = watching.stream("a_b_c/app/0")
        put(real / "a_b_c" / "app" / "1.log")
        watching.stream("a_b_c/app/1")
        path.rename(path.with_name("0.log.1"))
        put(path, LINE % 2)
        until(lambda: watching.names(files) == ["0.log.1", "0.log"], SOON)
        put(real / "d_e_f" / "app" / "0.log")
        watching.stream("d_e_f/app/0")
        assert len(watching.found) == 3


@both_modes
@pytest.mark.parametrize("shared", [True, False])
def test_logs_that_are_links_rotate_beside_their_targets(tmp_path: Path, inotify: bool, shared: bool) -> None:
    root, docker = tmp_path / "pods", tmp_path / "docker"
    targets = [docker / ("all" if shared else name) / f"{name}-json.log" for name in ("one", "two")]
    for n, target in enumerate(targets):
        put(target, LINE % n)
        link = root / "a_b_c" / f"app-{n}" / "0.log"
        link.parent.mkdir(parents=True)
        link.symlink_to(target)
    with Watching(root, inotify) as watching:
        for n, target in enumerate(targets):
            files = watching.stream(f"a_b_c/app-{n}/0")
            target.rename(target.with_name(target.name + ".1"))
            put(target, LINE % (10 + n))
            until(lambda f=files, t=target: watching.names(f) == [t.name + ".1", "0.log"], SOON)  # type: ignore[misc]
        shutil.rmtree(docker)
        shutil.rmtree(root / "a_b_c")
        until(lambda: not watching.watcher.streams())


def test_a_link_that_is_pointed_elsewhere(tmp_path: Path) -> None:
    root, link = tmp_path / "pods", tmp_path / "pods" / "a_b_c" / "app" / "0.log"
    one, two = put(tmp_path / "one" / "x.log", LINE % 1), put(tmp_path / "two" / "y.log", LINE % 2)
    link.parent.mkdir(parents=True)
    link.symlink_to(one)
    with Watching(root) as watching:
        files = watching.stream("a_b_c/app/0")
        link.unlink()
        link.symlink_to(two)
        until(lambda: [g.head.start for g in watching.found[-1].generations if not g.gone] == [LINE % 2], SOON)
        files = watching.found[-1]
        two.rename(two.with_name("y.log.1"))
        put(two, LINE % 3)
        until(lambda: [g.head.start for g in files.generations if not g.gone] == [LINE % 2, LINE % 3], SOON)


# -- strangers and the end --------------------------------------------------------------------------------------------


@both_modes
def test_a_stream_that_breaks_something_does_not_take_the_others_with_it(root: Path, inotify: bool) -> None:
    def admit(stream: Stream) -> frozenset[str]:
        if stream.namespace == "bad":
            raise RuntimeError("unexpected")
        return READERS

    for namespace in ("a", "bad", "c"):
        put(root / f"{namespace}_pod_u" / "app" / "0.log")
    with Watching(root, inotify, admit=admit) as watching:
        watching.stream("a_pod_u/app/0")
        watching.stream("c_pod_u/app/0")
        assert watching.counters.value("outrider_watch_errors_total") >= 1
        put(root / "d_pod_u" / "app" / "0.log")
        watching.stream("d_pod_u/app/0")


@both_modes
@pytest.mark.parametrize("started", [True, False])
def test_nothing_is_held_open_after_the_end(root: Path, inotify: bool, started: bool) -> None:
    path = put(root / "a_b_c" / "app" / "0.log")
    before = open_descriptors()
    watching = Watching(root, inotify, start=started)
    watching.watcher.stop()
    watching.watcher.stop()
    for files in watching.found:
        watching.watcher.arm(files)
        watching.watcher.look_again(files)
        for generation in files.generations:
            generation.leave("google")
    with open(path, "ab") as f:
        f.write(LINE % 2)
    assert open_descriptors() == before


def test_a_storm_of_pods_and_rotations_leaves_nothing_behind(root: Path) -> None:
    before = open_descriptors()
    kubelet = Kubelet(root, SystemClock())
    with Watching(root) as watching:
        for n in range(30):
            pod = kubelet.start_pod("ns", f"pod-{n}", f"u{n}")
            app = pod.container("app")
            for _ in range(3):
                app.write("line")
                app.rotate()
            if n >= 5:
                watching.stream(f"ns_pod-{n - 5}_u{n - 5}/app/0", 5.0)
                kubelet.pods[n - 5].remove()
        until(lambda: len(watching.found) == 30)
        for pod in kubelet.pods:
            pod.remove()
        until(lambda: not watching.watcher.streams())
        sizes = [len(v) for v in vars(watching.watcher).values() if isinstance(v, dict | set)]
        assert max(sizes) == 0
        for files in watching.found:
            for generation in files.generations:
                generation.leave("google")
    assert open_descriptors() == before


@both_modes
def test_watcher_and_reader_together_on_a_log_that_is_written_and_rotated(root: Path, inotify: bool) -> None:
    """The real threads: kubelet writes and rotates, the watcher watches, and this thread does what a pump does: it
    reads, and sleeps behind an armed file whenever there is nothing more."""
    clock, counters, total = SystemClock(), Counters(), 3000
    kubelet = Kubelet(root, clock, max_files=1000)
    app = kubelet.start_pod("shop", "cart", "uid-1").container("app")
    chance = random.Random(3)

    def write() -> None:
        for n in range(total):
            app.write(f"2026 line {n}")
            if chance.random() < 0.01:
                app.rotate()
            if chance.random() < 0.02:
                time.sleep(chance.random() * 0.03)

    writer = threading.Thread(target=write)
    with Watching(root, inotify) as watching:
        files = watching.stream("shop_cart_uid-1/app/0")
        woken = threading.Event()
        files.changed.append(woken.set)
        reader = Reader("google", files, Assembler(Joining(), Budget()), {}, False, counters)
        contents: list[bytes] = []
        slept = 0
        writer.start()
        while len(contents) < total:
            taken = reader.take(clock.monotonic())
            if taken is None and not reader.restless(clock.monotonic(), 0.005):
                woken.clear()
                watching.watcher.arm(files)
                taken = reader.take(clock.monotonic())
                if taken is None:
                    slept += 1
                    assert woken.wait(5.0), f"asleep after {len(contents)} of {total} lines"
            contents += [record[3] for record in taken.records] if taken else []
        writer.join()
        kubelet.close()
        assert contents == [b"2026 line %d" % n for n in range(total)]
        assert slept > 3
        assert counters.value("outrider_lost_generations_total") == 0
