"""One connection to one broker: frames out, frames back in the same order, and who we are before all else.

A frame is its length, the number of the request, and the message; several requests may be on their way at once. First
of all the broker tells which versions it has of what, since one that is asked in another hangs up without a word.

Everything on a connection shares one deadline, which its owner moves. After any trouble where one answer ends and the
next begins is not known any more, and the connection is of no use.
"""

from collections.abc import Sequence
from typing import TypeVar

from outrider.checks.check import AnswerError, DeniedError
from outrider.checks.kafka.errors import UNSUPPORTED_MECHANISM, trouble
from outrider.checks.kafka.messages import Authenticated, Request, api_versions, sasl_authenticate, sasl_handshake
from outrider.checks.kafka.sasl import SaslError, Scram, plain
from outrider.checks.kafka.settings import SaslSettings
from outrider.checks.kafka.wire import Reader, WireError, int16, int32, string
from outrider.checks.stream import Stream
from outrider.checks.tls import TlsSettings
from outrider.config.secrets import SecretError

T = TypeVar("T")

CLIENT = "outrider"
LARGEST = 64 << 20
"""Bytes of an answer."""
AT_ONCE = 64
"""Requests on their way. They are small, so that they never wait for us to read answers."""


class NotOfferedError(AnswerError):
    """The broker does not have this API, or not in a version that we speak."""


class Connection(Stream):
    """A connection to the broker at `address`. Whatever happens on it has to happen before `deadline`, in seconds of
    `stream.CLOCK`. Raises CheckError.
    """

    def __init__(
        self, address: tuple[str, int], deadline: float, tls: TlsSettings | None, sasl: SaslSettings | None
    ) -> None:
        self._sasl = sasl
        self._number = 0
        self._versions: dict[int, tuple[int, int]] | None = None
        super().__init__(address, deadline, tls)
        try:
            self._versions = self.call(api_versions())
            if sasl is not None:
                self._log_in(sasl)
        except BaseException:
            self.close()
            raise

    def call(self, request: Request[T]) -> T:
        """The answer to a request."""
        return self.calls([request])[0]

    def calls(self, requests: Sequence[Request[T]]) -> list[T]:
        """The answers to requests, of which several are sent at once."""
        answers: list[T] = []
        for i in range(0, len(requests), AT_ONCE):
            answers += self._at_once(requests[i : i + AT_ONCE])
        return answers

    def _at_once(self, requests: Sequence[Request[T]]) -> list[T]:
        for request in requests:
            self._look_up(request)
        first = self._number + 1
        try:
            self._send(b"".join(map(self._framed, requests)))
            return [self._answer(request, first + i) for i, request in enumerate(requests)]
        except TimeoutError:
            raise self._silence(f"{requests[0].name} was not answered") from None
        except OSError as e:
            raise self._cut(e) from None

    def _look_up(self, request: Request[T]) -> None:
        """Raises NotOfferedError if the broker would not understand."""
        if self._versions is None:
            return
        low, high = self._versions.get(request.key, (0, -1))
        if not low <= request.version <= high:
            raise NotOfferedError(f"{self.name} has no {request.name} in version {request.version}")

    def _framed(self, request: Request[T]) -> bytes:
        self._number += 1
        head = int16(request.key) + int16(request.version) + int32(self._number) + string(CLIENT)
        return int32(len(head) + len(request.body)) + head + request.body

    def _answer(self, request: Request[T], number: int) -> T:
        head = self._take(8)
        size, told = int.from_bytes(head[:4], signed=True), int.from_bytes(head[4:], signed=True)
        if not 4 <= size <= LARGEST or told != number:
            raise AnswerError(f"{self.name} does not speak the protocol of Kafka (it says {head!r})")
        try:
            return request.decode(Reader(self._take(size - 4)))
        except WireError as e:
            raise AnswerError(f"{self.name} answers {request.name} with what is no answer ({e})") from None

    def _log_in(self, sasl: SaslSettings) -> None:
        try:
            password = sasl.password.read()
        except SecretError as e:
            raise DeniedError(f"no password for {self.name}", str(e)) from None
        shaken = self.call(sasl_handshake(sasl.mechanism))
        if shaken.error == UNSUPPORTED_MECHANISM:
            cure = f"set sasl.mechanism to one of its own: {', '.join(shaken.mechanisms)}"
            raise DeniedError(f"{self.name} does not take {sasl.mechanism}", cure)
        if shaken.error:
            raise trouble(shaken.error, self.name, "SaslHandshake")
        try:
            if sasl.mechanism == "PLAIN":
                self._show(plain(sasl.username, password), sasl)
                return
            scram = Scram(sasl.mechanism, sasl.username, password)
            final = scram.final(self._show(scram.first(), sasl))
            scram.verify(self._show(final, sasl))
        except SaslError as e:
            raise DeniedError(f"{self.name} cannot be trusted with {sasl.username}: {e}") from None

    def _show(self, data: bytes, sasl: SaslSettings) -> bytes:
        said: Authenticated = self.call(sasl_authenticate(data))
        if said.error:
            cure = "correct sasl.username or sasl.password"
            raise DeniedError(f"{self.name} refuses the user {sasl.username} ({said.message[:200]})", cure)
        return said.data

    def _guess(self) -> str:
        """A broker says its versions to everybody, and hangs up at the next request of whoever has not logged in."""
        if self._versions is None:
            return super()._guess()
        return "does it ask for a user? then set sasl" if self._sasl is None else ""
