"""The entries of JSON lines whose stream has a shape (shapes.py), a slice at a time.

Everything is a column: what all lines have as their trace is one list, which is judged by one call into C, cleared
from the lines, and handed to the entries. Only a column in which something is out of the ordinary is gone through line
by line. The payload of an entry is the decoded line itself, without the fields that moved.

A line that is not to be had that way is odd: `None` here.

Costs 1.1 µs a line with httpRequest and trace beside its decoding (`python -m bench stages`).
"""

import re
from collections.abc import Sequence
from itertools import compress, repeat
from operator import attrgetter, is_
from typing import Any

from msgspec import UNSET

from outrider.exporters.columns import Rows, every
from outrider.exporters.stackdriver import severity
from outrider.exporters.stackdriver.context import StreamContext
from outrider.exporters.stackdriver.entries import JsonEntry
from outrider.exporters.stackdriver.odd import LARGEST, too_deep, too_great
from outrider.exporters.stackdriver.shapes import NO_FIT, HttpRequest, Line, Shape, Shapes
from outrider.exporters.stackdriver.times import Timestamps

_are_latencies = re.compile(r"(?:[0-9]{1,12}(?:\.[0-9]{1,9})?s\n)*+").fullmatch
_are_trace_ids = re.compile(r"(?:[0-9a-fA-F]{32}\n)*+").fullmatch
_SIZES = ("request_size", "response_size", "cache_fill_bytes")
_sizes = attrgetter(*_SIZES)


class JsonLines:
    """Makes entries for `project`; their times are held to `times`."""

    def __init__(self, project: str, times: Timestamps) -> None:
        self._times, self._shapes = times, Shapes()
        self._trace_prefix = f"projects/{project}/traces/"

    def entries(self, rows: Rows, context: StreamContext) -> list[JsonEntry | None]:
        """The entries of lines that begin with a brace; their times are those of the container runtime."""
        shape, lines = self._decoded(rows.contents, context)
        fit = [line is not None for line in lines]
        if b"" in rows.stds:
            fit = [whether and std != b"" for whether, std in zip(fit, rows.stds, strict=True)]
        if all(fit):
            return self._entries(rows, lines, shape, context)
        if not any(fit):
            return [None] * len(fit)
        made = iter(self._entries(rows.where(fit), list(compress(lines, fit)), shape, context))
        return [next(made) if whether else None for whether in fit]

    def _entries(
        self, rows: Rows, lines: Sequence[Line], shape: Shape, context: StreamContext
    ) -> list[JsonEntry | None]:
        has = shape.attributes
        severities = self._severities(lines, rows.stds, has)
        odd: set[int] = set()
        made: list[JsonEntry | None] = list(
            map(
                JsonEntry,
                rows.insert_ids,
                self._moments(lines, rows.times) if "time" in has else rows.times,
                severities,
                repeat(UNSET),
                lines,
                self._http_requests(lines, odd) if "http" in has else repeat(UNSET),
                self._traces(lines, odd) if "trace" in has else repeat(UNSET),
                _spans(lines, odd) if "span" in has else repeat(UNSET),
                _moved(lines, "sampled") if "sampled" in has else repeat(UNSET),
                _sources(lines) if "source" in has else repeat(UNSET),
                _moved(lines, "operation") if "operation" in has else repeat(UNSET),
                map(context.lasts.__getitem__, rows.stds),
            )
        )
        if "message" in has:
            _only_messages_as_text(made, lines, shape)
        for i in odd:
            made[i] = None
        return made

    # -- decoding -----------------------------------------------------------------------------------------------------

    def _decoded(self, contents: Sequence[bytes], context: StreamContext) -> tuple[Shape, Sequence[Line | None]]:
        """The lines, all of one shape, which grows with them; None for those that do not fit."""
        shape = context.shape or self._shapes.grown(self._shapes.none, contents[:1]) or self._shapes.none
        while True:
            context.shape = shape
            lines = _all_at_once(contents, shape)
            if lines is None:
                lines = [_fitted(content, shape) for content in contents]
                grown = self._shapes.grown(shape, [c for c, line in zip(contents, lines, strict=True) if line is None])
                if grown is not None:
                    shape = grown
                    continue
            if shape.nested:
                lines = [None if too_deep(c) or too_great(c) else line for c, line in zip(contents, lines, strict=True)]
            elif max(map(len, contents)) > LARGEST:
                lines = [None if too_great(c) else line for c, line in zip(contents, lines, strict=True)]
            return shape, lines

    # -- columns ------------------------------------------------------------------------------------------------------

    def _severities(self, lines: Sequence[Line], stds: Sequence[bytes], has: frozenset[str]) -> list[str]:
        """What `severity` names, else `level` (which stays in the payload), else what the stream stands for."""
        given: list[Any] = []
        if "severity" in has:
            given = [line.severity for line in lines]
            named = list(map(severity.NAMES.get, given))
            if None not in named:
                for line in lines:
                    line.severity = UNSET
                return named  # type: ignore[return-value]
        defaults = [severity.DEFAULTS[std] for std in stds]
        if "level" in has:
            levels = [line.level for line in lines]
            defaults = [
                default if level is UNSET or level is None else severity.parse(level) or severity.DEFAULT
                for level, default in zip(levels, defaults, strict=True)
            ]
        return [_severity(*row) for row in zip(lines, given, defaults, strict=True)] if given else defaults

    def _moments(self, lines: Sequence[Line], times: Sequence[str]) -> Sequence[str]:
        """The times that the lines give, where they do and can be understood; others stay in the payload."""
        given = [line.time for line in lines]
        if self._times.all_good(given):
            for line in lines:
                line.time = UNSET
            return given
        return [self._moment(*row) for row in zip(lines, given, times, strict=True)]

    def _moment(self, line: Line, given: Any, time: str) -> str:
        moment = self._times.parse(given) if isinstance(given, str) else None
        if moment is None:
            return time
        line.time = UNSET
        return moment

    def _http_requests(self, lines: Sequence[Line], odd: set[int]) -> list[Any]:
        requests = [line.http for line in lines]
        for line in lines:
            line.http = UNSET
        some = [request for request in requests if request is not UNSET]
        latencies = [request.latency for request in some if request.latency is not UNSET]
        if latencies and not every(_are_latencies, latencies):
            odd.update(i for i, r in enumerate(requests) if r is not UNSET and not _has_good_latency(r))
        for request in some:
            if not (UNSET is request.request_size is request.response_size is request.cache_fill_bytes):
                _sizes_as_text(request)
        return requests

    def _traces(self, lines: Sequence[Line], odd: set[int]) -> list[Any]:
        """A trace id becomes the name of a trace of the project; what is none stays as it is."""
        traces = [line.trace for line in lines]
        for line in lines:
            line.trace = UNSET
        prefix = self._trace_prefix
        if every(_are_trace_ids, traces):
            return [prefix + trace for trace in traces]
        if _begins_all(traces, "projects/"):
            return traces
        odd.update(i for i, trace in enumerate(traces) if trace == "")
        return [prefix + trace if every(_are_trace_ids, [trace]) else trace for trace in traces]


