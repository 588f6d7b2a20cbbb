"""Reading compressed rotations: forward, by several readers, each from where it is.

What comes out is what stood in the file before it was compressed, so offsets mean the same in both. Of a damaged file
everything that stands before the damage comes out.
"""

import contextlib
import os
import struct
import zlib

_READ_BYTES = 64 << 10
_PLAIN_BYTES = 1 << 20
_CUT = "ends early"
_MOST_PACKED = 1032
"""The most bytes that one byte of deflate can stand for (zlib's technical notes)."""


class Damaged(OSError):  # noqa: N818 - as above
    """A compressed file cannot be decompressed any further; everything before was delivered. `cut`: its end is
    missing.
    """

    def __init__(self, words: str, cut: bool = False) -> None:
        super().__init__(words)
        self.cut = cut


class Gunzip:
    """One reader's way through a compressed rotation, forward only; going back starts over."""

    __slots__ = ("_buffer", "_damage", "_inflate", "_inside", "_plain", "_raw")

    def __init__(self) -> None:
        self._restart()

    def _restart(self) -> None:
        self._inflate = zlib.decompressobj(wbits=31)
        self._inside = False
        self._raw = 0
        self._plain = 0
        self._buffer = b""
        self._damage = ""

    def read(self, fd: int, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`. Raises Damaged where nothing more can be had, after what could be."""
        if offset < self._plain:
            self._restart()
        while self._plain + len(self._buffer) < offset + size and self._more(fd, offset):
            pass
        self._buffer = self._buffer[offset - self._plain :]
        self._plain = offset
        if not self._buffer and self._damage:
            raise Damaged(f"damaged gzip: {self._damage}", self._damage == _CUT)
        return self._buffer[:size]

    def _more(self, fd: int, offset: int) -> bool:
        raw = os.pread(fd, _READ_BYTES, self._raw)
        if not raw and self._inside:
            self._damage = _CUT
        if not raw or self._damage:
            return False
        before = self._inflate.copy()
        try:
            # Bounded: a few bytes of gzip can stand for a thousand times as many.
            data = self._inflate.decompress(raw, _PLAIN_BYTES)
        except zlib.error as e:
            self._damage = str(e)
            data = _salvage(before, raw)
        rest = self._inflate.unused_data if self._inflate.eof else self._inflate.unconsumed_tail
        self._raw += len(raw) - len(rest)
        self._inside = not self._inflate.eof
        if self._inflate.eof:  # gzip members may follow one another (RFC 1952, 2.2)
            self._inflate = zlib.decompressobj(wbits=31)
        behind = offset - self._plain
        if behind >= len(self._buffer) + len(data):
            self._plain += len(self._buffer) + len(data)
            self._buffer = b""
        else:
            self._buffer += data
        return True


def _salvage(inflate: "zlib._Decompress", raw: bytes) -> bytes:
    """What comes out of `raw` before the byte that cannot be."""
    plain = bytearray()
    with contextlib.suppress(zlib.error):
        for i in range(len(raw)):
            plain += inflate.decompress(raw[i : i + 1], _PLAIN_BYTES)
    return bytes(plain)


def beginning(fd: int, gz: bool, size: int, at: int) -> bytes:
    """The first `size` bytes of a file from `at` on, uncompressed, or what there is. Raises OSError."""
    return Gunzip().read(fd, at, size) if gz else os.pread(fd, size, at)


def size_of(fd: int, gz: bool) -> int:
    """Uncompressed bytes of a file (for gzip modulo 2^32, as its trailer has it). Raises OSError."""
    end = os.fstat(fd).st_size
    if not gz:
        return end
    trailer = os.pread(fd, 4, max(0, end - 4))
    size: int = struct.unpack("<I", trailer)[0] if len(trailer) == 4 else 0
    return size if size <= end * _MOST_PACKED else 0  # the trailer of a damaged file may say anything
