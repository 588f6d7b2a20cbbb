"""The check of a `Ticker`."""

import json
import socket
from typing import Annotated, ClassVar

from outrider.checks.check import AnswerError, CheckSettings, DeniedError, Reading
from outrider.config import Secret
from outrider.config.shape import Doc, Hidden, Int


class TickerSettings(CheckSettings, frozen=True, kw_only=True):
    """A server that ticks."""

    port: Annotated[int, Int(1, 65535), Doc("Port of the server.")] = 7777
    password: Annotated[Secret | None, Hidden(), Doc("Password.")] = None


class TickerCheck:
    Settings: ClassVar[type[CheckSettings]] = TickerSettings
    can_connect: ClassVar[str] = "ticker.can_connect"

    def __init__(self, settings: TickerSettings) -> None:
        self._settings = settings

    def read(self, reading: Reading) -> None:
        reading.instance(port=self._settings.port)
        if self._settings.password is not None:
            self._settings.password.read()
        with socket.create_connection(("127.0.0.1", self._settings.port), timeout=self._settings.timeout) as s:
            said = json.loads(s.makefile().readline())
        if "error" in said:
            raise DeniedError(said["error"], "give it the right one")
        if not isinstance(said, dict):
            raise AnswerError("this is no ticker")
        for key in ("ticks", "hands"):
            reading.add(key, said.get(key))
        reading.add("swings", said["swings"] / said["beats"] if "beats" in said else None)
        reading.lacks("springs", "the server has none")

    def close(self) -> None:
        """Nothing is kept."""
