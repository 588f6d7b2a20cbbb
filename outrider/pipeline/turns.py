"""Whose turn is it? Tenants take turns by weight, and within a tenant its streams, a few chunks at a time.

This is deficit round robin (Shreedhar and Varghese, 1996): in every round a tenant may read `share` times a quantum of
bytes; what it reads beyond, since chunks are not cut, is taken off its next round. So a namespace that writes a hundred
times what the others write, into one stream or into fifty, gets as much as its share says and no more, and whoever has
little to say has said it within a round.

A request that is for one stream is the cheapest. So where batches are large, a stream that has more to be read goes on
until it has had a `stint`; quanta are larger for it, unless so many tenants wait that a round would become long.

A tenant with a `limit` has besides a bucket that fills at that rate (`ceilings.py`). While it is empty the tenant has
no turns.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field

from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.pipeline.ceilings import Bucket, Buckets
from outrider.pipeline.routing import Decision
from outrider.tail.reader import CHUNK, Reader

QUANTUM = CHUNK
"""Bytes that a tenant of share 1 may read in a round, at least."""
LONGEST_STINT = 4 * CHUNK
"""Bytes that a stream may read before the next of its tenant has its turn, at most."""
ROUND = 8
"""Stints of a round up to which quanta are larger."""


@dataclass(slots=True, eq=False)
class Tenant:
    """Streams that share one turn. `limited` is called once for every time that the limit stops it."""

    share: int = 1
    bucket: Bucket | None = None
    limited: Callable[[], None] = lambda: None
    readers: deque[Reader] = field(default_factory=deque)
    credit: int = 0
    stint: int = 0
    stopped: bool = False

    @classmethod
    def of(cls, decision: Decision, namespace: str, exporter: str, buckets: Buckets, counters: Counters) -> "Tenant":
        """The one that a route makes."""
        if decision.limit is None:
            return cls(decision.share)
        limited = counters.counter(
            "outrider_limited_total",
            "Times that a namespace had to wait because of its `limit`.",
            exporter=exporter,
            namespace=namespace,
        )
        return cls(decision.share, buckets(exporter, decision.tenant, decision.limit), limited.add)

    def may_read(self, now: float) -> bool:
        """Whether the limit lets it read at `now` (monotonic seconds)."""
        if self.bucket is None:
            return True
        if self.bucket.may_read(now):
            self.stopped = False
        elif not self.stopped:
            self.stopped = True
            self.limited()
        return not self.stopped

    def charge(self, size: int) -> None:
        """It has read `size` bytes."""
        self.credit -= size
        if self.bucket is not None:
            self.bucket.charge(size)


class Turns:
    """The readers that may have something to read, by tenant. A tenant is told by any key."""

    def __init__(self, clock: Clock, batch: int = 0) -> None:
        """`batch`: bytes of entries in a request; a stint makes about as many."""
        self._clock = clock
        self._stint = min(max(batch // 4, QUANTUM), LONGEST_STINT)
        self._tenants: dict[Hashable, Tenant] = {}
        self._waiting: OrderedDict[Hashable, Tenant] = OrderedDict()
        self._in: dict[Reader, Hashable] = {}
        self.indebted = False
        """Whether somebody may have had no turn in the last round because of what was read before, or in it: then no
        pause may come before the next one.
        """

    def __len__(self) -> int:
        return len(self._in)

    def __contains__(self, reader: Reader) -> bool:
        return reader in self._in

    def add(self, reader: Reader, key: Hashable, tenant: Callable[[], Tenant]) -> None:
        """Let `reader` take turns with the others of the tenant `key`, which `tenant` makes if it is new."""
        if reader in self._in:
            return
        self._in[reader] = key
        found = self._tenants.get(key)
        if found is None:
            found = self._tenants[key] = tenant()
        if not found.readers:
            found.credit = 0
            self._waiting[key] = found
        found.readers.append(reader)

    def remove(self, reader: Reader) -> None:
        if reader not in self._in:
            return
        key = self._in.pop(reader)
        tenant = self._tenants[key]
        tenant.readers.remove(reader)
        if not tenant.readers:
            del self._waiting[key]

    def charge(self, reader: Reader, size: int) -> None:
        """The reader whose turn it is has read `size` bytes."""
        key = self._in.get(reader)
        if key is not None:
            self._tenants[key].charge(size)

    def round(self, is_due: Callable[[Reader], bool] = lambda _: True) -> Iterator[Reader]:
        """One round: of each tenant the readers that are due one after the other, again and again until its credit is
        used up or none of them has anything.
        """
        if self._waiting:
            self._waiting.move_to_end(next(iter(self._waiting)))
        self.indebted = False
        shares = sum([tenant.share for tenant in self._waiting.values()])
        quantum = min(max(QUANTUM, ROUND * self._stint // max(shares, 1)), self._stint)
        for key, tenant in list(self._waiting.items()):
            tenant.credit = min(tenant.credit, 0) + tenant.share * quantum
            in_vain = 0
            while tenant.credit > 0 and in_vain < len(tenant.readers) and self._waiting.get(key) is tenant:
                if not is_due(tenant.readers[0]):
                    tenant.readers.rotate(-1)
                    in_vain, tenant.stint = in_vain + 1, 0
                    continue
                if not tenant.may_read(self._clock.monotonic()):
                    break
                reader, before = tenant.readers[0], tenant.credit
                tenant.readers.rotate(-1)
                yield reader
                in_vain = in_vain + 1 if tenant.credit == before else 0
                tenant.stint += before - tenant.credit
                if in_vain or tenant.stint >= self._stint:
                    tenant.stint = 0
                elif tenant.readers and tenant.readers[-1] is reader:
                    tenant.readers.rotate(1)
            self.indebted |= tenant.credit <= 0
