"""What `outrider doctor` says of the exporters: the way there, certificates, clock, credentials, what they allow."""

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from outrider.doctor.finding import Finding
from outrider.doctor.look import Seen, reached
from outrider.intake import Intake
from outrider.model.clock import ManualClock
from tests.support.certificates import self_signed
from tests.support.examined import about, examined, worst, written
from tests.support.pages import Page, pages
from tests.support.raw_server import answer, raw_server, silent
from tests.support.server import free_port
from tests.support.token_endpoint import key_file, token_endpoint

KEY = "0123456789abcdef"
CHECKS = {"every": "15s", "checks": [{"redis": {"port": 6379}}]}


@pytest.fixture(scope="module")
def intake() -> Iterator[Intake]:
    """That nobody writes to."""
    with Intake(api_key=KEY) as intake:
        yield intake


def google(url: str, **more: Any) -> dict[str, Any]:
    return {
        "google": {"kind": "stackdriver", "credentials": "none", "logs_endpoint": url, "metrics_endpoint": url, **more}
    }


def datadog(url: str, **more: Any) -> dict[str, Any]:
    return {"datadog": {"kind": "datadog", "api_key": KEY, "logs_endpoint": url, "metrics_endpoint": url, **more}}


def of(folder: Path, exporters: dict[str, Any], subject: str, **how: Any) -> Finding:
    """The worst finding of a subject."""
    return worst(examined(written(folder, exporters=exporters, metrics=CHECKS), **how), subject)


# -- TLS ---------------------------------------------------------------------------------------------------------------

CERTIFICATES = [
    ({"ends": 24 * 90}, True, "ok", "with a certificate by node-1, valid until 20", ""),
    ({"ends": 24 * 3}, True, "warn", "with a certificate by node-1, valid until 20", "has to be renewed"),
    ({}, False, "fail", "is not trusted: self-signed certificate", "as `ca`"),
    ({"begins": -48, "ends": -24}, True, "fail", "is not trusted: certificate has expired", "has to be renewed there"),
    ({"begins": 24, "ends": 48}, True, "fail", "is not trusted: certificate is not yet valid", "clock of this machine"),
    (
        {"address": "127.0.0.9"},
        True,
        "fail",
        "is not trusted: IP address mismatch",
        "a name that is in the certificate",
    ),
]


@pytest.mark.parametrize(
    ("made", "trusted", "status", "words", "cure"),
    CERTIFICATES,
    ids=["good", "ends soon", "self-signed", "expired", "not yet valid", "another name"],
)
def test_certificates(tmp_path: Path, made: dict[str, Any], trusted: bool, status: str, words: str, cure: str) -> None:
    context, ca = self_signed(tmp_path, **made)
    with pages(context) as server:
        exporters = google(server.url, **({"tls": {"ca": str(ca)}} if trusted else {}))
        way = about(examined(written(tmp_path, exporters=exporters)), "exporters.google: logs")[0]
    assert way.status == status
    assert words in way.words
    assert cure in way.cure


def test_authorities_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    found = of(tmp_path, google("https://127.0.0.1:1", tls={"ca": str(tmp_path / "ca.pem")}), "exporters.google: logs")
    assert found.status == "fail"
    assert f"the certificate authorities in {tmp_path}/ca.pem cannot be used" in found.words


def test_a_server_that_speaks_no_tls(tmp_path: Path, intake: Intake) -> None:
    found = of(tmp_path, datadog(intake.url.replace("http:", "https:")), "exporters.datadog: logs")
    assert found.status == "fail"
    assert "no TLS with " in found.words


def test_plain_http_beyond_this_machine() -> None:
    found = reached("x", "http://intake.shop.svc:8085", Seen(404, {}, b"", None, None), ManualClock())
    assert (found.status, found.cure) == ("warn", "keys and logs can be read on the way: use https://")


# -- the way there -----------------------------------------------------------------------------------------------------


