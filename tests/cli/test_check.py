"""`outrider check` as a child process: both names of every point, what is missing, and exit codes for monitoring."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.kubelet_answers import recorded
from tests.support.servers.recorded import server
from tests.support.ticker import Ticker, install
from tests.support.wait import until


@pytest.fixture
def ticker() -> Iterator[Ticker]:
    with Ticker() as ticker:
        yield ticker


class Check:
    """Runs the command where the ticker's check is installed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = {**os.environ, **install(root / "site"), "PYTHONUNBUFFERED": "1"}

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "outrider.cli.main", "check", *arguments]

    def __call__(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=60, env={**self.env, **env}
        )

    def objects(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self("--json", *arguments).stdout.splitlines()]

    def config(self, text: str) -> str:
        path = self.root / "outrider.yaml"
        path.write_text(text)
        return str(path)


@pytest.fixture
def check(tmp_path: Path) -> Check:
    return Check(tmp_path)


def test_json_has_both_names_of_a_point_in_one_object(check: Check, ticker: Ticker) -> None:
    objects = check.objects("ticker", "--set", f"port={ticker.port}", "--set", "tags=[team:a]")
    by_metric = {one["metric"]: one for one in objects if "metric" in one}
    assert list(by_metric) == ["ticks", "hands"]
    tags = [f"ticker_port:{ticker.port}", "team:a"]
    assert by_metric["hands"] == {
        "check": "ticker",
        "metric": "hands",
        "time": by_metric["hands"]["time"],
        "value": 3,
        "datadog": {"name": "ticker.hands", "type": "gauge", "submit": "gauge", "value": 3, "unit": "hand",
                    "tags": tags},
        "google": {"type": "workload.googleapis.com/ticker.hands", "kind": "GAUGE", "value_type": "INT64", "value": 3,
                   "unit": "{hand}", "labels": {"kind": "all"}},
    }  # fmt: skip
    assert by_metric["ticks"]["value"] == 27, "the second run is shown, for a rate takes two"
    assert 5 < by_metric["ticks"]["datadog"]["value"] <= 10, "10 ticks in a second and a bit"
    [service_check] = [one for one in objects if "service_check" in one]
    assert service_check == {
        "check": "ticker", "service_check": "ticker.can_connect", "time": service_check["time"], "status": "ok",
        "message": "", "tags": tags,
    }  # fmt: skip
    assert [one for one in objects if "missing" in one] == [
        {"check": "ticker", "missing": "swings", "why": "needs a pendulum", "datadog": "ticker.swings", "google": None},
        {"check": "ticker", "missing": "springs", "why": "the server has none", "datadog": None,
         "google": "workload.googleapis.com/ticker.springs"},
        {"check": "ticker", "missing": "bells", "why": "the server has not reported it", "datadog": "ticker.bells",
         "google": None},
    ]  # fmt: skip


def test_text_is_for_people(check: Check, ticker: Ticker) -> None:
    result = check("ticker", "--set", f"port={ticker.port}")
    assert (result.returncode, result.stderr) == (0, "")
    words = [line.split() for line in result.stdout.splitlines()]
    port = f"ticker_port:{ticker.port}"
    assert ["ticker.hands", "3", "gauge", "hand", port] in words
    assert ["workload.googleapis.com/ticker.hands", "3", "GAUGE", "INT64", "{hand}", "kind=all"] in words
    assert ["ticker.can_connect", "OK", port] in words
    assert "3 declared metrics are not there:" in result.stdout
    assert "  needs a pendulum: ticker.swings\n" in result.stdout


@pytest.mark.parametrize(
    ("mood", "said", "words"),
    [
        ("deny", {}, "wrong password: give it the right one"),
        ("hang", {}, "no answer in time"),
        (None, {"beats": 0, "swings": 1}, "unexpected failure: ZeroDivisionError"),
    ],
)
def test_what_is_critical_exits_with_2(
    check: Check, ticker: Ticker, mood: Any, said: dict[str, Any], words: str
) -> None:
    ticker.mood = mood
    ticker.says |= said
    result = check("ticker", "--set", f"port={ticker.port}", "--set", "timeout=300ms")
    assert result.returncode == 2
    assert "ticker.can_connect CRITICAL" in result.stdout
    assert words in result.stdout
    assert "Traceback" not in result.stderr


