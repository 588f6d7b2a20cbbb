"""Memcached's text protocol, as much of it as a check needs: `stats`, and how a user is known.

    stats slabs\\r\\n    ->    STAT 1:chunk_size 96\\r\\n ... STAT active_slabs 1\\r\\nEND\\r\\n

A user is known by storing their name and password under any key, as the first command of the connection (`-Y`).
"""

from outrider.checks.check import AnswerError, DeniedError, RefusedError
from outrider.checks.stream import Stream

_BINARY = "does it take the binary protocol alone (-S, -B binary)? The check speaks the text protocol"
LONGEST_LINE, MOST = 2048, 20_000
"""Bytes of a line, and lines of an answer: 63 slab classes with 20 numbers each, and as much again to grow."""


class ServerError(Exception):
    """The server understood, and refused; or it has no such command."""


class Connection(Stream):
    """A connection to a memcached."""

    def log_in(self, username: str, password: str) -> None:
        """Raises DeniedError, CheckError."""
        pair = f"{username} {password}".encode()
        said = self._ask(b"set auth 0 0 %d\r\n%b\r\n" % (len(pair), pair), "set")
        if said != b"STORED":
            words = f"{self.name} does not take the password of the user {username}"
            raise DeniedError(words, f"correct password or username (it says {said[:80].decode('ascii', 'replace')!r})")

    def stats(self, about: str = "") -> dict[str, str]:
        """The answer to `stats`. Raises ServerError if it is an error, CheckError if there is none."""
        command = f"stats {about}".rstrip()
        try:
            found: dict[str, str] = {}
            lines = 0
            self._send(f"{command}\r\n".encode())
            while (line := self._line()) != b"END":
                word, _, rest = line.partition(b" ")
                name, _, value = rest.decode("utf-8", "replace").partition(" ")
                if word in (b"ERROR", b"CLIENT_ERROR", b"SERVER_ERROR"):
                    raise ServerError(line.decode("utf-8", "replace"))
                lines += 1
                if word != b"STAT" or lines > MOST:
                    raise self._strange(line)
                found[name] = value
            return found
        except TimeoutError:
            raise self._silence(f"{command} was not answered", _BINARY) from None
        except OSError as e:
            raise self._cut(e) from None

    def _ask(self, request: bytes, command: str) -> bytes:
        try:
            self._send(request)
            return self._line()
        except TimeoutError:
            raise self._silence(f"{command} was not answered", _BINARY) from None
        except OSError as e:
            raise self._cut(e) from None

    def _line(self) -> bytes:
        while (end := self._unread.find(b"\r\n")) < 0:
            if len(self._unread) > LONGEST_LINE:
                raise self._strange(bytes(self._unread))
            self._receive()
        return self._take(end + 2)[:-2]

    def _strange(self, said: bytes) -> AnswerError:
        return AnswerError(f"{self.name} does not speak memcached's text protocol (it says {said[:40]!r})")


def trouble(error: ServerError, name: str) -> DeniedError | RefusedError | AnswerError:
    """What it means that the server called `name` answered `stats` with `error`."""
    words = str(error)
    if "unauthenticated" in words or "authentication" in words:
        return DeniedError(f"{name} asks for a user", "set username and password, as in its file of users (-Y)")
    if "Too many open connections" in words:
        return RefusedError(f"{name} has as many connections as it takes", "raise its limit (-c)")
    return AnswerError(f"{name} answers stats with: {words[:200]}")
