"""What a chunk of a log says, in columns: one list per property instead of one object per line.

A list of ten thousand times is validated, compared or joined by one call into C; ten thousand objects with a time each
are not. Everything between the reader and the exporter's encoder works on `Records`, and looks at a single line only
where that line is out of the ordinary. Where the native core was built even the columns are only made when somebody
asks for them (table.py).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from outrider.model.table import Table

Record = tuple[int, bytes, bytes, bytes]
"""One row: (position, timestamp of the first line, b"stdout" | b"stderr", content). The position is the reader's
numbering (`outrider.tail.positions`). The timestamp is RFC 3339, or b"" if none is known; the stream is b"" for a line
that no container runtime wrote. The content has no line feed at its end.
"""


class Records:
    """Four columns of one length, in the order in which the records became whole.

    They may come as a `table` instead, of which nothing is made until somebody asks for a column: then it becomes
    columns for good, and the table is None.
    """

    __slots__ = ("_at", "_contents", "_stds", "_times", "table")

    def __init__(
        self,
        at: list[int] | None = None,
        times: list[bytes] | None = None,
        stds: list[bytes] | None = None,
        contents: list[bytes] | None = None,
        table: Table | None = None,
    ) -> None:
        self.table = table
        self._at, self._times = [] if at is None else at, [] if times is None else times
        self._stds, self._contents = [] if stds is None else stds, [] if contents is None else contents

    @classmethod
    def of(cls, rows: Iterable[Record]) -> "Records":
        """The columns of `rows`."""
        columns = [list(column) for column in zip(*rows, strict=True)]
        return cls(*columns) if columns else cls()  # type: ignore[arg-type]

    @property
    def at(self) -> list[int]:
        return self._columns()._at

    @property
    def times(self) -> list[bytes]:
        return self._columns()._times

    @property
    def stds(self) -> list[bytes]:
        return self._columns()._stds

    @property
    def contents(self) -> list[bytes]:
        return self._columns()._contents

    def _columns(self) -> "Records":
        """This, in columns from now on."""
        if self.table is not None:
            table, self.table = self.table, None
            for row in table.all():
                self.add(row)
        return self

    def __len__(self) -> int:
        return len(self._at) if self.table is None else len(self.table)

    def __iter__(self) -> Iterator[Record]:
        """One row after the other; a table stays one."""
        if self.table is not None:
            return iter(self.table.all())
        return zip(self.at, self.times, self.stds, self.contents, strict=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Records) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Records({list(self)})"

    def row(self, i: int) -> Record:
        if self.table is not None:
            return self.table.row(i)
        return self._at[i], self._times[i], self._stds[i], self._contents[i]

    def std(self, i: int) -> bytes:
        return self._stds[i] if self.table is None else self.table.std(i)

    def content(self, i: int) -> bytes:
        return self._contents[i] if self.table is None else self.table.content(i)

    def every_content(self) -> Sequence[bytes]:
        """The contents of all rows; a table stays one."""
        return self._contents if self.table is None else self.table.contents()

    def replaced(self, contents: Mapping[int, bytes]) -> "Records":
        """The same rows, some with other `contents`, by their numbers."""
        if self.table is not None:
            return Records(table=self.table.replaced(contents))
        return Records(self._at, self._times, self._stds, [contents.get(i, c) for i, c in enumerate(self._contents)])

    def least(self, begin: int) -> int:
        """The lowest position of the rows from `begin` on."""
        return min(self._at[begin:] if self.table is None else self.table.positions(begin))

    def find(self, std: bytes, begin: int, end: int) -> int:
        """The first row of `std` from `begin` on, before `end`; `end` if there is none."""
        if self.table is not None:
            found = self.table.find(std, begin, end)
            return end if found < 0 else begin + found
        try:
            return self._stds.index(std, begin, end)
        except ValueError:
            return end

    def last(self, std: bytes) -> int:
        """The last row of `std`; -1 if there is none."""
        if self.table is not None:
            return self.table.last(std)
        stds = self._stds
        i = len(stds) - 1 if std in stds else -1
        while i >= 0 and stds[i] != std:
            i -= 1
        return i

    def part(self, begin: int, end: int) -> "Records":
        """The rows from `begin` up to `end` (excluded)."""
        if self.table is not None:
            return Records(table=self.table.part(begin, end))
        return Records(self._at[begin:end], self._times[begin:end], self._stds[begin:end], self._contents[begin:end])

    def none(self) -> "Records":
        """No rows, to which those of this may be added at the least cost."""
        return Records(table=None if self.table is None else self.table.none())

    def chosen(self, some: Sequence[int]) -> "Records":
        """The rows whose numbers are in `some`."""
        if self.table is not None:
            return Records(table=self.table.chosen(some))
        columns = self._at, self._times, self._stds, self._contents
        return Records(*[[column[i] for i in some] for column in columns])  # type: ignore[arg-type]

    def add(self, row: Record) -> None:
        if self.table is not None:
            self.table.add(row)
            return
        self._at.append(row[0])
        self._times.append(row[1])
        self._stds.append(row[2])
        self._contents.append(row[3])

    def extend(self, more: "Records") -> None:
        self.take(more, 0, len(more))

    def take(self, other: "Records", begin: int, end: int) -> None:
        """The rows of `other` from `begin` up to `end` (excluded) as well."""
        if self.table is None:
            self._at += other.at[begin:end]
            self._times += other.times[begin:end]
            self._stds += other.stds[begin:end]
            self._contents += other.contents[begin:end]
        elif other.table is not None:
            self.table.take(other.table, begin, end)
        else:
            for i in range(begin, end):
                self.table.add(other.row(i))

    def pop(self, i: int) -> Record:
        """Take row `i` out."""
        if self.table is not None:
            return self.table.pop(i)
        return self._at.pop(i), self._times.pop(i), self._stds.pop(i), self._contents.pop(i)
