"""One collector, one tree, everything that kubelet, runtimes and logrotate do to log files: every line arrives, once.

The collector is started once for the module, on a tree that already has rotations. Then all scenarios are written,
most of them interleaved, and the tests look at what the sink has received.
"""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from outrider.demo.kubelet import ContainerLog, PodLog
from outrider.model.clock import SystemClock
from tests.support.node import NodeProcess, exporter_to, node_process
from tests.support.sink import Fault, Sink
from tests.support.tree import Numbered, assert_complete, await_lines, by_stream, numbers
from tests.support.wait import until

TRACE = [
    "Traceback (most recent call last):",
    '  File "/app/main.py", line 12, in <module>',
    "    run()",
    '  File "/app/main.py", line 8, in run',
    '    raise ValueError("no such cart")',
    "ValueError: pieces 000003 ",
]
SMALL = 256 * 1024
AHEAD = 4000
"""Lines that the fast writer may be ahead of the sink: three files of the five that are kept."""


@dataclass
class Run:
    """The collector at work, and what was written for it."""

    node: NodeProcess
    sink: Sink
    writers: dict[str, Numbered] = field(default_factory=dict)
    first_lines: dict[str, float] = field(default_factory=dict)
    """Seconds from the creation of a container's file with its first line to the arrival of that line."""

    def pod(self, name: str, style: str = "cri", **settings: int) -> tuple[PodLog, Numbered]:
        pod = PodLog(self.node.pods, "shop", name, f"uid-{name}", SystemClock(), style=style, **settings)  # type: ignore[arg-type]
        writer = self.writers[name] = Numbered(name, pod.container("main"))
        return pod, writer

    def log(self, name: str, style: str = "cri", **settings: int) -> tuple[ContainerLog, Numbered]:
        _, writer = self.pod(name, style, **settings)
        return writer.log, writer

    def arrived(self, name: str) -> int:
        return len(self.sink.received(name))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    root = tmp_path_factory.mktemp("delivery")
    (root / "disk").mkdir()
    exporter = {"batch": {"wait": "100ms"}}
    with Sink() as sink, node_process(root / "node", {"google": exporter_to(sink, **exporter)}) as node:
        node.pods.rmdir()
        node.pods.symlink_to(root / "disk")
        run = Run(node, sink)
        found_rotated(run)
        node.start()
        for scenario in (
            first_lines,
            steady,
            pieces_across_rotation,
            copytruncate,
            deleted_after_last_line,
            restarts,
            born_and_dying,
            docker_json_file,
            docker_links,
            vanishing_inode,
            rotation_at_speed,
        ):
            scenario(run)
        await_lines(sink, *run.writers.values())
        yield run
        assert node.end() == 0


# -- what is written --------------------------------------------------------------------------------------------------


def found_rotated(run: Run) -> None:
    """Rotations, two of them compressed, from before the collector was started."""
    log, w = run.log("rotated-before")
    for _ in range(3):
        w.write(100)
        log.rotate()
    w.write(100)
    assert sorted(p.suffix == ".gz" for p in log.rotations()) == [False, True, True]


def first_lines(run: Run) -> None:
    """New pods, one after the other: the moment of the first line and that of its arrival."""
    for i in range(5):
        name = f"new-{i}"
        _, w = run.pod(name)
        began = time.monotonic()
        w.write()
        until(lambda name=name: run.arrived(name), timeout=10)  # type: ignore[misc]
        run.first_lines[name] = run.sink.received(name)[0].at - began


def steady(run: Run) -> None:
    _, w = run.pod("steady")
    for n in range(20):
        w.write(25)
        until(lambda n=n: run.arrived("steady") >= n * 25)  # type: ignore[misc]


def pieces_across_rotation(run: Run) -> None:
    """A long line and a stack trace, both begun in one file and ended in the next."""
    log, w = run.log("pieces")
    w.write()
    log.write_piece(b"pieces 000001 " + b"a" * 16_000, final=False)
    log.write_piece(b"b" * 16_000, final=False)
    log.rotate()
    log.write_piece(b"c" * 100)
    w.written += 1
    w.write()
    for line in TRACE[:3]:
        log.write(line, "stderr")
    log.rotate()
    for line in [*TRACE[3:-1], f"ValueError: {w.text()}"]:
        log.write(line, "stderr")
    w.write()


