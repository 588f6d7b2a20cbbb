"""What a collector meets that nobody meant to write: each ends in a clear message or a counted, delivered entry.

One collector takes all the odd lines and files, in a tree that is not there when it starts and with a cursor file that
is no such thing; a few more are started for configurations and disks that are wrong.
"""

import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from outrider.demo.kubelet import LIMIT, PodLog
from outrider.model.clock import SystemClock
from tests.support.descriptors import files_held_by
from tests.support.mounts import on_a_full_disk, on_a_read_only_disk, private_mounts
from tests.support.node import NodeProcess, exporter_to, node_process
from tests.support.sink import Entry, Sink
from tests.support.tree import Numbered, assert_complete, await_lines, numbers
from tests.support.wait import until

CORRUPT = b'{"version":1,"crc32":12,"body":{"shop_early_uid-early/main/0":{"0000":[99999,""]}}}\n'
STAMP = "2026-05-16T09:19:06.315692671Z"
MEGABYTES = 5_000_000
LEVELS = 10_000
BROKEN, REFUSED = "outrider_invalid_utf8_total", "outrider_timestamps_refused_total"
BOMB = '{"a":' * LEVELS + "1" + "}" * LEVELS


@dataclass
class Setup:
    node: NodeProcess
    sink: Sink

    def pod(self, name: str) -> Numbered:
        pod = PodLog(self.node.pods, "shop", name, f"uid-{name}", SystemClock())
        return Numbered(name, pod.container("main"))

    def raw(self, name: str, data: bytes) -> Path:
        """The log of a new pod that holds just `data`."""
        path = self.node.pods / f"shop_{name}_uid-{name}" / "main" / "0.log"
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        return path

    def entry(self, name: str) -> Entry:
        """The one entry of a pod."""
        return until(lambda: self.sink.received(name))[0].entry


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    with Sink() as sink:
        exporters = {"google": exporter_to(sink, batch={"wait": "50ms"})}
        with node_process(tmp_path_factory.mktemp("bad"), exporters) as node:
            node.pods.rmdir()
            node.state.mkdir()
            (node.state / "cursors-google.json").write_bytes(CORRUPT)
            node.start()
            setup = Setup(node, sink)
            early = setup.pod("early")
            early.write(20)
            await_lines(sink, early)
            yield setup
            last = setup.pod("last")
            last.write(20)
            early.write(20)
            await_lines(sink, last, early)
            assert_complete(sink, last)
            assert_complete(sink, early)
            assert sink.complaints == []
            assert node.metric("outrider_pump_errors_total") == 0
            assert node.metric("outrider_watch_errors_total") == 0
            assert node.end() == 0
            assert "Traceback" not in node.said


def test_a_tree_that_appears_later_is_followed(setup: Setup) -> None:
    assert f"{setup.node.pods} is not there (yet)" in setup.node.said
    assert len(setup.sink.received("early")) >= 20


def test_a_corrupt_cursor_file_is_set_aside_and_said(setup: Setup) -> None:
    assert "cursors could not be read" in setup.node.said
    assert "does not match its checksum" in setup.node.said
    assert setup.node.metric("outrider_state_corrupt_total", file="cursors") == 1
    assert (setup.node.state / "cursors-google.json.corrupt-0").read_bytes() == CORRUPT


