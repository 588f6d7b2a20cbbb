"""Finding project, cluster, location and node: configuration, environment, and a stand-in metadata server."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from outrider.kube.platform import PlatformError, resolve
from outrider.model.cluster import Cluster
from tests.support.http_server import HttpRequest, Said, http_server
from tests.support.raw_server import Behaviour, answer, raw_server, silent, trickle


@dataclass
class Config:
    """What `outrider.config` hands over."""

    project: str | None = None
    name: str | None = None
    location: str | None = None
    node: str | None = None


GIVEN = Config("acme", "prod", "europe-north1", "node-7")

GKE = {
    "project/project-id": "acme",
    "instance/attributes/cluster-name": "prod",
    "instance/attributes/cluster-location": "europe-north1",
    "instance/zone": "projects/123456/zones/europe-north1-a",
    "instance/name": "gke-prod-pool-1",
}


@dataclass
class Metadata:
    """A metadata server on the loopback address."""

    values: dict[str, str] = field(default_factory=lambda: dict(GKE))
    flavor: str = "Google"
    asked: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    state = Metadata()

    def answer_as_metadata(request: HttpRequest) -> Said:
        path = request.path.removeprefix("/computeMetadata/v1/")
        if request.headers.get("Metadata-Flavor") != "Google":
            state.refused.append(path)
            return 403, b""
        state.asked.append(path)
        value = state.values.get(path)
        return (404 if value is None else 200), value or "<html>not found</html>", {"Metadata-Flavor": state.flavor}

    with http_server(answer_as_metadata) as url:
        state.env = {"GCE_METADATA_HOST": url.removeprefix("http://")}
        yield state
    assert state.refused == []


def test_when_all_is_given_nobody_is_asked(metadata: Metadata) -> None:
    assert resolve(GIVEN, metadata.env) == Cluster("acme", "prod", "europe-north1", "node-7")
    assert metadata.asked == []


def test_on_gke_all_is_found(metadata: Metadata) -> None:
    assert resolve(Config(), metadata.env) == Cluster("acme", "prod", "europe-north1", "gke-prod-pool-1")
    assert "instance/zone" not in metadata.asked


def test_only_what_is_missing_is_asked_for(metadata: Metadata) -> None:
    found = resolve(Config(name="mine", node=""), {**metadata.env, "NODE_NAME": "n", "GOOGLE_CLOUD_PROJECT": "p"})
    assert found == Cluster("p", "mine", "europe-north1", "n")
    assert metadata.asked == ["instance/attributes/cluster-location"]


def test_without_a_cluster_location_the_zone_is_taken(metadata: Metadata) -> None:
    del metadata.values["instance/attributes/cluster-location"]
    assert resolve(Config(), metadata.env).location == "europe-north1-a"


@pytest.mark.parametrize(
    ("config", "env", "node"),
    [
        (GIVEN, {"NODE_NAME": "other"}, "node-7"),
        (Config("p", "c", "l"), {"NODE_NAME": "from-env"}, "from-env"),
        (Config("p", "c", "l"), {}, socket.gethostname()),
    ],
)
def test_the_node_needs_no_lookup(metadata: Metadata, config: Config, env: dict[str, str], node: str) -> None:
    assert resolve(config, metadata.env | env).node == node
    assert metadata.asked == []


@pytest.mark.parametrize(
    ("content", "project"),
    [
        (json.dumps({"type": "service_account", "project_id": "from-key"}), "from-key"),
        (json.dumps({"type": "external_account"}), None),
        (json.dumps({"project_id": 7}), None),
        ("[]", None),
        ("{", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("through", ["adc", "path"])
def test_the_project_of_the_key_file(tmp_path: Path, content: str | None, project: str | None, through: str) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    env = {"NO_GCE_CHECK": "true"} | ({"GOOGLE_APPLICATION_CREDENTIALS": str(path)} if through == "adc" else {})
    credentials = "adc" if through == "adc" else path
    config = Config(None, "c", "l", "n")
    if project:
        assert resolve(config, env, credentials=credentials).project == project
        assert resolve(config, env | {"GOOGLE_CLOUD_PROJECT": "first"}, credentials=credentials).project == "first"
        with pytest.raises(PlatformError):
            resolve(config, env, credentials="none")
    else:
        with pytest.raises(PlatformError, match=r"cluster\.project"):
            resolve(config, env, credentials=credentials)


def test_what_is_missing_is_named_with_reason_and_way_out(metadata: Metadata) -> None:
    del metadata.values["project/project-id"], metadata.values["instance/attributes/cluster-name"]
    with pytest.raises(PlatformError) as caught:
        resolve(Config(), metadata.env)
    assert caught.value.missing == ("cluster.project", "cluster.name")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert "has no project/project-id" in lines[1]
    assert "set cluster.project in the configuration file, or GOOGLE_CLOUD_PROJECT in the environment" in lines[1]
    assert "instance/attributes/cluster-name" in lines[2]
    assert "set cluster.name in the configuration file" in lines[2]


def test_what_is_no_metadata_server_is_not_believed(metadata: Metadata) -> None:
    metadata.flavor = "Portal"
    with pytest.raises(PlatformError, match="not a metadata server") as caught:
        resolve(Config(), metadata.env)
    assert caught.value.missing == ("cluster.project", "cluster.name", "cluster.location")


def test_nobody_there_is_known_at_once() -> None:
    with raw_server(silent) as address:
        pass
    begin = time.monotonic()
    with pytest.raises(PlatformError, match="out of reach"):
        resolve(Config(), {"GCE_METADATA_HOST": address})
    assert time.monotonic() - begin < 1


HEAD = b"HTTP/1.1 200 OK\r\nMetadata-Flavor: Google\r\n"


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(silent, id="accepts and stays silent"),
        pytest.param(trickle(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n", every=0.1), id="trickles headers"),
        pytest.param(trickle(HEAD + b"\r\n", b"p", every=0.1), id="trickles the value"),
    ],
)
def test_a_server_that_hangs_costs_the_deadline_and_no_more(behave: Behaviour) -> None:
    with raw_server(behave) as address:
        begin = time.monotonic()
        with pytest.raises(PlatformError, match=r"did not answer within 0\.3 s"):
            resolve(Config(), {"GCE_METADATA_HOST": address}, within=0.3)
        assert time.monotonic() - begin < 0.8


def test_the_deadline_is_two_seconds_also_when_a_name_does_not_resolve(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def hang(*args: Any, **more: Any) -> Any:
        del args, more
        released.wait(10)
        raise socket.gaierror("gave up")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    begin = time.monotonic()
    with pytest.raises(PlatformError, match="did not answer within 2 s"):
        resolve(Config(), {})
    took = time.monotonic() - begin
    released.set()
    assert 1.9 < took < 2.5


@pytest.mark.parametrize("data", [b"", b"\x00\x01\x02", b"HTTP/1.1 200 OK\r\nMetadata-Flavor: Google\r\n\r\n\xff\xfe"])
def test_junk_is_no_answer(data: bytes) -> None:
    with raw_server(answer(data)) as address, pytest.raises(PlatformError, match="out of reach"):
        resolve(Config(node="n"), {"GCE_METADATA_HOST": address})


def test_half_the_answers_are_used_and_the_rest_is_missing(metadata: Metadata) -> None:
    metadata.values = {"project/project-id": "acme"}
    with pytest.raises(PlatformError) as caught:
        resolve(Config(), metadata.env)
    assert caught.value.missing == ("cluster.name", "cluster.location")


def test_the_lookup_can_be_switched_off(metadata: Metadata) -> None:
    with pytest.raises(PlatformError, match="NO_GCE_CHECK"):
        resolve(Config(), {**metadata.env, "NO_GCE_CHECK": "true"})
    assert metadata.asked == []
