"""`outrider doctor` as a command: what it prints, its exit codes, and that it keeps to itself what it knows."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from outrider import native
from outrider.cli.main import main
from outrider.intake import Intake
from tests.support.examined import written
from tests.support.fake_kube import FakeKube, pod

KEY, TOKEN = "0123456789abcdef", "t0k3n-of-the-kubelet"


def doctor(path: str, *options: str, env: dict[str, str] | None = None) -> Result:
    clean = {"POD_NAMESPACE": None, "POD_NAME": None, "POD_UID": None, "HTTPS_PROXY": None, "https_proxy": None}
    return CliRunner().invoke(main, ["doctor", "-c", path, *options], env={**clean, **(env or {})})


def all_well(folder: Path, intake: Intake, kube: FakeKube) -> str:
    """The configuration of a node at which nothing is wrong."""
    (folder / "key").write_text(KEY)
    (folder / "token").write_text(TOKEN)
    endpoints = {"logs_endpoint": intake.url, "metrics_endpoint": intake.url}
    return written(
        folder,
        kube={"source": "kubelet", "url": kube.url, "token": {"file": str(folder / "token")}},
        exporters={
            "google": {"kind": "stackdriver", "credentials": "none", **endpoints},
            "datadog": {"kind": "datadog", "api_key": {"file": str(folder / "key")}, **endpoints},
        },
    )


def test_where_nothing_is_wrong_every_line_is_ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "core", native.core or object())
    with Intake(api_key=KEY) as intake, FakeKube() as kube:
        kube.tokens = {TOKEN}
        kube.add(pod("web-1", "uid-1"))
        path = all_well(tmp_path, intake, kube)
        result, as_json = doctor(path), doctor(path, "--json")
        stats = intake.stats()
    assert result.exit_code == as_json.exit_code == 0, result.output
    *lines, summary = result.stdout.splitlines()
    assert all(line.startswith("ok    ") for line in lines), result.stdout
    assert summary == f"{len(lines)} ok, 0 warn, 0 fail"
    assert len({line.index(line[6:].split("  ", 1)[1].strip()[:9], 6) for line in lines}) == 1  # aligned
    document = json.loads(as_json.stdout)
    assert (document["version"], document["ok"]) == (1, True)
    assert [one["subject"] for one in document["findings"]] == [
        "configuration", "cluster", "native core", "state", "disk", "log files", "inotify",
        "exporters.google", *["exporters.google: logs"] * 2, *["exporters.google: metrics"] * 2,
        "exporters.datadog", *["exporters.datadog: logs"] * 2, *["exporters.datadog: metrics"] * 2,
        "kubelet", "kubelet", "collector", "clock",
    ]  # fmt: skip
    assert "\x1b" not in result.stdout
    for secret in (KEY, TOKEN):
        assert secret not in result.output + as_json.output
    assert stats["received"] == stats["datadog"]["accepted"] == stats["monitoring"]["written"] == 0  # nothing is stored
    assert os.listdir(tmp_path / "state") == []


def test_colours_are_for_terminals_and_those_who_want_them(tmp_path: Path) -> None:
    command = ["doctor", "-c", written(tmp_path)]
    assert "\x1b[32mok" in CliRunner().invoke(main, command, color=True, env={"NO_COLOR": None}).stdout
    assert "\x1b" not in CliRunner().invoke(main, command, color=True, env={"NO_COLOR": "1"}).stdout


def test_findings_make_the_exit_code(tmp_path: Path) -> None:
    assert doctor(written(tmp_path)).exit_code == 0
    path = written(tmp_path, state="/proc/nowhere")
    result = doctor(path, "-o", "json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert not document["ok"]
    (failed,) = [one for one in document["findings"] if one["status"] == "fail"]
    assert failed["subject"] == "state"
    assert failed["cure"]
    assert "1 fail" in doctor(path).stdout


def test_a_configuration_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "outrider.yaml"
    path.write_text("exporter: {}\nworkers: many\n")
    result = doctor(str(path))
    assert result.exit_code == 78
    assert f"fail  configuration  {path}:1:1: " in result.stdout
    assert '-> did you mean "exporters"?' in result.stdout
    assert result.stdout.splitlines()[-1] == "0 ok, 0 warn, 2 fail"
    assert doctor(str(tmp_path / "none.yaml")).exit_code == 78


def test_a_warning_is_called_one_once(tmp_path: Path) -> None:
    path = tmp_path / "outrider.yaml"
    path.write_text("exporters: {datadog: {kind: datadog, api_key: {file: none}}}\n")
    warning = next(line for line in doctor(str(path)).stdout.splitlines() if line.startswith("warn  configuration"))
    assert "the file none does not exist" in warning
    assert ": warning:" not in warning


PROGRAMS = [
    ({}, {}, "node"),
    ({"POD_UID": "u1"}, {}, "sidecar"),
    ({}, {"logs": {"files": ["/var/log/app/*.log"]}}, "sidecar"),
]


@pytest.mark.parametrize(("env", "config", "program"), PROGRAMS, ids=["neither", "a pod of its own", "files"])
def test_the_program_follows_from_what_there_is(
    tmp_path: Path, env: dict[str, str], config: dict[str, object], program: str
) -> None:
    path = written(tmp_path, **config)
    assert f"{path}, for outrider {program}\n" in doctor(path, env=env).stdout
    assert f"{path}, for outrider cluster\n" in doctor(path, "--for", "cluster", env=env).stdout
