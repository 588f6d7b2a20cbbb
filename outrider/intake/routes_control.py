"""The intake's own paths: the console, the counters, what arrived, and the faults in force."""

from collections.abc import Callable
from importlib import resources
from typing import Any, Protocol

from outrider.intake import body
from outrider.intake.errors import invalid
from outrider.intake.exchange import Answer, Find, Request, Route, as_json, lines
from outrider.intake.faults import Faults
from outrider.intake.routes import plain


class Records(Protocol):
    """A store whose records can be looked at in order of arrival; each has a `line()`."""

    def records(self, since: int = 0, limit: int | None = None) -> list[Any]: ...


def routes(stats: Callable[[], dict[str, Any]], faults: Faults, stores: dict[str, Records]) -> Find:
    """What answers the intake's own paths; `stores` are shown under `/intake/NAME`."""
    fixed: dict[tuple[str, str], Route] = {
        ("GET", "/"): _console,
        ("GET", "/intake/stats"): lambda _: as_json(stats()),
        ("GET", "/intake/faults"): lambda _: as_json({"faults": faults.specs()}),
        ("POST", "/intake/faults"): lambda request: _set_faults(faults, request),
    }

    def find(method: str, path: str) -> Route | None:
        store = stores.get(path.removeprefix("/intake/")) if method == "GET" else None
        if store is not None:
            return lambda request: _arrived(store, request)
        return fixed.get((method, path))

    return find


def _console(_: Request) -> Answer:
    """The live page."""
    page = resources.files("outrider.intake").joinpath("console.html").read_bytes()
    return 200, "text/html; charset=utf-8", page


def _arrived(store: Records, request: Request) -> Answer:
    """What was received after `since`, at most `limit`."""
    return lines(store.records(request.number("since", 0), request.number("limit", 1000)))


def _set_faults(faults: Faults, request: Request) -> Answer:
    """Replace the faults."""
    wanted = body.parse(plain(request, request.data)).get("faults")
    if not isinstance(wanted, list) or not all(isinstance(spec, str) for spec in wanted):
        raise invalid('The body must be {"faults": ["503:0.2", ...]}')
    try:
        faults.set(wanted)
    except ValueError as error:
        raise invalid(str(error)) from None
    return as_json({"faults": faults.specs()})
