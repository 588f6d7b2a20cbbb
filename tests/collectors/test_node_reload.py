"""A configuration that changes while the collector runs: by SIGHUP, by a rename, by a swapped link, for better and for
worse, and with a SIGTERM in the middle of it.
"""

import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import urllib3
import yaml

from outrider.demo.kubelet import PodLog
from outrider.model.clock import SystemClock
from tests.support.descriptors import files_held_by
from tests.support.node import NodeProcess, exporter_to, node_process
from tests.support.sink import HANG, Fault, Sink, repeats_are_identical
from tests.support.token_endpoint import key_file
from tests.support.tree import Numbered, assert_complete, await_lines, numbers
from tests.support.wait import until

BATCH = {"wait": "50ms"}


@dataclass
class Setup:
    """A collector whose exporter `google` writes to `first`; `second` waits for a configuration that names it."""

    node: NodeProcess
    first: Sink
    second: Sink
    pods: dict[str, Numbered] = field(default_factory=dict)
    pod_logs: dict[str, PodLog] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.node.root / "outrider.yaml"

    def pod(self, name: str, namespace: str = "shop") -> Numbered:
        if name in self.pods:
            return self.pods[name]
        log = self.pod_logs[name] = PodLog(self.node.pods, namespace, name, f"uid-{name}", SystemClock())
        return self.pods.setdefault(name, Numbered(name, log.container("main")))

    def with_second(self) -> dict[str, Any]:
        """The configuration with a route to `second` for the namespace `other`."""
        exporters = {**self.node.config["exporters"], "extra": exporter_to(self.second, batch=BATCH)}
        routes = [{"namespaces": ["other"], "to": ["extra"]}, {"to": ["google"]}]
        return {**self.node.config, "exporters": exporters, "routes": routes}

    def moved(self, **more: Any) -> dict[str, Any]:
        """The configuration with `google` writing to `second`."""
        return {**self.node.config, "exporters": {"google": exporter_to(self.second, batch=BATCH, **more)}}

    def write(self, config: dict[str, Any]) -> None:
        """Write it as an editor does: a new file takes the place of the old one."""
        new = self.path.with_suffix(".new")
        new.write_text(yaml.safe_dump(config))
        os.replace(new, self.path)

    def hup(self) -> None:
        assert self.node.process is not None
        self.node.process.send_signal(signal.SIGHUP)

    def result(self, result: str) -> float:
        try:
            return self.node.metric("outrider_reloads_total", result=result)
        except urllib3.exceptions.HTTPError:  # the moment between two nodes
            return -1

    def await_result(self, result: str, count: int = 1) -> None:
        until(lambda: self.result(result) == count, timeout=20)


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    with Sink() as first, Sink() as second:
        exporters = {"google": exporter_to(first, batch=BATCH)}
        with node_process(tmp_path, exporters, telemetry={"listen": listen}) as node:
            setup = Setup(node.start(), first, second)
            yield setup
            assert first.complaints == second.complaints == []
            assert "Traceback" not in node.said


def test_a_route_is_added_by_sighup(setup: Setup) -> None:
    shop, other = setup.pod("shop-1"), setup.pod("other-1", "other")
    shop.write(10)
    await_lines(setup.first, shop)
    until(lambda: setup.node.metric("outrider_entries_accepted_total", exporter="google") == 10)
    setup.write(setup.with_second())
    setup.hup()
    setup.await_result("applied")
    other.write(10)
    shop.write(10)
    await_lines(setup.second, other)
    await_lines(setup.first, shop)
    assert numbers(setup.first.received("shop-1")) == list(range(20)), "the cursor went from hand to hand"
    until(lambda: setup.node.metric("outrider_entries_accepted_total", exporter="google") == 20)
    assert setup.node.metric("outrider_config_valid") == 1
    assert setup.node.end() == 0


