"""The intake's own paths: the console, the counters, what arrived, and the faults in force.

The console is files of this package (`page/`), and asks for everything else here, as anybody may.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Protocol

from outrider.intake import body
from outrider.intake.collectors import Collectors
from outrider.intake.errors import invalid
from outrider.intake.exchange import Answer, Find, Request, Route, as_json, lines
from outrider.intake.faults import KNOWN, Faults
from outrider.intake.looking import Matches, newest
from outrider.intake.routes import plain

PLOTTED = 60
"""Metrics that may be asked for at once."""
_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "json": "application/json"}


Pair = tuple[str, Sequence[str], str, Sequence[str]]
"""One metric under both names: Datadog's, and the tags by which it is told from others of that name; Google's, and its
labels likewise. Tags and labels are `key:value`.
"""


class Records(Protocol):
    """A store whose records can be looked at in order of arrival; each has a `line()`."""

    def records(self, since: int = 0, limit: int | None = None) -> list[Any]: ...


@dataclass(frozen=True, slots=True)
class Shelf:
    """A store that is shown, and what reads the words by which its records are chosen (it may raise AnswerError)."""

    store: Records
    filter: Callable[[str], Matches]


@dataclass(frozen=True, slots=True)
class Shown:
    """What there is to show. `plots` gives the curves of metrics by their names at either vendor, of those of which
    anything has come; `names` tells which are one metric.
    """

    stats: Callable[[], dict[str, Any]]
    shelves: Mapping[str, Shelf]
    plots: Callable[[Sequence[str]], dict[str, dict[str, Any]]]
    names: Callable[[], Sequence[Pair]]


def routes(shown: Shown, faults: Faults, collectors: Collectors) -> Find:
    """What answers the intake's own paths; each shelf is under `/intake/NAME`."""
    fixed: dict[tuple[str, str], Route] = {
        ("GET", "/"): lambda _: _file("index.html"),
        ("GET", "/intake/stats"): lambda _: as_json(shown.stats()),
        ("GET", "/intake/names"): lambda _: as_json([tuple(pair) for pair in shown.names()]),
        ("GET", "/intake/plots"): lambda request: _plots(shown, request),
        ("GET", "/intake/faults"): lambda _: _faults(faults),
        ("POST", "/intake/faults"): lambda request: _set_faults(faults, request),
        ("GET", "/intake/ledgers"): lambda _: as_json(collectors.ledgers()),
        ("POST", "/intake/collectors"): lambda request: _set_collectors(collectors, request),
    }
    files = {f"/console/{file.name}" for file in resources.files("outrider.intake").joinpath("page").iterdir()}

    def find(method: str, path: str) -> Route | None:
        if method == "GET" and path in files:
            return lambda _: _file(path.rpartition("/")[2])
        shelf = shown.shelves.get(path.removeprefix("/intake/")) if method == "GET" else None
        if shelf is not None:
            return lambda request: _arrived(shelf, request)
        return fixed.get((method, path))

    return find


def _file(name: str) -> Answer:
    kind = _KINDS[name.rpartition(".")[2]]
    data = resources.files("outrider.intake").joinpath("page", name).read_bytes()
    return 200, f"{kind}; charset=utf-8", data


def _arrived(shelf: Shelf, request: Request) -> Answer:
    """What was received after `since`: the first `limit`, or the `newest` so many that the `filter` takes."""
    since = request.number("since", 0)
    if "newest" not in request.query:
        return lines(shelf.store.records(since, request.number("limit", 1000)))
    text = request.query.get("filter", [""])[0]
    matches: Matches = shelf.filter(text) if text.strip() else lambda _: True
    return lines(newest(shelf.store.records(since), matches, request.number("newest", 100)))


def _plots(shown: Shown, request: Request) -> Answer:
    """The curves of every `metric` that is named."""
    wanted = request.query.get("metric", [])
    if len(wanted) > PLOTTED:
        raise invalid(f"At most {PLOTTED} metrics may be asked for at once")
    return as_json(shown.plots(wanted))


def _faults(faults: Faults) -> Answer:
    return as_json({"faults": faults.specs(), "known": KNOWN})


def _set_faults(faults: Faults, request: Request) -> Answer:
    """Replace the faults."""
    try:
        faults.set(_texts(request, "faults", "503:0.2"))
    except ValueError as error:
        raise invalid(str(error)) from None
    return _faults(faults)


def _set_collectors(collectors: Collectors, request: Request) -> Answer:
    """Replace the collectors whose ledgers are shown."""
    try:
        collectors.set(_texts(request, "collectors", "http://127.0.0.1:9464"))
    except ValueError as error:
        raise invalid(str(error)) from None
    return as_json({"collectors": collectors.urls()})


def _texts(request: Request, name: str, example: str) -> list[str]:
    wanted = body.parse(plain(request, request.data)).get(name)
    if not isinstance(wanted, list) or not all(isinstance(text, str) for text in wanted):
        raise invalid(f'The body must be {{"{name}": ["{example}", ...]}}')
    return wanted
