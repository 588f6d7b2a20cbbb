"""Datadog's metrics API as far as an exporter sees it, on loopback: it unpacks what arrives, has the model classes of
the official client (`datadog-api-client`) judge it, applies the limits, and keeps it. What it answers can be told, as
for the `Sink`:

    with DatadogApi() as api:
        api.next(Fault(503), Fault(HANG))      # the next two requests, one each
        api.series, api.service_checks, api.events

What no client may send is a complaint.
"""

import gzip
import json
import socket
import struct
import threading
import zlib
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from backports import zstd
from datadog_api_client.configuration import Configuration
from datadog_api_client.model_utils import validate_and_convert_types
from datadog_api_client.v1.model.distribution_points_payload import DistributionPointsPayload
from datadog_api_client.v1.model.event_create_request import EventCreateRequest
from datadog_api_client.v1.model.service_checks import ServiceChecks
from datadog_api_client.v2.model.metric_payload import MetricPayload

from tests.support.http_server import Handler, Server
from tests.support.sink import HANG, LOST_ACK, RESET, Fault
from tests.support.sketches import sketch_payload

SERIES, CHECK_RUN, EVENTS = "/api/v2/series", "/api/v1/check_run", "/api/v1/events"
DISTRIBUTIONS, SKETCHES = "/api/v1/distribution_points", "/api/beta/sketches"
MODELS = {
    SERIES: MetricPayload,
    CHECK_RUN: ServiceChecks,
    EVENTS: EventCreateRequest,
    DISTRIBUTIONS: DistributionPointsPayload,
}
MOST_PACKED, MOST_UNPACKED = 512_000, 5_242_880
CODINGS = {"identity": bytes, "gzip": gzip.decompress, "deflate": zlib.decompress, "zstd": zstd.decompress}


def judge(path: str, plain: Any) -> list[str]:
    """What the official client's model of the request to `path` does not know or would not take."""
    made = validate_and_convert_types(plain, (MODELS[path],), ["body"], True, True, Configuration())
    return list(_unknown(made, "body"))


def _unknown(made: Any, where: str) -> Any:
    if getattr(made, "_unparsed", False):
        yield f"{where}: {str(made)[:100]}"
    elif isinstance(made, list):
        for i, one in enumerate(made):
            yield from _unknown(one, f"{where}[{i}]")
    elif hasattr(made, "openapi_types"):
        for name, value in (getattr(made, "_data_store", None) or {}).items():
            if name not in made.openapi_types:
                yield f"{where}.{name} is not in the model"
            yield from _unknown(value, f"{where}.{name}")


@dataclass(frozen=True)
class Request:
    """One request that came in; `plain` is its JSON."""

    path: str
    headers: dict[str, str]
    packed: int
    unpacked: int
    plain: Any


class DatadogApi:
    """The server; attributes may be set while it runs."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        """All, whatever became of them."""
        self.stored: list[Request] = []
        self.complaints: list[str] = []
        self.says: Any = {"errors": []}
        """The body of the answer to what is accepted."""
        self.release = threading.Event()
        self._script: list[Fault] = []
        self._server = Server(type("Handler", (_Handler,), {"api": self}))

    def __enter__(self) -> "DatadogApi":
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release.set()
        self._server.stop()

    @property
    def url(self) -> str:
        return self._server.url

    def next(self, *faults: Fault) -> None:
        """The next requests meet these, one each."""
        self._script += faults

    def forgive(self) -> None:
        """No request meets anything any more."""
        self._script.clear()

    @property
    def series(self) -> list[dict[str, Any]]:
        return [one for r in self.stored if r.path == SERIES for one in r.plain["series"]]

    @property
    def service_checks(self) -> list[dict[str, Any]]:
        return [one for r in self.stored if r.path == CHECK_RUN for one in r.plain]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [r.plain for r in self.stored if r.path == EVENTS]

    @property
    def distributions(self) -> list[dict[str, Any]]:
        return [one for r in self.stored if r.path == DISTRIBUTIONS for one in r.plain["series"]]

    @property
    def sketches(self) -> list[dict[str, Any]]:
        """With the names of the message's fields."""
        return [one for r in self.stored if r.path == SKETCHES for one in r.plain["sketches"]]

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Fault:
        """Judge and keep one request; what it meets."""
        request = self._read(path, headers, body)
        self.requests.append(request)
        fault = self._script.pop(0) if self._script else Fault(202)
        if len(body) > MOST_PACKED or request.unpacked > MOST_UNPACKED:
            fault = Fault(413)
        if fault.kind in (202, LOST_ACK):
            self.stored.append(request)
        return fault

    def _read(self, path: str, headers: dict[str, str], body: bytes) -> Request:
        unpacked, plain = b"", None
        try:
            unpacked = CODINGS[headers.get("content-encoding", "identity")](body)
            if path == SKETCHES:
                plain = sketch_payload(unpacked)
            else:
                plain = json.loads(unpacked.decode("utf-8", "strict"))
                self.complaints += judge(path, plain)
        except Exception as e:
            self.complaints.append(f"{path}: {type(e).__name__}: {e}")
        kind = "application/x-protobuf" if path == SKETCHES else "application/json"
        if headers.get("content-type") != kind or not headers.get("dd-api-key"):
            self.complaints.append(f"headers {headers}")
        return Request(path, headers, len(body), len(unpacked), plain)


class _Handler(Handler):
    api: DatadogApi

    def do_POST(self) -> None:  # noqa: N802
        api = self.api
        fault = api.take(self.path, {k.lower(): v for k, v in self.headers.items()}, self.body())
        if fault.kind == HANG:
            api.release.wait(60)
        if not isinstance(fault.kind, int):
            if fault.kind == RESET:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        said = api.says if fault.kind == 202 else {"errors": [f"told to answer {fault.kind}"]}
        self.say(fault.kind, said, fault.headers)