def test_where_nothing_is_read_the_service_check_says_all(check: Check, ticker: Ticker) -> None:
    ticker.close()
    [only] = check.objects("ticker", "--set", f"port={ticker.port}")
    assert (only["status"], only["message"]) == ("critical", "Connection refused")


def test_settings_come_from_a_configuration(check: Check, ticker: Ticker) -> None:
    path = check.config(f"metrics: {{checks: [{{ticker: {{port: {ticker.port}}}}}, {{ticker: {{port: 1}}}}]}}\n")
    assert check("ticker", "--config", path).returncode == 0
    assert check("ticker", OUTRIDER_CONFIG=path).returncode == 0
    assert check("ticker", "--set", "port=1", OUTRIDER_CONFIG=path).returncode == 2, "given on the spot"


def test_the_kubelet_is_asked_as_the_node_would(check: Check, tmp_path: Path) -> None:
    """By what `kube` says, with the owners of every point as tags and labels."""
    token = tmp_path / "token"
    token.write_text("secret\n")
    with server(dict(recorded("1.36"))) as kubelet:
        kube = f"kube: {{url: '{kubelet.url}', token: {{file: {token}}}, ca: null}}\n"
        path = check.config(kube + "metrics: {kubelet: {enabled: true, cadvisor: true}}\n")
        objects = check.objects("kubelet", "--config", path)
        assert {one.headers["Authorization"] for one in kubelet.requests} == {"Bearer secret"}
        assert {one.path for one in kubelet.requests} == {"/pods", "/stats/summary", "/metrics/cadvisor"}
        without = check("kubelet", "--config", check.config(kube))
    [limit] = [one for one in objects if one.get("metric") == "container.memory.limits"]
    owner = ["kube_container_name:compute-pi-digits", "kube_namespace:scraper", "pod_name:e2e-statefulset-0"]
    assert sorted(limit["datadog"]["tags"]) == owner
    assert limit["google"]["type"] == "workload.googleapis.com/kubernetes.io/container/memory/limit_bytes"
    assert limit["google"]["labels"] == {
        "container_name": "compute-pi-digits", "namespace_name": "scraper", "pod_name": "e2e-statefulset-0",
    }  # fmt: skip
    assert without.returncode == 78
    assert "there is no kubelet here" in without.stderr


def test_watch_runs_it_again_until_somebody_interrupts(check: Check, ticker: Ticker) -> None:
    path = check.config(f"metrics: {{every: 200ms, checks: [{{ticker: {{port: {ticker.port}}}}}]}}\n")
    out = check.root / "out"
    with open(out, "wb") as f:
        child = subprocess.Popen(check.command("ticker", "-c", path, "--watch", "--json"), stdout=f, env=check.env)
    try:
        until(lambda: out.read_text().count('"metric":"ticks"') >= 3, timeout=20)
        child.send_signal(signal.SIGINT)
        assert child.wait(10) == 130
    finally:
        child.kill()
    rates = [json.loads(line)["datadog"]["value"] for line in out.read_text().splitlines() if '"ticks"' in line]
    assert rates[0] is None
    assert all(rate > 0 for rate in rates[1:])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["tikcer"], 2, "there is no check 'tikcer', there are "),
        (["tikcer"], 2, 'did you mean "ticker"?'),
        (["ticker", "--set", "port"], 2, "--set port: it takes KEY=VALUE"),
        (["ticker", "--set", "prot=1"], 78, '--set: prot: unknown key "prot"'),
        (["ticker", "--set", "port=1", "--config", "x"], 2, "--config and --set do not go together"),
        (["ticker", "--config", "/nowhere/x.yaml"], 78, "/nowhere/x.yaml: cannot be read"),
        (["ticker", "--config", "OTHER"], 78, "metrics.checks: there is no ticker here, there are: none"),
        (["broken"], 3, "the check broken cannot be loaded: No module named 'nowhere'"),
    ],
)
def test_what_cannot_be_run(check: Check, arguments: list[str], code: int, words: str) -> None:
    other = check.config("{}")
    entries = next(check.root.glob("site/*.dist-info")) / "entry_points.txt"
    entries.write_text(entries.read_text() + "broken = nowhere.check:Check\n")
    result = check(*[other if argument == "OTHER" else argument for argument in arguments])
    assert (result.returncode, result.stdout) == (code, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_help_loads_no_check() -> None:
    code = (
        "import sys, click; from outrider.cli.check import check; check.get_help(click.Context(check))\n"
        "assert not {'msgspec', 'yaml', 'orjson', 'outrider.config', 'outrider.checks'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
