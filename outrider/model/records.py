"""What a chunk of a log says, in columns: one list per property instead of one object per line.

A list of ten thousand times is validated, compared or joined by one call into C; ten thousand objects with a time each
are not. Everything between the reader and the exporter's encoder works on `Records`, and looks at a single line only
where that line is out of the ordinary.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

Record = tuple[int, bytes, bytes, bytes]
"""One row: (position, timestamp of the first line, b"stdout" | b"stderr", content). The position is the reader's
numbering (`outrider.tail.positions`). The timestamp is RFC 3339, or b"" if none is known; the stream is b"" for a line
that no container runtime wrote. The content has no line feed at its end.
"""


@dataclass(slots=True)
class Records:
    """Four columns of one length, in the order in which the records became whole."""

    at: list[int] = field(default_factory=list)
    times: list[bytes] = field(default_factory=list)
    stds: list[bytes] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)

    @classmethod
    def of(cls, rows: Iterable[Record]) -> "Records":
        """The columns of `rows`."""
        columns = [list(column) for column in zip(*rows, strict=True)]
        return cls(*columns) if columns else cls()

    def __len__(self) -> int:
        return len(self.at)

    def __iter__(self) -> Iterator[Record]:
        """One row after the other."""
        return zip(self.at, self.times, self.stds, self.contents, strict=True)

    def row(self, i: int) -> Record:
        return self.at[i], self.times[i], self.stds[i], self.contents[i]

    def part(self, begin: int, end: int) -> "Records":
        """The rows from `begin` up to `end` (excluded)."""
        return Records(self.at[begin:end], self.times[begin:end], self.stds[begin:end], self.contents[begin:end])

    def chosen(self, some: Sequence[int]) -> "Records":
        """The rows whose numbers are in `some`."""
        columns = self.at, self.times, self.stds, self.contents
        return Records(*[[column[i] for i in some] for column in columns])  # type: ignore[arg-type]

    def add(self, row: Record) -> None:
        self.at.append(row[0])
        self.times.append(row[1])
        self.stds.append(row[2])
        self.contents.append(row[3])

    def extend(self, more: "Records") -> None:
        self.at += more.at
        self.times += more.times
        self.stds += more.stds
        self.contents += more.contents

    def pop(self, i: int) -> Record:
        """Take row `i` out."""
        return self.at.pop(i), self.times.pop(i), self.stds.pop(i), self.contents.pop(i)
