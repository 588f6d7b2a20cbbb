"""Ctrl-C, whatever a command is about."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import signal, threading, time
from outrider.cli.interrupts import farewell, leave_at_once

class Last:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

leave_at_once()
with farewell(lambda: print("farewell", flush=True)), farewell(lambda: 1 / 0):
    {moment}
print("went on", flush=True)
"""


@pytest.mark.parametrize(
    "moment", ["signal.raise_signal(signal.SIGINT)", "Last()", "threading.Thread(target=Last).start(); time.sleep(9)"]
)
def test_it_ends_a_command_at_once(moment: str) -> None:
    """Also in a finalizer, where an exception would be lost; after what was to be done before."""
    program = PROGRAM.format(moment=moment)
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert (child.returncode, child.stderr) == (128 + signal.SIGINT, "")
    assert child.stdout == "farewell\n"
