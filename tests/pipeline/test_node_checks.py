"""How the node's own check of the kubelet is made from the configuration."""

from pathlib import Path

import pytest

from outrider.config import Check, Config, Secret, parse
from outrider.config.model import Kube, KubeletMetrics, Metrics
from outrider.kube import pods
from outrider.pipeline.node_checks import node_checks

ON = Metrics(checks=[Check("redis")], kubelet=KubeletMetrics(enabled=True, cadvisor=True))


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pods, "SERVICE_ACCOUNT", tmp_path)
    return tmp_path


def kube(account: Path, url: str = "https://127.0.0.1:10250") -> Kube:
    return Kube(url=url, token=Secret.from_file(str(account / "token")), ca=str(account / "ca.crt"))


def test_it_is_off_unless_it_is_asked_for() -> None:
    assert node_checks(parse("metrics: {kubelet: {cadvisor: true}}", env={}, checks={})) == []


def test_in_a_pod_it_is_asked_with_the_service_account(account: Path) -> None:
    for name in ("token", "ca.crt"):
        (account / name).write_text("x")
    redis, own = node_checks(Config(kube=kube(account), metrics=ON))
    assert (redis.name, own.name, own.settings.cadvisor) == ("redis", "kubelet", True)
    assert own.settings.token.file == str(account / "token")
    assert (own.settings.tls.ca, own.settings.tls.verify) == (None, False), "a kubelet signs its own certificate"
    _, own = node_checks(Config(kube=kube(account, "https://10.0.0.7:10250"), metrics=ON))
    assert (own.settings.tls.ca, own.settings.tls.verify) == (str(account / "ca.crt"), True), "another node's does not"


def test_elsewhere_as_the_configuration_says(account: Path) -> None:
    _, own = node_checks(Config(kube=kube(account), metrics=ON))
    assert own.settings.token is None, "there is none"
    said = Kube(url="https://127.0.0.1:10250", token=Secret("t"), ca="/etc/ca.pem")
    _, own = node_checks(Config(kube=said, metrics=ON))
    assert (own.settings.url, own.settings.token.read()) == (said.url, "t")
    assert (own.settings.tls.ca, own.settings.tls.verify) == ("/etc/ca.pem", True)
