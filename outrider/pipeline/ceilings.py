"""How much may a tenant with a `limit` read now? A bucket that fills at that rate and holds one second of it.

One process keeps its buckets itself. Several that share the streams of a node share the buckets too, or a limit would
be as many times as high as there are processes, or a fraction of it for a tenant that lives in one of them. They are
in a piece of memory that the processes map, a file without a name that each was started with. Of a bucket one number
is kept, the time at which it will be full (generic cell rate algorithm: the theoretical arrival time): reading moves
it on by size / limit, and who finds it further ahead than a second waits. CLOCK_MONOTONIC is the same for all.

The buckets are found by a hash of their name, in rows of eight. One whose time has passed is full, as a new one is; so
it may be given to another tenant, and nothing has to be tidied up. A row is locked (fcntl, by bytes) for as long as it
takes to read and write a number; a process that is killed in between leaves no lock and no half of a number.
"""

import fcntl
import mmap
import os
import struct
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Protocol

BURST = 1.0
"""Seconds of its limit that a tenant may save up."""
ROWS, WIDTH = 512, 8
_BUCKET = struct.Struct("<8sd")
_ROW = WIDTH * _BUCKET.size
SIZE = ROWS * _ROW
"""Bytes of the shared memory: 4096 tenants that have read something within their last second, for each exporter."""


class Bucket(Protocol):
    """The ceiling of one tenant at one exporter. Times are monotonic seconds."""

    def may_read(self, now: float) -> bool:
        """Whether there is anything left in it."""

    def charge(self, size: int) -> None:
        """`size` bytes were read, at the time of the last `may_read`; more than there was is paid back by waiting."""


Buckets = Callable[[str, Hashable, int], Bucket]
"""(exporter, tenant, bytes per second) -> its bucket."""


class OwnBucket:
    """That of a process which has all streams of the tenant."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._filled_at = self._allowance = 0.0

    def may_read(self, now: float) -> bool:
        most = self._limit * BURST
        gained = (now - self._filled_at) * self._limit if self._filled_at else most
        self._allowance, self._filled_at = min(self._allowance + gained, most), now
        return self._allowance > 0

    def charge(self, size: int) -> None:
        self._allowance -= size


def own_buckets(exporter: str, tenant: Hashable, limit: int) -> Bucket:  # noqa: ARG001 - nobody else looks it up
    """A bucket that nobody else knows."""
    return OwnBucket(limit)


class SharedBuckets:
    """The buckets in the file `descriptor`, which is SIZE bytes of zeros at first. Threads may share it."""

    def __init__(self, descriptor: int) -> None:
        """Raises OSError or ValueError if the file cannot be mapped."""
        self._descriptor = descriptor
        self._memory = mmap.mmap(descriptor, SIZE)
        self._lock = threading.Lock()  # the other lock is one between processes and does not stop a thread

    @staticmethod
    def create() -> int:
        """A new file for it, as a descriptor that can be handed to other processes. Raises OSError."""
        descriptor = os.memfd_create("outrider-limits")
        os.ftruncate(descriptor, SIZE)
        return descriptor

    def __call__(self, exporter: str, tenant: Hashable, limit: int) -> Bucket:
        # With the limit in its name: another configuration begins with a full bucket, not with debts at an old rate.
        return _SharedBucket(self, blake2b(repr((exporter, tenant, limit)).encode(), digest_size=8).digest(), limit)

    def full_at(self, name: bytes, now: float, move: Callable[[float], float] | None = None) -> float:
        """When the bucket `name` will be full, not before `now`; `move` gives another time from that one."""
        row = int.from_bytes(name, "big") % ROWS * _ROW
        with self._locked(row):
            place, full = self._find(row, name)
            full = max(full, now)
            if move is not None:
                full = move(full)
                _BUCKET.pack_into(self._memory, place, name, full)
        return full

    def _find(self, row: int, name: bytes) -> tuple[int, float]:
        """Where the bucket is, and its time; if it is in no place, the one that is or was full first."""
        first, earliest = row, float("inf")
        for place in range(row, row + _ROW, _BUCKET.size):
            found, full = _BUCKET.unpack_from(self._memory, place)
            if found == name:
                return place, full
            if full < earliest:
                first, earliest = place, full
        return first, 0.0

    @contextmanager
    def _locked(self, row: int) -> Iterator[None]:
        with self._lock:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX, _ROW, row)
            try:
                yield
            finally:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, _ROW, row)


class _SharedBucket:
    def __init__(self, buckets: SharedBuckets, name: bytes, limit: int) -> None:
        self._buckets, self._name, self._limit = buckets, name, limit
        self._now = 0.0

    def may_read(self, now: float) -> bool:
        self._now = now
        return self._buckets.full_at(self._name, now) - now < BURST

    def charge(self, size: int) -> None:
        if size:
            self._buckets.full_at(self._name, self._now, lambda full: full + size / self._limit)
