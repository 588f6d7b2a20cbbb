"""The HTTP client of the kubelet and the API server: certificates, tokens, and servers that misbehave."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from outrider.kube import client as client_module
from outrider.kube.client import KubeClient, KubeError, TokenFile
from outrider.kube.pods import from_config
from outrider.model.clock import SystemClock
from outrider.model.counters import Counters
from tests.support.certificates import self_signed
from tests.support.fake_kube import FakeKube, pod
from tests.support.raw_server import Behaviour, answer, raw_server, silent, trickle
from tests.support.wait import until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def secure(folder: Path) -> Iterator[FakeKube]:
    context, _ = self_signed(folder)
    with FakeKube(tls=context) as kube:
        kube.add(pod("a", "u1"))
        yield kube


def fetch(url: str, **options: object) -> bytes:
    client = KubeClient(url, None, options.pop("ca", None), SystemClock(), verify=bool(options.pop("verify", True)))  # type: ignore[arg-type]
    return client.get("/pods", {}, "application/json", timeout=0.5)


def failure(url: str, **options: object) -> KubeError:
    with pytest.raises(KubeError) as caught:
        fetch(url, **options)
    return caught.value


def test_a_certificate_is_verified_against_the_ca(secure: FakeKube, folder: Path) -> None:
    assert b'"u1"' in fetch(secure.url, ca=folder / "kubelet.crt")


def test_an_unknown_certificate_is_refused_with_the_key_to_set(secure: FakeKube) -> None:
    error = failure(secure.url)
    assert error.kind == "certificate"
    assert "kube.ca" in str(error)
    assert secure.requests == []


def test_a_ca_file_that_is_none(secure: FakeKube, folder: Path) -> None:
    (folder / "junk.crt").write_text("no certificate")
    for name in ("junk.crt", "missing.crt"):
        error = failure(secure.url, ca=folder / name)
        assert error.kind == "certificate"
        assert name in str(error)


def test_a_replaced_ca_file_is_read_again(
    secure: FakeKube, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _, other = self_signed(tmp_path_factory.mktemp("other"))
    ca = folder / "ca.crt"
    ca.write_bytes(other.read_bytes())
    client = KubeClient(secure.url, None, ca, SystemClock())
    with pytest.raises(KubeError):
        client.get("/pods", {}, "application/json")
    ca.write_bytes((folder / "kubelet.crt").read_bytes())
    assert client.get("/pods", {}, "application/json")


class _Config:
    source, token = "kubelet", None
    ca: str | None = None

    def __init__(self, url: str) -> None:
        self.url = url


@pytest.mark.parametrize("wrong", [False, True])
def test_a_ca_that_is_given_counts_for_the_own_kubelet_too(
    secure: FakeKube, folder: Path, tmp_path_factory: pytest.TempPathFactory, wrong: bool
) -> None:
    _, other = self_signed(tmp_path_factory.mktemp("other"))
    config, counters = _Config(secure.url), Counters()
    config.ca = str(other if wrong else folder / "kubelet.crt")
    pods = from_config(config, "n", folder, SystemClock(), counters, lambda _: None, env={})
    pods.start()
    if wrong:
        until(lambda: counters.value("outrider_kube_errors_total", kind="certificate"))
        assert pods.get("u1") is None
    else:
        assert until(lambda: pods.get("u1"))
    pods.stop()


@pytest.mark.parametrize("source", ["kubelet", "api"])
def test_only_the_kubelet_of_this_node_goes_unverified(secure: FakeKube, folder: Path, source: str) -> None:
    config, counters = _Config(secure.url), Counters()
    config.source = source
    pods = from_config(config, "n", folder, SystemClock(), counters, lambda _: None, env={})
    pods.start()
    if source == "kubelet":
        assert until(lambda: pods.get("u1"))
    else:
        until(lambda: counters.value("outrider_kube_errors_total", kind="certificate"))
        assert pods.get("u1") is None
    pods.stop()


@pytest.mark.parametrize("content", ["", "  \n", "two\nlines", "ünïcode", None])
def test_a_token_that_is_none_is_named_and_not_sent(folder: Path, content: str | None) -> None:
    path = folder / "token"
    if content is not None:
        path.write_text(content)
    with FakeKube() as kube:
        client = KubeClient(kube.url, TokenFile(path), None, SystemClock())
        with pytest.raises(KubeError, match=r"kube\.token") as caught:
            client.get("/pods", {}, "application/json")
        assert caught.value.kind == "token"
        assert kube.requests == []


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("behave", "kind"),
    [
        pytest.param(silent, "timeout", id="accepts and stays silent"),
        pytest.param(trickle(OK + b"\r\n", b" "), "timeout", id="trickles for ever"),
        pytest.param(answer(b""), "connection", id="hangs up"),
        pytest.param(answer(b"\x00\xff\r\n\r\n"), "connection", id="speaks no HTTP"),
        pytest.param(answer(OK + b"Content-Length: 50\r\n\r\n{"), "connection", id="hangs up half-way"),
        pytest.param(
            answer(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n"), "rejected", id="redirects"
        ),
        pytest.param(
            answer(b"HTTP/1.1 503 No\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n\r\n"), "server", id="date"
        ),
    ],
)
def test_servers_that_misbehave(behave: Behaviour, kind: str) -> None:
    with raw_server(behave) as address:
        begin = SystemClock().monotonic()
        error = failure(f"http://{address}")
        assert SystemClock().monotonic() - begin < 1.5
    assert (error.kind, error.retry_after) == (kind, 0)


def test_nobody_there() -> None:
    with raw_server(silent) as address:
        pass
    assert failure(f"http://{address}").kind == "connection"


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "MAX_BODY", 1000)
    monkeypatch.setattr(client_module, "MAX_LINE", 1000)
    with raw_server(trickle(OK + b"\r\n", b"x" * 600, every=0.01)) as address:
        assert failure(f"http://{address}").kind == "garbage"
        client = KubeClient(f"http://{address}", None, None, SystemClock())
        with pytest.raises(KubeError) as caught:
            list(client.lines("/watch", {}, "application/json", silence=1.0))
    assert caught.value.kind == "garbage"


def test_lines_come_whole_however_they_are_cut() -> None:
    lines = [b"a" * n for n in (1, 5000, 70000)] + [b"{}"]
    with raw_server(answer(OK + b"\r\n" + b"\n".join(lines) + b"\n\n \nhalf a li")) as address:
        client = KubeClient(f"http://{address}", None, None, SystemClock())
        assert list(client.lines("/watch", {}, "application/json", silence=1.0)) == lines


def test_close_ends_the_request_under_way() -> None:
    with raw_server(trickle(OK + b"\r\n", b"x")) as address:
        client = KubeClient(f"http://{address}", None, None, SystemClock())
        over = threading.Event()

        def follow() -> None:
            with contextlib.suppress(KubeError):  # closed before the head of the answer was there
                list(client.lines("/watch", {}, "application/json", silence=60.0))
            over.set()

        threading.Thread(target=follow, daemon=True).start()
        until(lambda: client._open is not None)
        client.close()
        assert over.wait(2.0)
