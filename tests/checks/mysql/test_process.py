"""Whose processor time it is, of the processes that are to be seen."""

import os
from pathlib import Path

import pytest

from outrider.checks.mysql.process import Times, times


def _process(proc: Path, pid: int, name: str, user: int = 0, system: int = 0) -> None:
    (proc / str(pid)).mkdir(parents=True)
    (proc / str(pid) / "comm").write_text(f"{name}\n")
    (proc / str(pid) / "stat").write_text(f"{pid} (a) b) S {' '.join(['0'] * 10)} {user} {system} 0 0\n")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """With a process that is no server, and what else is in /proc."""
    folder = tmp_path / "proc"
    _process(folder, 1, "pause", 500, 500)
    (folder / "self").mkdir()
    return folder


def test_the_process_that_the_pid_file_names(proc: Path, tmp_path: Path) -> None:
    _process(proc, 20, "mariadbd", 1234, 56)
    _process(proc, 30, "mysqld", 999, 999)
    (tmp_path / "pid").write_text("20\n")
    assert times(str(tmp_path / "pid"), str(proc)) == Times(12.34, 0.56)


@pytest.mark.parametrize("pid", ["1", "77", "", "mysqld"])
def test_a_pid_of_another_container_is_not_taken(proc: Path, tmp_path: Path, pid: str) -> None:
    _process(proc, 30, "mysqld", 100, 200)
    (tmp_path / "pid").write_text(pid)
    assert times(str(tmp_path / "pid"), str(proc)) == Times(1.0, 2.0)


def test_why_there_is_none(proc: Path) -> None:
    assert times("/nowhere/pid", str(proc)) == (
        "its process cannot be seen from here: set shareProcessNamespace in the pod"
    )
    _process(proc, 30, "mysqld")
    _process(proc, 31, "mysqld")
    assert times("/nowhere/pid", str(proc)) == "there are 2 processes of its name here, and /nowhere/pid cannot be read"


def test_a_process_that_ended_meanwhile(proc: Path) -> None:
    _process(proc, 30, "mysqld")
    (proc / "30" / "stat").unlink()
    assert "the processor time of process 30 cannot be read" in str(times("", str(proc)))


@pytest.mark.parametrize("of", ["pipe", "/dev/zero", "/dev/stdin", "/proc/kmsg"])
def test_a_pid_file_that_would_never_end_is_none(of: str, proc: Path, tmp_path: Path) -> None:
    """The server says what it is called."""
    if of == "pipe":
        of = str(tmp_path / "pipe")
        os.mkfifo(of)
    _process(proc, 20, "mysqld", 100, 100)
    assert times(of, str(proc)) == Times(1.0, 1.0)
