"""`outrider send`: what it shows is what arrived, what the vendor said, and what can be read back; and no secret."""

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from outrider.cli.main import main
from outrider.intake import Intake
from tests.support.raw_server import raw_server
from tests.support.server import free_port
from tests.support.token_endpoint import key_file, token_endpoint

KEY = "0123456789abcdef"


@pytest.fixture(scope="module")
def both() -> Iterator[Intake]:
    """With gRPC, which Google's monitoring client needs. Of all tests here, so each looks for its own words."""
    with Intake(grpc_port=0, api_key=KEY) as intake:
        yield intake


@pytest.fixture
def intake() -> Iterator[Intake]:
    with Intake(api_key=KEY) as intake:
        yield intake


def configuration(folder: Path, url: str, google: str = "credentials: none", more: str = "") -> str:
    endpoints = f'logs_endpoint: "{url}", metrics_endpoint: "{url}"'
    path = folder / "outrider.yaml"
    path.write_text(
        f"""
cluster: {{project: acme, name: prod, location: europe-north1, node: node-1}}
exporters:
  google: {{kind: stackdriver, {google}, {endpoints}}}
  datadog: {{kind: datadog, api_key: {KEY}, {endpoints}}}
{more}
"""
    )
    return str(path)


def send(path: str, *arguments: str, env: dict[str, str] | None = None) -> Result:
    clean = {"POD_NAMESPACE": None, "POD_NAME": None, "POD_UID": None, "DD_APP_KEY": None}
    return CliRunner().invoke(main, ["send", *arguments, "-c", path], env={**clean, **(env or {})})


def sent(result: Result) -> dict[str, dict[str, Any]]:
    """The results of `-o json` by exporter."""
    document = json.loads(result.stdout)
    assert document["version"] == 1
    assert document["ok"] is (result.exit_code == 0), result.output
    return {one["exporter"]: one for one in document["exporters"]}


def test_a_line_goes_as_the_collectors_send_it(intake: Intake, tmp_path: Path) -> None:
    path = configuration(tmp_path, intake.url, more="logs: {redact: [{pattern: 'pin=[0-9]+', with: 'pin=?'}]}")
    result = send(path, "log", '{"severity":"ERROR","message":"no disk, pin=1234"}', "-o", "json")
    assert result.exit_code == 0, result.output
    google, datadog = sent(result)["google"], sent(result)["datadog"]
    (request,) = google["exchanges"]
    assert (request["method"], request["url"], request["status"], request["answer"]) == (
        "POST", f"{intake.url}/v2/entries:write", 200, {},
    )  # fmt: skip
    (entry,) = intake.entries()
    assert (entry["severity"], entry["textPayload"]) == ("ERROR", "no disk, pin=?")
    assert entry["resource"]["labels"] == request["body"]["resource"]["labels"]
    assert entry["insertId"] == request["body"]["entries"][0]["insertId"]
    (log,) = intake.logs()
    assert datadog["exchanges"][0]["body"] == [log]
    assert datadog["exchanges"][0]["status"] == 202


def test_the_line_is_of_the_pod_that_the_downward_api_tells_of(intake: Intake, tmp_path: Path) -> None:
    (tmp_path / "labels").write_text('app="cart"\n')
    pod = {"POD_NAMESPACE": "shop", "POD_NAME": "cart-1", "POD_UID": "u1", "OUTRIDER_CONTAINER": "main"}
    result = send(configuration(tmp_path, intake.url), "log", env={**pod, "OUTRIDER_POD_INFO": str(tmp_path)})
    assert result.exit_code == 0, result.output
    (entry,) = intake.entries()
    labels = entry["resource"]["labels"]
    assert (labels["namespace_name"], labels["pod_name"], labels["container_name"]) == ("shop", "cart-1", "main")
    assert entry["labels"]["k8s-pod/app"] == "cart"


