"""Redis's protocol, as much of it as a check needs: one command, one answer, version 2 (RESP).

A command is an array of strings. An answer begins with a byte that tells its kind, and a line: a status, an error, a
number, or how many bytes or answers follow.

    *2\\r\\n$4\\r\\nINFO\\r\\n$3\\r\\nall\\r\\n    ->    $5043\\r\\n# Server\\r\\n...\\r\\n

Everything on a connection shares one deadline, which its owner moves: a server that lets an answer drip takes no longer
than one that is silent. After any trouble but an error that the server spelled out, where one answer ends and the next
begins is not known any more, and the connection is of no use.
"""

import socket
import ssl
from collections.abc import Sequence
from typing import Union

from outrider.checks.check import AnswerError, CheckError, RefusedError, SilentError
from outrider.checks.tls import TlsSettings
from outrider.model.clock import Clock, SystemClock

Reply = Union[bytes, int, None, list["Reply"]]  # noqa: UP007 - a type that names itself

LONGEST_LINE, LONGEST_STRING, LONGEST_ARRAY, DEEPEST = 64 * 1024, 16 << 20, 1 << 20, 8
"""What an answer may hold at most, in bytes, bytes, answers and arrays in arrays. A list of ten thousand clients takes
three megabytes; beyond these it is not Redis that speaks.
"""


CLOCK: Clock = SystemClock()


class ServerError(Exception):
    """The server understood, and refused: `code` is the first word (NOPERM, ERR), `words` the whole of it."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.code, self.words = words.partition(" ")[0], words


class Connection:
    """One connection to `where` (a host and a port, or the path of a Unix socket). Whatever happens on it has to happen
    before `deadline`, in seconds of CLOCK. Raises CheckError.
    """

    def __init__(self, where: tuple[str, int] | str, deadline: float, tls: TlsSettings | None) -> None:
        self.name = where if isinstance(where, str) else f"{where[0]}:{where[1]}"
        self.deadline = deadline
        self._tls = tls
        self._unread, self._heard = bytearray(), False
        self._socket = self._connect(where)
        if tls is not None:
            self._secure(tls, where[0] if isinstance(where, tuple) else None)

    def call(self, *words: str | bytes) -> Reply:
        """The answer to a command. Raises ServerError if it is an error, CheckError if there is none."""
        (reply,) = self.calls([words])
        if isinstance(reply, ServerError):
            raise reply
        return reply

    def calls(self, commands: Sequence[Sequence[str | bytes]]) -> list[Reply | ServerError]:
        """The answers to commands that are sent all at once. Raises CheckError if there are none."""
        try:
            self._socket.settimeout(self._left())
            self._socket.sendall(b"".join(map(_encoded, commands)))
            return [self._reply_or_error() for _ in commands]
        except TimeoutError:
            raise self._silence(f"{commands[0][0]!s} was not answered") from None
        except OSError as e:
            raise RefusedError(f"{self.name} cut the connection ({e.strerror or e})", self._guess()) from None

    def close(self) -> None:
        self._socket.close()

    def _connect(self, where: tuple[str, int] | str) -> socket.socket:
        try:
            if isinstance(where, tuple):
                return socket.create_connection(where, timeout=self._left())
            made = socket.socket(socket.AF_UNIX)
            try:
                made.settimeout(self._left())
                made.connect(where)
            except BaseException:
                made.close()
                raise
            return made
        except TimeoutError:
            raise self._silence("could not be reached") from None
        except OSError as e:
            raise RefusedError(f"no connection to {self.name}: {e.strerror or e}") from None

    def _secure(self, tls: TlsSettings, name: str | None) -> None:
        plain = self._socket
        try:
            plain.settimeout(self._left())
            self._socket = tls.context().wrap_socket(plain, server_hostname=name)
        except CheckError:
            plain.close()
            raise
        except TimeoutError:
            plain.close()
            cure = "does it speak TLS at this port?"
            raise SilentError(f"{self.name} did not finish the TLS handshake in time", cure) from None
        except ssl.SSLCertVerificationError as e:
            plain.close()
            cure = "give its authority in tls.ca, or the name that its certificate is for as host"
            raise RefusedError(f"the certificate of {self.name} is not trusted ({e.verify_message})", cure) from None
        except OSError as e:
            plain.close()
            cure = "does it expect TLS at this port, and a certificate of the client (tls.cert)?"
            raise RefusedError(f"no TLS with {self.name} ({e.strerror or e})", cure) from None

    def _reply_or_error(self) -> Reply | ServerError:
        try:
            return self._reply(0)
        except ServerError as e:
            return e

    def _reply(self, depth: int) -> Reply:
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            raise ServerError(rest.decode("utf-8", "replace"))
        if kind not in b":$*" or not _number(rest):
            raise self._strange(line)
        number = int(rest)
        if kind == b":":
            return number
        if number < 0:
            return None
        if kind == b"$" and number <= LONGEST_STRING:
            return self._take(number + 2)[:-2]
        if kind == b"*" and number <= LONGEST_ARRAY and depth < DEEPEST:
            return [self._reply(depth + 1) for _ in range(number)]
        raise self._strange(line)

    def _line(self) -> bytes:
        while (end := self._unread.find(b"\r\n")) < 0:
            if (self._unread and self._unread[0] not in b"+-:$*") or len(self._unread) > LONGEST_LINE:
                raise self._strange(bytes(self._unread))
            self._receive()
        return self._take(end + 2)[:-2]

    def _take(self, size: int) -> bytes:
        while len(self._unread) < size:
            self._receive()
        taken = bytes(self._unread[:size])
        del self._unread[:size]
        return taken

    def _receive(self) -> None:
        self._socket.settimeout(self._left())
        data = self._socket.recv(65536)
        if not data:
            raise RefusedError(f"{self.name} hung up before it had answered", self._guess())
        self._heard = True
        self._unread += data

    def _left(self) -> float:
        """Seconds until the deadline."""
        left = self.deadline - CLOCK.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _guess(self) -> str:
        """Why a server may have hung up on us without a word. With TLS 1.3 it can only then refuse a certificate."""
        if self._heard or (self._tls is not None and self._tls.cert is not None):
            return ""
        if self._tls is None:
            return "does it expect TLS? then set tls: {}"
        return "does it want a certificate of the client? then set tls.cert"

    def _silence(self, what: str) -> SilentError:
        return SilentError(f"{self.name}: {what} in time", "raise timeout if it is only slow")

    def _strange(self, said: bytes) -> AnswerError:
        return AnswerError(f"{self.name} does not speak the protocol of Redis (it says {said[:40]!r})")


def _encoded(words: Sequence[str | bytes]) -> bytes:
    parts = [word.encode() if isinstance(word, str) else word for word in words]
    return b"".join([b"*%d\r\n" % len(parts), *(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)])


def _number(text: bytes) -> bool:
    return len(text) < 20 and text.removeprefix(b"-").isdigit()
