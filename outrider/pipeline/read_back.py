"""Waiting until a vendor shows what was sent to it.

It is asked at once, and then at growing pauses, since vendors count questions too (Datadog's search: 300 in an hour).
"""

import threading
from typing import Any, NamedTuple

from outrider.config import Config, Datadog, Stackdriver
from outrider.exporters.reading import Reader, ReadError
from outrider.model.clock import Clock
from outrider.pipeline.destinations import key_file
from outrider.pipeline.trial import SentLog, SentPoint

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
"""Seconds between two questions."""


class Found(NamedTuple):
    """What the vendor shows, in its own words, and after how many seconds."""

    what: Any
    seconds: float


def reader(
    config: Config, project: str, name: str, sent: SentLog | SentPoint, application_key: str | None, grpc: str | None
) -> Reader:
    """Asks `exporters.<name>` for what was `sent` to it. `application_key` is Datadog's, `grpc` where Google's
    Monitoring API speaks it, if not at the exporter's endpoint. Raises ReadError.
    """
    exporter = config.exporters[name]
    if isinstance(exporter, Datadog):
        from outrider.exporters.datadog.read_back import Api

        api = Api(exporter.metrics_endpoint, exporter.api_key, application_key, exporter.tls.ca)
        return api.log(sent.entry) if isinstance(sent, SentLog) else api.point(sent.name, sent.time)
    if isinstance(exporter, Stackdriver):
        from outrider.exporters.stackdriver.read_back import Clients

        credentials = exporter.credentials if isinstance(exporter.credentials, str) else key_file(exporter)
        assert credentials is not None, "the configuration takes no other secret here"
        clients = Clients(exporter.project or project, credentials, exporter.tls.ca)
        if isinstance(sent, SentLog):
            return clients.entry(exporter.logs_endpoint, sent.entry)
        return clients.point(exporter.metrics_endpoint, sent.name, sent.time, grpc)
    raise ReadError(f"from an exporter of the kind {exporter.kind} nothing can be read back")


def read_back(ask: Reader, within: float, clock: Clock) -> Found:
    """What `ask` finds, asked again for so many seconds. Raises ReadError."""
    began, pause, last = clock.monotonic(), FIRST_PAUSE, "the vendor does not show it yet"
    never = threading.Event()
    while True:
        try:
            found = ask()
            if found is not None:
                return Found(found, clock.monotonic() - began)
        except ReadError as e:
            if not e.passing:
                raise
            last = str(e)
        left = began + within - clock.monotonic()
        if left <= 0:
            raise ReadError(f"not to be read within {within:g} s: {last}")
        clock.wait(never, min(pause, left))
        pause = min(pause * 2, LONGEST_PAUSE)
