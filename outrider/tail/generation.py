"""One file of a stream, held open.

A descriptor is taken when the generation is discovered and given back when every reader is through with it, so a file
that kubelet renames, gzips or deletes meanwhile stays readable: the name is gone, the bytes are not. Readers of
several exporters share the descriptor (`pread` has no position) and each has its own offset.

A file is *read* by a reader and, later, *settled*: its destination has answered for everything in it. The descriptor
is needed for the former only; a name on the disk (see `hold.py`) until the latter, for a restart in between reads the
file again.

The one thing that takes bytes away is truncation. It is found by reading the head again *after* the data: if the head
is still the same then, the data was this generation's, however the truncation and a fast writer raced with the read.
"""

import contextlib
import math
import os
import threading
from collections.abc import Callable
from dataclasses import replace

from outrider.tail.gunzip import Gunzip, beginning, size_of
from outrider.tail.head import HEAD_BYTES, START_BYTES, Head, identify
from outrider.tail.hole import first_byte

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # the last for what is no file: opening a pipe must not wait

SOONEST_LOOK, LATEST_LOOK = 1.0, 30.0
"""Seconds between two looks at whether a closed file grows: at first, and at last."""


class Truncated(Exception):  # noqa: N818 - a fact about the file, not a failure of the program
    """The descriptor's file begins with another line now; what was not read of this generation is elsewhere or lost."""


