"""`outrider wire` as a command: what it takes, what it prints where, how it ends."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from outrider.checks.found import INSTALLED
from outrider.cli.group import main
from outrider.cli.wire import STYLES
from outrider.model import injection
from outrider.wiring import styles

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: kv}\nspec:\n  containers:\n    - {name: redis, image: 'redis:7'}\n"


def wire(*told: str, stdin: str = "", **env: str) -> Result:
    return CliRunner().invoke(main, ["wire", *told], input=stdin, env=env)


@pytest.mark.parametrize("style", STYLES)
def test_every_style_prints_yaml_and_says_that_the_image_is_made_up(style: str) -> None:
    got = wire("--style", style, "--check", "redis", "--logs", "/var/log/web", "--name", "web")
    assert got.exit_code == 0
    assert "--image says where yours is" in got.stderr
    assert all(isinstance(one, dict) for one in yaml.safe_load_all(got.stdout))
    assert wire("--style", style, "--check", "redis", "--image", "i:1").stderr == ""


def test_the_styles_of_the_command_are_those_that_there_are() -> None:
    assert list(STYLES) == list(styles.STYLES)


def test_a_stream_is_wired_on_its_way_and_again_without_a_change() -> None:
    first = wire("-", "--check", "redis", stdin=POD, OUTRIDER_IMAGE="i:1")
    assert (first.exit_code, first.stderr) == (0, "Pod kv: outrider beside redis\n")
    pod, config_map = yaml.safe_load_all(first.stdout)
    (container,) = pod["spec"]["initContainers"]
    assert (container["name"], container["image"]) == ("outrider", "i:1")
    assert {"name": "OUTRIDER_CONTAINER", "value": "redis"} in container["env"]
    config = yaml.safe_load(config_map["data"]["outrider.yaml"])
    assert config["metrics"] == {"checks": [{"redis": {}}]}
    again = wire("-", "--check", "redis", stdin=first.stdout, OUTRIDER_IMAGE="i:1")
    assert again.stdout == first.stdout


@pytest.mark.parametrize("check", sorted(INSTALLED))
def test_every_check_can_be_wired_or_says_what_it_needs(check: str, tmp_path: Path) -> None:
    """A password that everybody has by default is no secret: RabbitMQ's guest."""
    told = ["--style", "plain", "--check", check]
    if check == "openmetrics":
        file = tmp_path / "outrider.yaml"
        file.write_text("metrics: {checks: [openmetrics: {url: 'http://127.0.0.1:1/metrics'}]}\n")
        told += ["--config", str(file)]
    got = wire(*told, OUTRIDER_IMAGE="i:1")
    assert (got.exit_code, got.stderr) == (0, "")
    _, config_map = yaml.safe_load_all(got.stdout)
    assert check in yaml.safe_load(config_map["data"]["outrider.yaml"])["metrics"]["checks"][0]


def test_line_ends_stay_as_they_are_from_a_file_and_from_a_pipe(tmp_path: Path) -> None:
    text = POD.replace("\n", "\r\n")
    file = tmp_path / "pod.yaml"
    file.write_bytes(text.encode())
    for got in (wire(str(file), OUTRIDER_IMAGE="i:1"), wire("-", stdin=text, OUTRIDER_IMAGE="i:1")):
        pod, _, config_map = got.stdout_bytes.partition(b"---")
        assert pod.count(b"\r\n") == pod.count(b"\n") > 50
        assert config_map


def test_what_is_no_text_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "pod.yaml"
    file.write_bytes(POD.encode() + b"# caf\xe9\n")
    got = wire(str(file), OUTRIDER_IMAGE="i:1")
    assert (got.exit_code, got.stdout) == (1, "")
    assert f"{file}: line 7: is not UTF-8 text" in got.stderr


def test_without_options_it_follows_the_log_files_of_the_first_container_and_says_what_is_made_up() -> None:
    got = wire("-", stdin=POD)
    assert got.exit_code == 0
    assert "the sidecar will follow /var/log/app/**/*.log" in got.stderr
    assert "is made up, and pods would wait for it" in got.stderr
    pod, config_map = yaml.safe_load_all(got.stdout)
    (mount,) = pod["spec"]["containers"][0]["volumeMounts"]
    assert mount["mountPath"] == "/var/log/app"
    assert yaml.safe_load(config_map["data"]["outrider.yaml"])["logs"] == {"files": ["/var/log/app/**/*.log"]}


