"""`workers: N` from outside: the logs of one node by several processes, their ends of all kinds, their state dealt out,
their books as one.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.http_server import HttpRequest, Said, http_server
from tests.support.node import MAIN, NodeProcess, exporter_to, node_process
from tests.support.sink import Fault, Sink, repeats_are_identical
from tests.support.tree import Numbered, assert_complete, await_lines, files_in
from tests.support.wait import until
from tests.support.workers import all_workers, kill_worker, pod_of, workers, writers

BATCH = {"wait": "50ms"}


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


@pytest.fixture
def node(tmp_path: Path, sink: Sink) -> Iterator[NodeProcess]:
    with node_process(tmp_path, {"google": exporter_to(sink, batch=BATCH)}, workers=2) as node:
        yield node


def cursor_files(node: NodeProcess) -> list[str]:
    return sorted(str(path.relative_to(node.state).parent) for path in node.state.rglob("cursors-google.json"))


def settled(node: NodeProcess) -> bool:
    """Whether every line is answered for and the cursors are on the disk."""
    return node.metric("outrider_lag_bytes") == 0


def assert_everything_once(sink: Sink, lines: list[Numbered]) -> None:
    assert len(sink.received()) == sum(w.written for w in lines)
    for w in lines:
        assert_complete(sink, w)


class Writing:
    """Writes to all of `lines`, rotating, until it is over."""

    def __init__(self, lines: list[Numbered]) -> None:
        self._lines, self._over = lines, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Writing":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.005):
            for w in self._lines:
                w.write(width=200)
                if w.log.due():
                    w.log.rotate()


def rotating(node: NodeProcess, count: int) -> list[Numbered]:
    pods = [pod_of(node, i % 2, 2, f"pod-{i}", max_size=64 * 1024, max_files=20) for i in range(count)]
    return [Numbered(pod.name, pod.container("main")) for pod in pods]


# -- delivery ---------------------------------------------------------------------------------------------------------


def test_all_lines_arrive_once_under_the_ids_that_one_process_gives(
    tmp_path: Path, node: NodeProcess, sink: Sink
) -> None:
    lines = writers(node, 6, lines=200)
    node.start()
    await_lines(sink, *lines)
    for w in lines:
        w.write(100)
    await_lines(sink, *lines)
    assert_everything_once(sink, lines)
    assert sorted(workers(node)) == [0, 1]
    assert node.end() == 0
    assert cursor_files(node) == ["worker-0", "worker-1"]
    with Sink() as other, node_process(tmp_path / "alone", {"google": exporter_to(other)}) as alone:
        alone.config["logs"] = {"pods": str(node.pods)}
        alone.start()
        await_lines(other, *lines)
        assert all_workers(alone) == {}
        assert {r.insert_id for r in other.received()} == {r.insert_id for r in sink.received()}


def test_a_worker_that_is_killed_loses_nothing_and_the_other_goes_on(node: NodeProcess, sink: Sink) -> None:
    lines = rotating(node, 4)
    node.start()
    with Writing(lines):
        for index in (0, 1, 0):
            seen = len(sink.requests)
            until(lambda seen=seen: len(sink.requests) > seen + 3)  # type: ignore[misc]
            other = workers(node)[1 - index]
            kill_worker(node, index)
            assert workers(node)[1 - index] == other
    await_lines(sink, *lines, timeout=30)
    for w in lines:
        assert_complete(sink, w)
    assert repeats_are_identical(sink.received())
    assert node.metric("outrider_worker_restarts_total") == 3
    assert node.metric("outrider_worker_restarts_total", worker="0") == 2
    assert "worker 0 does not run: it ended with -9" in node.said
    assert node.end() == 0


def test_a_supervisor_that_is_killed_leaves_nobody_behind_and_loses_nothing(node: NodeProcess, sink: Sink) -> None:
    lines = rotating(node, 4)
    with Writing(lines):
        for _ in range(3):
            node.start()
            seen = len(sink.requests)
            until(lambda seen=seen: len(sink.requests) > seen + 5)  # type: ignore[misc]
            node.kill()
            until(lambda: all_workers(node) == {}, timeout=2)
        node.start()
    await_lines(sink, *lines, timeout=30)
    for w in lines:
        assert_complete(sink, w)
    assert repeats_are_identical(sink.received())


def test_a_supervisor_that_is_killed_at_its_start_leaves_nobody_behind(node: NodeProcess) -> None:
    node.start(ready=False)
    until(lambda: len(all_workers(node)) == 2, timeout=20)
    node.kill()
    until(lambda: all_workers(node) == {}, timeout=10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_orderly_end_repeats_nothing(node: NodeProcess, sink: Sink, number: signal.Signals) -> None:
    lines = writers(node, 4, lines=50)
    node.start()
    await_lines(sink, *lines)
    for w in lines:
        w.write(200)
    until(lambda: node.metric("outrider_lines_read_total") == 4 * 250)
    assert node.end(number) == 0
    assert all_workers(node) == {}
    assert_everything_once(sink, lines)
    for w in lines:
        w.write(10)
    node.start()
    await_lines(sink, *lines)
    until(lambda: settled(node))
    assert_everything_once(sink, lines)


def test_an_end_with_nothing_under_way_is_quick_however_many_exporters_there_are(tmp_path: Path, sink: Sink) -> None:
    """Nobody is asked for gauges whose pump has ended; each would be waited for, 2 s."""
    exporters = {name: exporter_to(sink, batch=BATCH) for name in ("google", "customer-a", "customer-b")}
    with node_process(tmp_path, exporters, workers=2) as node:
        writers(node, 2, lines=10)
        node.start()
        until(lambda: len(sink.received()) == 60)
        until(lambda: settled(node))
        began = time.monotonic()
        assert node.end() == 0
        assert time.monotonic() - began < 4.0


def test_a_worker_that_does_not_end_is_killed(node: NodeProcess, sink: Sink) -> None:
    """Frozen, so that it hears nothing; what is promised is the end, and the lines come again."""
    node.main = ("-c", "import collectors.fleet as f; f.ENDING_TAKES = 2.0; from outrider.cli.main import main; main()")
    lines = writers(node, 2, lines=10)
    node.start()
    await_lines(sink, *lines)
    os.kill(workers(node)[1], signal.SIGSTOP)
    assert node.end() == 0
    assert "worker 1 is killed" in node.said
    assert all_workers(node) == {}


# -- another number of workers ----------------------------------------------------------------------------------------


def test_another_number_of_workers_loses_and_repeats_nothing(node: NodeProcess, sink: Sink) -> None:
    lines = writers(node, 8, lines=20)
    for number, homes in [
        (1, ["."]),
        (2, ["worker-0", "worker-1"]),
        (3, ["worker-0", "worker-1", "worker-2"]),
        (1, ["."]),
    ]:
        for w in lines:
            w.write(20)
        node.config["workers"] = number
        node.start()
        await_lines(sink, *lines)
        until(lambda: settled(node))
        assert node.end() == 0
        assert cursor_files(node) == homes
        assert_everything_once(sink, lines)


def test_workers_begin_at_the_end_only_where_nobody_was(node: NodeProcess, sink: Sink) -> None:
    """`logs.start: end` with another number of workers: what was followed is followed on."""
    node.config["logs"]["start"] = "end"
    node.config["workers"] = 1
    lines = writers(node, 6, lines=10)
    node.start()
    for w in lines:
        w.write(10)
    until(lambda: len(sink.received()) == 60)
    assert node.end() == 0
    for w in lines:
        w.write(10)
    node.config["workers"] = 3
    node.start()
    until(lambda: len(sink.received()) >= 120)
    until(lambda: settled(node))
    assert len(sink.received()) == 120


# -- shared and divided -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("homes", [(0, 1), (0, 0)], ids=["in both workers", "in one of them"])
def test_a_limit_holds_over_all_workers(node: NodeProcess, sink: Sink, homes: tuple[int, int]) -> None:
    """6 MiB at 1 MiB/s, one of it saved up: 5 s, whoever reads them. A chunk of 256 KiB may be read too early."""
    limit, width = 1 << 20, 1000
    node.config["routes"] = [{"to": ["google"], "limit": "1MiB/s"}]
    pods = [pod_of(node, home, 2, f"pod-{i}", max_size=1 << 30) for i, home in enumerate(homes)]
    lines = [Numbered(pod.name, pod.container("main")) for pod in pods]
    for w in lines:
        w.write(3 * limit // width, width)
    size = sum(pod.counts.bytes for pod in pods)
    node.start()
    await_lines(sink, *lines, timeout=30)
    times = [r.at for r in sink.requests]
    took = times[-1] - times[0]
    least = (size - limit - 3 * 256 * 1024) / limit
    assert least <= took <= least + 4
    assert node.metric("outrider_limited_total", namespace="shop") > 0


def test_requests_under_way_are_divided(node: NodeProcess, sink: Sink) -> None:
    sink.always = Fault(200, delay=60)
    node.config["exporters"]["google"] = exporter_to(sink, batch={"bytes": "64KiB", "wait": "50ms", "in_flight": 4})
    lines = writers(node, 4)
    for w in lines:
        w.write(1000, 500)
    node.start()
    until(lambda: node.metric("outrider_batches_in_flight") == 4)
    kept = node.metric("outrider_stream_bytes", state="in_flight")
    until(lambda: node.metric("outrider_stream_bytes", state="in_flight") == kept)
    assert node.metric("outrider_batches_in_flight") == 4
    sink.release.set()


def test_links_of_one_worker_are_not_touched_by_another(tmp_path: Path, node: NodeProcess, sink: Sink) -> None:
    """An outage, kill -9, pods that are gone, and then another number of workers: all of it is in the links."""
    held = tmp_path / "held"
    node.config["logs"]["hold"] = {"budget": "100MiB", "path": str(held)}
    pods = [pod_of(node, i % 2, 2, f"pod-{i}") for i in range(4)]
    lines = [Numbered(pod.name, pod.container("main")) for pod in pods]
    for w in lines:
        w.write(20)
    node.start()
    await_lines(sink, *lines)
    sink.always = Fault(503)
    for _ in range(3):
        rotations = node.metric("outrider_rotations_total")
        for w in lines:
            w.write(20)
            w.log.rotate()
            w.write(1)
        until(lambda before=rotations: node.metric("outrider_rotations_total") >= before + 4)  # type: ignore[misc]
    until(lambda: len(links(held)) >= 4 * 4)
    for pod in pods[:2]:
        pod.remove()
    node.kill()
    until(lambda: all_workers(node) == {})
    before = links(held)
    for number in (2, 3):
        node.config["workers"] = number
        node.start()
        until(lambda: node.metric("outrider_streams") == 4, timeout=10)
        assert links(held) == before
        node.kill()
        until(lambda: all_workers(node) == {})
    sink.always = None
    node.start()
    await_lines(sink, *lines, timeout=30)
    for w in lines:
        assert_complete(sink, w)
    assert repeats_are_identical(sink.received())
    assert node.metric("outrider_lost_bytes_total") == 0
    for pod in pods[2:]:
        pod.remove()
    until(lambda: links(held) == set() and list(held.iterdir()) == [], timeout=15)


def links(held: Path) -> set[str]:
    return {str(path.relative_to(held)) for path in files_in(held)}


# -- books ------------------------------------------------------------------------------------------------------------


def test_the_books_of_all_workers_are_one(node: NodeProcess, sink: Sink) -> None:
    lines = writers(node, 6, lines=100)
    node.start()
    await_lines(sink, *lines)
    until(lambda: settled(node))
    assert node.metric("outrider_lines_read_total") == node.metric("outrider_entries_accepted_total") == 600
    assert node.metric("outrider_streams") == 6
    assert node.metric("outrider_workers") == 2
    assert node.metric("outrider_config_valid") == 1
    assert node.metric("outrider_stream_bytes", state="acknowledged") == sum(w.log.counts.bytes for w in lines)
    text = node.get("/metrics")[1]
    names = re.findall(r"^# TYPE (\w+)", text, re.MULTILINE)
    assert len(names) == len(set(names)), "a name may come once"
    samples = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(samples) == len(set(samples))
    status, ledger = node.get("/ledger")
    streams = json.loads(ledger)["exporters"]["google"]["streams"]
    assert status == 200
    assert sorted(s["pod"] for s in streams) == [w.name for w in lines]
    audit = audited(node)
    assert audit.returncode == 0, audit.stderr
    assert "all 6 streams balance" in audit.stdout
    assert node.get("/healthz") == (200, "ok\n")


def audited(node: NodeProcess) -> "subprocess.CompletedProcess[str]":
    url = re.findall(r"metrics and probes at (\S+)", node.said)[-1]
    return subprocess.run(
        [sys.executable, *MAIN, "audit", "--url", url], capture_output=True, text=True, timeout=30, check=False
    )


def test_what_a_dead_worker_has_counted_stays_counted(node: NodeProcess, sink: Sink) -> None:
    lines = writers(node, 4, lines=100)
    node.start()
    await_lines(sink, *lines)
    until(lambda: node.metric("outrider_entries_accepted_total") == 400)
    kill_worker(node, 0)
    assert node.metric("outrider_entries_accepted_total") >= 400
    until(lambda: settled(node))
    assert audited(node).returncode == 0
    os.kill(workers(node)[1], signal.SIGTERM)
    until(lambda: node.metric("outrider_worker_restarts_total") == 2, timeout=10)
    until(node.is_ready, timeout=10)
    assert node.metric("outrider_entries_accepted_total") >= 400


def test_a_worker_that_is_not_there_is_named(node: NodeProcess) -> None:
    node.start()
    os.kill(workers(node)[1], signal.SIGKILL)
    until(lambda: "worker 1 does not run" in node.get("/readyz")[1])
    assert node.get("/readyz")[0] == 503
    assert node.get("/healthz") == (200, "ok\n")
    status, words = node.get("/ledger")
    assert status == 503 or len(workers(node)) == 2
    assert "worker 1" in words or status == 200
    until(node.is_ready, timeout=20)


def test_what_one_worker_is_refused_for_stands_in_the_books_of_all(node: NodeProcess, sink: Sink) -> None:
    node.main = ("-c", "import sys; from outrider.cli.main import main; main()")
    sink.always = Fault(403)
    writers(node, 1, lines=5)
    node.start()
    trouble = until(lambda: json.loads(node.get("/ledger")[1])["exporters"]["google"]["trouble"], timeout=10)
    assert "403" in trouble


def test_the_supervisor_exports_the_sums_by_otlp(
    node: NodeProcess, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[bytes] = []

    def keep(request: HttpRequest) -> Said:
        bodies.append(request.body)
        return 200, b""

    with http_server(keep) as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "300")
        lines = writers(node, 4, lines=10)
        node.start()
        await_lines(sink, *lines)
        until(lambda: bodies and b"outrider_entries_accepted_total" in bodies[-1], timeout=15)
        seen = len(bodies)
        until(lambda: len(bodies) > seen + 5, timeout=15)
        assert node.end() == 0
    assert all(b"outrider_worker_restarts_total" in body for body in bodies[seen:]), "only the supervisor exports"


# -- configuration ----------------------------------------------------------------------------------------------------


def rewrite(node: NodeProcess, config: dict[str, Any]) -> None:
    path = node.root / "outrider.yaml"
    path.with_suffix(".new").write_text(yaml.safe_dump(config))
    os.replace(path.with_suffix(".new"), path)


def reload(node: NodeProcess, config: dict[str, Any]) -> None:
    """At once, by SIGHUP."""
    rewrite(node, config)
    assert node.process is not None
    node.process.send_signal(signal.SIGHUP)


def test_a_reload_reaches_every_worker_and_keeps_open_files(node: NodeProcess, sink: Sink) -> None:
    sink.always = Fault(503)
    pods = [pod_of(node, i, 2, f"pod-{i}") for i in range(2)]
    lines = [Numbered(pod.name, pod.container("main")) for pod in pods]
    for w in lines:
        w.write(50)
    node.start()
    until(lambda: node.metric("outrider_lines_read_total") == 100)
    before = workers(node)
    for pod in pods:
        pod.remove()  # nothing but the workers' descriptors is left of them
    with Sink() as other:
        rewrite(node, {**node.config, "exporters": {"google": exporter_to(other, batch=BATCH)}})
        until(lambda: node.metric("outrider_reloads_total", result="applied") == 1, timeout=15)
        await_lines(other, *lines, timeout=20)
        for w in lines:
            assert_complete(other, w)
    assert workers(node) == before
    assert node.end() == 0


def test_sighup_reloads_and_a_listening_address_moves(node: NodeProcess, sink: Sink) -> None:
    node.start()
    lines = writers(node, 4, lines=10)
    await_lines(sink, *lines)
    reload(node, {**node.config, "telemetry": {"listen": "localhost:0"}})
    until(lambda: node.said.count("metrics and probes at") == 2, timeout=10)
    until(lambda: node.said.count("the old node ends") == 2, timeout=10)


def test_a_file_that_cannot_be_used_changes_nothing_not_even_for_a_new_worker(node: NodeProcess, sink: Sink) -> None:
    lines = writers(node, 2, lines=10)
    node.start()
    await_lines(sink, *lines)
    rewrite(node, {**node.config, "exporters": {"google": {"kind": "nonsense"}}})
    until(lambda: node.metric("outrider_config_valid") == 0, timeout=10)
    assert node.metric("outrider_reloads_total", result="refused") == 1
    assert node.said.count("is refused") == 1
    kill_worker(node, 0)
    for w in lines:
        w.write(10)
    await_lines(sink, *lines)
    rewrite(node, node.config)
    until(lambda: node.metric("outrider_config_valid") == 1, timeout=10)


def test_the_number_of_workers_is_changed_by_a_reload(node: NodeProcess, sink: Sink) -> None:
    lines = writers(node, 6, lines=20)
    node.start()
    read = accepted = 0.0
    for number in (3, 1, 2):
        await_lines(sink, *lines)
        until(lambda: settled(node))
        reload(node, {**node.config, "workers": number})
        until(lambda n=number: len(workers(node)) == (n if n > 1 else 0), timeout=15)  # type: ignore[misc]
        until(node.is_ready, timeout=15)
        for w in lines:
            w.write(20)
        await_lines(sink, *lines)
        until(lambda: settled(node))
        assert node.metric("outrider_lines_read_total") > read
        read = node.metric("outrider_lines_read_total")
        until(lambda n=accepted: node.metric("outrider_entries_accepted_total") > n)  # type: ignore[misc]
        accepted = node.metric("outrider_entries_accepted_total")
    assert_everything_once(sink, lines)
    assert accepted == len(sink.received()), "the books go on over all of it"
    assert node.end() == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"exporters": {"google": {"kind": "nonsense"}}}, "nonsense"),
        ({"exporters": {"google": {"kind": "stackdriver", "tls": {"ca": "outrider.yaml"}}}}, "certificate authorities"),
    ],
)
def test_a_wrong_configuration_is_said_once_and_ends_with_78(
    node: NodeProcess, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], words: str
) -> None:
    monkeypatch.chdir(node.root)
    node.config |= {**more, "workers": 4}
    node.start(ready=False)
    assert node.exit_code(20) == 78
    assert node.said.count(words) == 1
    assert all_workers(node) == {}


def test_the_supervisor_stays_small_and_idle(node: NodeProcess, sink: Sink) -> None:
    lines = writers(node, 2, lines=1000)
    node.start()
    await_lines(sink, *lines)
    assert node.resident_bytes() < 40e6
    used, since = node.cpu_seconds(), time.monotonic()
    until(lambda: time.monotonic() - since > 2)
    assert node.cpu_seconds() - used < 0.1
