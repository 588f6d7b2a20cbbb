"""Series, service checks and events on their way to the DogStatsD server of an Agent, with the package `datadog`.

The Agent stores them under its own key and host; nothing comes back. The package drops what it cannot send and goes on;
here that ends the attempt, and the same payload is tried again later. That works because every value carries its time
(`|T`, DogStatsD protocol 1.3): the Agent, 7.40 or later, takes it as it is, without adding up what comes within ten
seconds, and a repeat says the same again.

What can be noticed depends on the way: over a unix socket, that nobody is there or that the Agent does not read; over
UDP, that the port is closed, since the kernel of the node says so after the first datagram.

Increases are counts, and rates are gauges: the protocol has no rate per second that was reckoned already. Nor has it a
time for the values of a distribution, which are taken as of their arrival, or for a sketch, of which the values are
sent that its bins stand for, up to MAX_VALUES of them.
"""

import logging
import socket
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlsplit

from datadog.dogstatsd.base import DogStatsd

from outrider.exporters.answer import Answer, Verdict
from outrider.exporters.datadog.conversion import MAX_VALUES, OLDEST, OLDEST_EVENT, OLDEST_SERVICE_CHECK, Series, Told
from outrider.exporters.datadog.metrics_api import MAX_KEY, MAX_MESSAGE, MAX_TEXT, MAX_TITLE, written
from outrider.exporters.datadog.names import metric_tag
from outrider.exporters.metric_destination import Payload
from outrider.model.bins import spread
from outrider.model.points import Event, ServiceCheck, Sketch

TIMEOUT = 5.0
"""Seconds for which an Agent may leave a full socket unread."""
MAX_ITEMS = 1000
"""Items of one payload, which is what is sent again if it did not go through."""
MAX_DATAGRAM = 8000
"""Bytes of an event, nearly: the Agent reads 8,192 at a time, and the package refuses to send more."""
_NEVER = 10**9
_Item = Series | Told

# It says of every datagram what the answer says once.
logging.getLogger("datadog.dogstatsd").setLevel(logging.CRITICAL)


class Statsd:
    """Sends to the server at `address`: `udp://host:port`, `unix:///path`, `unixgram://` or `unixstream://`. Used by
    one thread.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: DogStatsd | None = None

    def of_series(self, series: Sequence[Series]) -> Iterator[Payload]:
        yield from _payloads("points", sorted(series, key=lambda one: one.time), OLDEST)

    def of_service_checks(self, checks: Sequence[Told]) -> Iterator[Payload]:
        yield from _payloads("service_checks", checks, OLDEST_SERVICE_CHECK)

    def of_events(self, events: Sequence[Told]) -> Iterator[Payload]:
        yield from _payloads("events", events, OLDEST_EVENT)

    def send(self, payload: Payload) -> Answer:
        """One attempt."""
        self._client = client = self._client or _client(self._address)
        try:
            answer = self._sent(client, payload.body)
        except OSError as e:
            answer = Answer(Verdict.RETRY, f"no DogStatsD server at {self._address}: {e.strerror or e}")
        if answer.verdict is Verdict.RETRY:
            self.close()  # with it goes what the package still holds of this payload
        return answer

    def _sent(self, client: DogStatsd, items: Iterable[_Item]) -> Answer:
        """Raises OSError if there is nobody."""
        connection = client.get_socket()
        dropped = client.packets_dropped_writer
        rejected: dict[int, str] = {}
        for i, item in enumerate(items):
            try:
                _write(client, item)
            except ValueError as e:  # an event with more tags than fit
                rejected[i] = str(e)
            if client.packets_dropped_writer != dropped:
                break
        else:
            client.flush_buffered_metrics()
        if client.packets_dropped_writer != dropped:
            return Answer(Verdict.RETRY, f"the DogStatsD server at {self._address} does not read, or hung up")
        if error := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, "nobody listens on the port")
        return Answer(Verdict.PARTIAL if rejected else Verdict.ACCEPTED, rejected=rejected)

    def close(self) -> None:
        """Give back the socket."""
        if self._client is not None:
            self._client.close_socket()
            self._client = None


def _client(address: str) -> DogStatsd:
    """A client that keeps several values for one datagram, does nothing by itself, and counts what it drops, which it
    does only as part of the telemetry that it would also send from time to time.
    """
    parts = urlsplit(address)
    client = DogStatsd(
        host=parts.hostname if parts.scheme == "udp" else None,
        port=parts.port if parts.scheme == "udp" else None,
        socket_path=None if parts.scheme == "udp" else address,
        disable_buffering=False,
        flush_interval=0,
        telemetry_min_flush_interval=_NEVER,
        socket_timeout=TIMEOUT,
        origin_detection_enabled=False,
        track_instance=False,
    )
    client.constant_tags = []  # DD_ENV and others are of this program, not of what it measures
    return client


def _payloads(what: str, items: Sequence[_Item], oldest: int) -> Iterator[Payload]:
    for i in range(0, len(items), MAX_ITEMS):
        some = tuple(items[i : i + MAX_ITEMS])
        size = sum(_size(item) for item in some)
        yield Payload(what, len(some), some, size, min(item.time for item in some) + oldest)


def _size(item: _Item) -> int:
    """Bytes, about, that it takes in memory."""
    value = item.value if isinstance(item, Series) else 0
    values = len(value) if isinstance(value, tuple) else len(value.bins) if isinstance(value, Sketch) else 0
    return 200 + sum(map(len, item.tags)) + 32 * values


def _write(client: DogStatsd, item: _Item) -> None:
    """Raises ValueError for an event that is too large."""
    tags = list(item.tags)
    if isinstance(item, Series):
        value = item.value
        _write_series(client, item, spread(value, MAX_VALUES) if isinstance(value, Sketch) else value, tags)
    elif isinstance(item.what, ServiceCheck):
        check, message = item.what, written(item.what.message)[:MAX_MESSAGE]
        client.service_check(check.name, int(check.status), tags, item.time, hostname=item.host, message=message)
    else:
        _write_event(client, item.what, item, tags)


def _write_series(client: DogStatsd, series: Series, value: float | tuple[float, ...], tags: list[str]) -> None:
    if isinstance(value, tuple):
        for one in value:
            client.distribution(series.name, one, tags)
    elif series.type == "count":
        client.count_with_timestamp(series.name, value, series.time, tags)
    else:
        client.gauge_with_timestamp(series.name, value, series.time, tags)


def _write_event(client: DogStatsd, event: Event, told: Told, tags: list[str]) -> None:
    title = written(event.title)[:MAX_TITLE]
    text = written(event.text)[:MAX_TEXT]
    others = len(title.encode()) + len(",".join(tags).encode()) + 300
    text = text.encode()[: max(MAX_DATAGRAM - others - text.count("\n"), 0)].decode("utf-8", "ignore")
    client.event(
        title,
        text,
        alert_type=event.alert,
        aggregation_key=metric_tag(event.aggregation_key)[:MAX_KEY],
        date_happened=told.time,
        priority=event.priority if event.priority != "normal" else None,
        source_type_name=event.source_type or None,
        tags=tags,
        hostname=told.host,
    )