def test_secrets_are_named_and_never_shown(tmp_path: Path) -> None:
    file = tmp_path / "outrider.yaml"
    file.write_text("exporters: {dd: {kind: datadog}}\nmetrics: {checks: [{redis: {password: {env: RP}}}]}\n")
    got = wire("--style", "plain", "--config", str(file), "--image", "i:1")
    assert got.exit_code == 0
    assert "outrider-sidecar --from-literal=DD_API_KEY=... --from-literal=RP=..." in got.stdout

    file.write_text("exporters: {dd: {kind: datadog, api_key: hunter2}}\n")
    got = wire("--style", "plain", "--config", str(file), "--image", "i:1")
    assert (got.exit_code, got.stdout) == (78, "")
    assert "exporters.dd.api_key: would stand in a ConfigMap for everybody to read; write {env: NAME}" in got.stderr
    assert "hunter2" not in got.stderr


@pytest.mark.parametrize(
    ("told", "config", "code", "words"),
    [
        ((), "", 2, "give either a FILE or --style"),
        (("-", "--style", "plain"), "", 2, "give either a FILE or --style"),
        (("--style", "helm", "--check", "redis"), "", 2, "'helm' is not one of"),
        (("--style", "plain", "--logs", "logs"), "", 2, "give an absolute path"),
        (("--style", "plain", "--logs", "/"), "", 2, "give an absolute path"),
        (("--style", "plain", "--logs", "/etc/outrider/"), "", 2, "neither in nor above one of the sidecar's own"),
        (("--style", "plain", "--logs", "/var/lib/outrider/logs"), "", 2, "neither in nor above"),
        (("--style", "plain", "--logs", "/var"), "", 2, "neither in nor above"),
        (("--style", "plain", "--logs", "/logs/*.log"), "", 2, "give the directory, whose *.log are followed"),
        (("--style", "plain", "--logs", "/a", "--logs", "/b"), "", 2, "give one directory, it becomes a volume"),
        (("--style", "plain", "--name", "Web App"), "", 2, "--name: Kubernetes would not take that name"),
        (("--style", "plain", "--container", "a.b"), "", 2, "--container: Kubernetes would not take that name"),
        (("--style", "plain", "--check", "openmetrics"), "", 78,
         "the options: metrics.checks[0].openmetrics.url: is missing"),
        (("-", "--check", "redis", "--image", "i"), "", 1, "has nothing that makes pods"),
        (("--style", "plain", "--check", "rediss"), "", 78, 'did you mean "redis"?'),
        (("--style", "plain", "--config", "FILE"), "exportres: {}", 78, 'unknown key "exportres"'),
        (("--style", "plain", "--config", "FILE"), "- a", 78, "FILE:1:1"),
        (("--style", "plain", "--config", "FILE"), "a: [", 78, "FILE:2:1: is not YAML"),
        (("--style", "plain", "--config", "FILE"), "cluster: {project: '${HOME}'}", 78, "variable HOME is not set"),
        (("--style", "plain", "--config", "FILE"), "metrics: {checks: [{redis: {password: hunter2}}]}", 78,
         "metrics.checks[0].redis.password: would stand in a ConfigMap"),
        (("--style", "plain", "--config", "FILE"), "state: /data", 78, "state: a sidecar in a pod keeps it in"),
        (("--style", "plain", "--config", "FILE"), "telemetry: {listen: '0.0.0.0:1'}", 78, "asks at port 9464"),
        (("--style", "plain", "--config", "nowhere"), "", 78, "nowhere: cannot be read"),
    ],
)  # fmt: skip
def test_what_is_refused(told: tuple[str, ...], config: str, code: int, words: str, tmp_path: Path) -> None:
    file = tmp_path / "outrider.yaml"
    file.write_text(config)
    got = wire(*(str(file) if one == "FILE" else one for one in told))
    assert (got.exit_code, got.stdout) == (code, "")
    assert words in got.stderr.replace(str(file), "FILE")


PAGE = (Path(__file__).parents[2] / "docs" / "wiring.md").read_text("utf-8")
COMMANDS = re.findall(r"outrider wire [^|`>\n]+", PAGE)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_page(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("deployment.yaml").write_text(POD)
    got = wire(*shlex.split(command)[2:], stdin=POD)
    assert got.exit_code == 0, got.stderr
    assert list(yaml.safe_load_all(got.stdout))


def test_the_pod_of_the_page_gets_what_it_asks_for() -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    metadata = yaml.safe_load(text)["spec"]["template"]["metadata"]
    assert metadata["labels"][injection.LABEL] == "true"
    assert set(metadata["annotations"]) == set(injection.ANNOTATIONS)