def copytruncate(run: Run) -> None:
    log, w = run.log("copytruncate")
    for _ in range(4):
        w.write(150)
        log.copytruncate()
    w.write(50)


def deleted_after_last_line(run: Run) -> None:
    pod, w = run.pod("deleted")
    w.write()
    until(lambda: run.arrived("deleted"))
    w.write(500)
    pod.remove()


def restarts(run: Run) -> None:
    log, w = run.log("restarts")
    for _ in range(4):
        w.write(50)
        log.restart()
    w.write(50)
    log.close()


def born_and_dying(run: Run) -> None:
    pods = [run.pod(f"job-{i}") for i in range(10)]
    for _, w in pods:
        w.write(20)
    for pod, w in pods:
        until(lambda w=w: run.arrived(w.name))  # type: ignore[misc]
        w.write(20)
        pod.remove()


def docker_json_file(run: Run) -> None:
    log, w = run.log("docker", "docker", max_size=SMALL)
    w.write(100)
    log.write(w.text(50_000))
    log.rotate()
    w.write(100)


def docker_links(run: Run) -> None:
    """As dockershim left it: the log under the pod is a link, and docker rotates beside the target."""
    directory = run.node.root.parent / "docker" / "c1"
    target = ContainerLog(directory, SystemClock(), style="docker")
    container = run.node.pods / "shop_linked_uid-linked" / "main"
    container.mkdir(parents=True)
    (container / "0.log").symlink_to(target.path)
    w = run.writers["linked"] = Numbered("linked", target)
    for _ in range(3):
        w.write(60)
        until(lambda: run.arrived("linked") >= w.written)
        for n in (2, 1):
            with_number = target.path.with_name(f"0.log.{n}")
            if with_number.exists():
                os.rename(with_number, target.path.with_name(f"0.log.{n + 1}"))
        os.rename(target.path, target.path.with_name("0.log.1"))
        target.reopen()
    w.write(60)


def vanishing_inode(run: Run) -> None:
    """A log deleted and made again under the same name, again and again: inodes are handed on by the file system."""
    log, w = run.log("again")
    for _ in range(5):
        w.write(30)
        until(lambda: run.arrived("again") >= w.written)
        log.path.unlink()
        log.reopen()
    w.write(30)


def rotation_at_speed(run: Run) -> None:
    log, w = run.log("fast", max_size=SMALL)
    while w.written < 25_000:
        w.write(200, width=170)
        if log.due():
            log.rotate()
        until(lambda: w.written - run.arrived("fast") < AHEAD, timeout=20)


# -- what arrived -----------------------------------------------------------------------------------------------------

SCENARIOS = [
    "rotated-before",
    *(f"new-{i}" for i in range(5)),
    "steady",
    "pieces",
    "copytruncate",
    "deleted",
    "restarts",
    *(f"job-{i}" for i in range(10)),
    "docker",
    "linked",
    "again",
    "fast",
]


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_line_arrives_once_and_insert_ids_sort(run: Run, name: str) -> None:
    assert_complete(run.sink, run.writers[name])
    assert len(run.sink.received(name)) == len(run.sink.first(name)), "sent twice without need"


def test_every_scenario_is_looked_at(run: Run) -> None:
    assert sorted(run.writers) == sorted(SCENARIOS)
    assert run.sink.complaints == []


def test_rotations_were_many_and_most_of_them_compressed_or_deleted(run: Run) -> None:
    counts = run.writers["fast"].log.counts
    assert counts.rotations >= 15
    assert counts.removed >= 10
    assert run.node.metric("outrider_lost_generations_total") == 0


def test_first_line_of_a_new_container_is_there_within_a_second(run: Run) -> None:
    print("first lines arrived after", ", ".join(f"{s * 1000:.0f} ms" for s in run.first_lines.values()))
    assert max(run.first_lines.values()) < 3.0
    assert sorted(run.first_lines.values())[2] < 1.0


