"""What a reader has done with the bytes of its stream, counted where it happens.

A reader goes through a generation in one pass, or in several if the file shrinks or grows again after its end. A pass
begins at an offset and ends at one; in between bytes are consumed, in chunks, and acknowledged, in any order of
requests but always as a prefix. Bytes that went away before they were read are lost, under a cause.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Balance(NamedTuple):
    """The books at one moment; `disk` = `skipped` + `acknowledged` + `in_flight` + all of `lost` + `behind`."""

    disk: int
    read: int
    skipped: int
    acknowledged: int
    in_flight: int
    lost: dict[str, int]
    behind: int


@dataclass(slots=True)
class Books:
    """The books of one reader; passes are known by their number, its `turn`."""

    read: int = 0
    skipped: int = 0
    acknowledged: int = 0
    _began: dict[int, int] = field(default_factory=dict)
    _ended: dict[int, int] = field(default_factory=dict)
    _passed: int = 0
    _settled: dict[int, int] = field(default_factory=dict)

    def begin(self, turn: int, offset: int) -> None:
        """Pass `turn` begins at `offset`."""
        self._began[turn] = self._settled[turn] = offset

    def end(self, turn: int, offset: int) -> None:
        self._ended[turn] = offset
        self._passed += offset - self._began[turn]

    def settle(self, turn: int, offset: int) -> None:
        """Everything up to `offset` of pass `turn` is acknowledged, and all earlier passes are."""
        for past in [t for t in self._ended if t < turn]:
            self.acknowledged += self._ended.pop(past) - self._settled.pop(past)
            del self._began[past]
        self.acknowledged += offset - self._settled[turn]
        self._settled[turn] = offset

    def balance(
        self, turn: int, offset: int | None, left: int, waiting: list[tuple[int, int, int]], lost: Mapping[str, int]
    ) -> Balance:
        """The books now: in pass `turn` at `offset` (None: between two passes) with `left` bytes behind it. `waiting`
        are generations that will be entered: their size, where, and how much of that counts as skipped.
        """
        passed, behind, skipped, in_flight = self._passed, left, self.skipped, 0
        if offset is not None:
            passed += offset - self._began[turn]
            in_flight += offset - self._settled[turn]
        in_flight += sum(end - self._settled[t] for t, end in self._ended.items())
        for size, start, before in waiting:
            skipped += before
            behind += max(0, size - start)
        disk = skipped + passed + sum(lost.values()) + behind
        return Balance(disk, self.read, skipped, self.acknowledged, in_flight, dict(lost), behind)
