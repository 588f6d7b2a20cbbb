"""What `outrider doctor` says of this machine: state, disk, log files, links, and a collector that runs."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outrider import native
from outrider.config import load
from outrider.doctor import machine
from outrider.model.counters import Counters
from outrider.pipeline.telemetry import Telemetry
from tests.support.another_user import USER, as_another_user
from tests.support.examined import about, examined, worst, written
from tests.support.raw_server import raw_server, silent
from tests.support.server import free_port
from tests.support.small_disk import largest_file


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A directory that other users may look into, as those of pytest may not be."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


# -- the native core ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("core", "trouble", "status", "words"),
    [
        (object(), "", "ok", "is there"),
        (None, "", "warn", "was not built, so a log line takes about twice"),
        (None, "is older than the rest", "warn", "is older than the rest, so"),
    ],
)
def test_whether_the_hot_path_is_compiled(
    monkeypatch: pytest.MonkeyPatch, core: object, trouble: str, status: str, words: str
) -> None:
    monkeypatch.setattr(native, "core", core)
    monkeypatch.setattr(native, "trouble", trouble)
    (found,) = machine.core()
    assert (found.status, bool(found.cure)) == (status, status == "warn")
    assert found.words.startswith(words)


# -- log files ---------------------------------------------------------------------------------------------------------


def test_logs_of_another_user(open_folder: Path) -> None:
    """As a node collector that is not root finds them when nobody has given it the capability."""
    config = load(written(open_folder))
    (log,) = open_folder.glob("pods/*/*/*.log")
    log.chmod(0)
    (found,) = as_another_user(lambda: list(machine.pod_logs(config)))
    assert (found.status, found.subject) == ("fail", "log files")
    assert f"1 of {open_folder}/pods cannot be read, one is {log}: Permission denied" in found.words
    assert "the capability DAC_READ_SEARCH" in found.cure


def test_a_directory_that_cannot_be_listed(open_folder: Path) -> None:
    config = load(written(open_folder))
    (container,) = open_folder.glob("pods/*/main")
    container.chmod(0)
    (found,) = as_another_user(lambda: list(machine.pod_logs(config)))
    assert found.status == "fail"
    assert f"one is {container}: Permission denied" in found.words
    container.chmod(0o755)


def test_links_that_lead_nowhere(tmp_path: Path) -> None:
    """As with docker, whose logs are elsewhere, if that is not mounted."""
    path = written(tmp_path)
    (container,) = tmp_path.glob("pods/*/main")
    (container / "1.log").symlink_to("/var/lib/docker/containers/abc/abc-json.log")
    found = worst(examined(path), "log files")
    assert found.status == "fail"
    assert "1 of " in found.words
    assert found.cure == "mount where they lead to, too: /var/lib/docker/containers/abc"


def test_no_tree_and_an_empty_one(tmp_path: Path) -> None:
    path = written(tmp_path, logs={"pods": str(tmp_path / "none")})
    assert worst(examined(path), "log files").status == "fail"
    (tmp_path / "none").mkdir()
    (found,) = [one for one in examined(path) if one.subject == "log files"]
    assert (found.status, found.words) == ("warn", f"there is no log below {tmp_path}/none")


def test_files_of_a_shared_volume(tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    path = written(tmp_path, logs={"files": [f"{tmp_path}/app/*.log", f"{tmp_path}/app/*.txt"]})
    (tmp_path / "app" / "a.log").write_text("x\n")
    found = about(examined(path, "sidecar", {"POD_NAMESPACE": "shop", "POD_NAME": "p", "POD_UID": "u"}), "log files")
    assert [one.status for one in found] == ["ok", "warn"]
    assert found[0].words == f"1 of {tmp_path}/app/*.log can be read"
    assert f"nothing matches {tmp_path}/app/*.txt" in found[1].words


# -- state and disk ----------------------------------------------------------------------------------------------------


def test_a_state_that_belongs_to_another_user(open_folder: Path) -> None:
    config = load(written(open_folder))
    (open_folder / "state").chmod(0o555)
    (found,) = as_another_user(lambda: list(machine.state(config)))
    assert (found.status, found.subject) == ("fail", "state")
    assert "cannot be written: Permission denied" in found.words
    assert "fsGroup" in found.cure
    if os.geteuid() == 0:
        assert f"let user {USER}, group {USER} write it" in found.cure


def test_a_state_that_is_not_there_yet(tmp_path: Path) -> None:
    found = about(examined(written(tmp_path, state=f"{tmp_path}/a/b")), "state")
    assert [one.status for one in found] == ["ok"]
    assert f"which will be made in {tmp_path}" in found[0].words
    assert not (tmp_path / "a").exists()


def test_a_full_disk(tmp_path: Path) -> None:
    config = load(written(tmp_path))
    with largest_file(1000):
        (found,) = machine.state(config)
    assert (found.status, found.cure) == ("fail", "make room there, or give it a larger volume")
    assert os.listdir(tmp_path / "state") == []


def test_a_disk_that_is_nearly_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "FREE", 1 << 62)
    found = worst(examined(written(tmp_path)), "disk")
    assert found.status == "fail"
    assert "are free on the file system of" in found.words


# -- hold --------------------------------------------------------------------------------------------------------------


def held(folder: Path, place: Path, budget: str) -> Any:
    logs = {"pods": str(folder / "pods"), "hold": {"budget": budget, "path": str(place)}}
    return worst(examined(written(folder, logs=logs)), "hold")


def test_links_can_be_made(tmp_path: Path) -> None:
    found = held(tmp_path, tmp_path / "hold", "1MiB")
    assert (found.status, found.words.partition(";")[0]) == ("ok", f"hard links can be made in {tmp_path}")
    assert sorted(os.listdir(tmp_path)) == ["outrider.yaml", "pods", "state"]


def test_a_budget_beyond_the_disk(tmp_path: Path) -> None:
    found = held(tmp_path, tmp_path / "hold", "1000000GiB")
    assert found.status == "warn"
    assert "the budget is " in found.words


def test_links_do_not_cross_mounts(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        if os.stat(other).st_dev == os.stat(tmp_path).st_dev:
            pytest.skip("/dev/shm is no file system of its own here")
        found = held(tmp_path, Path(other), "1MiB")
    assert found.status == "fail"
    assert "mount /var/log once, and read-write" in found.cure


# -- a collector that runs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("health", "ready", "points", "expected"),
    [
        (None, None, 52, [("ok", "it runs, and all is well"), ("ok", "series of each check: redis 52")]),
        (None, "google: HTTP 403", 52, [("fail", "google: HTTP 403"), ("ok", "redis 52")]),
        ("the watcher has ended", None, 52, [("fail", "the watcher has ended"), ("ok", "redis 52")]),
        (None, None, 12345, [("ok", "it runs"), ("warn", "redis brings 12,345 series")]),
    ],
    ids=["well", "a destination in trouble", "not healthy", "many series"],
)
def test_a_running_collector(
    tmp_path: Path, health: str | None, ready: str | None, points: int, expected: list[tuple[str, str]]
) -> None:
    counters = Counters()
    counters.gauge("outrider_check_points", "Points that the last run found.", lambda: points, check="redis")
    listen = f"127.0.0.1:{free_port()}"
    telemetry = Telemetry(listen, counters, lambda: health, lambda: ready)
    telemetry.start()
    try:
        found = examined(written(tmp_path, telemetry={"listen": listen}))
    finally:
        telemetry.stop()
    lines = about(found, "collector") + about(found, "cardinality")
    assert [line.status for line in lines] == [status for status, _ in expected]
    for line, (_, words) in zip(lines, expected, strict=True):
        assert words in line.words


def test_no_collector_and_one_that_hangs(tmp_path: Path) -> None:
    assert worst(examined(written(tmp_path)), "collector").words.startswith("none is running here")
    with raw_server(silent) as where:
        found = worst(examined(written(tmp_path, telemetry={"listen": where}), within=0.5), "collector")
    assert (found.status, found.words) == ("fail", "no answer within 0.5 s")


# -- where it is -------------------------------------------------------------------------------------------------------


def test_a_sidecar_without_the_downward_api(tmp_path: Path) -> None:
    found = worst(examined(written(tmp_path), "sidecar", {"POD_NAME": "web-1"}), "downward API")
    assert found.status == "fail"
    assert "POD_UID (fieldPath: metadata.uid)" in found.words
    whole = {"POD_NAMESPACE": "shop", "POD_NAME": "web-1", "POD_UID": "u1", "OUTRIDER_CONTAINER": "redis"}
    found = worst(examined(written(tmp_path), "sidecar", whole), "downward API")
    assert (found.status, found.words) == ("ok", "this is the pod shop/web-1, container redis")


def test_a_cluster_that_nobody_names(tmp_path: Path) -> None:
    found = worst(examined(written(tmp_path, cluster={"name": "prod"}), env={"NO_GCE_CHECK": "true"}), "cluster")
    assert found.status == "fail"
    assert "as NO_GCE_CHECK is set" in found.words
    assert found.cure == "set cluster.project and cluster.location in the configuration"


def test_a_proxy_is_not_used(tmp_path: Path) -> None:
    found = worst(examined(written(tmp_path), env={"HTTPS_PROXY": "http://u:secret@proxy:3128"}), "proxy")
    assert (found.status, found.words) == ("warn", "HTTPS_PROXY is set, and outrider goes by no proxy")


def test_too_many_directories_for_inotify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "watches").write_text("3\n")
    monkeypatch.setattr(machine, "WATCHES", str(tmp_path / "watches"))
    found = worst(examined(written(tmp_path)), "inotify")
    assert (found.status, found.words) == ("warn", "3 directories, and fs.inotify.max_user_watches is 3")
    assert "fs.inotify.max_user_watches" in found.cure