def test_each_run_of_a_container_is_a_stream_of_its_own(run: Run) -> None:
    streams = by_stream(run.sink.first("restarts"))
    runs = sorted(numbers(entries) for entries in streams.values())
    assert runs == [list(range(n, n + 50)) for n in range(0, 250, 50)]


def test_a_line_cut_by_the_runtime_is_whole_across_a_rotation(run: Run) -> None:
    joined = next(t for t in run.sink.texts("pieces") if t.startswith("pieces 000001"))
    assert joined == "pieces 000001 " + "a" * 16_000 + "b" * 16_000 + "c" * 100


def test_a_stack_trace_is_one_entry_across_a_rotation(run: Run) -> None:
    entry = next(r.entry for r in run.sink.received("pieces") if "000003" in r.text)
    assert entry["textPayload"].rstrip(".") == "\n".join(TRACE)
    assert entry["severity"] == "ERROR"
    assert entry["logName"] == "projects/acme/logs/stderr"


def test_lines_read_are_entries_received_plus_lines_joined(run: Run) -> None:
    read = run.node.metric("outrider_lines_read_total", exporter="google")
    joined = run.node.metric("outrider_lines_joined_total", exporter="google")
    assert read - joined == len(run.sink.received())
    assert joined == 2 + 5 + 3  # the long line, the trace, docker's long line


def test_what_is_gone_from_the_disk_is_forgotten(run: Run) -> None:
    """Neither streams nor cursors of deleted pods stay behind."""
    until(lambda: "job-3" not in (run.node.state / "cursors-google.json").read_text())
    directories = [d for d in run.node.pods.iterdir() if d.is_dir()]
    runs = sum(len(list(d.glob("main/[0-9].log"))) for d in directories)
    until(lambda: run.node.metric("outrider_streams") == runs)


def test_start_end_takes_up_what_is_there_at_its_end(tmp_path: Path) -> None:
    """… and what appears later at its beginning; a stop and a start lose nothing of either, and repeat nothing."""
    with Sink() as sink:
        exporters = {"google": exporter_to(sink, batch={"wait": "100ms"})}
        with node_process(tmp_path, exporters) as node:
            node.config["logs"]["start"] = "end"
            run = Run(node, sink)
            _, old = run.pod("old")
            for _ in range(100):
                old.log.write("an old line")
            node.start()
            old.write(10)
            _, young = run.pod("young")
            young.write(10)
            await_lines(sink, old, young)
            assert node.end() == 0
            old.write(10)
            young.write(10)
            node.start()
            await_lines(sink, old, young)
            for w in (old, young):
                assert_complete(sink, w)
                assert len(sink.received(w.name)) == w.written
            shutil.rmtree(node.pods)


def test_selection_routes_and_redaction_by_the_file(tmp_path: Path) -> None:
    """… and an exporter that comes back after an outage finds everything that was written for it meanwhile."""
    with Sink() as first, Sink() as second:
        exporters = {"first": exporter_to(first), "second": exporter_to(second, project="other")}
        routes = [{"namespaces": ["pay*"], "to": ["second"]}, {"namespaces": ["shop"], "to": ["first", "second"]}]
        with node_process(tmp_path, exporters, routes=routes) as node:
            node.config["logs"] |= {
                "select": {"exclude": [{"container": "istio-proxy"}]},
                "redact": [{"pattern": r"password=\S+", "with": "password=[redacted]"}],
            }
            second.always = Fault(503)
            node.start()
            for namespace in ("shop", "payments", "kube-system"):
                pod = PodLog(node.pods, namespace, f"{namespace}-pod", f"uid-{namespace}", SystemClock())
                pod.container("main").write(f"{namespace} password=hunter2")
                pod.container("istio-proxy").write("noise")
            until(lambda: first.received())
            until(lambda: second.requests)
            second.always = None
            until(lambda: len(second.received()) == 2)
            assert [r.text for r in first.received()] == ["shop password=[redacted]"]
            assert sorted(r.text for r in second.received()) == [
                "payments password=[redacted]",
                "shop password=[redacted]",
            ]
            assert {r.entry["logName"] for r in second.received()} == {"projects/other/logs/stdout"}
            assert node.end() == 0
