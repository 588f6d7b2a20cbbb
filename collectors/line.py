"""The line between the supervisor and one worker: a pair of sockets, one inherited by the child.

Messages are JSON with their length in front. The supervisor hands over configurations and asks questions, each with a
number; the worker answers under that number, so an answer that comes too late is not taken for another one. The worker
says one thing unasked, under the number 0: what it has counted, when it ends.

An end of file tells either side that the other process is no more, however it died. That is how a worker knows that it
has become an orphan: no port, no file in the state directory, and nothing to be tidied up.
"""

import contextlib
import os
import select
import socket
import struct
import threading
from typing import Any

import msgspec

from outrider.model.clock import SystemClock

_LENGTH = struct.Struct("<I")
LAST_WORDS = 0
"""The number of what nobody asked for."""
_CLOCK = SystemClock()


class LineError(Exception):
    """The other side is gone, does not listen, or makes no sense."""


class Line:
    """One end. Any thread may write, while one reads."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self._read = bytearray()
        self._saying = threading.Lock()

    @classmethod
    def pair(cls) -> tuple["Line", "Line"]:
        """Both ends. Raises OSError."""
        one, other = socket.socketpair()
        return cls(one), cls(other)

    @classmethod
    def inherited(cls, descriptor: int) -> "Line":
        """The end that a child was started with. Raises OSError."""
        os.set_inheritable(descriptor, False)
        return cls(socket.socket(fileno=descriptor))

    def fileno(self) -> int:
        return self._end.fileno()

    def say(self, message: Any, timeout: float) -> None:
        """Write one message within `timeout` seconds. Raises LineError; the line is of no use then."""
        data = msgspec.json.encode(message)
        left = memoryview(_LENGTH.pack(len(data)) + data)
        deadline = _CLOCK.monotonic() + timeout
        with self._saying:
            while left:
                self._await(select.POLLOUT, deadline)
                try:
                    left = left[self._end.send(left) :]
                except BlockingIOError:
                    pass
                except OSError as e:
                    raise LineError(str(e)) from e

    def hear(self, timeout: float | None) -> Any:
        """The next message. Raises LineError at the end of the line, and after `timeout` seconds (None: never); what
        came until then is kept for the next time.
        """
        deadline = None if timeout is None else _CLOCK.monotonic() + timeout
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size, deadline))
        data = self._exactly(_LENGTH.size + length, deadline)[_LENGTH.size :]
        del self._read[: _LENGTH.size + length]
        try:
            return msgspec.json.decode(data)
        except msgspec.DecodeError as e:
            raise LineError(str(e)) from e

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._end.close()

    def _exactly(self, size: int, deadline: float | None) -> bytes:
        """The first `size` bytes that were not heard yet."""
        while len(self._read) < size:
            self._await(select.POLLIN, deadline)
            try:
                got = self._end.recv(1 << 16)
            except BlockingIOError:
                continue
            except OSError as e:
                raise LineError(str(e)) from e
            if not got:
                raise LineError("it has ended")
            self._read += got
        return bytes(self._read[:size])

    def _await(self, event: int, deadline: float | None) -> None:
        left = None if deadline is None else max(0.0, deadline - _CLOCK.monotonic()) * 1000
        poll = select.poll()
        try:
            poll.register(self._end, event)
            if not poll.poll(left):
                raise LineError("nobody answers")
        except (OSError, ValueError) as e:  # it was closed meanwhile
            raise LineError(str(e)) from e