@pytest.mark.parametrize("what", ["log", "metric"])
def test_what_was_sent_is_read_back(both: Intake, tmp_path: Path, what: str) -> None:
    name = f"outrider.{tmp_path.name}"
    words = ("log", f"hello from {name}") if what == "log" else ("metric", name, "2.5")
    options = ("--read-back", "--grpc", both.grpc_target, "--app-key", "app", "-o", "json")
    result = send(configuration(tmp_path, both.url), *words, *options)
    assert result.exit_code == 0, result.output
    google, datadog = (sent(result)[exporter]["read_back"]["found"] for exporter in ("google", "datadog"))
    if what == "log":
        assert google["textPayload"] == datadog["attributes"]["message"] == words[1]
    else:
        assert google["metric"]["type"].startswith("workload.googleapis.com/outrider.")
        assert google["points"][0]["value"]["double_value"] == datadog["point"][1] == 2.5


READ_BACK = [
    (("--app-key", "app"), "google", "speaks gRPC only"),
    (("--grpc", "{grpc}"), "datadog", "set DD_APP_KEY"),
]


@pytest.mark.parametrize(("options", "exporter", "words"), READ_BACK, ids=[row[1] for row in READ_BACK])
def test_what_reading_back_needs_is_named(
    both: Intake, tmp_path: Path, options: tuple[str, ...], exporter: str, words: str
) -> None:
    given = [option.format(grpc=both.grpc_target) for option in options]
    result = send(configuration(tmp_path, both.url), "metric", f"outrider.{exporter}", "--read-back", *given)
    assert result.exit_code == 1
    assert f"{exporter}: not read back: " in result.stderr
    assert words in result.stderr


def test_an_application_key_that_is_none_is_not_shown(intake: Intake, tmp_path: Path) -> None:
    path = configuration(tmp_path, intake.url)
    result = send(path, "log", "-e", "datadog", "--read-back", "--app-key", "secret-1\nsecret-2")
    assert result.exit_code == 1
    assert "no header can carry it" in result.stderr
    assert "secret-" not in result.output


def test_what_does_not_come_is_not_waited_for_without_end(intake: Intake, tmp_path: Path) -> None:
    """A vendor that has taken a line, and another one that is asked for it."""
    with Intake() as other:
        path = configuration(tmp_path, intake.url)
        text = Path(path).read_text().replace(f'metrics_endpoint: "{intake.url}"', f'metrics_endpoint: "{other.url}"')
        Path(path).write_text(text)
        result = send(path, "log", "-e", "datadog", "--read-back", "--within", "0", "--app-key", "app")
    assert result.exit_code == 1
    assert "datadog: accepted" in result.stdout
    assert "not to be read within 0 s: the vendor does not show it yet" in result.stderr


def test_no_secret_is_shown(tmp_path: Path) -> None:
    """The key, the token, and either again in the answer of a proxy that shows the request."""

    def show(connection: socket.socket, over: threading.Event) -> None:
        del over
        said = connection.recv(65536).partition(b"\r\n\r\n")[0]
        head = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: %d\r\n\r\n" % len(said)
        connection.sendall(head + said)

    with token_endpoint() as tokens, raw_server(show) as proxy:
        google = f"credentials: {{file: {key_file(tmp_path / 'key.json', tokens.url)}}}"
        path = configuration(tmp_path, f"http://{proxy}", google)
        for output in ("text", "json"):
            result = send(path, "log", "-o", output)
            assert result.exit_code == 1
            assert result.stdout.count("Bearer ***") == 3  # the header, the answer, and the exporter's words for it
            assert result.stdout.count("DD-API-KEY: ***") >= 2
            assert KEY not in result.output
            assert "token-" not in result.output


def test_a_made_up_key_of_one_letter_blots_out_no_words(tmp_path: Path) -> None:
    with Intake() as anybodys:
        path = configuration(tmp_path, anybodys.url)
        Path(path).write_text(Path(path).read_text().replace(KEY, "k"))
        result = send(path, "log", "a black kettle", "-e", "datadog")
    assert result.exit_code == 0, result.output
    assert "DD-API-KEY: ***" in result.stdout
    assert '"message": "a black kettle"' in result.stdout


REFUSALS = [("503", 503, "HTTP 503"), ("429", 429, "HTTP 429")]


