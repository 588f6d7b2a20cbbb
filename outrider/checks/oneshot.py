"""One question to a server, over TCP, TLS or a Unix socket, and all that it says until it hangs up.

This is how ZooKeeper's four-letter words and HAProxy's runtime API speak: a connection for each question, and no
length ahead of the answer. The question and the answer share one deadline, so that a server which lets its answer drip
costs no more than one that is silent.
"""

import contextlib

from outrider.checks.check import AnswerError
from outrider.checks.stream import Stream, Where
from outrider.checks.tls import TlsSettings


def ask(where: Where, question: bytes, deadline: float, most: int, tls: TlsSettings | None = None) -> bytes:
    """What the server at `where` says to `question` until it hangs up. Raises RefusedError, SilentError after
    `deadline` (monotonic seconds), and AnswerError for nothing at all, or more than `most` bytes.
    """
    with contextlib.closing(_Once(where, deadline, tls)) as connection:
        return connection.answer(question, most)


class _Once(Stream):
    """A connection for one question."""

    def answer(self, question: bytes, most: int) -> bytes:
        asked, said = question.decode().strip(), bytearray()
        try:
            self._send(question)
            while part := self._part():
                said += part
                if len(said) > most:
                    raise AnswerError(f"{self.name} answers {asked} with more than {most} bytes")
        except TimeoutError:
            # Four letters are too short for a server that waits for the first five bytes of TLS.
            raise self._silence(f"the answer to {asked} was not finished", self._guess()) from None
        except OSError as e:
            raise self._cut(e) from None
        if not said:
            raise AnswerError(f"{self.name} hung up on {asked} without a word", self._guess())
        return bytes(said)
