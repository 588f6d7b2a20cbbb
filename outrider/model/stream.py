"""Who wrote a line: one run of one container, or one file of a pod.

A **stream** is what kubelet writes to `<root>/<namespace>_<pod>_<uid>/<container>/<restart>.log` and the rotations of
that file; beside a service, it is one log file in a volume that both share, and its rotations. It is the unit that has
an order, a cursor and an identity; everything that is constant for its lines (resource, labels, the head of the
insertId) is prepared once per stream and never per line.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stream:
    """The log of one container run, or the log `file` (an absolute path) that a container writes by itself.

    `uid` is the directory's uid: for a static pod kubelet writes the config hash there, not the mirror pod's uid.
    `restart` is the number in `<n>.log`, the container's restart count as kubelet knows it.
    """

    namespace: str
    pod: str
    uid: str
    container: str
    restart: int
    file: str = ""

    @property
    def run(self) -> str:
        """What tells the streams of a container from one another."""
        return self.file.lstrip("/") or str(self.restart)

    @property
    def key(self) -> str:
        """The stable text form: cursors are stored, and insertIds are derived, under this name."""
        return f"{self.namespace}_{self.pod}_{self.uid}/{self.container}/{self.run}"
