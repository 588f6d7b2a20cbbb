"""Many datagrams of one call: recvmmsg(2), which Python does not have.

A datagram that is received by itself costs a system call and, worse, the interpreter's lock: whoever receives gives it
up for every datagram, and gets it back when another thread that computes has had its five milliseconds. A hundred
thousand datagrams a second are lost that way beside a thread that compresses. Of one call for up to SLOTS of them, that
is of no matter.

Datagrams have a slot each; only its pages that were ever used take memory. One that is larger than its slot is cut by
the kernel, mostly within a line, whose rest may well look like another line. So that goes with what was cut. The slots
are as large as what the Agent reads at a time (`dogstatsd_buffer_size`), which clients know.
"""

import ctypes
import errno
import os
import socket
from typing import NamedTuple

SLOTS, SLOT = 512, 8192
"""Datagrams of one call, at most, and bytes of each."""


class _Vector(ctypes.Structure):
    """struct iovec"""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """struct msghdr"""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.POINTER(_Vector)),
        ("vectors_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Header(ctypes.Structure):
    """struct mmsghdr: a message, and how many bytes of it were received."""

    _fields_ = (("message", _Message), ("received", ctypes.c_uint))


class Received(NamedTuple):
    """`cut` counts those of `datagrams` that were too large; of each only the lines that came whole are here."""

    datagrams: list[bytes]
    cut: int


class Datagrams:
    """Receives from sockets, one after the other. Raises OSError if the system has no recvmmsg."""

    def __init__(self) -> None:
        try:
            self._recvmmsg = ctypes.CDLL(None, use_errno=True).recvmmsg
        except AttributeError:
            raise OSError(errno.ENOSYS, "this system has no recvmmsg(2)") from None
        self._slots = ctypes.create_string_buffer(SLOTS * SLOT)
        begin = ctypes.addressof(self._slots)
        self._vectors = (_Vector * SLOTS)(*(_Vector(begin + i * SLOT, SLOT) for i in range(SLOTS)))
        self._headers = (_Header * SLOTS)()
        for header, vector in zip(self._headers, self._vectors, strict=True):
            header.message.vectors, header.message.vectors_length = ctypes.pointer(vector), 1
        words = memoryview(self._headers).cast("B").cast("I")
        step = ctypes.sizeof(_Header) // words.itemsize
        self._sizes = words[_Header.received.offset // words.itemsize :: step]
        self._flags = words[_Message.flags.offset // words.itemsize :: step]
        self._data = memoryview(self._slots)

    def receive(self, sock: socket.socket) -> Received:
        """What waits in `sock`, up to SLOTS datagrams; never waits itself. Raises OSError."""
        count = self._recvmmsg(sock.fileno(), self._headers, SLOTS, socket.MSG_DONTWAIT, None)
        if count < 0:
            number = ctypes.get_errno()
            if number in (errno.EAGAIN, errno.EINTR):
                return Received([], 0)
            raise OSError(number, os.strerror(number))
        data, sizes = self._data, self._sizes[:count].tolist()
        found = [data[i * SLOT : i * SLOT + size].tobytes() for i, size in enumerate(sizes)]
        flags = self._flags[:count].tolist()
        cut = [i for i, flag in enumerate(flags) if flag & socket.MSG_TRUNC] if any(flags) else []
        for i in cut:
            found[i] = found[i].rpartition(b"\n")[0]
        return Received(found, len(cut))
