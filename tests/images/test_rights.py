"""What a process in the node image may do, without the image: its interpreter is made by the Dockerfile's own script.

Runs as root only, since a file's capabilities are given by root; in an image the same is tried by `make image`.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from outrider.demo.kubelet import ContainerLog
from outrider.model.clock import SystemClock
from tests.support.container import USER, able, entering
from tests.support.node import exporter_to, node_process
from tests.support.sink import Sink
from tests.support.tree import Numbered, await_lines

ROOT = Path(__file__).parents[2]
RIGHTS = ROOT / ".ci/image/rights.py"
READ, LINK = "print(open(sys.argv[1]).read())", "os.link(sys.argv[1], sys.argv[1] + '.held')"
TRY = """
import os, sys
from collectors import rights
rights.use()
try:
    {}
except PermissionError as e:
    print(e.strerror)
"""

pytestmark = pytest.mark.may_skip("only root gives capabilities, and only what its container has")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody may enter."""
    if not able():
        pytest.skip("capabilities are given by root, if it has them itself")
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name)


@pytest.fixture
def interpreter(place: Path) -> str:
    """The virtual environment's Python, as the node image has it."""
    (place / "bin").mkdir()
    python = place / "bin/python3"
    python.symlink_to(os.path.realpath(sys.executable))
    subprocess.run([sys.executable, RIGHTS, python], check=True)
    venv = Path(sys.prefix)
    (place / "pyvenv.cfg").write_bytes((venv / "pyvenv.cfg").read_bytes())
    (place / "lib").symlink_to(venv / "lib")
    tried = [*entering(), str(python), "-c", "import outrider.cli.parts"]
    if subprocess.run(tried, cwd=ROOT, capture_output=True).returncode:
        pytest.skip("this checkout, or its Python, is in a directory that other users may not enter")
    return str(python)


@pytest.mark.parametrize(
    ("python", "add", "no_new_privileges", "outcome"),
    [
        ("the image's", ["DAC_READ_SEARCH"], False, "a line"),
        ("the image's", ["DAC_READ_SEARCH"], True, "a line"),  # what the runtime gave is not new
        ("the image's", ["DAC_READ_SEARCH", "FOWNER"], True, "a line"),
        ("the image's", ["FOWNER"], True, "Permission denied"),
        ("the image's", [], True, "Permission denied"),  # it starts, which a file would not that has it effective
        ("the image's", [], False, "Permission denied"),
        ("any", ["DAC_READ_SEARCH"], False, "Permission denied"),  # which is why the image has one of its own
    ],
)
def test_logs_of_root_are_read_with_the_one_capability(
    place: Path, interpreter: str, python: str, add: list[str], no_new_privileges: bool, outcome: str
) -> None:
    log = place / "0.log"
    log.write_text("a line")
    log.chmod(0o640)
    run = [interpreter if python == "the image's" else sys.executable, "-c", TRY.format(READ), str(log)]
    done = subprocess.run(
        [*entering(add=add, no_new_privileges=no_new_privileges), *run],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout.strip(), done.stderr) == (outcome, "")


def test_logs_of_root_are_held_by_links_with_another_one(place: Path, interpreter: str) -> None:
    os.chown(place, USER, USER)
    log = place / "0.log"
    log.touch(0o640)
    command = [*entering(add=["FOWNER"]), interpreter, "-c", TRY.format(LINK), str(log)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("", "")
    assert (place / "0.log.held").samefile(log)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_node_that_is_not_root_delivers_the_logs_of_root(
    place: Path, interpreter: str, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sink() as sink, node_process(place / "node", {"google": exporter_to(sink)}, workers=workers) as node:
        (node.root / "state").mkdir()
        os.chown(node.root / "state", USER, USER)
        directories = {f"web-{i}": node.pods / f"shop_web-{i}_uid-{i}" / "web" for i in range(4)}
        writers = [Numbered(pod, ContainerLog(directory, SystemClock())) for pod, directory in directories.items()]
        for writer in writers:
            writer.write(5)
        for file in node.pods.rglob("*.log"):
            file.chmod(0o640)
        node.before = entering(add=["DAC_READ_SEARCH"])
        monkeypatch.setattr(sys, "executable", interpreter)
        node.start()
        await_lines(sink, *writers)
        assert node.end() == 0
