"""The sidecar as a child process that measures: alone or beside log files, through every end and every reload."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.sidecar import SidecarProcess, sidecar_process
from tests.support.ticker import Ticker, install
from tests.support.wait import until

SCREEN = {"screen": {"kind": "console", "batch": {"wait": "50ms"}}}


@pytest.fixture
def ticker() -> Iterator[Ticker]:
    with Ticker() as ticker:
        yield ticker


def metrics(ticker: Ticker, **more: Any) -> dict[str, Any]:
    return {"every": "200ms", "checks": [{"ticker": {"port": ticker.port, **more}}]}


@pytest.fixture
def sidecar(tmp_path: Path, ticker: Ticker) -> Iterator[SidecarProcess]:
    """One that measures and follows no files."""
    with sidecar_process(tmp_path, SCREEN, logs={}, metrics=metrics(ticker, tags=["team:a"])) as sidecar:
        sidecar.env |= install(tmp_path / "site")
        yield sidecar


def shown(sidecar: SidecarProcess) -> list[dict[str, Any]]:
    """What the console exporter has written since the start."""
    return [json.loads(line) for line in sidecar.said.splitlines() if line.startswith('{"check"')]


def points(sidecar: SidecarProcess, metric: str) -> list[dict[str, Any]]:
    return [one for one in shown(sidecar) if one.get("metric") == metric]


def change(sidecar: SidecarProcess, config: dict[str, Any]) -> None:
    sidecar.config |= config
    (sidecar.root / "outrider.yaml").write_text(yaml.safe_dump(sidecar.config))
    assert sidecar.process is not None
    sidecar.process.send_signal(signal.SIGHUP)


def test_metrics_alone_suffice(sidecar: SidecarProcess, ticker: Ticker) -> None:
    sidecar.start()
    until(lambda: len(points(sidecar, "ticks")) >= 3)
    first, second, *_ = points(sidecar, "ticks")
    assert {key: first[key] for key in ("check", "node", "namespace", "pod", "container", "value")} == {
        "check": "ticker", "node": "node-1", "namespace": "shop", "pod": "web-1", "container": "web", "value": 17,
    }  # fmt: skip
    assert first["datadog"] == {
        "name": "ticker.ticks.rate", "type": "gauge", "submit": "rate", "value": None, "unit": "tick/second",
        "tags": [f"ticker_port:{ticker.port}", "team:a"],
    }  # fmt: skip
    assert second["datadog"]["value"] > 0
    assert second["google"] == {
        "type": "workload.googleapis.com/ticker.ticks", "kind": "CUMULATIVE", "value_type": "INT64", "value": 27,
        "unit": "{tick}", "labels": {},
    }  # fmt: skip
    assert points(sidecar, "hands")[0]["google"]["labels"] == {"kind": "all"}
    assert sidecar.metric("outrider_checks_total", check="ticker", result="ok") >= 3
    assert sidecar.metric("outrider_points_sent_total", exporter="screen") >= 9
    assert sidecar.get("/healthz")[0] == 200
    status, ledger = sidecar.get("/ledger")
    assert (status, json.loads(ledger)["exporters"]) == (200, {})
    assert not sidecar.state.exists(), "nothing has to survive"
    assert sidecar.end() == 0
    assert "Traceback" not in sidecar.said


def test_logs_and_metrics_side_by_side(tmp_path: Path, ticker: Ticker) -> None:
    """One route for both; `logs.select` is about logs."""
    routes = [{"namespaces": ["other"], "to": ["nobody"]}, {"containers": ["web"], "to": ["screen"]}]
    exporters = {**SCREEN, "nobody": {"kind": "console"}}
    logs = {"files": [str(tmp_path / "logs" / "*.log")]}
    with sidecar_process(tmp_path, exporters, routes=routes, logs=logs, metrics=metrics(ticker)) as sidecar:
        sidecar.env |= install(tmp_path / "site")
        sidecar.write("app.log", "hello")
        sidecar.start()
        until(lambda: '"textPayload":"hello"' in sidecar.said and points(sidecar, "ticks"))
        assert sidecar.metric("outrider_points_sent_total", exporter="nobody") == 0
        sidecar.write("app.log", "the last line")
        assert sidecar.end() == 0
        assert '"textPayload":"the last line"' in sidecar.said
        sidecar.config["logs"]["select"] = {"exclude": [{"namespace": "shop"}]}
        sidecar.write("app.log", "unwanted")
        sidecar.start()
        until(lambda: points(sidecar, "ticks"))
        assert sidecar.end() == 0
        assert "unwanted" not in sidecar.said


def test_a_server_that_is_down_is_no_fault_of_the_sidecar(sidecar: SidecarProcess, ticker: Ticker) -> None:
    ticker.close()
    sidecar.start()
    until(lambda: sidecar.metric("outrider_checks_total", check="ticker", result="refused") >= 3)
    checks = [one for one in shown(sidecar) if "service_check" in one]
    assert {key: checks[0][key] for key in ("service_check", "status", "message")} == {
        "service_check": "ticker.can_connect", "status": "critical", "message": "Connection refused",
    }  # fmt: skip
    assert [sidecar.get(path)[0] for path in ("/healthz", "/readyz")] == [200, 200]
    assert sidecar.said.count("check ticker: Connection refused") == 1


def test_sigterm_runs_no_new_check_and_flushes(tmp_path: Path, ticker: Ticker) -> None:
    slow = {"screen": {"kind": "console", "batch": {"wait": "60s"}}}
    with sidecar_process(tmp_path, slow, logs={}, metrics=metrics(ticker)) as sidecar:
        sidecar.env |= install(tmp_path / "site")
        sidecar.start()
        until(lambda: ticker.asked >= 3)
        assert len(points(sidecar, "ticks")) == 1, "the others wait for more to go with them"
        assert sidecar.end() == 0
        assert len(points(sidecar, "ticks")) == ticker.asked, "every run has arrived, and none came after"


def test_a_check_that_hangs_does_not_hold_up_the_end(sidecar: SidecarProcess, ticker: Ticker) -> None:
    ticker.mood = "hang"
    sidecar.config["metrics"]["checks"][0]["ticker"]["timeout"] = 60
    sidecar.start()
    until(lambda: ticker.asked)
    assert sidecar.end(timeout=10.0) == 0


def test_a_reload_takes_other_settings_and_loses_nothing(sidecar: SidecarProcess, ticker: Ticker) -> None:
    sidecar.start()
    until(lambda: points(sidecar, "ticks"))
    change(sidecar, {"metrics": metrics(ticker, tags=["team:b"])})
    until(lambda: any("team:b" in one["datadog"]["tags"] for one in points(sidecar, "ticks")), timeout=15)
    found = points(sidecar, "ticks")
    assert [one["value"] for one in found] == list(range(17, 17 + 10 * len(found), 10))
    new = next(one for one in found if "team:b" in one["datadog"]["tags"])
    assert new["datadog"]["value"] > 0, "the exporter knows the values from before"
    assert sidecar.end() == 0


def test_a_reload_that_cannot_be_used_changes_nothing(sidecar: SidecarProcess, ticker: Ticker) -> None:
    sidecar.start()
    change(sidecar, {"metrics": metrics(ticker, prot=1)})
    until(lambda: 'metrics.checks[0].ticker.prot: unknown key "prot"' in sidecar.said, timeout=15)
    before = len(points(sidecar, "ticks"))
    until(lambda: len(points(sidecar, "ticks")) >= before + 2)


def test_files_and_checks_may_come_and_go(tmp_path: Path, ticker: Ticker) -> None:
    logs = {"files": [str(tmp_path / "logs" / "*.log")]}
    with sidecar_process(tmp_path, SCREEN, logs=logs) as sidecar:
        sidecar.env |= install(tmp_path / "site")
        sidecar.write("app.log", "hello")
        sidecar.start()
        until(lambda: '"textPayload":"hello"' in sidecar.said)
        change(sidecar, {"logs": {}, "metrics": metrics(ticker)})
        until(lambda: points(sidecar, "ticks"), timeout=15)
        change(sidecar, {"logs": logs, "metrics": {}})
        until(lambda: sidecar.said.count("following ") == 2, timeout=15)
        sidecar.write("app.log", "again")
        until(lambda: '"textPayload":"again"' in sidecar.said)
        assert sidecar.said.count('"textPayload":"hello"') == 1
        assert sidecar.end() == 0
        assert "Traceback" not in sidecar.said


def test_the_container_is_only_named_if_somebody_names_it(sidecar: SidecarProcess) -> None:
    del sidecar.env["OUTRIDER_CONTAINER"]
    sidecar.start()
    until(lambda: points(sidecar, "ticks"))
    assert "container" not in points(sidecar, "ticks")[0]


def test_what_no_route_is_for_goes_nowhere_and_is_said_once(sidecar: SidecarProcess, ticker: Ticker) -> None:
    sidecar.config["routes"] = [{"namespaces": ["other"], "to": ["screen"]}]
    sidecar.start()
    until(lambda: ticker.asked >= 4)
    assert sidecar.said.count("no route is for shop") == 1
    assert shown(sidecar) == []


@pytest.mark.parametrize(
    ("checks", "words"),
    [
        ([{"tikcer": {}}], 'there is no check "tikcer" here'),
        ([{"ticker": {"port": 0}}], "metrics.checks[0].ticker.port: found 0"),
        ([], "logs.files and metrics.checks are missing"),
    ],
)
def test_what_cannot_be_run_is_refused(sidecar: SidecarProcess, checks: list[Any], words: str) -> None:
    sidecar.config["metrics"]["checks"] = checks
    sidecar.start(ready=False)
    assert sidecar.exit_code() == 78
    assert words in sidecar.said
    assert "Traceback" not in sidecar.said
