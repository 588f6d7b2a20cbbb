"""A disk of a few KiB that outlives the program on it: a tmpfs in a namespace that a process of its own keeps open."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.support.wait import until

_SCRIPT = "mount -t tmpfs -o size=128k none '{0}'; touch '{0}/mounted'; exec sleep infinity"


class SmallDisk:
    """`before` is what a command is started through to see the disk; the methods act on it from outside."""

    def __init__(self, directory: Path, keeper: int) -> None:
        # Entering a mount namespace leaves the working directory behind.
        enter = ("nsenter", "-t", str(keeper), "--user", "--mount", "--preserve-credentials")
        self.before = (*enter, "sh", "-c", 'cd "$0" && exec "$@"', os.getcwd())
        self._inside = Path(f"/proc/{keeper}/root") / directory.relative_to("/")

    def fill(self) -> None:
        """Take all the room that is left."""
        with open(self._inside / "filler", "ab", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(512))

    def clear(self) -> None:
        """Give the room back."""
        (self._inside / "filler").unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(directory: Path) -> Iterator[SmallDisk]:
    """A disk at `directory`, for those that are started through it. Needs `private_mounts()`."""
    directory.mkdir(exist_ok=True)
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", _SCRIPT.format(directory)]
    keeper = subprocess.Popen(command)
    try:
        disk = SmallDisk(directory, keeper.pid)
        mounted = Path(f"/proc/{keeper.pid}/root") / directory.relative_to("/") / "mounted"
        until(lambda: os.path.exists(mounted), timeout=10)
        yield disk
    finally:
        keeper.send_signal(signal.SIGKILL)
        keeper.wait(10)
