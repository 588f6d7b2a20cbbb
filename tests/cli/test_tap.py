"""`outrider tap` and collectors that run: what is shown of what they ship, and how it ends."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from outrider.cli.main import main
from tests.support.cluster import cluster_process
from tests.support.datadog_api import DatadogApi
from tests.support.fake_api import EVENTS, FakeApi, event
from tests.support.node import MAIN, NodeProcess, exporter_to, node_process
from tests.support.raw_server import answer, raw_server
from tests.support.server import quiet_ports
from tests.support.sidecar import sidecar_process
from tests.support.sink import DATADOG, Fault, Sink
from tests.support.wait import until
from tests.support.workers import kill_worker, pod_of

BATCH = {"wait": "50ms"}
REDACT = [{"pattern": r"password=\S+", "with": "password=[redacted]"}]


class Following:
    """`outrider tap` as a child process."""

    def __init__(self, url: str, *options: str, stdout: Any = subprocess.PIPE, **env: str) -> None:
        program = [sys.executable, *MAIN, "tap", "--url", url, *options]
        own = {**os.environ, **env}
        self.child = subprocess.Popen(program, stdout=stdout, stderr=subprocess.PIPE, text=True, env=own)
        assert self.child.stderr is not None
        self.talk = self.child.stderr
        self.greeting = self.talk.readline()

    def lines(self, n: int) -> list[str]:
        assert self.child.stdout is not None
        return [self.child.stdout.readline().rstrip("\n") for _ in range(n)]

    def told(self, n: int) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines(n)]

    def end(self) -> int:
        self.child.send_signal(signal.SIGINT)
        code = self.child.wait(10)
        self.child.communicate()
        return code


@contextlib.contextmanager
def following(node: NodeProcess, *options: str, **more: Any) -> Iterator[Following]:
    tap = Following(url_of(node), *options, **more)
    try:
        yield tap
    finally:
        if tap.child.poll() is None:
            tap.child.kill()
            tap.child.communicate()


def url_of(node: NodeProcess) -> str:
    return re.findall(r"metrics and probes at (http://\S+)", node.said)[-1]


@pytest.fixture(scope="module")
def google() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def datadog() -> Iterator[Sink]:
    with Sink(DATADOG) as sink:
        yield sink


@pytest.fixture(scope="module")  # tests look for texts of their own, since those of others may still be on their way
def node(google: Sink, datadog: Sink, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    exporters = {"google": exporter_to(google, batch=BATCH), "datadog": exporter_to(datadog, batch=BATCH)}
    root = tmp_path_factory.mktemp("node")
    with node_process(root, exporters, logs={"pods": str(root / "pods"), "redact": REDACT}) as node:
        node.start()
        yield node


def test_entries_of_every_exporter_with_secrets_redacted(node: NodeProcess) -> None:
    log = pod_of(node, 0, 1, "cart-0").container("server")
    with following(node, "-g", "logged in") as tap:
        assert tap.greeting.startswith("outrider tap: following datadog, google at http://127.0.0.1:")
        log.write("logged in with password=hunter2 at last", "stderr")
        lines = sorted(tap.lines(2))
        assert tap.end() == 130
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    for line, exporter in zip(lines, ("datadog", "google"), strict=True):
        expected = rf"{time} {exporter} ERROR   shop/cart-0/server logged in with password=\[redacted\] at last"
        assert re.fullmatch(expected, line)


def test_json_has_each_entry_as_it_was_sent(node: NodeProcess, google: Sink) -> None:
    log = pod_of(node, 0, 1, "cart-1").container("server")
    with following(node, "-o", "json", "-e", "google", "-g", "^hi", "--count", "1") as tap:
        log.write('{"message":"hi","severity":"WARNING","n":1}')
        (told,) = tap.told(1)
        assert tap.child.wait(10) == 0
    (received,) = until(lambda: google.received("cart-1"))
    assert told.pop("entry") == received.entry
    assert told == {
        "exporter": "google", "verdict": "accepted", "words": "", "time": received.entry["timestamp"],
        "severity": "WARNING", "namespace": "shop", "pod": "cart-1", "container": "server", "text": 'hi {"n":1}',
    }  # fmt: skip


def test_filters_apply_where_the_entries_are(node: NodeProcess) -> None:
    shop = pod_of(node, 0, 1, "cart-2").container("server")
    bank = pod_of(node, 0, 1, "till-2", "bank").container("server")
    with following(node, "-n", "b*", "--grep", "num(ber)? [24]", "-e", "google", "-o", "json") as tap:
        for i in range(5):
            shop.write(f"number {i}")
            bank.write(f"number {i}")
        assert [(told["namespace"], told["text"]) for told in tap.told(2)] == [
            ("bank", "number 2"), ("bank", "number 4"),
        ]  # fmt: skip


def test_what_is_refused_and_what_waits_is_told(node: NodeProcess, google: Sink) -> None:
    log = pod_of(node, 0, 1, "cart-3").container("server")
    google.fail_entry = lambda entry: (3, "not this one") if entry.get("textPayload") == "odd" else None
    with following(node, "-e", "google", "-g", "^(odd|even)$", "--count", "2") as tap:
        google.next(Fault(503))  # only now: what other tests have sent again must not take it
        log.write("odd")
        log.write("even")
        out, talk = tap.child.communicate(timeout=20)
    google.fail_entry = None
    assert re.search(r" shop/cart-3/server odd\n    refused for good: .*not this one", out)
    assert re.search(r" shop/cart-3/server even$", out, re.MULTILINE)
    assert re.search(r"google: HTTP 503: .* \(retry; entries to be sent again: \d\)", talk)


def test_a_log_cannot_move_the_cursor_of_who_reads_it(node: NodeProcess) -> None:
    log = pod_of(node, 0, 1, "cart-4").container("server")
    with following(node, "-e", "google", "-g", "mine", "--count", "1") as tap:
        log.write("\x1b]0;mine\x07 and \x9b31m red")
        assert tap.lines(1)[0].endswith(r" \x1b]0;mine\x07 and \x9b31m red")


@pytest.mark.parametrize("no_color", [False, True])
def test_severities_have_colours_on_a_terminal(node: NodeProcess, no_color: bool) -> None:
    log = pod_of(node, 0, 1, f"cart-5-{no_color}").container("server")
    ours, theirs = pty.openpty()
    env = {"TERM": "xterm", "NO_COLOR": "1" if no_color else ""}
    with following(node, "-e", "google", "-g", "trouble", "--count", "1", stdout=theirs, **env) as tap:
        os.close(theirs)
        log.write("trouble", "stderr")
        text = b""
        with contextlib.suppress(OSError):  # how a terminal ends whose other side is closed
            while chunk := os.read(ours, 65536):
                text += chunk
        os.close(ours)
        assert tap.child.wait(10) == 0
    assert (b"\x1b[31mERROR" in text) is not no_color
    assert b"trouble" in text


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--grep", "("], 2, "the pattern '(' cannot be used"),
        (["--exporter", "gogle"], 2, "there is no exporter gogle (there are: datadog, google)"),
        (["--count", "0"], 2, "--count"),
    ],
)
def test_wrong_usage(node: NodeProcess, options: list[str], code: int, words: str) -> None:
    result = CliRunner().invoke(main, ["tap", "--url", url_of(node), *options])
    assert (result.exit_code, result.stdout) == (code, "")
    assert words in result.stderr


def test_it_goes_on_when_the_collector_has_reloaded(tmp_path: Path, google: Sink) -> None:
    address = f"127.0.0.1:{quiet_ports(1)[0]}"
    telemetry = {"listen": address}
    with node_process(tmp_path, {"google": exporter_to(google, batch=BATCH)}, telemetry=telemetry) as node:
        node.start()
        log = pod_of(node, 0, 1, "cart-6").container("server")
        with following(node) as tap:
            node.config["logs"]["start"] = "end"
            (node.root / "outrider.yaml").write_text(yaml.safe_dump(node.config))
            assert tap.talk.readline() == f"outrider tap: http://{address}/tap has ended; trying again\n"
            until(lambda: node.said.count("metrics and probes at") == 2)
            until(lambda: node.metric("outrider_taps") == 1)
            log.write("at last")
            assert tap.lines(1)[0].endswith("shop/cart-6/server at last")


@pytest.mark.slow
def test_of_several_workers_all_are_followed(tmp_path: Path, google: Sink) -> None:
    with node_process(tmp_path, {"google": exporter_to(google, batch=BATCH)}, workers=2) as node:
        node.start()
        logs = [pod_of(node, i, 2, f"web-{i}").container("main") for i in range(2)]
        with following(node, "-o", "json", "--grep", "^shown") as tap:
            for i, log in enumerate(logs):
                log.write("hidden")
                log.write(f"shown {i}")
            assert sorted(told["text"] for told in tap.told(2)) == ["shown 0", "shown 1"]
            kill_worker(node, 0)
            until(lambda: node.metric("outrider_taps") == 2)
            logs[0].write("shown again")
            while tap.told(1)[0]["text"] != "shown again":
                pass  # what the one that was killed had not noted down is shipped again
            assert tap.end() == 130
        until(lambda: node.metric("outrider_taps") == 0)


def test_a_sidecar_can_be_followed(tmp_path: Path, google: Sink) -> None:
    with sidecar_process(tmp_path, {"google": exporter_to(google, batch=BATCH)}) as sidecar:
        sidecar.start()
        with following(sidecar, "--count", "1") as tap:
            sidecar.write("app.log", "from a file")
            assert tap.lines(1)[0].endswith(" google INFO    shop/web-1/web from a file")


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answers 404; is --url where"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno\n", "outrider tap: no\n"),
        (b"HTTP/1.0 200 OK\r\n\r\n<html>\n", "is nothing to follow"),
        (b"HTTP/1.0 200 OK\r\n\r\n[]\n", "is nothing to follow"),
        (b"HTTP/1.0 200 OK\r\n\r\n{}\n", "is nothing to follow"),
        (b"HTTP/1.0 200 OK\r\n\r\n", "has ended"),
        (b"no HTTP at all\r\n", "out of reach"),
        (b"", "out of reach"),
    ],
)
def test_what_cannot_be_followed_is_out_of_reach(page: bytes, words: str) -> None:
    with raw_server(answer(page)) as address:
        result = CliRunner().invoke(main, ["tap", "--url", f"http://{address}"])
    assert (result.exit_code, result.stdout) == (69, "")
    assert words in result.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "http://[", "ftp://x"])
def test_nobody_there(url: str) -> None:
    result = CliRunner().invoke(main, ["tap", "--url", url])
    assert result.exit_code == 69, result.output
    assert "Traceback" not in result.output


def test_what_came_too_fast_is_told() -> None:
    page = b'HTTP/1.0 200 OK\r\n\r\n{"exporters":["google"]}\n\n{"dropped":40}\n'
    with raw_server(answer(page)) as address:
        tap = Following(f"http://{address}")
        assert tap.talk.readline().startswith("outrider tap: 40 entries came too fast to be shown")
        assert tap.end() == 130


def test_the_events_of_the_cluster_program(tmp_path: Path) -> None:
    with FakeApi() as api, DatadogApi() as datadog:
        exporters = {"datadog": {"kind": "datadog", "api_key": "k", "metrics_endpoint": datadog.url, "batch": BATCH}}
        with cluster_process(tmp_path, api, exporters) as replica:
            replica.start()
            with following(replica, "-o", "json", "--count", "1") as tap:
                api.put(EVENTS, event("shop", "web.1", "BackOff", type_="Warning", message="Back-off"))
                [shown] = tap.told(1)
            assert (shown["exporter"], shown["namespace"]) == ("datadog", "shop")
            assert shown["text"] == "Pod shop/web-1: BackOff: Back-off"
