"""Which process reads which stream, where several share the streams of a node.

The container decides: a hash of pod uid and container name, the same in every process, on every machine and in every
version. The number of the run does not count, so all runs of a container, its restarts too, are in one process; with
another number of processes most containers go to another one.
"""

from dataclasses import dataclass
from hashlib import blake2b


def owner(uid: str, container: str, of: int) -> int:
    """The index of the process, of `of` processes, that reads the logs of this container."""
    name = f"{uid}/{container}".encode("utf-8", "surrogateescape")
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "big") % of


def owner_of_key(key: str, of: int) -> int:
    """The same, by the key of one of its streams (`Stream.key`); 0 for what is no such key."""
    pod, _, log = key.partition("/")
    container, _, _ = log.rpartition("/")
    return owner(pod.rpartition("_")[2], container, of) if container else 0


@dataclass(frozen=True, slots=True)
class Shard:
    """The share of the process `index` of `of`."""

    index: int = 0
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """`<index>/<of>`. Raises ValueError."""
        index, of = map(int, text.split("/"))
        if not 0 <= index < of:
            raise ValueError(f"{text}: there is no such share")
        return cls(index, of)

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"

    def owns(self, uid: str, container: str) -> bool:
        """Whether the logs of this container are read here."""
        return self.of == 1 or owner(uid, container, self.of) == self.index

    def part(self, whole: int) -> int:
        """Its part of `whole`, of which every process has to have at least 1."""
        return max(1, whole // self.of + (self.index < whole % self.of))

    @property
    def directory(self) -> str:
        """The name of its own directory in the state, empty where there is one process alone."""
        return f"{DIRECTORY}{self.index}" if self.of > 1 else ""


DIRECTORY = "worker-"
ALONE = Shard()
"""One process reads everything."""
