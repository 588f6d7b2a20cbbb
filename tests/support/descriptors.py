"""What a process holds open."""

import contextlib
import os


def open_descriptors() -> int:
    """The number of files, folders and watches that this process holds open. Sockets, pipes and the like do not count:
    those of an earlier test are closed whenever its garbage is collected, its threads end or its servers notice.
    """
    return sum(name.startswith(("/", "anon_inode:inotify", "anon_inode:[eventfd]")) for name in files_held_by("self"))


def files_held_by(pid: int | str) -> list[str]:
    """What the descriptors of a process lead to. One that it closes meanwhile (as the listing's own) is not there."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
    return found
