"""The paths of Datadog's metrics, service checks and events."""

from collections.abc import Callable
from functools import partial

from outrider.intake.datadog.errors import DatadogError
from outrider.intake.datadog.metrics import Metrics
from outrider.intake.exchange import Answer, Find, Request, Route, as_json

_EVENT = "/api/v1/events/"


def routes(api: Metrics) -> Find:
    """What answers a path of Datadog's metrics API."""
    fixed: dict[tuple[str, str], Route] = {
        ("POST", "/api/v2/series"): _points(api, "/api/v2/series", {"errors": []}),
        ("POST", "/api/beta/sketches"): _points(api, "/api/beta/sketches", {"errors": []}),
        ("POST", "/api/v1/series"): _points(api, "/api/v1/series", {"status": "ok"}),
        ("POST", "/api/v1/distribution_points"): _points(api, "/api/v1/distribution_points", {"status": "ok"}),
        ("POST", "/api/v1/check_run"): lambda request: _write(
            api, "/api/v1/check_run", request, partial(_submit_checks, api)
        ),
        ("POST", "/api/v1/events"): lambda request: _write(api, "/api/v1/events", request, partial(_submit_event, api)),
        ("GET", "/api/v1/validate"): lambda request: _validate(api, request),
        ("GET", "/api/v1/query"): lambda request: _query(api, request),
    }

    def find(method: str, path: str) -> Route | None:
        if method == "GET" and path.startswith(_EVENT):
            return lambda request: as_json({"event": api.event(path.removeprefix(_EVENT), request.header)})
        return fixed.get((method, path))

    return find


def _points(api: Metrics, path: str, done: object) -> Route:
    def answer(request: Request) -> Answer:
        def take(data: bytes) -> Answer:
            api.submit_points(path, data, request.header)
            return as_json(done, 202)

        return _write(api, path, request, take)

    return answer


def _submit_checks(api: Metrics, data: bytes) -> Answer:
    api.submit_checks(data)
    return as_json({"status": "ok"}, 202)


def _submit_event(api: Metrics, data: bytes) -> Answer:
    return as_json({"status": "ok", "event": api.submit_event(data)}, 202)


def _validate(api: Metrics, request: Request) -> Answer:
    """Whether the key is right."""
    api.check_key(request.header)
    return as_json({"valid": True})


def _query(api: Metrics, request: Request) -> Answer:
    asked = {name: values[0] for name, values in request.query.items()}
    found = api.query(asked.get("query", ""), asked.get("from", ""), asked.get("to", ""), request.header)
    return as_json(found)


def _write(api: Metrics, path: str, request: Request, take: Callable[[bytes], Answer]) -> Answer:
    """A write request, with the faults in force."""
    fault = api.draw()
    try:
        return request.write(
            fault,
            api.answer(fault) if fault else None,
            lambda data: api.decode(path, data, request.header),
            take,
            partial(api.store.count_at, path),
        )
    except DatadogError as error:
        if fault is None:
            api.store.count_refused(error.reason)
        raise
