"""How much processor time the server takes, if its process is to be seen from here: the kernel counts, MySQL does not.

It is to be seen in a pod that shares its processes among the containers (`shareProcessNamespace`), or on the same host.
"""

import os
from typing import NamedTuple

NAMES = ("mysqld", "mariadbd")
HERE = ("127.0.0.1", "::1", "localhost")
_TICKS = os.sysconf("SC_CLK_TCK")


class Times(NamedTuple):
    """Seconds of processor time since the process began."""

    user: float
    system: float


def times(pid_file: str, proc: str = "/proc") -> Times | str:
    """Of the process that `pid_file` names, or of the only one that is called so; or why there is none."""
    pid = _named(pid_file, proc)
    if pid is None:
        found = [entry for entry in os.listdir(proc) if entry.isdigit() and _called(proc, entry) in NAMES]
        if not found:
            return "its process cannot be seen from here: set shareProcessNamespace in the pod"
        if len(found) > 1:
            return f"there are {len(found)} processes of its name here, and {pid_file or 'its pid file'} cannot be read"
        pid = found[0]
    try:
        with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rpartition(")")[2].split()
        return Times(int(fields[11]) / _TICKS, int(fields[12]) / _TICKS)
    except (OSError, LookupError, ValueError) as e:
        return f"the processor time of process {pid} cannot be read ({e})"


def _named(pid_file: str, proc: str) -> str | None:
    try:
        number = os.open(pid_file, os.O_RDONLY | os.O_NONBLOCK)  # the name is the server's, and may be that of a pipe
        with open(number, "rb") as file:
            pid = file.read(32).decode("ascii", "replace").strip()
    except (OSError, ValueError):
        return None
    return pid if pid.isdigit() and _called(proc, pid) in NAMES else None


def _called(proc: str, pid: str) -> str:
    try:
        with open(f"{proc}/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
