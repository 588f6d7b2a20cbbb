"""Where does the first line of a file stand? At its beginning, unless the file begins with a hole.

copytruncate empties a file under its writer. One that does not append, as with `program > app.log`, goes on where it
was, and what lies before reads as NUL bytes, gigabytes of them after some days; a copy of the file has them too. They
are no line of anybody's, and the same in every such file. So the file is taken to begin behind them, for telling it
from others and for reading. A file system says where a hole ends; only the rest of its last block has to be read.
"""

import os
from collections.abc import Callable

WIDEST = 64 << 20
"""NUL bytes that are read through, where the file system says nothing, or in a compressed copy; beyond, they are taken
for content."""
_STEP = 256 << 10


def first_byte(fd: int, read: Callable[[int, int], bytes], compressed: bool) -> int:
    """The offset of the first byte that is not NUL, or of the end if there is none; 0 if the hole is too wide. `read`
    gives so many bytes from an offset, uncompressed. Raises OSError.
    """
    begin = at = 0 if compressed or read(0, 1) != b"\0" else _first_data(fd)
    while (data := read(at, _STEP if at else 1)) and not data.strip(b"\0"):
        at += len(data)
        if at - begin > WIDEST:
            return 0
    return at + len(data) - len(data.lstrip(b"\0"))


def _first_data(fd: int) -> int:
    try:
        return os.lseek(fd, 0, os.SEEK_DATA)
    except OSError:  # all of it is a hole
        return os.fstat(fd).st_size