def test_nobody_there(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    found = examined(written(tmp_path, exporters={**google(url), **datadog(url)}, metrics=CHECKS))
    for subject in ("exporters.google: logs", "exporters.google: metrics", "exporters.datadog: logs"):
        (one,) = about(found, subject)  # what cannot be reached is not asked
        assert (one.status, one.words) == ("fail", f"{url} refuses the connection")
    assert about(found, "clock") == []


def test_a_name_that_nobody_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    found = of(tmp_path, datadog("https://intake.invalid"), "exporters.datadog: logs")
    assert found.status == "fail"
    assert found.words.startswith("intake.invalid cannot be resolved: ")
    assert "DNS" in found.cure


def test_one_that_hangs_holds_up_nobody_else(tmp_path: Path, intake: Intake) -> None:
    with raw_server(silent) as hung:
        exporters = {**google(f"http://{hung}"), **datadog(intake.url)}
        began = time.monotonic()
        found = examined(written(tmp_path, exporters=exporters), within=1.0)
        assert time.monotonic() - began < 4.0
    (late,) = about(found, "exporters.google: logs")
    assert (late.status, late.words) == ("fail", "no answer within 1 s")
    assert worst(found, "exporters.datadog: logs").status == "ok"


def test_one_that_hangs_with_the_answer_to_a_write(tmp_path: Path) -> None:
    """What was found before stays found."""
    with Intake(faults=["hang"]) as hanging:
        found = about(examined(written(tmp_path, exporters=google(hanging.url)), within=1.0), "exporters.google: logs")
    assert [one.status for one in found] == ["ok", "fail"]
    assert found[1].words == "no answer within 1 s"


CLOCKS = [
    (-3600, "fail", r"3[56]\d\d s behind 127.0.0.1: points of such times are refused, and tokens may be"),
    (-60, "warn", r"[56]\d s behind 127.0.0.1"),
    (0, "ok", r"within 5 s of 127.0.0.1"),
    (60, "warn", r"[56]\d s ahead of 127.0.0.1"),
    (3600, "fail", r"3[56]\d\d s ahead of 127.0.0.1: points of such times are refused, and tokens may be"),
]


@pytest.mark.parametrize(("off", "status", "words"), CLOCKS, ids=[str(row[0]) for row in CLOCKS])
def test_the_clock(tmp_path: Path, intake: Intake, off: int, status: str, words: str) -> None:
    clock = ManualClock(time.time() + off)  # it stands still while the doctor is at work, for a second or two
    found = of(tmp_path, datadog(intake.url), "clock", clock=clock)
    assert found.status == status
    assert re.fullmatch(words, found.words)


def test_a_date_out_of_a_cache(tmp_path: Path) -> None:
    """Of which Age says how old it is."""
    date = formatdate(time.time() - 500, usegmt=True).encode()
    head = b"HTTP/1.1 404 Not Found\r\nDate: %b\r\nAge: 500\r\nContent-Length: 0\r\n\r\n" % date
    with raw_server(answer(head)) as where:
        assert of(tmp_path, datadog(f"http://{where}"), "clock").status == "ok"


# -- Google's answers --------------------------------------------------------------------------------------------------


def refusal(status: int, message: str) -> bytes:
    body = json.dumps({"error": {"code": status, "message": message}}).encode()
    return b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


REFUSALS = [
    (403, "Request had insufficient authentication scopes.", "fail", "--scopes=cloud-platform"),
    (
        403,
        "Cloud Logging API has not been used in project 1 before or it is disabled.",
        "fail",
        "gcloud services enable {}",
    ),
    (403, "Permission 'x.y.create' denied on resource", "fail", "--role roles/{}"),
    (401, "Request had invalid authentication credentials.", "fail", "the key is revoked"),
    (404, "Requested entity was not found.", "fail", "acme the project?"),
    (429, "Quota exceeded", "warn", "is a quota used up?"),
    (503, "The service is unavailable.", "warn", "it may pass"),
]
APIS = {
    "logs": ("logging.googleapis.com", "logging.logWriter"),
    "metrics": ("monitoring.googleapis.com", "monitoring.metricWriter"),
}


@pytest.mark.parametrize(
    ("status", "message", "verdict", "cure"), REFUSALS, ids=[f"{r[0]} {r[1][:20]}" for r in REFUSALS]
)
@pytest.mark.parametrize("what", list(APIS))
def test_what_google_refuses(tmp_path: Path, what: str, status: int, message: str, verdict: str, cure: str) -> None:
    api, role = APIS[what]
    with raw_server(answer(refusal(status, message))) as where:
        found = of(tmp_path, google(f"http://{where}"), f"exporters.google: {what}")
    assert found.status == verdict
    assert f"HTTP {status}: {message}" in found.words
    assert cure.format(api if "services" in cure else role) in found.cure


def test_no_token_where_google_wants_one(tmp_path: Path) -> None:
    found = of(tmp_path, {"google": {"kind": "stackdriver", "credentials": "none"}}, "exporters.google", within=0.5)
    assert (found.status, found.cure) == ("fail", "credentials: adc, or a file")


# -- credentials -------------------------------------------------------------------------------------------------------


def test_a_key_file(tmp_path: Path, intake: Intake) -> None:
    with token_endpoint() as tokens:
        path = key_file(tmp_path / "key.json", tokens.url)
        exporters = google(intake.url, credentials={"file": str(path)})
        found = of(tmp_path, exporters, "exporters.google")
        assert (found.status, found.words) == ("ok", f"a token is to be had, by {path}")
        tokens.replies = [(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})] * 9
        found = examined(written(tmp_path, exporters=exporters))
    refused = worst(found, "exporters.google")
    assert refused.status == "fail"
    assert "Invalid JWT Signature." in refused.words
    assert [one.status for one in about(found, "exporters.google: logs")] == [
        "ok"
    ]  # reached; that is all there is to say
    assert "PRIVATE" not in str(found)
    path.write_text("{}")
    assert "is of type None" in of(tmp_path, exporters, "exporters.google").words