def test_a_removed_exporter_leaves_the_gauges_and_not_the_counters(setup: Setup) -> None:
    before = setup.node.config
    setup.write(setup.with_second())
    setup.hup()
    setup.await_result("applied")
    other = setup.pod("other-1", "other")
    other.write(5)
    await_lines(setup.second, other)
    assert 'outrider_batches_in_flight{exporter="extra"}' in setup.node.get("/metrics")[1]
    setup.write(before)
    setup.hup()
    setup.await_result("applied", 2)
    text = setup.node.get("/metrics")[1]
    assert 'outrider_batches_in_flight{exporter="extra"}' not in text
    assert 'outrider_batches_in_flight{exporter="google"}' in text
    assert setup.node.metric("outrider_entries_accepted_total", exporter="extra") == 5


def test_a_file_that_is_renamed_over_is_noticed(setup: Setup) -> None:
    setup.write(setup.with_second())
    setup.await_result("applied")
    other = setup.pod("other-1", "other")
    other.write(3)
    await_lines(setup.second, other)


def test_a_config_map_that_kubelet_swaps_is_noticed(setup: Setup) -> None:
    """kubelet's AtomicWriter: outrider.yaml -> ..data/outrider.yaml, ..data -> a directory for every version."""
    node, root = setup.node, setup.node.root
    assert node.end() == 0
    for version, config in (("v1", node.config), ("v2", setup.with_second())):
        (root / version).mkdir()
        (root / version / "outrider.yaml").write_text(yaml.safe_dump(config))
    setup.path.unlink()
    (root / "..data").symlink_to("v1")
    setup.path.symlink_to("..data/outrider.yaml")
    node.start()  # writes through the link what is there already
    assert setup.path.is_symlink()
    (root / "..data_tmp").symlink_to("v2")
    os.replace(root / "..data_tmp", root / "..data")
    setup.await_result("applied")


def test_a_half_written_file_is_not_taken(setup: Setup) -> None:
    """It grows for longer than two looks take, and all of it makes a good file of each length."""
    text = yaml.safe_dump(setup.with_second())
    with open(setup.path, "w") as f:
        end = time.monotonic() + 4
        f.write("# being written\n")
        while time.monotonic() < end:
            f.write("#\n")
            f.flush()
            time.sleep(0.1)
        f.write(text)
    setup.await_result("applied")
    assert setup.result("refused") == 0


@pytest.mark.parametrize("by", ["sighup", "file"])
def test_a_bad_file_is_refused_and_the_old_configuration_goes_on(setup: Setup, by: str) -> None:
    shop = setup.pod("shop-1")
    shop.write(5)
    await_lines(setup.first, shop)
    setup.write({**setup.node.config, "routs": []})
    if by == "sighup":
        setup.hup()
    setup.await_result("refused")
    assert setup.node.metric("outrider_config_valid") == 0
    assert re.search(re.escape(str(setup.path)) + r":\d+:\d+: routs: unknown key", setup.node.said)
    assert "the configuration from before goes on" in setup.node.said
    shop.write(5)
    await_lines(setup.first, shop)
    setup.write(setup.node.config)
    if by == "sighup":
        setup.hup()
    setup.await_result("unchanged")
    assert setup.node.metric("outrider_config_valid") == 1
    assert setup.result("refused") == 1
    assert numbers(setup.first.received("shop-1")) == list(range(10))
    assert setup.node.end() == 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"credentials": {"file": "missing.json"}}, "cannot be read"),
        ({"credentials": {"file": "junk.json"}}, "no JSON object"),
        ({"tls": {"ca": "missing.pem"}}, "missing.pem cannot be used: No such file"),
        ({"tls": {"ca": "junk.json"}}, "junk.json cannot be used"),
    ],
)
def test_files_that_the_configuration_names_are_part_of_it(setup: Setup, more: dict[str, Any], words: str) -> None:
    (setup.node.root / "junk.json").write_text("junk")
    root = setup.node.root
    placed: dict[str, Any] = {
        key: {inner: str(root / name) for inner, name in value.items()} for key, value in more.items()
    }
    setup.write(setup.moved(**placed))
    setup.hup()
    setup.await_result("refused")
    assert words in setup.node.said
    shop = setup.pod("shop-1")
    shop.write(5)
    await_lines(setup.first, shop)


def test_a_key_file_that_is_good_is_good_enough(setup: Setup) -> None:
    key = key_file(setup.node.root / "key.json", "http://127.0.0.1:1/token")
    setup.write(setup.moved(credentials={"file": str(key)}))
    setup.hup()
    setup.await_result("applied")
    until(lambda: setup.node.get("/readyz")[0] == 200)


