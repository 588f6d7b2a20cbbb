"""Whose turn is it? Tenants first, then the streams of a tenant, each for one chunk.

A namespace that writes a hundred times what the others write gets as many turns as each of them, not a hundred times
as many. A turn is a chunk of bounded size, so whoever has little to say has said it after one round.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator

from outrider.tail.reader import Reader


class Turns:
    """The readers that may have something to read, by tenant."""

    def __init__(self) -> None:
        self._tenants: OrderedDict[str, deque[Reader]] = OrderedDict()
        self._in: set[Reader] = set()

    def __len__(self) -> int:
        return len(self._in)

    def __contains__(self, reader: Reader) -> bool:
        return reader in self._in

    def add(self, reader: Reader) -> None:
        if reader not in self._in:
            self._in.add(reader)
            self._tenants.setdefault(reader.stream.namespace, deque()).append(reader)

    def remove(self, reader: Reader) -> None:
        if reader in self._in:
            self._in.discard(reader)
            tenant = reader.stream.namespace
            self._tenants[tenant].remove(reader)
            if not self._tenants[tenant]:
                del self._tenants[tenant]

    def round(self) -> Iterator[Reader]:
        """Every reader once: one of each tenant, then another of each, until none is left over."""
        queues = [list(readers) for readers in self._tenants.values()]
        for readers in self._tenants.values():
            readers.rotate(-1)
        if self._tenants:
            self._tenants.move_to_end(next(iter(self._tenants)))
        for i in range(max(map(len, queues), default=0)):
            for q in queues:
                if i < len(q) and q[i] in self._in:
                    yield q[i]
