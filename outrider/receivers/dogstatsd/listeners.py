"""The sockets of the DogStatsD server: UDP, unix datagrams, and unix streams, of which every frame has its length in
front (32 bits, little-endian).

    udp://127.0.0.1:8125    unix:///var/run/datadog/dsd.socket (or unixgram://)    unixstream:///var/run/datadog/dsd.sock

A unix socket is a file. One that a program left behind that is no more is taken over; one that somebody listens at is
not. Whoever may write to it may send, so everybody may: programs of a pod run under users of all kinds.

UDP loses what has no room. The room is what the kernel allows (net.core.rmem_max), or more with CAP_NET_ADMIN; what
was lost it counts, and so do we.
"""

import contextlib
import errno
import logging
import os
import socket
import stat
import struct
from collections.abc import Callable
from urllib.parse import urlsplit

log = logging.getLogger(__name__)

RECEIVE_BUFFER = 8 << 20
"""Bytes that a socket may hold, if the kernel allows it."""
MAX_FRAME = 64 * 1024
"""Bytes of a frame of a stream. Clients send 8 KiB."""
MAX_CONNECTIONS = 512
"""Streams at a time."""
_SO_RCVBUFFORCE = 33
_BEHIND = 0o722
"""The Agent's mode of its socket: who has it may write."""


class Listener:
    """One socket that is listened at. `sock` is not blocking. Raises OSError if the address cannot be had."""

    def __init__(self, address: str) -> None:
        self.address = address
        parts = urlsplit(address)
        self.kind = {"unix": "unixgram"}.get(parts.scheme, parts.scheme)
        self._path = parts.path if self.kind != "udp" else ""
        self._lost = 0
        if self.kind == "udp":
            self.sock = _udp(parts.hostname or "", parts.port or 0)
        else:
            self.sock = _unix(self._path, socket.SOCK_STREAM if self.kind == "unixstream" else socket.SOCK_DGRAM)
        self.sock.setblocking(False)
        if self.kind != "unixstream":
            _enlarge(self.sock, address)

    def __str__(self) -> str:
        """The address, with the port that is listened at."""
        if self.kind != "udp":
            return self.address
        host, _, _ = self.address.rpartition(":")
        return f"{host}:{self.sock.getsockname()[1]}"

    def newly_lost(self) -> int:
        """Datagrams that the kernel had no room for since the last time."""
        if self.kind != "udp":
            return 0  # who writes to a unix socket waits, or is told
        now = _drops(self.sock)
        lost, self._lost = now - self._lost, now
        return lost

    def close(self) -> None:
        self.sock.close()
        if self._path:
            with contextlib.suppress(OSError):
                os.unlink(self._path)


class Stream:
    """One connection of a unix stream: bytes in, frames out."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        sock.setblocking(False)
        self._held = bytearray()

    def read(self, take: Callable[[bytes], None]) -> bool:
        """Hand the frames that are whole to `take`. False: the connection is over. Raises ValueError for a frame that
        is none, after which nothing in it makes sense, and for half a one at the end.
        """
        try:
            data = self.sock.recv(1 << 18)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            if self._held:
                raise ValueError("the connection ends within a frame")
            return False
        held = self._held
        held += data
        at = 0
        while len(held) - at >= 4:
            (size,) = struct.unpack_from("<I", held, at)
            if size > MAX_FRAME:
                raise ValueError(f"a frame of {size:,} bytes")
            if len(held) - at - 4 < size:
                break
            take(bytes(held[at + 4 : at + 4 + size]))
            at += 4 + size
        del held[:at]
        return True


def _udp(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def _unix(path: str, kind: socket.SocketKind) -> socket.socket:
    _make_way(path, kind)
    sock = socket.socket(socket.AF_UNIX, kind)
    try:
        sock.bind(path)
        os.chmod(path, _BEHIND)
        if kind == socket.SOCK_STREAM:
            sock.listen(128)
    except OSError:
        sock.close()
        raise
    return sock


def _make_way(path: str, kind: socket.SocketKind) -> None:
    """Remove the socket of a program that is no more. Raises OSError if there is something else."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise FileExistsError(errno.EEXIST, "a file that is no socket is in the way", path)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return
    with socket.socket(socket.AF_UNIX, kind) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except OSError as e:
            if e.errno != errno.EPROTOTYPE:
                raise
    raise OSError(errno.EADDRINUSE, "another program listens at this socket", path)


def _enlarge(sock: socket.socket, address: str) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    room = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # the kernel doubles what it is asked for
    if room < RECEIVE_BUFFER:
        log.info("dogstatsd %s: holds %d bytes; a higher net.core.rmem_max loses less in a flood", address, room)


def _drops(sock: socket.socket) -> int:
    """What the kernel says that it has lost at a UDP socket (Documentation/networking/proc: the last column)."""
    try:
        inode = str(os.fstat(sock.fileno()).st_ino)
        with open(f"/proc/self/net/udp{'6' if sock.family == socket.AF_INET6 else ''}", encoding="ascii") as f:
            rows = (line.split() for line in f)
            return next((int(row[-1]) for row in rows if len(row) > 9 and row[9] == inode), 0)
    except (OSError, ValueError):
        return 0
