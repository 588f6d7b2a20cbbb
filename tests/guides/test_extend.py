"""The code of the pages about extending: the check passes the suite that all checks pass, and the destination of logs
delivers through the pipeline, whatever its server answers meanwhile.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from outrider.demo.kubelet import PodLog
from outrider.model.clock import SystemClock
from tests.guides.blocks import GUIDES, ROOT, blocks, file_of
from tests.guides.pip import install
from tests.guides.session import Session
from tests.pipeline.test_pump import Rig
from tests.support.wait import until

CHECK = "outrider-apache/outrider_apache/check.py"
SUITE = """\
import sys, pytest, tests.checks.products as products
products.__path__.append(sys.argv[1])
sys.exit(pytest.main(["tests/checks/test_conformance.py", "tests/checks/test_declared.py", "-k", "apache", "-q", "-p",
                      "no:cacheprovider"]))
"""
"""As if the module of the page lay in `tests/checks/products`."""


def test_the_check_is_as_short_as_it_says_and_fits_the_house() -> None:
    lines = file_of("extend-check.md", CHECK).splitlines()
    assert len([line for line in lines if line.strip()]) <= 40
    assert max(map(len, lines)) <= 120


@pytest.mark.slow
def test_the_check_passes_the_suite_of_all_checks(tmp_path: Path) -> None:
    session = Session(tmp_path)
    for block in blocks(GUIDES / "extend-check.md"):
        if block.is_file:
            session.write(block)
    (tmp_path / CHECK).with_name("__init__.py").touch()
    install(tmp_path / "outrider-apache", session.site)
    suite = subprocess.run(
        [sys.executable, "-c", SUITE, str(tmp_path / "products")],
        capture_output=True, text=True, timeout=110, cwd=ROOT, env=session.env,
    )  # fmt: skip
    assert suite.returncode == 0, suite.stdout
    assert "passed" in suite.stdout and "skipped" not in suite.stdout
    ran = int(suite.stdout.split(" passed")[0].split()[-1])
    assert ran > 25, "the suite has found it"


class Server:
    """Takes lines of JSON. What `judge` says of a request's messages is answered, 200 if nothing."""

    def __init__(self) -> None:
        self.came: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.url = ""

    def judge(self, entries: list[dict[str, Any]]) -> int:
        if not self.answers:
            return 503
        return 400 if any(entry["message"] == "odd" for entry in entries) else 200


@contextmanager
def _server() -> Iterator[Server]:
    served = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            entries = [json.loads(line) for line in body.splitlines()]
            status = served.judge(entries)
            served.answers.append(status)
            served.came += entries if status == 200 else []
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()


def test_the_destination_of_logs_delivers_through_an_outage_and_buries_what_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lines.py").write_text(file_of("extend-exporter.md", "lines.py"))
    spec = spec_from_file_location("lines", tmp_path / "lines.py")
    assert spec is not None and spec.loader is not None
    lines = module_from_spec(spec)
    spec.loader.exec_module(lines)
    with _server() as server:
        rig = Rig(tmp_path)
        rig.destination = lines.JsonLines(server.url, SystemClock())
        log = PodLog(tmp_path / "pods", "shop", "web", "u-web", SystemClock()).container("main")
        for text in ("one", "odd", '{"message": "two"}'):
            log.write(text)
        with rig.running():
            until(lambda: len(server.came) == 2)
        rig.destination.close()
        assert rig.committed() == log.path.stat().st_size, "the cursor is behind the last of them"
    assert [entry["message"] for entry in server.came] == ["one", '{"message": "two"}']
    first, second = server.came
    assert first["id"] < second["id"]
    assert (first["namespace"], first["pod"], first["stream"]) == ("shop", "web", "stdout")
    assert first["time"].endswith("Z")
    assert server.answers[0] == 503 and 400 in server.answers
    [letter] = (tmp_path / "dead-letters" / "google.ndjson").read_text().splitlines()
    assert json.loads(letter)["entry"]["message"] == "odd"
