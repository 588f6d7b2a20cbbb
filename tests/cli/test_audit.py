"""`outrider audit` against a ledger that a test makes up, served by the telemetry that serves the real one."""

import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner, Result

from outrider.cli.audit import size
from outrider.cli.main import main
from outrider.model.counters import Counters
from outrider.pipeline.telemetry import Telemetry
from tests.support.raw_server import answer, raw_server


def stream(pod: str, lag: float = 0.0, lost: dict[str, int] | None = None, **more: Any) -> dict[str, Any]:
    """A stream that balances, unless `more` changes a figure (`disk=…` of bytes, `records_read=…` of records)."""
    held = {"skipped": 100, "acknowledged": 5000, "in_flight": 300, "lost": lost or {}, "behind": 600, "read": 5300}
    held["disk"] = 6000 + sum(held["lost"].values())  # type: ignore[attr-defined]
    records = {"read": 53, "in_flight": 3, "accepted": 48, "rejected": 1, "left_out": 1}
    held |= {k: v for k, v in more.items() if k in held}
    records |= {k.removeprefix("records_"): v for k, v in more.items() if k.startswith("records_")}
    where = {"namespace": "shop", "pod": pod, "uid": f"uid-{pod}", "container": "main", "restart": 0}
    return {**where, "bytes": held, "records": records, "behind_seconds": lag}


def ledger(*streams: dict[str, Any], trouble: str | None = None) -> dict[str, Any]:
    exporters = {"google": {"trouble": trouble, "streams": list(streams)}}
    return {"time": 1_780_000_100.5, "started": 1_780_000_000.0, "exporters": exporters}


@contextlib.contextmanager
def served(what: object) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    telemetry = Telemetry(listen, Counters(), lambda: None, lambda: None, lambda: what)
    telemetry.start()
    try:
        yield f"http://{listen}"
    finally:
        telemetry.stop()


def audit(what: object, *options: str) -> Result:
    with served(what) as url:
        return CliRunner().invoke(main, ["audit", "--url", url, *options], env={"COLUMNS": "300"})


def cells(result: Result, name: str) -> list[str]:
    (line,) = [line for line in result.stdout.splitlines() if name in line]
    return re.split(r"\s{2,}", line.strip())


def test_a_ledger_that_balances() -> None:
    result = audit(ledger(stream("web-1", 2.4), stream("web-2")))
    assert result.exit_code == 0, result.output
    expected = ["6000", "100", "5000", "300", "0", "600", "0", "53", "48", "1", "1", "3", "0"]
    assert cells(result, "web-1") == ["2s", "shop/web-1/main/0", *expected]
    total = cells(result, "total of 2 streams")
    assert total[:4] == ["2s", "total of 2 streams", "11.7 KiB", "200"]
    assert total[8] == total[-1] == "0"
    assert result.stdout.endswith("all 2 streams balance\n")
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize(
    ("more", "column", "balance"),
    [
        ({"disk": 6007}, 8, "+7"),
        ({"skipped": 107}, 8, "-7"),
        ({"acknowledged": 5001}, 8, "-1"),
        ({"in_flight": 299}, 8, "+1"),
        ({"behind": 0}, 8, "+600"),
        ({"lost": {"rotated away": 5}, "disk": 6000}, 8, "-5"),
        ({"records_read": 54}, -1, "+1"),
        ({"records_in_flight": 4}, -1, "-1"),
        ({"records_accepted": 47}, -1, "+1"),
        ({"records_rejected": 0}, -1, "+1"),
        ({"records_left_out": 3}, -1, "-2"),
    ],
)
def test_a_ledger_that_does_not_balance(more: dict[str, Any], column: int, balance: str) -> None:
    result = audit(ledger(stream("web-1"), stream("web-2", **more)))
    assert result.exit_code == 1
    assert cells(result, "web-2")[column] == balance
    assert cells(result, "total of 2")[column] == balance
    assert "1 of 2 streams do not balance" in result.stdout


def test_what_one_has_too_much_does_not_make_up_for_what_another_lacks() -> None:
    assert audit(ledger(stream("web-1", disk=6001), stream("web-2", disk=5999))).exit_code == 1


def test_losses_are_told_by_cause_and_balance() -> None:
    result = audit(
        ledger(stream("web-1", lost={"rotated": 20_000, "truncated": 5}), stream("web-2", lost={"rotated": 1}))
    )
    assert result.exit_code == 0
    assert "lost to rotated: 20001 bytes" in result.stdout
    assert "lost to truncated: 5 bytes" in result.stdout
    assert cells(result, "web-1")[6] == "19.5 KiB"


def test_the_worst_come_first_and_the_rest_on_demand() -> None:
    streams = [stream(f"web-{i:02}", lag=float(i)) for i in range(30)] + [stream("odd", disk=1)]
    result = audit(ledger(*streams))
    pods = re.findall(r"shop/([^/]+)/", result.stdout)
    assert pods == ["odd", *(f"web-{i:02}" for i in range(29, 10, -1))]
    assert "11 more streams: --all" in result.stdout
    assert len(re.findall(r"shop/([^/]+)/", audit(ledger(*streams), "--all").stdout)) == 31


def test_every_stream_that_does_not_balance_is_shown() -> None:
    result = audit(ledger(*(stream(f"web-{i:02}", disk=1) for i in range(40))))
    assert len(re.findall(r"shop/([^/]+)/", result.stdout)) == 40


