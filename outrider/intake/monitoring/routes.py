"""The paths of Cloud Monitoring's API over REST: `/v3/projects/ID/...`."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from outrider.intake import body
from outrider.intake.errors import UNIMPLEMENTED, ApiError, invalid
from outrider.intake.exchange import Answer, Find, Request, Route, as_json
from outrider.intake.faults import PARTIAL
from outrider.intake.monitoring.api import Monitoring
from outrider.intake.monitoring.listing import Page, SeriesQuery
from outrider.intake.monitoring.wire import parse_create, parse_descriptor
from outrider.intake.routes import plain
from outrider.intake.timestamps import parse_timestamp

_PATH = re.compile(
    r"/v3/(?P<parent>projects/[^/]*)/(?P<kind>timeSeries|metricDescriptors|monitoredResourceDescriptors)(?P<item>/.+)?"
)
_HEADERS = ("HEADERS", "1")

_Method = Callable[[Monitoring, Request, str], Answer]


def routes(api: Monitoring) -> Find:
    """What answers a path of Cloud Monitoring."""

    def find(method: str, path: str) -> Route | None:
        match = _PATH.fullmatch(unquote(path))
        answer = match and _METHODS.get((method, match["kind"], match["item"] is not None))
        if not match or not answer:
            return None
        name = match[0].removeprefix("/v3/") if match["item"] else match["parent"]
        return lambda request: answer(api, request, name)

    return find


def _create_time_series(api: Monitoring, request: Request, name: str) -> Answer:
    fault = api.draw(PARTIAL)

    def take(data: bytes) -> Answer:
        api.create_time_series(name, parse_create(body.parse(data)), fault)
        return as_json({})

    return _write(api, request, fault, take)


def _create_descriptor(api: Monitoring, request: Request, name: str) -> Answer:
    return _write(
        api,
        request,
        api.draw(),
        lambda data: as_json(api.create_descriptor(name, parse_descriptor(body.parse(data)))),
    )


def _write(api: Monitoring, request: Request, fault: Any, take: Callable[[bytes], Answer]) -> Answer:
    answer = api.answer(fault) if fault else None
    return request.write(fault, answer, lambda data: plain(request, data), take, api.store.count_request)


def _list_time_series(api: Monitoring, request: Request, name: str) -> Answer:
    if _text(request, "aggregation.perSeriesAligner") not in ("", "ALIGN_NONE", "0"):
        raise ApiError(UNIMPLEMENTED, "This service does not align or reduce time series.")
    query = SeriesQuery(
        _text(request, "filter"),
        _time(request, "interval.endTime"),
        _time(request, "interval.startTime"),
        _text(request, "view") in _HEADERS,
        request.number("pageSize", 0),
        _text(request, "pageToken"),
    )
    return _page("timeSeries", api.list_time_series(name, query))


def _list_descriptors(api: Monitoring, request: Request, name: str) -> Answer:
    return _page("metricDescriptors", api.list_descriptors(name, *_listed(request)))


def _list_resources(api: Monitoring, request: Request, name: str) -> Answer:
    return _page("resourceDescriptors", api.list_resources(name, *_listed(request)))


def _delete_descriptor(api: Monitoring, _: Request, name: str) -> Answer:
    api.delete_descriptor(name)
    return as_json({})


_METHODS: dict[tuple[str, str, bool], _Method] = {
    ("POST", "timeSeries", False): _create_time_series,
    ("GET", "timeSeries", False): _list_time_series,
    ("POST", "metricDescriptors", False): _create_descriptor,
    ("GET", "metricDescriptors", False): _list_descriptors,
    ("GET", "metricDescriptors", True): lambda api, _, name: as_json(api.get_descriptor(name)),
    ("DELETE", "metricDescriptors", True): _delete_descriptor,
    ("GET", "monitoredResourceDescriptors", False): _list_resources,
    ("GET", "monitoredResourceDescriptors", True): lambda api, _, name: as_json(api.get_resource(name)),
}
"""What answers a method on a kind of thing, and on one of them (True)."""


def _page(name: str, page: Page) -> Answer:
    found, token = page
    return as_json({**({name: found} if found else {}), **({"nextPageToken": token} if token else {})})


def _listed(request: Request) -> tuple[str, int, str]:
    return _text(request, "filter"), request.number("pageSize", 0), _text(request, "pageToken")


def _text(request: Request, name: str) -> str:
    return request.query.get(name, [""])[0]


def _time(request: Request, name: str) -> int | None:
    text = _text(request, name)
    try:
        return parse_timestamp(text) if text else None
    except ValueError as error:
        raise invalid(f"Invalid value at '{name}': {error}") from None
