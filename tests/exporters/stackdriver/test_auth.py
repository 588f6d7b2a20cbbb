"""Token sources against real token endpoints on the loopback address: keys, federation, users, the metadata server."""

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from outrider.exporters.stackdriver.auth import AuthError, TokenSource, examine_key, token_source
from outrider.model.clock import ManualClock
from tests.support.raw_server import answer, raw_server, silent, trickle
from tests.support.token_endpoint import Endpoint, federation_file, key_file, rsa_key, token_endpoint
from tests.support.wait import until

LOGGING = "https://www.googleapis.com/auth/logging.write"
MONITORING = "https://www.googleapis.com/auth/monitoring.write"
METADATA_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with token_endpoint() as it:
        yield it


def adc(path: Path) -> dict[str, str]:
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}


def refused(source: TokenSource) -> AuthError:
    with pytest.raises(AuthError) as caught:
        source.headers()
    return caught.value


def part(text: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def test_none_has_no_headers() -> None:
    source = token_source("none", {})
    source.invalidate()
    assert source.headers() == {}
    assert not source.changed()


@pytest.mark.parametrize("through", ["adc", "path"])
def test_a_service_account_key_signs_for_a_token(endpoint: Endpoint, tmp_path: Path, through: str) -> None:
    path = key_file(tmp_path / "key.json", endpoint.url + "/token")
    source = token_source("adc", adc(path)) if through == "adc" else token_source(path, {})
    assert source.headers() == bearer("token-1")
    (asked,) = endpoint.asked
    assert (asked.path, asked.form["grant_type"]) == ("/token", "urn:ietf:params:oauth:grant-type:jwt-bearer")
    head, claims, signature = asked.form["assertion"].split(".")
    rsa_key().public_key().verify(
        base64.urlsafe_b64decode(signature + "=="), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256()
    )
    assert part(head)["kid"] == "k1"
    assert part(claims)["iss"] == "outrider@acme.iam.gserviceaccount.com"
    assert part(claims)["aud"] == "https://oauth2.googleapis.com/token"  # google-auth's, whatever token_uri says
    assert part(claims)["scope"].split() == [LOGGING, MONITORING]
    assert source.headers() == bearer("token-1")
    assert len(endpoint.asked) == 1


def test_federation_exchanges_the_subject_token(endpoint: Endpoint, tmp_path: Path) -> None:
    """google-auth takes any `token_url`, loopback and plain HTTP too."""
    clock = ManualClock()
    source = token_source("adc", adc(federation_file(tmp_path, endpoint.url)), clock)
    assert source.headers() == bearer("token-1")
    form = endpoint.asked[0].form
    assert (endpoint.asked[0].path, form["subject_token"]) == ("/v1/token", "subject-1")
    assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:token-exchange"
    assert form["audience"].endswith("/providers/onprem")
    assert form["scope"].split() == [LOGGING, MONITORING]
    (tmp_path / "subject").write_text("subject-2")
    clock.advance(3600)
    assert source.headers() == bearer("token-2")
    assert endpoint.asked[1].form["subject_token"] == "subject-2"
    assert len(endpoint.asked) == 2  # nothing else is asked for: no project, no access boundary


def test_federation_through_a_service_account(endpoint: Endpoint, tmp_path: Path) -> None:
    account = "/v1/projects/-/serviceAccounts/outrider@acme.iam.gserviceaccount.com:generateAccessToken"
    path = federation_file(tmp_path, endpoint.url, service_account_impersonation_url=endpoint.url + account)
    assert token_source("adc", adc(path)).headers() == bearer("impersonated-token-2")
    exchange, impersonate = endpoint.asked
    assert (exchange.path, impersonate.path) == ("/v1/token", account)
    assert impersonate.headers["authorization"] == "Bearer token-1"
    assert json.loads(impersonate.form["json"])["scope"] == [LOGGING, MONITORING]


def test_a_users_own_credentials_with_a_quota_project(endpoint: Endpoint, tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "gcloud"
    folder.mkdir(parents=True)
    info = {"client_id": "c", "client_secret": "s", "refresh_token": "r", "quota_project_id": "billing"}
    text = json.dumps({"type": "authorized_user", "token_uri": endpoint.url + "/token", **info})
    (folder / "application_default_credentials.json").write_text(text)
    for env in ({"HOME": str(tmp_path)}, {"HOME": "/nowhere", "CLOUDSDK_CONFIG": str(folder)}):
        assert token_source("adc", env).headers()["x-goog-user-project"] == "billing"
    assert [a.form["refresh_token"] for a in endpoint.asked] == ["r", "r"]


def test_without_a_file_the_metadata_server_is_asked(endpoint: Endpoint, tmp_path: Path) -> None:
    env = {"GCE_METADATA_HOST": endpoint.host, "HOME": str(tmp_path)}
    assert token_source("adc", env).headers() == bearer("token-1")
    asked = endpoint.asked[0]
    assert urlsplit(asked.path).path == METADATA_PATH
    assert parse_qs(urlsplit(asked.path).query)["scopes"] == [f"{LOGGING},{MONITORING}"]
    assert asked.headers["metadata-flavor"] == "Google"


@dataclass
class Rig:
    """A source on the metadata stand-in, with a clock that is moved by hand."""

    source: TokenSource
    clock: ManualClock
    endpoint: Endpoint


@pytest.fixture
def rig(endpoint: Endpoint, tmp_path: Path) -> Rig:
    clock = ManualClock()
    env = {"GCE_METADATA_HOST": endpoint.host, "HOME": str(tmp_path)}
    return Rig(token_source("adc", env, clock, deadline=1.0), clock, endpoint)


def test_making_a_source_asks_nobody(rig: Rig) -> None:
    token_source("/nowhere/key.json", {})
    assert rig.endpoint.asked == []


def test_a_token_is_renewed_ahead_of_its_end(rig: Rig) -> None:
    assert rig.source.headers() == bearer("token-1")
    rig.clock.advance(3600 - 226)
    rig.clock.jump(1e9)  # the wall clock has no say
    assert rig.source.headers() == bearer("token-1")
    rig.clock.advance(2)
    assert rig.source.headers() == bearer("token-2")


@pytest.mark.parametrize("expires_in", [60, "60", 60.5])
def test_a_short_lived_token_is_used_for_half_its_life(rig: Rig, expires_in: Any) -> None:
    rig.endpoint.expires_in = expires_in
    rig.source.headers()
    rig.clock.advance(29)
    assert rig.source.headers() == bearer("token-1")
    rig.clock.advance(2)
    assert rig.source.headers() == bearer("token-2")


def test_a_failed_renewal_keeps_the_old_token_to_its_end(rig: Rig) -> None:
    rig.source.headers()
    rig.clock.advance(3400)
    rig.endpoint.replies = [(503, {}), (503, {}), (503, {})]
    assert rig.source.headers() == bearer("token-1")
    assert rig.source.headers() == bearer("token-1")
    assert len(rig.endpoint.asked) == 2  # not at every call
    rig.clock.advance(11)
    assert rig.source.headers() == bearer("token-1")
    assert len(rig.endpoint.asked) == 3
    rig.clock.advance(300)
    assert refused(rig.source).retryable
    assert rig.source.headers() == bearer("token-5")


def test_an_invalidated_token_is_not_given_out_again(rig: Rig) -> None:
    rig.source.headers()
    rig.source.invalidate()
    rig.endpoint.replies = [(500, {})]
    assert refused(rig.source).retryable
    assert rig.source.headers() == bearer("token-3")


def test_headers_belong_to_the_caller(rig: Rig) -> None:
    rig.source.headers()["Authorization"] = "mine"
    assert rig.source.headers() == bearer("token-1")


def in_threads(n: int, ask: Callable[[], Any]) -> list[Any]:
    results: list[Any] = []

    def call() -> None:
        try:
            results.append(ask())
        except AuthError as e:
            results.append(e)

    threads = [threading.Thread(target=call, daemon=True) for _ in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    return results


def test_many_threads_make_one_exchange(rig: Rig) -> None:
    assert in_threads(8, rig.source.headers) == [bearer("token-1")] * 8
    assert len(rig.endpoint.asked) == 1


def test_a_renewal_ahead_holds_up_nobody_else(rig: Rig) -> None:
    rig.source.headers()
    rig.clock.advance(3500)
    rig.endpoint.hold.clear()
    renewed: list[dict[str, str]] = []
    renewing = threading.Thread(target=lambda: renewed.append(rig.source.headers()), daemon=True)
    renewing.start()
    until(lambda: len(rig.endpoint.asked) == 2)
    begin = time.monotonic()
    assert rig.source.headers() == bearer("token-1")
    assert time.monotonic() - begin < 0.3
    rig.endpoint.hold.set()
    renewing.join(5)
    assert renewed == [bearer("token-2")]
    assert rig.source.headers() == bearer("token-2")


def test_a_hanging_server_costs_the_deadline(tmp_path: Path) -> None:
    with raw_server(silent) as address:
        env = {"GCE_METADATA_HOST": address, "HOME": str(tmp_path)}
        source = token_source("adc", env, deadline=0.4)
        begin = time.monotonic()
        results = in_threads(3, source.headers)
        assert time.monotonic() - begin < 1.5
    assert all(isinstance(r, AuthError) and r.retryable for r in results)


def test_a_trickling_token_endpoint_costs_the_deadline(tmp_path: Path) -> None:
    with raw_server(trickle(b"HTTP/1.1 200 OK\r\n\r\n", b" ")) as address:
        path = key_file(tmp_path / "key.json", f"http://{address}/token")
        begin = time.monotonic()
        error = refused(token_source(path, {}, deadline=0.4))
        assert time.monotonic() - begin < 1.5
    assert error.retryable
    assert str(path) in str(error)


def test_a_replaced_key_file_is_used_at_once(endpoint: Endpoint, tmp_path: Path) -> None:
    path = key_file(tmp_path / "key.json", endpoint.url + "/token")
    source = token_source(path, {}, ManualClock())
    source.headers()
    other = key_file(tmp_path / "new.json", endpoint.url + "/token", private_key_id="k2")
    os.replace(other, path)
    assert source.headers() == bearer("token-2")
    assert part(endpoint.asked[1].form["assertion"].split(".")[0])["kid"] == "k2"
    assert source.headers() == bearer("token-2")


def test_a_key_file_replaced_by_junk_leaves_the_old_token(endpoint: Endpoint, tmp_path: Path) -> None:
    clock = ManualClock()
    path = key_file(tmp_path / "key.json", endpoint.url + "/token")
    source = token_source(path, {}, clock)
    source.headers()
    path.write_text("{")
    assert source.headers() == bearer("token-1")
    clock.advance(3601)
    assert str(path) in str(refused(source))
    key_file(path, endpoint.url + "/token")
    assert source.headers() == bearer("token-2")


def test_a_key_file_replaced_by_junk_and_then_by_a_good_one_is_used_at_once(endpoint: Endpoint, tmp_path: Path) -> None:
    path = key_file(tmp_path / "key.json", endpoint.url + "/token")
    source = token_source(path, {}, ManualClock())
    source.headers()
    path.write_text("{")
    assert source.headers() == bearer("token-1")
    os.replace(key_file(tmp_path / "new.json", endpoint.url + "/token", private_key_id="k2"), path)
    assert source.headers() == bearer("token-2")


def test_a_key_in_a_mounted_secret_is_followed_through_the_swapped_link(endpoint: Endpoint, tmp_path: Path) -> None:
    """kubelet's AtomicWriter: key.json -> ..data/key.json, ..data -> a directory of its own for every version."""
    for version in ("k1", "k2"):
        (tmp_path / version).mkdir()
        key_file(tmp_path / version / "key.json", endpoint.url + "/token", private_key_id=version)
    (tmp_path / "..data").symlink_to("k1")
    (tmp_path / "key.json").symlink_to("..data/key.json")
    source = token_source(tmp_path / "key.json", {}, ManualClock())
    source.headers()
    (tmp_path / "..data_tmp").symlink_to("k2")
    os.replace(tmp_path / "..data_tmp", tmp_path / "..data")
    assert source.changed()
    assert source.headers() == bearer("token-2")
    assert part(endpoint.asked[1].form["assertion"].split(".")[0])["kid"] == "k2"
    assert not source.changed()


def test_after_a_401_the_key_of_now_signs(endpoint: Endpoint, tmp_path: Path) -> None:
    path = key_file(tmp_path / "key.json", endpoint.url + "/token")
    source = token_source(path, {}, ManualClock())
    source.headers()
    endpoint.replies = [(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})]
    source.invalidate()  # the key is revoked, ...
    assert not refused(source).retryable
    assert not source.changed()  # ... so nothing is won by asking again
    key_file(path, endpoint.url + "/token", private_key_id="k2")
    assert source.changed()
    assert source.headers() == bearer("token-3")
    assert part(endpoint.asked[2].form["assertion"].split(".")[0])["kid"] == "k2"


def test_a_key_file_that_comes_late_is_a_change(endpoint: Endpoint, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    source = token_source(path, {}, ManualClock())
    assert not source.changed()  # nobody has asked for a token yet
    assert "cannot be read" in str(refused(source))
    assert not source.changed()
    key_file(path, endpoint.url + "/token")
    assert source.changed()
    assert source.headers() == bearer("token-1")


def test_a_rotated_subject_token_is_exchanged_at_once(endpoint: Endpoint, tmp_path: Path) -> None:
    source = token_source("adc", adc(federation_file(tmp_path, endpoint.url)), ManualClock())
    assert source.headers() == bearer("token-1")
    assert not source.changed()
    (tmp_path / "subject").write_text("subject-number-2")
    assert source.changed()
    assert source.headers() == bearer("token-2")
    assert endpoint.asked[1].form["subject_token"] == "subject-number-2"
    assert not source.changed()
    (tmp_path / "subject").unlink()  # between two versions of it the old access token does
    assert source.headers() == bearer("token-2")
    assert not source.changed()  # the attempt has failed, and waits for the next one
    (tmp_path / "subject").write_text("subject-3")
    assert source.changed()


def test_an_expired_subject_token_is_tried_again_when_it_is_rotated(endpoint: Endpoint, tmp_path: Path) -> None:
    source = token_source("adc", adc(federation_file(tmp_path, endpoint.url)), ManualClock())
    endpoint.replies = [(400, {"error": "invalid_grant", "error_description": "The token has expired."})]
    assert not refused(source).retryable
    assert not source.changed()
    (tmp_path / "subject").write_text("subject-number-2")
    assert source.changed()
    assert source.headers() == bearer("token-2")


def test_default_credentials_that_appear_are_used(endpoint: Endpoint, tmp_path: Path) -> None:
    source = token_source("adc", {"GCE_METADATA_HOST": endpoint.host, "HOME": str(tmp_path)}, ManualClock())
    source.headers()
    folder = tmp_path / ".config" / "gcloud"
    folder.mkdir(parents=True)
    key_file(folder / "application_default_credentials.json", endpoint.url + "/token")
    assert source.changed()
    assert source.headers() == bearer("token-2")
    assert endpoint.asked[1].path == "/token"


def test_a_key_file_is_examined_without_asking_anybody(endpoint: Endpoint, tmp_path: Path) -> None:
    examine_key(key_file(tmp_path / "key.json", endpoint.url + "/token"))
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(AuthError, match=r"bad\.json is no JSON object"):
        examine_key(tmp_path / "bad.json")
    assert endpoint.asked == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        ("", "no JSON object"),
        ("[]", "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        ("{}", "of type None; known are service_account, external_account, authorized_user"),
        ('{"type":["x"]}', "known are"),
        ('{"type":"gdch"}', "of type 'gdch'"),
        ('{"type":"service_account"}', "not a usable service_account file"),
        ('{"type":"authorized_user"}', "lacks 'refresh_token'"),
        ('{"type":"external_account"}', "not a usable external_account file"),
        ('{"type":"external_account","credential_source":7}', "not a usable external_account file"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    error = refused(token_source("adc", adc(path)))
    assert str(path) in str(error)
    assert words in str(error)
    assert not error.retryable


def test_a_key_that_is_no_key_is_not_printed(endpoint: Endpoint, tmp_path: Path) -> None:
    path = key_file(tmp_path / "key.json", endpoint.url, private_key="s3cret")
    error = refused(token_source(path, {}))
    assert "not a usable service_account file" in str(error)
    assert "s3cret" not in str(error)


def test_a_missing_subject_token_is_named(endpoint: Endpoint, tmp_path: Path) -> None:
    path = federation_file(tmp_path, endpoint.url)
    (tmp_path / "subject").unlink()
    error = refused(token_source("adc", adc(path)))
    assert str(tmp_path / "subject") in str(error)
    assert not error.retryable


@pytest.mark.parametrize(
    ("status", "reply", "retryable"),
    [
        (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, False),
        (401, {"error": "invalid_client"}, False),
        (500, {"error": "internal_failure"}, True),
        (503, b"<html>busy</html>", True),
        (429, b"", True),
        (200, b"<html>captive portal</html>", True),
        (200, {"error": "odd"}, True),
        (200, {"access_token": "two\nlines", "expires_in": 10}, True),
        (200, {"access_token": "x", "expires_in": None}, True),
        (200, [], True),
    ],
)
def test_what_a_token_exchange_may_answer(
    endpoint: Endpoint, tmp_path: Path, status: int, reply: Any, retryable: bool
) -> None:
    path = federation_file(tmp_path, endpoint.url)
    endpoint.replies = [(status, reply)] * 5
    error = refused(token_source("adc", adc(path)))
    assert str(path) in str(error)
    assert error.retryable is retryable


@pytest.mark.parametrize(
    ("status", "reply", "retryable"),
    [
        (404, b"<html>not found</html>", False),
        (403, {"error": "no"}, False),
        (500, b"", True),
        (200, b"<html>portal</html>", True),
        (200, {"expires_in": 5}, True),
        (200, b"\xff", True),
    ],
)
def test_what_the_metadata_server_may_answer(rig: Rig, status: int, reply: Any, retryable: bool) -> None:
    rig.endpoint.replies = [(status, reply)]
    error = refused(rig.source)
    assert rig.endpoint.host in str(error)
    assert error.retryable is retryable


def test_off_google_cloud_the_error_tells_the_way_out(tmp_path: Path) -> None:
    with raw_server(answer(b"")) as address:
        pass
    error = refused(token_source("adc", {"GCE_METADATA_HOST": address, "HOME": str(tmp_path)}))
    assert "GOOGLE_APPLICATION_CREDENTIALS" in str(error)
    assert "key file" in str(error)
    assert error.retryable


def test_google_auth_is_not_imported_before_it_is_needed_and_requests_never(tmp_path: Path) -> None:
    code = """
import sys
from outrider.exporters.stackdriver.auth import AuthError, token_source
source = token_source(sys.argv[1], {})
assert not any(name == "google.auth" or name.startswith("google.auth.") for name in sys.modules)
try:
    source.headers()
except AuthError as e:
    assert "cannot be reached" in str(e), e
assert "google.oauth2.service_account" in sys.modules
assert "requests" not in sys.modules
"""
    path = key_file(tmp_path / "key.json", "http://127.0.0.1:1/token")
    subprocess.run([sys.executable, "-c", code, str(path)], check=True, timeout=30)