def test_sighup_for_nothing_new_changes_nothing(setup: Setup) -> None:
    setup.hup()
    setup.await_result("unchanged")
    with open(setup.path, "a") as f:
        f.write("# a comment\n")
    setup.hup()
    setup.await_result("unchanged", 2)
    assert setup.node.said.count("metrics and probes at") == 1


def test_an_endpoint_that_changes_while_lines_flow_loses_nothing(setup: Setup) -> None:
    shop, over = setup.pod("shop-1"), threading.Event()

    def write() -> None:
        while not over.wait(0.002):
            shop.write(5)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        until(lambda: len(setup.first.received("shop-1")) > 100)
        for count in range(1, 4):
            setup.write(setup.moved() if count % 2 else setup.node.config)
            setup.hup()
            setup.await_result("applied", count)
            sink = setup.second if count % 2 else setup.first
            seen = len(sink.received("shop-1"))
            until(lambda sink=sink, seen=seen: len(sink.received("shop-1")) > seen + 50)  # type: ignore[misc]
    finally:
        over.set()
        writing.join()
    received = lambda: setup.first.received("shop-1") + setup.second.received("shop-1")  # noqa: E731
    until(lambda: len(set(numbers(received()))) >= shop.written, timeout=20)
    assert repeats_are_identical(received())
    assert len({r.insert_id for r in received()}) == shop.written
    assert setup.node.end() == 0


def test_probes_see_no_long_gap(setup: Setup) -> None:
    host, port = setup.node.config["telemetry"]["listen"].split(":")
    over, gaps = threading.Event(), [0.0]

    def probe() -> None:
        last = time.monotonic()
        while not over.wait(0.01):
            try:
                urllib3.request("GET", f"http://{host}:{port}/healthz", timeout=2, retries=False)
            except urllib3.exceptions.HTTPError:
                continue
            now = time.monotonic()
            gaps.append(now - last)
            last = now

    probing = threading.Thread(target=probe)
    probing.start()
    setup.write(setup.moved())
    setup.hup()
    setup.await_result("applied")
    until(lambda: setup.node.get("/readyz")[0] == 200)
    over.set()
    probing.join()
    assert max(gaps) < 2.0


def test_the_end_may_come_in_the_middle_of_a_reload(setup: Setup) -> None:
    """The old node is waiting for an answer when the signal comes, and gets it a little later."""
    shop = setup.pod("shop-1")
    setup.first.always = Fault(HANG)
    shop.write(5)
    until(lambda: setup.node.metric("outrider_batches_in_flight", exporter="google") >= 1)
    setup.write(setup.moved())
    setup.hup()
    until(lambda: "ending: what has been read is sent" in setup.node.said)
    assert setup.node.process is not None
    setup.node.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    setup.first.always = None
    setup.first.release.set()
    assert setup.node.exit_code() == 0
    assert setup.node.said.count("ending: what has been read is sent") == 1
    assert setup.second.received() == []
    assert_complete(setup.first, shop)


@pytest.mark.parametrize("after", [0.0, 0.05, 0.2])
def test_signals_in_quick_succession_end_in_order(setup: Setup, after: float) -> None:
    shop = setup.pod("shop-1")
    shop.write(50)
    setup.write(setup.moved())
    setup.hup()
    time.sleep(after)
    assert setup.node.end() == 0
    setup.node.config = setup.moved()
    setup.node.start()
    shop.write(5)
    received = lambda: setup.first.received("shop-1") + setup.second.received("shop-1")  # noqa: E731
    until(lambda: len(set(numbers(received()))) >= shop.written)
    assert repeats_are_identical(received())


def test_a_reload_asked_for_many_times_is_one(setup: Setup) -> None:
    setup.write(setup.moved())
    for _ in range(50):
        setup.hup()
    setup.await_result("applied")
    shop = setup.pod("shop-1")
    shop.write(5)
    await_lines(setup.second, shop)
    assert_complete(setup.second, shop)
    assert setup.result("applied") == 1
    assert setup.node.end() == 0


