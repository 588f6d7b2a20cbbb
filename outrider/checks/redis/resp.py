"""Redis's protocol, as much of it as a check needs: one command, one answer, version 2 (RESP).

A command is an array of strings. An answer begins with a byte that tells its kind, and a line: a status, an error, a
number, or how many bytes or answers follow.

    *2\\r\\n$4\\r\\nINFO\\r\\n$3\\r\\nall\\r\\n    ->    $5043\\r\\n# Server\\r\\n...\\r\\n

After any trouble but an error that the server spelled out, where one answer ends and the next begins is not known any
more, and the connection is of no use.
"""

from collections.abc import Sequence
from typing import Union

from outrider.checks.check import AnswerError
from outrider.checks.stream import Stream

Reply = Union[bytes, int, None, list["Reply"]]  # noqa: UP007 - a type that names itself

LONGEST_LINE, LONGEST_STRING, LONGEST_ARRAY, DEEPEST = 64 * 1024, 16 << 20, 1 << 20, 8
"""What an answer may hold at most, in bytes, bytes, answers and arrays in arrays. A list of ten thousand clients takes
three megabytes; beyond these it is not Redis that speaks.
"""


class ServerError(Exception):
    """The server understood, and refused: `code` is the first word (NOPERM, ERR), `words` the whole of it."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.code, self.words = words.partition(" ")[0], words


class Connection(Stream):
    """A connection to a Redis."""

    def call(self, *words: str | bytes) -> Reply:
        """The answer to a command. Raises ServerError if it is an error, CheckError if there is none."""
        (reply,) = self.calls([words])
        if isinstance(reply, ServerError):
            raise reply
        return reply

    def calls(self, commands: Sequence[Sequence[str | bytes]]) -> list[Reply | ServerError]:
        """The answers to commands that are sent all at once. Raises CheckError if there are none."""
        try:
            self._send(b"".join(map(_encoded, commands)))
            return [self._reply_or_error() for _ in commands]
        except TimeoutError:
            raise self._silence(f"{commands[0][0]!s} was not answered") from None
        except OSError as e:
            raise self._cut(e) from None

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

    def _strange(self, said: bytes) -> AnswerError:
        return AnswerError(f"{self.name} does not speak the protocol of Redis (it says {said[:40]!r})")


def _encoded(words: Sequence[str | bytes]) -> bytes:
    parts = [word.encode() if isinstance(word, str) else word for word in words]
    return b"".join([b"*%d\r\n" % len(parts), *(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)])


def _number(text: bytes) -> bool:
    return len(text) < 20 and text.removeprefix(b"-").isdigit()