@pytest.mark.parametrize(
    ("name", "line", "payload", "metric"),
    [
        ("latin1", STAMP.encode() + b" stdout F caf\xe9 \xff\xfe", "caf\ufffd \ufffd\ufffd", BROKEN),
        ("surrogate", STAMP.encode() + b" stdout F \xed\xa0\x80!", "\ufffd\ufffd\ufffd!", BROKEN),
        ("nul", STAMP.encode() + b" stdout F a\0b", "a\0b", None),
        ("hole", b"\0" * 5000 + STAMP.encode() + b" stdout F after a hole", "after a hole", None),
        ("no-time", b"no runtime wrote this", "no runtime wrote this", REFUSED),
        ("year-9999", b"9999-12-31T23:59:59Z stdout F late", "late", REFUSED),
        ("month-19", b"2026-19-39T00:00:00Z stdout F odd", "odd", REFUSED),
        ("empty-line", STAMP.encode() + b" stdout F ", "", None),
        ("half-json", STAMP.encode() + b' stdout F {"a": ', '{"a": ', None),
        ("bomb", f"{STAMP} stdout F {BOMB}".encode(), BOMB, None),
    ],
)
def test_an_odd_line_is_delivered_as_text(
    setup: Setup, name: str, line: bytes, payload: str, metric: str | None
) -> None:
    before = setup.node.metric(metric) if metric else 0
    setup.raw(name, line + b"\n")
    assert setup.entry(name)["textPayload"] == payload
    assert len(setup.sink.received(name)) == 1
    if metric:
        assert setup.node.metric(metric) > before