@pytest.mark.parametrize("removed", [True, False])
def test_files_that_only_the_collector_has_go_from_hand_to_hand(setup: Setup, removed: bool) -> None:
    """Without a hold, deleted files live as long as the process; a new configuration is not the end of it."""
    setup.first.always = Fault(503)
    web = setup.pod("web")
    for _ in range(12):
        opened = setup.node.metric("outrider_rotations_total")
        web.write(20)
        web.log.rotate()
        web.write(1)
        until(lambda opened=opened: setup.node.metric("outrider_rotations_total") > opened)  # type: ignore[misc]
    assert not list(setup.node.pods.rglob("0.log.*"))[5:], "kubelet has deleted most of them"
    if removed:
        setup.pod_logs["web"].remove()
    setup.write(setup.moved())
    setup.await_result("applied")
    await_lines(setup.second, web)
    assert_complete(setup.second, web)
    assert setup.node.metric("outrider_lost_generations_total") == 0
    setup.pod("other").write(1)
    until(lambda: setup.second.received("other"))
    until(lambda: descriptors_of_deleted(setup.node) == 0)


def descriptors_of_deleted(node: NodeProcess) -> int:
    assert node.process is not None
    links = files_held_by(node.process.pid)
    return sum(link.endswith(".log (deleted)") or ".log." in link for link in links)


@pytest.mark.parametrize("how", ["restart", "reload"])
def test_what_began_during_an_outage_is_not_taken_up_at_its_end(setup: Setup, how: str) -> None:
    """`logs.start: end` is for streams that were never seen before, not for those of which nothing was acknowledged."""
    setup.node.end()
    setup.node.config["logs"]["start"] = "end"
    old = setup.pod("old")
    old.write(5)
    setup.node.start()
    until(lambda: setup.node.metric("outrider_streams") == 1)
    setup.first.always = Fault(503)
    if how == "restart":
        new = setup.pod("new")
        new.write(20)
        until(lambda: setup.node.metric("outrider_lines_read_total") >= 20)
        assert setup.node.end() == 0
        setup.first.always = None
        setup.node.start()
    else:
        old.write(1)  # something to wait for
        until(lambda: setup.node.metric("outrider_lines_read_total") >= 1)
        setup.write({**setup.node.config, "logs": {**setup.node.config["logs"], "join": {"wait": "2s"}}})
        setup.hup()
        until(lambda: "ending: what has been read" in setup.node.said, timeout=20)
        new = setup.pod("new")
        new.write(20)
        setup.first.always = None
        setup.await_result("applied")
    await_lines(setup.first, new)
    assert_complete(setup.first, new)
    assert not [r for r in setup.first.received("old") if "old 000000" in r.text], "that one was old at the start"


def test_an_exporter_that_has_everything_of_a_deleted_pod_gets_nothing_twice(setup: Setup) -> None:
    """Its cursor went with the pod; the files stay open for another exporter, over one reload after the other."""
    setup.node.end()
    config = setup.with_second()
    config["routes"] = [{"to": ["google", "extra"]}]
    setup.node.config.update(config)
    setup.second.always = Fault(503)
    setup.node.start()
    web = setup.pod("web")
    web.write(50)
    await_lines(setup.first, web)
    setup.pod_logs["web"].remove()
    until(lambda: 'entries{container="main",exporter="google"' not in setup.node.get("/metrics")[1])
    for n in range(2):
        setup.write({**setup.node.config, "logs": {**setup.node.config["logs"], "join": {"wait": f"{n + 2}s"}}})
        setup.await_result("applied", n + 1)
    setup.second.always = None
    await_lines(setup.second, web)
    assert len(setup.first.received("web")) == 50


def test_cursors_go_from_hand_to_hand_even_if_they_cannot_be_saved_or_their_place_changes(setup: Setup) -> None:
    web = setup.pod("web")
    web.write(10)
    await_lines(setup.first, web)
    until(lambda: setup.node.metric("outrider_entries_accepted_total", exporter="google") == 10)
    setup.write({**setup.node.config, "state": str(setup.node.root / "another state")})
    setup.await_result("applied")
    web.write(5)
    await_lines(setup.first, web)
    assert numbers(setup.first.received("web")) == list(range(15))
