"""Who wrote a line: one run of one container.

A **stream** is what kubelet writes to `<root>/<namespace>_<pod>_<uid>/<container>/<restart>.log` and the rotations of
that file. It is the unit that has an order, a cursor and an identity; everything that is constant for its lines
(resource, labels, the head of the insertId) is prepared once per stream and never per line.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stream:
    """The log of one container run.

    `uid` is the directory's uid: for a static pod kubelet writes the config hash there, not the mirror pod's uid.
    `restart` is the number in `<n>.log`, the container's restart count as kubelet knows it.
    """

    namespace: str
    pod: str
    uid: str
    container: str
    restart: int

    @property
    def key(self) -> str:
        """The stable text form: cursors are stored, and insertIds are derived, under this name."""
        return f"{self.namespace}_{self.pod}_{self.uid}/{self.container}/{self.restart}"
