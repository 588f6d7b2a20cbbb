"""Children are waited for, watched, ended, and never outlive the program that started them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from outrider.demo.children import Child, DemoError
from tests.support.wait import until

STUBBORN = (
    "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('http://x:1', flush=True); time.sleep(60)"
)


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def gone(pid: int) -> bool:
    """No such process, or only its entry for the parent to collect."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            return f.read().rpartition(b")")[2].split()[0] == b"Z"
    except FileNotFoundError:
        return True


def test_a_child_is_found_by_what_it_says_and_ends_with_the_block(tmp_path: Path) -> None:
    with Child(
        "talker", python("print('at http://x:1', flush=True); import time; time.sleep(60)"), tmp_path / "log"
    ) as c:
        assert c.wait_for(r"(http://\S+)", 10) == "http://x:1"
        c.check()
        memory, _ = c.usage()
        assert 1_000_000 < memory < 100_000_000
    assert gone(c.pid)
    assert c.usage() == (0, 0.0)


def test_one_that_ignores_the_term_signal_is_killed_after_the_grace(tmp_path: Path) -> None:
    child = Child("stubborn", python(STUBBORN), tmp_path / "log")
    child.wait_for("(http)", 10)
    child.end(grace=0.1)
    assert gone(child.pid)


def test_one_that_ends_is_reported_with_its_last_words(tmp_path: Path) -> None:
    loser = Child("loser", python("import sys; sys.exit('no such file: x')"), tmp_path / "log")
    with loser, pytest.raises(DemoError, match=r"(?s)loser ended with code 1.*no such file: x"):
        loser.wait_for("(never)", 10)


def test_one_that_says_nothing_is_not_waited_for_long(tmp_path: Path) -> None:
    mute = Child("mute", python("import time; time.sleep(60)"), tmp_path / "log")
    with mute, pytest.raises(DemoError, match=r"(?s)mute did not come up within 0.1 s.*\(none\)"):
        mute.wait_for("(never)", 0.1)


def test_no_orphan_when_the_parent_is_killed(tmp_path: Path) -> None:
    code = f"""
import time
from pathlib import Path
from outrider.demo.children import Child
print(Child("c", [{sys.executable!r}, "-S", "-c", {STUBBORN!r}], Path({str(tmp_path / "log")!r})).pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env={**os.environ}) as parent:
        assert parent.stdout
        pid = int(parent.stdout.readline())
        assert not gone(pid)
        parent.send_signal(signal.SIGKILL)
        until(lambda: gone(pid))
