"""The paths of Datadog's log API."""

from outrider.intake.datadog.api import Datadog
from outrider.intake.datadog.errors import DatadogError
from outrider.intake.exchange import Answer, Find, Request, Route, as_json


def routes(api: Datadog) -> Find:
    """What answers a path of Datadog's log API."""
    fixed: dict[tuple[str, str], Route] = {
        ("POST", "/api/v2/logs"): lambda request: _submit(api, request),
        ("POST", "/api/v2/logs/events/search"): lambda request: as_json(api.search(request.data, request.header)),
    }
    return lambda method, path: fixed.get((method, path))


def _submit(api: Datadog, request: Request) -> Answer:
    """Datadog's "send logs", with the faults in force."""

    def take(data: bytes) -> Answer:
        api.submit(data, request.query)
        return as_json({}, 202)

    fault = api.draw()
    try:
        return request.write(
            fault,
            api.answer(fault) if fault else None,
            lambda data: api.decode(data, request.header),
            take,
            api.store.count_request,
        )
    except DatadogError as error:
        if fault is None:
            api.store.count_refused(error.reason)
        raise
