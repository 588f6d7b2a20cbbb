"""The check `rabbitmq`: the management API of a broker and its Prometheus plugin, whichever are there.

The Agent's check reads one or the other; its dashboards and monitors ask for names of both. A broker whose API cannot
be read is still asked through its plugin, and the trouble with the API is told after that.
"""

import time
from typing import ClassVar

from outrider.checks.check import CheckError, Reading, SilentError
from outrider.checks.rabbitmq.broker import Broker
from outrider.checks.rabbitmq.plugin import Plugin
from outrider.checks.rabbitmq.settings import RabbitmqSettings


class RabbitmqCheck:
    """Reads one broker."""

    Settings: ClassVar = RabbitmqSettings
    can_connect = "rabbitmq.status"

    def __init__(self, settings: RabbitmqSettings) -> None:
        self._timeout = settings.timeout
        self._broker = None if settings.url is None else Broker(settings.url, settings)
        self._plugin = None if settings.prometheus_url == "none" else Plugin(settings)

    def read(self, reading: Reading) -> None:
        """Raises CheckError."""
        deadline = time.monotonic() + self._timeout
        trouble: CheckError | None = None
        if self._broker is not None:
            try:
                self._broker.read(reading, deadline)
            except SilentError:
                raise  # it has used up the time of the plugin too
            except CheckError as e:
                trouble = e
        if self._plugin is not None:
            try:
                self._plugin.read(reading, deadline)
            except CheckError as e:
                trouble = trouble or e
        if trouble is not None:
            raise trouble

    def close(self) -> None:
        for source in (self._broker, self._plugin):
            if source is not None:
                source.close()