@pytest.mark.parametrize("cut_by_runtime", [True, False])
def test_a_line_of_5_mb_arrives_in_pieces_that_say_so(setup: Setup, cut_by_runtime: bool) -> None:
    """As containerd writes it, in parts, and as one line of the file."""
    name = f"huge-{cut_by_runtime}".lower()
    content = "".join(f"{n:07d} " for n in range(MEGABYTES // 8))
    if cut_by_runtime:
        setup.pod(name).log.write(content)
        assert len(content) > 300 * LIMIT
    else:
        setup.raw(name, f"{STAMP} stdout F {content}\n".encode())
    first = until(lambda: setup.sink.received(name), timeout=10)[0].entry
    total = first["split"]["totalSplits"]
    until(lambda: len(setup.sink.received(name)) == total, timeout=10)
    pieces = setup.sink.received(name)
    in_order = sorted(pieces, key=lambda r: r.entry["split"].get("index", 0))
    assert "".join(r.text for r in in_order) == content
    assert [r.insert_id for r in in_order] == sorted(r.insert_id for r in in_order)
    assert len({r.entry["split"]["uid"] for r in pieces}) == 1


def test_a_file_that_shrinks_goes_on_behind_the_cut(setup: Setup) -> None:
    w = setup.pod("shrinks")
    w.write(50)
    await_lines(setup.sink, w)
    os.truncate(w.log.path, w.log.path.stat().st_size // 2)
    until(lambda: f"{w.log.path} is shorter than what was read of it" in setup.node.said)
    w.write(50)
    await_lines(setup.sink, w)
    assert sorted(numbers(setup.sink.received("shrinks"))) == list(range(100))


def test_a_file_that_is_emptied_begins_anew(setup: Setup) -> None:
    w = setup.pod("emptied")
    w.write(50)
    await_lines(setup.sink, w)
    os.truncate(w.log.path, 0)
    w.write(50)
    await_lines(setup.sink, w)
    assert_complete(setup.sink, w)


def test_names_that_kubelet_did_not_make_are_left_alone(setup: Setup) -> None:
    odd = setup.node.pods / "lost+found"
    odd.mkdir()
    until(lambda: f"{odd} is left alone" in setup.node.said)
    assert setup.node.metric("outrider_odd_names_total") == 1


def test_what_is_no_file_harms_nobody(setup: Setup) -> None:
    """A pipe that nobody writes to, a directory, a loop of links, a link to nowhere: all called like logs."""
    w = setup.pod("among-odd-files")
    directory = w.log.path.parent
    os.mkfifo(directory / "1.log")
    (directory / "2.log").mkdir()
    (directory / "3.log").symlink_to("3.log")
    (directory / "4.log").symlink_to("nowhere")
    (directory / "notes.txt").write_text("mine\n")
    w.write(5)
    await_lines(setup.sink, w)
    assert len(setup.sink.received("among-odd-files")) == 5
    assert setup.node.metric("outrider_inotify_fallbacks_total") == 0


def test_an_empty_file_is_followed_and_says_nothing(setup: Setup) -> None:
    w = setup.pod("silent")
    until(lambda: f"{w.log.path.parent}" in _descriptors(setup.node) or setup.node.metric("outrider_streams") > 0)
    assert setup.sink.received("silent") == []
    w.write(1)
    await_lines(setup.sink, w)


def test_files_that_vanish_under_the_collectors_hands(setup: Setup) -> None:
    """Pods that are made and removed at once, so that listing, opening and reading find nothing any more."""
    for n in range(50):
        pod = PodLog(setup.node.pods, "shop", f"blink-{n}", f"uid-blink-{n}", SystemClock())
        pod.container("main").write("blink")
        pod.remove()
    after = setup.pod("after-blinks")
    after.write(3)
    await_lines(setup.sink, after)


# -- what is wrong from the beginning ---------------------------------------------------------------------------------


def test_a_wrong_type_three_levels_down_ends_with_78_and_names_the_place(tmp_path: Path) -> None:
    with Sink() as sink, node_process(tmp_path, {"google": exporter_to(sink, batch={"in_flight": "many"})}) as node:
        node.start(ready=False)
        assert node.exit_code() == 78
        file = tmp_path / "outrider.yaml"
        line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if "in_flight" in text)
        assert f"{file}:{line}" in node.said
        assert "exporters.google.batch.in_flight" in node.said
        assert "Traceback" not in node.said


def test_a_telemetry_port_in_use_is_said_and_lived_without(tmp_path: Path) -> None:
    with Sink() as sink, socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        config = {"telemetry": {"listen": f"127.0.0.1:{port}"}}
        with node_process(tmp_path, {"google": exporter_to(sink)}, **config) as node:
            setup = Setup(node, sink)
            w = setup.pod("web")
            w.write(5)
            node.start(ready=False)
            await_lines(sink, w)
            assert f"telemetry.listen 127.0.0.1:{port}: Address already in use" in node.said
            assert node.end(signal.SIGINT) == 0


Disk = Callable[[NodeProcess], None]


def _full(node: NodeProcess) -> None:
    """A real file system without room; where none can be mounted, a device that says the same, for one write."""
    node.state.mkdir()
    if private_mounts():
        node.before = on_a_full_disk(node.state)
    else:
        (node.state / "cursors-google.json.tmp").symlink_to("/dev/full")


def _read_only(node: NodeProcess) -> None:
    node.state.mkdir()
    if private_mounts():
        node.before = on_a_read_only_disk(node.state)
    elif os.geteuid() == 0:
        _under_a_file(node)  # root may write in spite of any mode
    else:
        node.state.chmod(0o555)


def _under_a_file(node: NodeProcess) -> None:
    (node.root / "a-file").write_text("")
    node.config["state"] = str(node.root / "a-file" / "state")


@pytest.mark.parametrize("make", [_full, _read_only, _under_a_file])
def test_a_state_that_cannot_be_written_does_not_stop_delivery(tmp_path: Path, make: Disk) -> None:
    with Sink() as sink, node_process(tmp_path, {"google": exporter_to(sink)}) as node:
        make(node)
        setup = Setup(node, sink)
        w = setup.pod("web")
        w.write(5)
        node.start()
        await_lines(sink, w)
        until(lambda: node.metric("outrider_state_write_errors_total", file="cursors") >= 1)
        assert "cursors cannot be saved" in node.said
        w.write(5)
        await_lines(sink, w)
        assert len(sink.received()) == 10
        assert node.process is not None
        filler = Path(f"/proc/{node.process.pid}/root{node.state}/filler")
        if filler.exists():
            filler.unlink()
            until(lambda: "cursors are saved again" in node.said)
        assert node.end() == 0


def _descriptors(node: NodeProcess) -> str:
    assert node.process is not None
    return " ".join(files_held_by(node.process.pid))
