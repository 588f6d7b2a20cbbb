"""`outrider intake` as a process: it says where it is, serves, and ends cleanly."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from outrider.cli.intake import intake as command
from outrider.intake import Intake

RUN = [sys.executable, "-c", "from outrider.cli.intake import intake; intake()"]


@pytest.fixture
def process() -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen([*RUN, "--port", "0", "--fault", "503:0.5"], stderr=subprocess.PIPE, text=True) as started:
        yield started
        started.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_address_and_ends_cleanly(process: "subprocess.Popen[str]", number: signal.Signals) -> None:
    assert process.stderr is not None
    line = process.stderr.readline()
    url = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert url is not None, line
    with urllib.request.urlopen(url[0] + "/intake/faults", timeout=5) as answer:
        assert json.load(answer)["faults"] == ["503:0.5"]
    process.send_signal(number)
    assert process.wait(5) == 0
    said = process.stderr.read()
    assert "Cloud Logging: 0 entries received" in said
    assert "Datadog: 0 logs received" in said


def test_a_bad_fault_and_a_taken_port_are_clear() -> None:
    result = CliRunner().invoke(command, ["--fault", "418"])
    assert result.exit_code == 2
    assert "unknown fault '418'" in result.output
    with Intake() as running:
        result = CliRunner().invoke(command, ["--port", str(running.port)])
    assert result.exit_code == 1
    assert f"cannot listen on 127.0.0.1:{running.port}" in result.output


def test_the_help_imports_neither_the_intake_nor_grpc() -> None:
    code = "import sys; from outrider.cli.intake import intake; print([m for m in sys.modules if m in sys.argv])"
    listed = ["outrider.intake", "grpc", "google.protobuf", "orjson"]
    result = subprocess.run([sys.executable, "-c", code, *listed], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_rest_alone_needs_no_grpc() -> None:
    code = "import sys; from outrider.intake import Intake\nwith Intake(): print('grpc' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_the_key_of_datadog_may_come_from_the_environment() -> None:
    environment = {**os.environ, "OUTRIDER_INTAKE_API_KEY": "right"}
    with subprocess.Popen([*RUN, "--port", "0"], stderr=subprocess.PIPE, text=True, env=environment) as started:
        assert started.stderr is not None
        port = re.search(r"http://127\.0\.0\.1:(\d+)", started.stderr.readline())
        assert port is not None
        statuses = []
        for key in ("wrong", "right"):
            connection = http.client.HTTPConnection("127.0.0.1", int(port[1]), timeout=5)
            connection.request("POST", "/api/v2/logs", b"{}", {"DD-API-KEY": key, "Content-Type": "application/json"})
            statuses.append(connection.getresponse().status)
            connection.close()
        started.kill()
    assert statuses == [403, 202]