def test_trouble_is_told() -> None:
    assert "google: 503: backend is away" in audit(ledger(stream("web-1"), trouble="503: backend is away")).stdout


def test_json() -> None:
    result = audit(ledger(stream("web-1", 2.5, lost={"rotated": 7}), stream("web-2", disk=6001)), "-o", "json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["version"], document["balanced"], document["time"]) == (1, False, 1_780_000_100.5)
    google = document["exporters"]["google"]
    assert google["bytes"]["balance"] == 1
    assert google["bytes"]["lost"] == {"rotated": 7}
    assert google["records"] == {
        "read": 106, "in_flight": 6, "accepted": 96, "rejected": 2, "left_out": 2, "balance": 0,
    }  # fmt: skip
    assert [(s["pod"], s["bytes"]["balance"]) for s in google["streams"]] == [("web-2", 1), ("web-1", 0)]


def test_nothing_to_account_for_balances() -> None:
    assert audit({"time": 1.0, "started": 0.0, "exporters": {}}).exit_code == 0
    assert audit(ledger()).exit_code == 0


def test_options_are_variables_too() -> None:
    with served(ledger(stream("web-1"))) as url:
        result = CliRunner().invoke(main, ["audit"], env={"OUTRIDER_URL": url, "OUTRIDER_OUTPUT": "json"})
    assert json.loads(result.stdout)["balanced"] is True


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answers 404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", "is no ledger"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", "is no ledger"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\xff", "is no ledger"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100000, "is no ledger"),
        (b"no HTTP at all\r\n", "out of reach"),
        (b"", "out of reach"),
    ],
)
def test_what_is_no_ledger_is_out_of_reach(page: bytes, words: str) -> None:
    with raw_server(answer(page)) as address:
        result = CliRunner().invoke(main, ["audit", "--url", f"http://{address}"])
    assert result.exit_code == 69, result.output
    assert words in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "http://[", "ftp://x"])
def test_nobody_there(url: str) -> None:
    result = CliRunner().invoke(main, ["audit", "--url", url])
    assert result.exit_code == 69, result.output
    assert "Traceback" not in result.output


def test_watching_goes_on_while_the_collector_is_away() -> None:
    program = [sys.executable, "-m", "outrider.cli.main", "audit", "--watch", "-o", "json"]
    with served(ledger(stream("web-1"))) as url:
        child = subprocess.Popen([*program, "--url", url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stderr is not None
        assert json.loads(child.stdout.readline())["balanced"] is True
    assert "out of reach" in child.stderr.readline()
    child.send_signal(signal.SIGINT)
    assert child.wait(10) == 130
    child.communicate()


@pytest.mark.parametrize("no_color", [False, True])
def test_a_terminal_gets_a_table(no_color: bool) -> None:
    env = {**os.environ, "COLUMNS": "200", "TERM": "xterm"}
    env.pop("NO_COLOR", None)
    with served(ledger(stream("web-1", disk=6003))) as url:
        code, text = _on_a_terminal(["--url", url], env | ({"NO_COLOR": "1"} if no_color else {}))
    assert code == 1
    assert "web-1" in text
    assert "+3" in text
    assert "1 of 1 streams do not balance" in text
    assert ("\x1b[" in text) is not no_color


def _on_a_terminal(options: list[str], env: dict[str, str]) -> tuple[int, str]:
    ours, theirs = pty.openpty()
    child = subprocess.Popen([sys.executable, "-m", "outrider.cli.main", "audit", *options], stdout=theirs, env=env)
    os.close(theirs)
    text = b""
    with contextlib.suppress(OSError):  # how a terminal ends whose other side is closed
        while chunk := os.read(ours, 65536):
            text += chunk
    os.close(ours)
    return child.wait(10), text.decode()


def test_watching_on_a_terminal() -> None:
    with served(ledger(stream("web-1"))) as url:
        ours, theirs = pty.openpty()
        env = {**os.environ, "COLUMNS": "200", "LINES": "50", "TERM": "xterm"}
        env.pop("NO_COLOR", None)
        program = [sys.executable, "-m", "outrider.cli.main", "audit", "--watch", "--url", url]
        child = subprocess.Popen(program, stdout=theirs, env=env)
        os.close(theirs)
        seen = b""
        deadline = time.monotonic() + 10
        while b"all 1 streams balance" not in seen and time.monotonic() < deadline:
            seen += os.read(ours, 65536)
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(OSError):
            while os.read(ours, 65536):
                pass
        assert child.wait(10) == 130
        os.close(ours)
    assert b"web-1" in seen


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0"), (10_239, "10239"), (10_240, "10 KiB"), (-20_480, "-20 KiB"), (999 * 1024, "999 KiB"),
        (1000 * 1024, "0.977 MiB"), (5 << 20, "5 MiB"), (123 << 20, "123 MiB"), (3 << 40, "3072 GiB"),
    ],
)  # fmt: skip
def test_sizes(n: int, text: str) -> None:
    assert size(n) == text


def test_help_is_quick_and_needs_no_tables() -> None:
    code = "import sys; from outrider.cli.main import main; main(['audit', '--help'], standalone_mode=False); "
    code += "assert 'rich' not in sys.modules and 'urllib3' not in sys.modules"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert result.returncode == 0, result.stderr
    assert "OUTRIDER_URL" in result.stdout