@pytest.mark.parametrize(("fault", "status", "words"), REFUSALS, ids=[row[0] for row in REFUSALS])
@pytest.mark.parametrize("what", ["log", "metric"])
def test_a_refusal_is_shown_and_not_tried_again(
    intake: Intake, tmp_path: Path, what: str, fault: str, status: int, words: str
) -> None:
    intake.set_faults([fault])
    result = send(configuration(tmp_path, intake.url), what, "-o", "json")
    assert result.exit_code == 1
    for one in sent(result).values():
        assert [exchange["status"] for exchange in one["exchanges"]] == [status]
        assert words in one["words"]
        assert not one["accepted"]


def test_a_wrong_key_is_the_vendors_word(tmp_path: Path) -> None:
    with Intake(api_key="another") as intake:
        result = send(configuration(tmp_path, intake.url), "metric", "-e", "datadog")
    assert result.exit_code == 1
    assert "HTTP 403 after " in result.stdout
    assert "datadog: not accepted: HTTP 403: " in result.stdout


def test_nobody_there(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = send(configuration(tmp_path, url), "log")
    assert result.exit_code == 69
    assert f"POST {url}/v2/entries:write" in result.stdout
    assert "no answer after " in result.stdout
    assert "Connection refused" in result.stdout


def test_a_rule_that_excludes_the_line_is_told(intake: Intake, tmp_path: Path) -> None:
    path = configuration(tmp_path, intake.url)
    rule = "processing_rules: [{type: exclude_at_match, name: noise, pattern: noise}]"
    Path(path).write_text(Path(path).read_text().replace("kind: datadog,", f"kind: datadog, {rule},"))
    result = send(path, "log", "just noise", "-e", "datadog")
    assert result.exit_code == 1
    assert "no request that could be shown" in result.stdout
    assert "makes nothing of it" in result.stdout
    assert intake.logs() == []


WRONG = [
    (("log", "-e", "gogle"), 2, 'did you mean "google"?'),
    (("log", "-e", "screen"), 2, "nobody would answer"),
    (("log", "-e", "collector"), 2, "takes metrics alone"),
    (("metric", "a.b", "many"), 2, "not a valid float"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), WRONG, ids=[" ".join(row[0]) for row in WRONG])
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    more = "  screen: {kind: console}\n  collector: {kind: opentelemetry}\n"
    path = configuration(tmp_path, "http://127.0.0.1:1", more=more)
    result = send(path, *arguments)
    assert result.exit_code == code
    assert words in result.stderr


def test_a_configuration_that_cannot_be_used(tmp_path: Path) -> None:
    path = tmp_path / "outrider.yaml"
    path.write_text("exporters: {google: {kind: stackdrive}}\n")
    assert send(str(path), "log").exit_code == 78
    path.write_text("exporters: {google: {kind: stackdriver, credentials: none}}\n")
    result = send(str(path), "log", env={"NO_GCE_CHECK": "true", "GOOGLE_CLOUD_PROJECT": None})
    assert result.exit_code == 78
    assert "set cluster.project" in result.stderr


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd", "none"])
def test_a_body_is_shown_unpacked(intake: Intake, tmp_path: Path, coding: str) -> None:
    path = configuration(tmp_path, intake.url)
    Path(path).write_text(Path(path).read_text().replace("kind: datadog,", f"kind: datadog, compress: {coding},"))
    result = send(path, "log", "hello", "-e", "datadog", "-o", "json")
    (exchange,) = sent(result)["datadog"]["exchanges"]
    assert exchange["body"][0]["message"] == "hello"
    assert exchange["headers"].get("Content-Encoding", "none") == coding


def test_through_an_agent(tmp_path: Path) -> None:
    """Over DogStatsD there is no answer; that there is nobody is noticed over a socket."""
    path = configuration(tmp_path, "http://127.0.0.1:1")
    statsd = f"statsd: unix://{tmp_path}/none.socket"
    Path(path).write_text(
        Path(path).read_text().replace("kind: datadog,", f'kind: datadog, "{statsd}",'.replace('"', ""))
    )
    result = send(path, "metric", "-e", "datadog")
    assert result.exit_code == 1
    assert "no DogStatsD server at" in result.stdout
    assert os.listdir(tmp_path) == ["outrider.yaml"]
