"""From the configuration's `kube` block to a running pod cache: defaults, tokens, and what is refused."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from outrider.kube import pods as pods_module
from outrider.kube.client import Token, TokenFile
from outrider.kube.pods import KubeConfigError, from_config
from outrider.model.clock import ManualClock, SystemClock
from outrider.model.counters import Counters
from tests.support.fake_kube import FakeKube, pod
from tests.support.wait import until


@dataclass
class Config:
    """What `outrider.config` hands over."""

    source: str = "kubelet"
    url: str | None = None
    token: Token | None = None
    ca: str | None = None


class FailingToken:
    """A token of the configuration that cannot be read, in its own way."""

    file = "/nowhere/token"

    def read(self) -> str:
        raise LookupError("/nowhere/token is not there")


@pytest.mark.parametrize("source", ["kubelet", "api"])
def test_from_config_feeds_and_keeps(kube: FakeKube, tmp_path: Path, source: str) -> None:
    kube.add(pod("a", "u1", labels={"app": "a"}))
    told: list[str] = []
    pods = from_config(Config(source, kube.url), "node-1", tmp_path, SystemClock(), Counters(), told.append)
    pods.start()
    until(lambda: told == ["u1"])
    pods.stop()
    assert json.loads((tmp_path / "pods.json").read_bytes())["body"]["pods"][0]["labels"] == {"app": "a"}


@pytest.mark.parametrize("source", ["kubelet", "api"])
@pytest.mark.parametrize("details", [False, True])
def test_from_config_brings_details_where_they_are_wanted(
    kube: FakeKube, tmp_path: Path, source: str, details: bool
) -> None:
    kube.add(pod("a", "u1"))
    config = Config(source, kube.url)
    pods = from_config(config, "node-1", tmp_path, SystemClock(), Counters(), lambda _: None, env={}, details=details)
    pods.start()
    found = until(lambda: pods.get("u1"))
    pods.stop()
    assert found is not None
    assert found.phase == ("Running" if details else "")


def test_from_config_none_asks_nobody(tmp_path: Path) -> None:
    pods = from_config(Config("none"), "n", tmp_path, ManualClock(), Counters(), lambda _: None, env={})
    pods.start()
    pods.stop()
    assert list(tmp_path.iterdir()) == []


def test_the_api_outside_a_cluster_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(KubeConfigError, match=r"kube\.url .*KUBERNETES_SERVICE_HOST"):
        from_config(Config("api"), "n", tmp_path, ManualClock(), Counters(), lambda _: None, env={})


def test_a_token_that_cannot_be_read_is_a_failed_request(kube: FakeKube, tmp_path: Path) -> None:
    counters = Counters()
    config = Config("kubelet", kube.url, FailingToken())
    pods = from_config(config, "n", tmp_path, SystemClock(), counters, lambda _: None, env={})
    pods.start()
    until(lambda: counters.value("outrider_kube_errors_total", kind="token"))
    assert "/nowhere/token is not there" in str(pods.health(SystemClock().monotonic() + 1000))
    pods.stop()
    assert kube.requests == []


def test_a_service_account_that_is_not_there_is_no_token(
    kube: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a laptop, a configuration that names the usual files (its defaults do) asks without a token."""
    account = tmp_path / "account"
    monkeypatch.setattr(pods_module, "SERVICE_ACCOUNT", account)
    named = TokenFile(account / "token")
    named.file = str(account / "token")  # type: ignore[attr-defined]  # as the configuration's secrets have it
    config = Config("kubelet", kube.url, named, str(account / "ca.crt"))
    kube.add(pod("a", "u1"))
    pods = from_config(config, "n", tmp_path, SystemClock(), Counters(), lambda _: None, env={})
    pods.start()
    assert until(lambda: pods.get("u1"))
    pods.stop()
    assert kube.requests[0].token == ""


def test_in_cluster_defaults(kube: FakeKube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pod's own token is used, and the environment names the server (which speaks TLS: this one does not)."""
    (tmp_path / "token").write_text("in-cluster\n")
    monkeypatch.setattr(pods_module, "SERVICE_ACCOUNT", tmp_path)
    kube.tokens = {"in-cluster"}
    kube.add(pod("a", "u1"))
    pods = from_config(Config("kubelet", kube.url), "n", tmp_path, SystemClock(), Counters(), lambda _: None, env={})
    pods.start()
    assert until(lambda: pods.get("u1"))
    pods.stop()
    port = kube.url.rsplit(":", 1)[1]
    env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port}
    counters = Counters()
    pods = from_config(Config("api"), "n", tmp_path / "x", SystemClock(), counters, lambda _: None, env=env)
    pods.start()
    until(lambda: counters.value("outrider_kube_errors_total", kind="certificate"))
    assert f"https://127.0.0.1:{port}" in str(pods.health(SystemClock().monotonic() + 1000))
    pods.stop()
