"""What a Prometheus endpoint says, read line by line: the text format 0.0.4, and OpenMetrics 1.0.

Both are lines of samples behind lines that say of which type they are:

    # TYPE http_requests_total counter
    http_requests_total{code="200"} 1027

A family is what the samples of one metric belong to. Only the one that is being read is held, and nothing of a line
once its sample was taken, so that an endpoint of a hundred thousand series costs what is kept of it. Samples of a
family that is not wanted are passed over before their labels are looked at: most of what an endpoint says usually is
wanted by nobody, and the labels are most of the work.

The formats differ in details: OpenMetrics has units and exemplars (passed over), a timestamp in seconds and a last line
`# EOF`, without which the answer was cut; a counter's family is called `x` there and `x_total` in the text format. Here
it is `x` in both.

Sources: prometheus.io/docs/instrumenting/exposition_formats; the OpenMetrics specification 1.0.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from outrider.model.points import Attributes

TEXT = "text/plain;version=0.0.4"
OPENMETRICS = "application/openmetrics-text"
"""Media types."""

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*+"
# Possessive, so that a line which fits nowhere is refused in linear time.
_LABELS = r'((?:[^"{}]|"(?:[^"\\]|\\.)*+")*+)'
_HEAD = rf"[ \t]*+({_NAME})[ \t]*+(?:\{{{_LABELS}\}}[ \t]*+)?"
_TEXT_SAMPLE = re.compile(_HEAD + r"(\S+)(?:[ \t]++(-?[0-9]+))?[ \t]*")
_OPENMETRICS_SAMPLE = re.compile(
    _HEAD + r"([^\s#]+)(?:[ \t]++(-?[0-9.]+(?:[eE][-+]?[0-9]+)?))?[ \t]*+(?:#[ \t]*+\{.*)?"
)
_LABEL = re.compile(r'[ \t]*+([a-zA-Z_][a-zA-Z0-9_]*+)[ \t]*+=[ \t]*+"((?:[^"\\]|\\.)*+)"[ \t]*+(,|$)')
_USUAL_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*+)="([^"\\]*+)"(?:,|$)')
_COMMENT = re.compile(rf"[ \t]*+#[ \t]*+(TYPE|HELP|UNIT)[ \t]++({_NAME})(?:[ \t]++(.*))?")
_ESCAPE = re.compile(r"\\(.)")
_ESCAPES = {"n": "\n", "\\": "\\", '"': '"'}

_SUFFIXES = {
    "counter": ("", "_total", "_created"),
    "histogram": ("_bucket", "_sum", "_count", "_created"),
    "gaugehistogram": ("_bucket", "_gsum", "_gcount"),
    "summary": ("", "_sum", "_count", "_created"),
    "info": ("", "_info"),
}
_TYPES = {*_SUFFIXES, "gauge", "stateset", "unknown", "untyped"}
_CACHED = 100_000
"""Characters of label sets that are remembered: many metrics of an endpoint are told apart by the same ones."""
_HELP = 1000
"""Characters that are kept of a description."""


class FormatError(ValueError):
    """What came is neither format; the text says which line."""


@dataclass(slots=True, eq=False)
class Family:
    """What samples belong to. `name` is without `_total` for a counter; `type` is `unknown` if nobody said."""

    name: str
    type: str = "unknown"
    help: str = ""
    unit: str = ""
    _stated: str = ""
    """The name in the lines that describe it."""
    _members: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def stated(cls, name: str) -> "Family":
        """The family that a line describes, or that a sample without description makes."""
        return cls(name, _stated=name, _members=frozenset((name,)))

    def typed(self, said: str) -> None:
        """Its type is known now."""
        self.type = "unknown" if said == "untyped" else said
        self.name = self._stated.removesuffix("_total") if said == "counter" else self._stated
        self._members = frozenset(self._stated + suffix for suffix in _SUFFIXES.get(said, ("",)))

    def called(self, name: str) -> bool:
        """Do lines that describe it call it so?"""
        return self._stated == name

    def has(self, name: str) -> bool:
        """Does a sample of this name belong to it?"""
        return name in self._members


class Sample(NamedTuple):
    """One value. `name` and `labels` are as the line has them; `time` is nanoseconds since 1970, if the line says."""

    family: Family
    name: str
    labels: Attributes
    value: float
    time: int | None


def samples(
    lines: Iterable[str], openmetrics: bool = False, wanted: Callable[[Family], bool] = lambda _: True
) -> Iterator[Sample]:
    """The samples of the families that are `wanted`, in order; of those of one family, that is one object. `lines` are
    without their ends.

    Raises FormatError at a line that is wrong, and after the last one of OpenMetrics that was not the end.
    """
    family, take = Family.stated(""), False
    undecided = True  # a family is judged at its first sample, when everything is said about it
    read = _OPENMETRICS_SAMPLE.fullmatch if openmetrics else _TEXT_SAMPLE.fullmatch
    unit = 1_000_000_000 if openmetrics else 1_000_000
    known: dict[str, Attributes] = {}
    cached = 0
    ended = False
    for number, line in enumerate(lines, 1):
        if not line or line.isspace():
            continue
        if line[0] == "#" or line.lstrip()[0] == "#":
            ended = ended or (openmetrics and line.rstrip() == "# EOF")
            described = _described(family, line, number)
            undecided, family = undecided or described is not family, described
            continue
        match = read(line)
        if match is None:
            raise FormatError(_at(number, line))
        name, text, value, time = match.groups()
        if not family.has(name):
            family, undecided = Family.stated(name), True
        if undecided:
            take, undecided = wanted(family), False
        if not take:
            continue
        labels = known.get(text or "")
        if labels is None:
            cached += len(text or "")
            if cached > _CACHED:
                known.clear()
                cached = len(text or "")
            labels = known[text or ""] = _labels(text or "", number, line)
        if "_" in value:  # which Python takes for a number
            raise FormatError(_at(number, line))
        try:
            yield Sample(family, name, labels, float(value), None if time is None else int(float(time) * unit))
        except (ValueError, OverflowError):
            raise FormatError(_at(number, line)) from None
    if openmetrics and not ended:
        raise FormatError("the answer was cut: there is no '# EOF' at the end")


def _described(family: Family, line: str, number: int) -> Family:
    """The family that is the current one behind a comment."""
    match = _COMMENT.fullmatch(line)
    if match is None:
        return family
    what, name, said = match[1], match[2], match[3] or ""
    if not family.called(name):
        family = Family.stated(name)
    if what == "HELP":
        family.help = _unescaped(said[:_HELP])
    elif what == "UNIT":
        family.unit = said.strip()
    elif (said := said.strip()) in _TYPES:
        family.typed(said)
    else:
        raise FormatError(_at(number, line))
    return family


def _labels(text: str, number: int, line: str) -> Attributes:
    usual = _USUAL_LABEL.findall(text)
    told = sum([len(key) + len(value) + 4 for key, value in usual])
    if told == len(text) + (not text.endswith(",")):  # nothing else stands there
        return tuple(usual)
    found, at = [], 0
    end = len(text.rstrip(" \t"))
    while at < end:
        match = _LABEL.match(text, at)
        if match is None:
            raise FormatError(_at(number, line))
        value = match[2]
        found.append((match[1], _unescaped(value) if "\\" in value else value))
        at = match.end()
    return tuple(found)


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[0]), text)


def _at(number: int, line: str) -> str:
    return f"line {number} is in neither the text format nor OpenMetrics: {line[:120]!r}"