class Shrunk(Exception):  # noqa: N818 - as above
    """The file begins as before but is shorter than what was read of it: `size` bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class GivenUp(Exception):  # noqa: N818 - as above
    """The file was let go to make room. Unless another one turns up that holds the same, the rest of it is lost."""


class Generation:
    """A generation and the descriptor through which it is read. Offsets count uncompressed bytes.

    `closed_at` (monotonic seconds; None: it may grow) and `gone` mirror the rotation machine's commands. `waiting` are
    the readers that have not read it to the end, `owed` those whose destination has not answered for all of it;
    `unowed_since` is for the hold to note when the latter became empty. `spare`: another file holds the same.
    `given_up` is the cause for which it was let go unread, until another file takes its place. `order` is where it
    stands among those of the stream, before its key.
    """

    __slots__ = (
        "_fd",
        "_gz",
        "_known",
        "_length",
        "_lock",
        "_look_at",
        "_packed",
        "closed_at",
        "given_up",
        "gone",
        "gz",
        "head",
        "inode",
        "order",
        "owed",
        "path",
        "spare",
        "unowed_since",
        "waiting",
    )

    def __init__(
        self, head: Head, path: str, inode: int, fd: int, gz: bool, readers: frozenset[str], order: int = 0
    ) -> None:
        self.head = head
        self.path = path
        self.inode = inode
        self.gz = gz
        self.order = order
        self.closed_at: float | None = None
        self.gone = False
        self.spare = False
        self.given_up: str | None = None
        self.unowed_since: float | None = None
        self.waiting = set(readers)
        self.owed = set(readers)
        # The watching thread may swap the descriptor while an exporter's thread reads through it.
        self._lock = threading.Lock()
        self._fd: int | None = fd
        self._packed = gz  # whether `path` is compressed; `gz` is what the descriptor reads
        self._known = 0
        self._length, self._look_at = 0, 0.0  # bytes when it was closed or looked at last; when to look again
        self._gz: dict[str, Gunzip] = {}

    @property
    def key(self) -> str:
        return self.head.key

    def left(self, offset: int) -> int:
        """Bytes behind `offset`, as far as they are known: by the size of the file or, where it is not to be had, by
        that when it was last looked at.
        """
        with self._lock:
            if self.given_up is None and (self._fd is not None or not self.gone):
                self._measure()
            return max(0, self._known - offset)

    def _measure(self) -> None:
        with contextlib.suppress(OSError, Truncated):
            size = size_of(self._descriptor(), self.gz)
            self._verify(self._descriptor())
            self._known = max(self._known, size)

    def read(self, reader: str, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset`; fewer only at the end of what there is.

        Raises Truncated, Shrunk, GivenUp or Damaged, and any other OSError if the disk fails.
        """
        with self._lock:
            if self.given_up is not None:
                raise GivenUp(self.given_up)
            fd = self._descriptor()
            if self.gz:
                return self._gz.setdefault(reader, Gunzip()).read(fd, offset, size)
            there = os.fstat(fd).st_size
            # Asking for no more than there is spares a quiet file's reader a buffer of the whole chunk.
            data = os.pread(fd, min(size, there - offset), offset) if there > offset else b""
            self._verify(fd)
            if there < offset:
                raise Shrunk(there)
            self._known = there
            return data

    def beginning(self, size: int) -> bytes:
        """Its first `size` bytes from the first line on, or what there is; nothing if it cannot be read any more."""
        found = b""
        with self._lock, contextlib.suppress(OSError):
            if self._fd is not None:
                found = beginning(self._fd, self.gz, size, self.head.at)
            else:
                fd = os.open(self.path, _READ)
                try:
                    if os.fstat(fd).st_ino == self.inode:
                        found = beginning(fd, self._packed, size, self.head.at)
                finally:
                    os.close(fd)
        return found if found.startswith(self.head.start) else b""

    def rebind(self, path: str, inode: int, gz: bool, fd: int | None) -> None:
        """The generation lies in another file now, open as `fd` (this object's from here on; None: it cannot be
        opened). A descriptor that still reads it is kept instead: what is still written to a renamed file must not
        be missed, and a compressed one need not be decompressed again.
        """
        with self._lock:
            self.path, self.inode, self._packed = path, inode, gz
            self.given_up = None
            if fd is None:
                return
            if self._fd is not None and self._holds(self._fd):
                os.close(fd)
                return
            self._close()
            self._fd, self.gz = fd, gz
            self._gz.clear()
            self._close_if_done()

    def hold(self, reader: str) -> None:
        """`reader` wants to read on, though it was through: the file grows again."""
        with self._lock:
            self.waiting.add(reader)
            self.owed.add(reader)

    def close(self, now: float) -> None:
        """Nothing should be appended to it any more. It is measured before readers hear of it: whatever comes later,
        when one of them may be through with it, makes it longer than that.
        """
        self._length = 0
        with contextlib.suppress(OSError):
            self._length = self._bytes_there()
        self.closed_at = self._look_at = now

    def grew(self, now: float) -> bool:
        """Whether something was appended to it after all since it was closed or looked at last. Then it counts as
        closed just now, and whoever was through with it reads on.
        """
        assert self.closed_at is not None, "what is not closed is read anyway"
        self._look_at = now + min(max(now - self.closed_at, SOONEST_LOOK), LATEST_LOOK)
        try:
            length = self._bytes_there()
        except OSError:
            return False
        grown, self._length = length > self._length, length
        if grown:  # another time than before in any case, for that is how a reader that was through with it knows
            self.closed_at, self._look_at = max(now, math.nextafter(self.closed_at, math.inf)), now + SOONEST_LOOK
        return grown

    def may_have_grown(self, now: float) -> bool:
        """Whether it is time to ask: often right after it was closed, seldom later."""
        return self.closed_at is not None and not self.gone and now >= self._look_at

    def _bytes_there(self) -> int:
        """By its name: whoever is through with it has no descriptor."""
        fd = os.open(self.path, _READ)
        try:
            return size_of(fd, self._packed) if os.fstat(fd).st_ino == self.inode else 0
        finally:
            os.close(fd)

    def release(self, reader: str) -> None:
        """`reader` is through with this generation. The descriptor stays until its destination has answered too."""
        with self._lock:
            self.waiting.discard(reader)
            self._gz.pop(reader, None)
            self._close_if_done()

    def settle(self, reader: str) -> None:
        """The destination of `reader` has answered for everything in this generation; the last one gives the
        descriptor back.
        """
        with self._lock:
            self.owed.discard(reader)
            self._close_if_done()

    def leave(self, reader: str) -> None:
        """`reader` wants nothing of it, read or not."""
        self.release(reader)
        self.settle(reader)

    def hand_over(self, readers: frozenset[str]) -> None:
        """Others read it from now on, from wherever they are. What has neither a name nor a descriptor any more was
        dealt with, unless it was given up: whoever gets there counts what is lost.
        """
        with self._lock:
            there = self._fd is not None or not self.gone or self.given_up is not None
            self.waiting, self.owed = (set(readers), set(readers)) if there else (set(), set())
            self._gz.clear()
            self._close_if_done()

    # -- what keeps it alive ------------------------------------------------------------------------------------------

    def status(self) -> os.stat_result | None:
        """That of the open descriptor; None if there is none."""
        with self._lock:
            return os.fstat(self._fd) if self._fd is not None else None

    def link(self, to: str) -> None:
        """Give the file the further name `to`: exactly the file that was identified, whatever its names are now.

        Raises FileNotFoundError if it has none left (or the directory of `to` is missing), other OSErrors of link(2).
        """
        with self._lock:
            own = self._fd if self._fd is not None and os.fstat(self._fd).st_ino == self.inode else None
            fd = os.open(self.path, _READ) if own is None else own
            try:
                if os.fstat(fd).st_ino != self.inode:
                    raise FileNotFoundError(self.path)
                # A directory descriptor makes this linkat(2) with AT_SYMLINK_FOLLOW; the path is absolute.
                os.link(f"/proc/self/fd/{fd}", to, src_dir_fd=fd, follow_symlinks=True)
            finally:
                if fd != own:
                    os.close(fd)

    def detach(self) -> None:
        """Let the file go that the descriptor reads, for `path` names another one that holds the same."""
        with self._lock, contextlib.suppress(OSError):  # that one may be gone as well: the next look will tell
            fd = os.open(self.path, _READ)
            self._measure()
            self._close()
            self._fd, self.gz = fd, self._packed
            self._gz.clear()

    def give_up(self, cause: str) -> None:
        """Let the file go, read or not. `read` raises GivenUp until `rebind` brings another one."""
        with self._lock:
            self._measure()
            self.given_up = cause
            self._close()

    def _close_if_done(self) -> None:
        if not self.waiting and not self.owed:
            self._close()

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _descriptor(self) -> int:
        if self._fd is None:
            self._fd = os.open(self.path, _READ)
            self.gz = self._packed
            self._gz.clear()
        return self._fd

    def _holds(self, fd: int) -> bool:
        try:
            self._verify(fd)
        except (OSError, Truncated):
            return False
        return True

    def _verify(self, fd: int) -> None:
        if not self.gz and not self.head.begins(os.pread(fd, HEAD_BYTES, self.head.at)):
            raise Truncated(self.path)


def look(path: str, gz: bool, identify: Callable[[bytes], Head | None] = identify) -> tuple[int, int, Head | None]:
    """Open `path` and identify it: (descriptor, inode, head or None). The caller owns the descriptor. Raises
    OSError.
    """
    fd = os.open(path, _READ)
    try:
        unzip = Gunzip()

        def read(offset: int, size: int) -> bytes:
            return unzip.read(fd, offset, size) if gz else os.pread(fd, size, offset)

        at = first_byte(fd, read, gz)
        start = read(at, HEAD_BYTES)
        if start[:1] == b"{" and b"\n" not in start:
            start = read(at, START_BYTES)
        head = identify(start)
        return fd, os.fstat(fd).st_ino, replace(head, at=at) if head is not None and at else head
    except BaseException:
        os.close(fd)
        raise