def test_an_assertion_of_another_time_is_the_clocks(tmp_path: Path, intake: Intake) -> None:
    words = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
    with token_endpoint() as tokens:
        tokens.replies = [(400, {"error": "invalid_grant", "error_description": words})] * 9
        path = key_file(tmp_path / "key.json", tokens.url)
        found = of(tmp_path, google(intake.url, credentials={"file": str(path)}), "exporters.google")
    assert (found.status, "clock" in found.cure) == ("fail", True)


def test_no_key_outside_of_google_cloud(tmp_path: Path, intake: Intake) -> None:
    nowhere = {"GCE_METADATA_HOST": f"127.0.0.1:{free_port()}", "HOME": str(tmp_path)}
    found = of(tmp_path, google(intake.url, credentials="adc"), "exporters.google", env=nowhere)
    assert (found.status, "credentials: {file: PATH}" in found.cure) == ("fail", True)


def test_default_credentials_of_a_file(tmp_path: Path, intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    with token_endpoint() as tokens:
        path = key_file(tmp_path / "key.json", tokens.url)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
        found = of(tmp_path, google(intake.url, credentials="adc"), "exporters.google", env=os.environ)
    assert (found.status, found.words) == ("ok", f"a token is to be had, by {path}")


SCOPES = [
    ("https://www.googleapis.com/auth/cloud-platform", None),
    ("https://www.googleapis.com/auth/logging.write\nhttps://www.googleapis.com/auth/monitoring.write", None),
    ("https://www.googleapis.com/auth/logging.admin\nhttps://www.googleapis.com/auth/monitoring", None),
    ("https://www.googleapis.com/auth/logging.write", "monitoring.write"),
    ("https://www.googleapis.com/auth/devstorage.read_only", "logging.write"),
]


@pytest.mark.parametrize(("scopes", "missing"), SCOPES, ids=["all", "both", "more", "one", "others"])
def test_scopes_of_a_node(
    tmp_path: Path, intake: Intake, monkeypatch: pytest.MonkeyPatch, scopes: str, missing: str | None
) -> None:
    account = "/computeMetadata/v1/instance/service-accounts/default"
    with pages() as metadata:
        metadata.at[f"{account}/token"] = Page(json.dumps({"access_token": "t", "expires_in": 3600}))
        metadata.at[f"{account}/scopes"] = Page(scopes)
        monkeypatch.setenv("GCE_METADATA_HOST", metadata.url.removeprefix("http://"))
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        found = of(tmp_path, google(intake.url, credentials="adc"), "exporters.google", env=os.environ)
    if missing is None:
        assert (found.status, found.words) == ("ok", "a token is to be had, by the metadata server")
    else:
        assert found.status == "fail"
        assert missing in found.words


# -- Datadog -----------------------------------------------------------------------------------------------------------


def test_a_key_of_somebody_else(tmp_path: Path, intake: Intake) -> None:
    found = examined(written(tmp_path, exporters=datadog(intake.url, api_key="another-key"), metrics=CHECKS))
    for what in ("logs", "metrics"):
        refused = worst(found, f"exporters.datadog: {what}")
        assert refused.status == "fail"
        assert "HTTP 403" in refused.words
        assert refused.cure == "the API key is not one of datadoghq.eu: right key, right `site`?"
    assert "another-key" not in str(found)


def test_a_key_that_is_not_there(tmp_path: Path, intake: Intake) -> None:
    found = examined(written(tmp_path, exporters=datadog(intake.url, api_key={"file": f"{tmp_path}/none"})))
    missing = worst(found, "exporters.datadog")
    assert missing.status == "fail"
    assert f"the secret file {tmp_path}/none cannot be read" in missing.words
    assert [one.status for one in about(found, "exporters.datadog: logs")] == ["ok"]


def test_what_is_no_key_is_not_shown(tmp_path: Path, intake: Intake) -> None:
    """Python's client says in its error what it cannot send."""
    (tmp_path / "key").write_text("secret-1\nsecret-2")
    exporters = datadog(intake.url, api_key={"file": str(tmp_path / "key")})
    found = examined(written(tmp_path, exporters=exporters, metrics=CHECKS))
    assert worst(found, "exporters.datadog: metrics").words.endswith("no header can carry it")
    assert worst(found, "exporters.datadog: logs").status == "fail"
    assert "secret-" not in str(found)


def test_the_agents_socket(tmp_path: Path, intake: Intake) -> None:
    exporters = datadog(intake.url, statsd=f"unix://{tmp_path}/dsd.socket")
    found = of(tmp_path, exporters, "exporters.datadog: metrics")
    assert (found.status, found.words.rpartition(": ")[2]) == ("fail", "No such file or directory")
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_UNIX, kind) as server:
            server.bind(f"{tmp_path}/dsd.socket")
            if kind == socket.SOCK_STREAM:
                server.listen()
            assert of(tmp_path, exporters, "exporters.datadog: metrics").status == "ok"
        (tmp_path / "dsd.socket").unlink()
    exporters = datadog(intake.url, statsd="udp://127.0.0.1:8125")
    assert "UDP does not tell" in of(tmp_path, exporters, "exporters.datadog: metrics").words


def test_exporters_without_metrics_are_not_asked_for_any(tmp_path: Path, intake: Intake) -> None:
    found = examined(written(tmp_path, exporters={**google(intake.url), **datadog(intake.url)}))
    assert not [one for one in found if one.subject.endswith(": metrics")]


def test_other_kinds_of_exporters(tmp_path: Path) -> None:
    exporters = {
        "screen": {"kind": "console"},
        "a": {"kind": "opentelemetry"},
        "b": {"kind": "opentelemetry", "exporter": "x"},
    }
    found = examined(written(tmp_path, exporters=exporters))
    assert [one.status for one in about(found, "exporters.a") + about(found, "exporters.b")] == ["ok", "fail"]
    assert 'no OpenTelemetry exporter "x" is installed' in worst(found, "exporters.b").words
