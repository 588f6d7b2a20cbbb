"""The images themselves, after `make image` has built them; not part of the suite, which builds nothing.

Each runs with the entrypoint, the environment and the user of its configuration, on a read-only file system, as
`tests.support.container` starts it: the directory in which it lies is that file system. It takes root.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from outrider import __version__
from outrider.demo.kubelet import ContainerLog
from outrider.model.clock import SystemClock
from tests.images.archive import MB, Image, read
from tests.support.container import USER, entering
from tests.support.node import exporter_to
from tests.support.sidecar import POD
from tests.support.sink import Sink
from tests.support.tree import Numbered, await_lines
from tests.support.wait import until

BUILT = Path(__file__).parents[2] / "build/image"
TARGETS = ("sidecar", "node", "debug")
MOST = {"sidecar": 90 * MB, "node": 140 * MB, "debug": 145 * MB}
IMPORT_ALL = """
import importlib, pkgutil, outrider, collectors, sidecars
for package in outrider, collectors, sidecars:
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as e:
            print(module.name, e.name)
"""

Run = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module", params=TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def image(target: str) -> Image:
    return read(BUILT / f"outrider-{target}.tar")


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts a target: `run(target, *arguments, volumes=..., add=..., env=...)`. All end with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(
        target: str, *arguments: str, entrypoint: Sequence[str] = (), env: dict[str, str] | None = None, **how: Any
    ) -> "subprocess.Popen[str]":
        config = read(BUILT / f"outrider-{target}.tar").config["config"]
        inside = {**dict(word.split("=", 1) for word in config["Env"]), **(env or {})}
        process = subprocess.Popen(
            [
                *entering(BUILT / f"outrider-{target}", env=inside, **how),
                *(entrypoint or config["Entrypoint"]),
                *(arguments or config["Cmd"]),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=10)


def _said(process: "subprocess.Popen[str]") -> str:
    """What it says until it ends, which has to be well."""
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return said


def _volumes(tmp_path: Path, config: dict[str, Any]) -> dict[str, Path]:
    """What a pod mounts: the configuration, and a state that belongs to the user."""
    for name in ("config", "state"):
        (tmp_path / name).mkdir()
    os.chown(tmp_path / "state", USER, USER)
    cluster = {"project": "acme", "name": "on-prem-1", "location": "europe-north1", "node": "node-1"}
    whole = {"cluster": cluster, "state": "/var/lib/outrider", "telemetry": {"listen": "127.0.0.1:0"}, **config}
    (tmp_path / "config/outrider.yaml").write_text(yaml.safe_dump(whole))
    return {"/etc/outrider": tmp_path / "config", "/var/lib/outrider": tmp_path / "state"}


def test_who_it_is(image: Image, target: str) -> None:
    config = image.config["config"]
    assert config["User"] == f"{USER}:{USER}"
    assert config["Entrypoint"] == ["outrider"]
    labels = {key.removeprefix("org.opencontainers.image."): value for key, value in config["Labels"].items()}
    assert labels["title"] == f"outrider {target}"
    assert labels.keys() >= {"description", "version", "revision", "source", "licenses", "base.name"}


def test_a_runtime_finds_it_under_the_name_that_a_pod_has(image: Image, target: str) -> None:
    """In full, since containerd looks for `docker.io/library/x` where a pod says `x`; and with the charts' tag."""
    assert image.name == f"localhost/outrider/{target}:{__version__}"


def test_its_size(image: Image, target: str) -> None:
    assert image.uncompressed < MOST[target]


def test_nothing_in_it_is_more_than_it_needs(image: Image, target: str) -> None:
    names = {os.path.basename(name) for name in image.files if not name.startswith("busybox/")}
    assert names & {"sh", "bash", "dash", "pip", "pip3", "setuptools", "ensurepip", "apt-get", "dpkg", "gcc"} == set()
    assert names & {"pip.conf", "ca.crt", "tests"} == set()
    assert ("busybox/sh" in image.files) == (target == "debug")
    assert [name for name, mode in image.files.items() if mode & 0o6000] == []
    assert image.capable == (frozenset() if target == "sidecar" else {"opt/outrider/bin/python3"})


