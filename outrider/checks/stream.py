"""A connection to a server that speaks a protocol of lines or of bytes, with a deadline that its owner moves.

Everything on it shares the deadline, so that a server that lets an answer drip takes no longer than one that is silent.
Whatever goes wrong on the way becomes the error that a person can act on: nobody listens, no answer in time, a
certificate that is not trusted, somebody who hangs up on a client that did not speak TLS.
"""

import socket
import ssl

from outrider.checks.check import CheckError, RefusedError, SilentError
from outrider.checks.tls import TlsSettings
from outrider.model.clock import Clock, SystemClock

CLOCK: Clock = SystemClock()

Where = tuple[str, int] | str
"""A host and a port, or the path of a Unix socket."""


def called(where: Where) -> str:
    """What the server there is called in messages."""
    return where if isinstance(where, str) else f"{where[0]}:{where[1]}"


def connect(where: Where, seconds: float) -> socket.socket:
    """A socket that is connected. Raises TimeoutError after so many seconds, RefusedError."""
    try:
        if isinstance(where, tuple):
            return socket.create_connection(where, timeout=seconds)
        made = socket.socket(socket.AF_UNIX)
        try:
            made.settimeout(seconds)
            made.connect(where)
        except BaseException:
            made.close()
            raise
        return made
    except TimeoutError:
        raise
    except OSError as e:
        raise RefusedError(f"no connection to {called(where)}: {e.strerror or e}") from None


def no_tls(name: str, e: OSError) -> CheckError:
    """What it means that TLS with the server called `name` came to nothing."""
    if isinstance(e, TimeoutError):
        cure = "does it speak TLS at this port?"
        return SilentError(f"{name} did not finish the TLS handshake in time", cure)
    if isinstance(e, ssl.SSLCertVerificationError):
        cure = "give its authority in tls.ca, or the name that its certificate is for as host"
        return RefusedError(f"the certificate of {name} is not trusted ({e.verify_message})", cure)
    cure = "does it expect TLS at this port, and a certificate of the client (tls.cert)?"
    return RefusedError(f"no TLS with {name} ({e.strerror or e})", cure)


class Stream:
    """One connection to `where`. Whatever happens on it has to happen before `deadline`, in seconds of CLOCK. Raises
    CheckError.
    """

    def __init__(self, where: Where, deadline: float, tls: TlsSettings | None) -> None:
        self.name = called(where)
        self.deadline = deadline
        self._where, self._tls = where, tls
        self._unread, self._heard = bytearray(), False
        try:
            self._socket = connect(where, self._left())
        except TimeoutError:
            raise self._silence("could not be reached") from None
        if tls is not None:
            self._secure(tls, where[0] if isinstance(where, tuple) else None)

    def close(self) -> None:
        self._socket.close()

    def _secure(self, tls: TlsSettings, name: str | None) -> None:
        plain = self._socket
        try:
            plain.settimeout(self._left())
            self._socket = tls.context().wrap_socket(plain, server_hostname=name)
        except CheckError:
            plain.close()
            raise
        except OSError as e:
            plain.close()
            raise no_tls(self.name, e) from None

    def _send(self, data: bytes) -> None:
        """Raises OSError, TimeoutError."""
        self._socket.settimeout(self._left())
        self._socket.sendall(data)

    def _take(self, size: int) -> bytes:
        while len(self._unread) < size:
            self._receive()
        taken = bytes(self._unread[:size])
        del self._unread[:size]
        return taken

    def _receive(self) -> None:
        """More of what is unread. Raises OSError, TimeoutError, RefusedError."""
        data = self._part()
        if not data:
            raise RefusedError(f"{self.name} hung up before it had answered", self._guess())
        self._unread += data

    def _part(self) -> bytes:
        """What comes next; nothing if the server has hung up. Raises OSError, TimeoutError."""
        self._socket.settimeout(self._left())
        data = self._socket.recv(65536)
        self._heard = self._heard or bool(data)
        return data

    def _left(self) -> float:
        """Seconds until the deadline."""
        left = self.deadline - CLOCK.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _cut(self, e: OSError) -> CheckError:
        return RefusedError(f"{self.name} cut the connection ({e.strerror or e})", self._guess())

    def _silence(self, what: str, unheard: str = "") -> SilentError:
        """`unheard`: what a server may be waiting for that has not said a word."""
        slow = "raise timeout if it is only slow"
        cure = f"{unheard}; {slow}" if unheard and not self._heard else slow
        return SilentError(f"{self.name}: {what} in time", cure)

    def _guess(self) -> str:
        """Why a server may have hung up on us without a word. With TLS 1.3 it can only then refuse a certificate."""
        if self._heard or (self._tls is not None and self._tls.cert is not None):
            return ""
        if self._tls is None:
            return "does it expect TLS? then set tls: {}" if isinstance(self._where, tuple) else ""
        return "does it want a certificate of the client? then set tls.cert"
