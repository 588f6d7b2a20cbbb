"""What a process holds open."""

import contextlib
import os


def open_descriptors() -> int:
    """The number of open descriptors of this process."""
    return len(os.listdir("/proc/self/fd")) - 1  # one is the listing's own


def files_held_by(pid: int) -> list[str]:
    """What the descriptors of a process lead to. One that it closes meanwhile is not there."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found