def test_it_helps(run: Run, target: str) -> None:
    said = _said(run(target, "--help"))
    assert "sidecar" in said and "validate" in said


def test_every_module_finds_what_it_imports(run: Run, target: str) -> None:
    """But for what speaks gRPC, which only the vendors' stand-in can."""
    missed = _said(run(target, "-c", IMPORT_ALL, entrypoint=["python3"])).splitlines()
    assert [line for line in missed if not line.startswith("outrider.intake.")] == []


def test_what_of_it_is_c_is_compiled(run: Run, target: str) -> None:
    """Nothing else would show it: without, Python does the same."""
    used = "from outrider.native import core; print(core is not None)"
    assert _said(run(target, "-c", used, entrypoint=["python3"])) == "True\n"


def test_a_configuration_is_judged(run: Run, target: str, tmp_path: Path) -> None:
    volumes = _volumes(tmp_path, {"exporters": {"google": {"kind": "stackdriver"}}})
    assert _said(run(target, "validate", volumes=volumes))
    bad = run(target, "validate", "--config", "/etc/outrider/absent.yaml", volumes=volumes)
    assert bad.communicate(timeout=60)[0] and bad.returncode != 0


def test_a_sidecar_delivers_a_volume_and_ends(run: Run, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/app.log").write_text("a line\nanother\n")
    with Sink() as sink:
        volumes = _volumes(tmp_path, {"logs": {"files": ["/logs/*.log"]}, "exporters": {"google": exporter_to(sink)}})
        process = run("sidecar", volumes={**volumes, "/logs": tmp_path / "logs"}, env=POD)
        until(lambda: process.poll() is not None or len(sink.texts()) == 2)
        process.send_signal(signal.SIGTERM)
        _said(process)
        assert sink.texts() == ["a line", "another"]
    assert list((tmp_path / "state").iterdir()) != []


@pytest.mark.parametrize("workers", [1, 2])
def test_a_node_delivers_the_logs_of_root(run: Run, tmp_path: Path, workers: int) -> None:
    with Sink() as sink:
        volumes, writers = _node(tmp_path, sink, workers=workers)
        process = run("node", volumes=volumes, add=["DAC_READ_SEARCH"])
        await_lines(sink, *writers)
        process.send_signal(signal.SIGTERM)
        _said(process)


def test_a_node_without_the_capability_starts_and_says_what_it_cannot_read(run: Run, tmp_path: Path) -> None:
    with Sink() as sink:
        volumes, _ = _node(tmp_path, sink)
        process = run("node", volumes=volumes)
        assert process.stdout is not None
        line = next(line for line in process.stdout if "cannot read" in line)
        assert "/var/log/pods/shop_web-" in line and "/web/0.log: Permission denied" in line
        assert sink.texts() == []


def _node(tmp_path: Path, sink: Sink, **config: Any) -> tuple[dict[str, Path], list[Numbered]]:
    pods = tmp_path / "pods"
    directories = {f"web-{i}": pods / f"shop_web-{i}_uid-{i}" / "web" for i in range(4)}
    writers = [Numbered(pod, ContainerLog(directory, SystemClock())) for pod, directory in directories.items()]
    for writer in writers:
        writer.write(5)
    for file in pods.rglob("*.log"):
        file.chmod(0o640)
    whole = {"kube": {"source": "none"}, "exporters": {"google": exporter_to(sink)}, **config}
    return {**_volumes(tmp_path, whole), "/var/log/pods": pods}, writers


def test_one_may_look_around_in_debug(run: Run) -> None:
    assert _said(run("debug", "-c", "id -u; ls /opt/outrider/bin", entrypoint=["sh"])).split() == [
        str(USER),
        "outrider",
        "python3",
    ]