def _moved(lines: Sequence[Line], attribute: str) -> list[Any]:
    """What all `lines` have there, taken out of them."""
    values = list(map(attrgetter(attribute), lines))
    for line in lines:
        setattr(line, attribute, UNSET)
    return values


def _spans(lines: Sequence[Line], odd: set[int]) -> list[Any]:
    spans = _moved(lines, "span")
    odd.update(i for i, span in enumerate(spans) if span == "")
    return spans


def _sources(lines: Sequence[Line]) -> list[Any]:
    sources = _moved(lines, "source")
    for source in sources:
        if source is not UNSET and type(source.line) is int:
            source.line = str(source.line)
    return sources


def _all_at_once(contents: Sequence[bytes], shape: Shape) -> list[Line] | None:
    """The lines of `contents`, which all begin with a brace; None if any does not fit.

    To the decoder a line feed is no more than white space. But no JSON value goes on with an opening brace after a
    closing one; so where every line ends with a brace too, none has been read together with the next, and as many
    values as lines are one of each.
    """
    if {content[-1] for content in contents} != _CLOSING:
        return None
    text = b"\n".join(contents)
    try:
        lines = shape.decode_all(text)
    except NO_FIT:
        return None
    return lines if len(lines) == len(contents) else None


_CLOSING = {ord("}")}


def _fitted(content: bytes, shape: Shape) -> Line | None:
    try:
        return shape.decode(content)
    except NO_FIT:
        return None


def _severity(line: Line, given: Any, default: str) -> str:
    if given is UNSET:
        return default
    named = severity.parse(given)
    if named is None:
        return severity.DEFAULT
    line.severity = UNSET
    return named


def _begins_all(values: Sequence[Any], beginning: str) -> bool:
    """Whether all `values` are strings that begin so."""
    try:
        return bool(min(values).startswith(beginning) and max(values).startswith(beginning))
    except (TypeError, AttributeError):  # one of them is no string
        return False


def _has_good_latency(request: HttpRequest) -> bool:
    return request.latency is UNSET or every(_are_latencies, [request.latency])


def _sizes_as_text(request: HttpRequest) -> None:
    """proto3 JSON writes 64-bit integers as strings."""
    for name, size in zip(_SIZES, _sizes(request), strict=True):
        if type(size) is int:
            setattr(request, name, str(size))


def _only_messages_as_text(made: Sequence[JsonEntry | None], lines: Sequence[Line], shape: Shape) -> None:
    """A line of which only a message is left is text."""
    others = [attribute for attribute in shape.payload if attribute != "message"]
    if others and not any(map(is_, map(attrgetter(others[0]), lines), repeat(UNSET))):
        return
    for i in [i for i, line in enumerate(lines) if all(getattr(line, attribute) is UNSET for attribute in others)]:
        entry = made[i]
        if entry is not None and type(lines[i].message) is str:
            entry.text_payload, entry.json_payload = lines[i].message, UNSET
