"""A file system of its own for one child process: full, or read-only. Nothing is mounted for anybody else.

`unshare` gives the child a user and a mount namespace, which most kernels allow to everyone and many container
runtimes to nobody; `private_mounts` tells.
"""

import functools
import subprocess
from pathlib import Path

_UNSHARE = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-ec")


@functools.cache
def private_mounts() -> bool:
    """Whether a child may mount something for itself here."""
    try:
        return subprocess.run([*_UNSHARE, "mount -t tmpfs none /mnt"], capture_output=True, timeout=10).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def on_a_full_disk(directory: Path) -> tuple[str, ...]:
    """A command that becomes its arguments, with `directory` on a disk of 64 KiB that a file `filler` fills up."""
    mount = f"mount -t tmpfs -o size=64k none '{directory}'"
    fill = f"cat /dev/zero > '{directory}/filler' 2>/dev/null || true"
    return (*_UNSHARE, f'{mount}; {fill}; exec "$@"', "sh")


def on_a_read_only_disk(directory: Path) -> tuple[str, ...]:
    """The same, with `directory` mounted read-only."""
    mount = f"mount --bind '{directory}' '{directory}'; mount -o remount,ro,bind '{directory}'"
    return (*_UNSHARE, f'{mount}; exec "$@"', "sh")


def on_a_mount_of_its_own(directory: Path) -> tuple[str, ...]:
    """The same, with `directory` as it is, but mounted: link(2) does not lead into it."""
    return (*_UNSHARE, f"mount --bind '{directory}' '{directory}'; exec \"$@\"", "sh")
