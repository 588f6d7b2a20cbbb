"""Records that nobody looked at yet: a chunk of a log, and where in it they stand.

A row of 24 bytes says of a record what its position is, where its time and its content begin in the chunk and how long
they are, and its std. The rows are made, and read again, by the native core (outrider/native/native.h has the same
layout); here they are only cut, put together, and for single records read. What was joined of several lines stands
behind the chunk.
"""

import struct
from collections.abc import Iterable, Mapping

STDS = (b"", b"stdout", b"stderr")
PART, SECOND = 1, 2
"""Marks of a row: the line goes on in the next one; it may be the second of a stack trace."""

POSITION_BITS = 64
"""A position has room for 65,536 turns here; a stream that has been through more of them goes on in columns."""

_ROW = struct.Struct("=QIIIBBBx")
_SIZE = _ROW.size
_PLACE = struct.Struct("=II")
_CONTENT, _STD, _MARKS = 12, 21, 22
_WORDS = _SIZE // 8

Row = tuple[int, bytes, bytes, bytes]


class Table:
    """The rows of one chunk."""

    __slots__ = ("_behind", "_end", "_places", "_rows", "_source", "_whole")

    def __init__(self, chunk: bytes, rows: bytes | bytearray) -> None:
        self._source, self._rows = chunk, bytearray(rows)
        self._behind: list[bytes] = []
        self._places: dict[int, bytes] = {}  # where each of those begins, so that to read one need not join them all
        self._end = len(chunk)
        self._whole: bytes | None = chunk

    def __len__(self) -> int:
        return len(self._rows) // _SIZE

    @property
    def chunk(self) -> bytes:
        if self._whole is None:
            self._whole = b"".join([self._source, *self._behind])
        return self._whole

    @property
    def rows(self) -> bytes:
        return bytes(self._rows)

    @property
    def marks(self) -> bytes:
        """The marks of all rows, a byte each."""
        return bytes(self._rows[_MARKS::_SIZE])

    def row(self, i: int) -> Row:
        return self._read(_ROW.unpack_from(self._rows, (i if i >= 0 else i + len(self)) * _SIZE))

    def std(self, i: int) -> bytes:
        return STDS[self._rows[i * _SIZE + _STD]]

    def content(self, i: int) -> bytes:
        _, _, begin, length, *_ = _ROW.unpack_from(self._rows, i * _SIZE)
        return self._text(begin, length)

    def contents(self) -> list[bytes]:
        text = self._text
        return [text(begin, length) for _, _, begin, length, *_ in _ROW.iter_unpack(self._rows)]

    def all(self) -> Iterable[Row]:
        return map(self._read, _ROW.iter_unpack(self._rows))

    def _read(self, row: tuple[int, ...]) -> Row:
        at, time, content, length, time_length, std, _ = row
        return at, self._text(time, time_length), STDS[std], self._text(content, length)

    def _text(self, begin: int, length: int) -> bytes:
        end = begin + length
        if end <= len(self._source):
            return self._source[begin:end]
        return self._places[begin] if length else b""

    def position(self, i: int) -> int:
        return int(_ROW.unpack_from(self._rows, i * _SIZE)[0])

    def positions(self, begin: int) -> list[int]:
        """Of the rows from `begin` on."""
        return memoryview(self._rows).cast("Q")[begin * _WORDS :: _WORDS].tolist()

    def find(self, std: bytes, begin: int, end: int) -> int:
        """The first row of `std` from `begin` on, before `end`; -1 if there is none."""
        number = STDS.index(std)
        if begin < end and self._rows[begin * _SIZE + _STD] == number:
            return 0
        return self._rows[begin * _SIZE + _STD : end * _SIZE : _SIZE].find(number)

    def last(self, std: bytes) -> int:
        """The last row of `std`; -1 if there is none."""
        number, rows = STDS.index(std), self._rows
        if rows and rows[_STD - _SIZE] == number:
            return len(self) - 1
        return rows[_STD::_SIZE].rfind(number)

    def part(self, begin: int, end: int) -> "Table":
        return self._with(self._rows[begin * _SIZE : end * _SIZE])

    def none(self) -> "Table":
        """A table of the same chunk without rows."""
        return self._with(b"")

    def _with(self, rows: bytes | bytearray) -> "Table":
        return Table(self.chunk if self._behind else self._source, rows)

    def chosen(self, some: Iterable[int]) -> "Table":
        return self._with(b"".join([self._rows[i * _SIZE : (i + 1) * _SIZE] for i in some]))

    def replaced(self, contents: Mapping[int, bytes]) -> "Table":
        made = self._with(self._rows)
        for i, content in contents.items():
            _PLACE.pack_into(made._rows, i * _SIZE + _CONTENT, made._end, len(content))
            made._put(content)
        return made

    def add(self, row: Row) -> None:
        """A record whose parts need not stand in the chunk."""
        at, time, std, content = row
        self._rows += _ROW.pack(at, self._end, self._end + len(time), len(content), len(time), STDS.index(std), 0)
        self._put(time)
        self._put(content)

    def _put(self, text: bytes) -> None:
        """Behind the chunk."""
        if text:
            self._behind.append(text)
            self._places[self._end] = text
            self._end += len(text)
            self._whole = None

    def take(self, other: "Table", begin: int, end: int) -> None:
        """The rows of `other` from `begin` up to `end`; nothing is copied if they are of the same chunk."""
        if other._source is self._source and not other._behind:
            self._rows += other._rows[begin * _SIZE : end * _SIZE]
        else:
            for i in range(begin, end):
                self.add(other.row(i))

    def pop(self, i: int) -> Row:
        row = self.row(i)
        del self._rows[i * _SIZE : (i + 1) * _SIZE]
        return row
