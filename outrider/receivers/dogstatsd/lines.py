"""What a line of the DogStatsD protocol says (docs.datadoghq.com, extend/dogstatsd/datagram_shell; up to version 1.6).

    page.views:1:2|c|@0.5|#env:dev,shell|c:ci-83c0a9|e:it-false,cn-web,pu-75a2b6|card:low|T1656581400
    name values type rate tags           container   external data               cardinality time

What follows the values is the **head** of a line together with its name, and the same in thousands of lines. So heads
are read with care, once, and everything else is somebody else's loop (`aggregation.py`). Fields that are not known are
passed over, as the Agent does it, so that a newer version of the protocol loses nothing here.

Events and service checks are few; each is read by itself.
"""

import math
import re
from typing import Literal, NamedTuple, cast, get_args

from outrider.model.points import Attributes, Cardinality, Event, ServiceCheck, Status

Type = Literal["c", "g", "s", "h", "ms", "d"]
"""Count, gauge, set, histogram, timer, distribution."""

MAX_LINE_TAGS = 100
"""Tags of a line that are kept."""
MIN_RATE = 1e-6
"""Below, a rate is a mistake: a line would stand for more than a million."""
_EVENT = re.compile(rb"_e\{(\d{1,7}),(\d{1,7})\}:")
_ALERTS = ("error", "warning", "info", "success")
_ENTITY, _CARDINALITY, _HOST = "dd.internal.entity_id:", "dd.internal.card:", "host:"


class BadLineError(ValueError):
    """It cannot be read; `reason` is a word for why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Origin(NamedTuple):
    """Who sent it, as far as the line says it: another host; the id of a container, or the uid of a pod and the name of
    a container in it; and how much of that is to stand in tags.
    """

    host: str = ""
    container_id: str = ""
    pod: str = ""
    container: str = ""
    cardinality: Cardinality = ""


class Tags(NamedTuple):
    """`words` are the tags without a value."""

    pairs: Attributes
    words: tuple[str, ...]


class Head(NamedTuple):
    """A line without its values. `time` is in seconds since 1970, 0 if there is none."""

    name: str
    type: Type
    tags: Tags
    origin: Origin
    rate: float = 1.0
    time: int = 0


def head(name: bytes, meta: bytes) -> Head:
    """The head of a line: what stands before the first colon and behind the first bar. Raises BadLineError."""
    kind, *fields = meta.split(b"|")
    text = kind.decode("ascii", "replace")
    if not name or text not in get_args(Type):
        raise BadLineError("form")
    about = _About(fields)
    if about.time and text not in ("c", "g"):
        raise BadLineError("time")
    return Head(_text(name), cast(Type, text), about.tags(), about.origin(), about.rate, about.time)


def numbers(values: bytes) -> list[float]:
    """The values of a line, of which there is one at least. Raises BadLineError."""
    try:
        found = [float(value) for value in values.split(b":") if value]
    except ValueError:
        raise BadLineError("value") from None
    if not found or b"_" in values or not all(map(math.isfinite, found)):
        raise BadLineError("value")
    return found


def event(line: bytes, now: float) -> tuple[Event, tuple[str, ...], Origin]:
    """The event of a line, its tags without a value, and its origin. Raises BadLineError."""
    m = _EVENT.match(line)
    if m is None:
        raise BadLineError("event")
    middle = m.end() + int(m[1])
    end = middle + 1 + int(m[2])
    if middle == m.end() or line[middle : middle + 1] != b"|" or len(line) < end or line[end : end + 1] not in b"|":
        raise BadLineError("event")
    about = _About(line[end + 1 :].split(b"|"))
    alert, priority = about.plain.get("t", ""), about.plain.get("p", "")
    tags = about.tags()
    return (
        Event(
            _lines(line[m.end() : middle]),
            _lines(line[middle + 1 : end]),
            about.moment(now),
            tags.pairs,
            alert if alert in _ALERTS else "info",
            about.plain.get("k", ""),
            priority if priority == "low" else "normal",
            about.plain.get("s", ""),
            about.plain.get("h", ""),
        ),
        tags.words,
        about.origin(),
    )


def service_check(line: bytes, now: float) -> tuple[ServiceCheck, tuple[str, ...], Origin]:
    """The service check of a line, its tags without a value, and its origin. Raises BadLineError."""
    _, _, rest = line.partition(b"|")
    name, _, rest = rest.partition(b"|")
    status, _, rest = rest.partition(b"|")
    if not name or status not in (b"0", b"1", b"2", b"3"):
        raise BadLineError("service_check")
    before, _, message = rest.partition(b"m:") if rest.startswith(b"m:") else rest.partition(b"|m:")
    # the message comes last, but clients write the origin behind it
    said, *behind = message.split(b"|")
    about = _About([*before.split(b"|"), *behind])
    tags = about.tags()
    moment, host = about.moment(now), about.plain.get("h", "")
    text = _lines(said).replace("m\\:", "m:")
    return ServiceCheck(_text(name), Status(int(status)), moment, tags.pairs, text, host), tags.words, about.origin()


class _About:
    """The optional fields of a line. Raises BadLineError."""

    def __init__(self, fields: list[bytes]) -> None:
        self.plain: dict[str, str] = {}
        self.rate, self.time = 1.0, 0
        self._tags: list[str] = []
        for field in fields:
            if field[:1] == b"#":
                self._tags = _text(field[1:]).split(",")
            elif field[:1] == b"@":
                self.rate = _rate(field[1:])
            elif field[:1] == b"T":
                self.time = _moment(field[1:])
            else:
                key, _, value = _text(field).partition(":")
                self.plain[key] = value

    def tags(self) -> Tags:
        found = [tag.strip() for tag in self._tags if not tag.startswith((_ENTITY, _CARDINALITY, _HOST))]
        kept = list(dict.fromkeys(tag for tag in found if tag))[:MAX_LINE_TAGS]
        pairs = sorted(tag.partition(":") for tag in kept)
        return Tags(
            tuple((key, value) for key, colon, value in pairs if colon),
            tuple(key for key, colon, _ in pairs if not colon),
        )

    def origin(self) -> Origin:
        asked = {
            prefix: tag.removeprefix(prefix)
            for tag in self._tags
            for prefix in (_ENTITY, _CARDINALITY, _HOST)
            if tag.startswith(prefix)
        }
        external = dict(part.split("-", 1) for part in self.plain.get("e", "").split(",") if "-" in part)
        cardinality = self.plain.get("card", "") or asked.get(_CARDINALITY, "")
        entity = asked.get(_ENTITY, "")
        return Origin(
            asked.get(_HOST, ""),
            _container_id(self.plain.get("c", "")),
            entity if entity not in ("", "none") else external.get("pu", ""),
            external.get("cn", ""),
            cast(Cardinality, cardinality if cardinality in get_args(Cardinality) else ""),
        )

    def moment(self, now: float) -> int:
        """When it happened, in nanoseconds: what `d` says, else now."""
        said = self.plain.get("d", "")
        return int(said) * 10**9 if said.isascii() and said.isdigit() and len(said) < 12 else int(now * 1e9)


def _container_id(text: str) -> str:
    """The id in `ci-<id>,in-<inode>`, or in the older form that is nothing but the id. An inode says nothing here."""
    for part in text.split(","):
        kind, dash, rest = part.partition("-")
        if dash and kind in ("ci", "cid"):
            return rest
        if part and kind != "in":
            return part
    return ""


def _rate(text: bytes) -> float:
    try:
        rate = float(text)
    except ValueError:
        raise BadLineError("rate") from None
    if not MIN_RATE <= rate <= 1:
        raise BadLineError("rate")
    return rate


def _moment(text: bytes) -> int:
    if not (text.isdigit() and len(text) < 12 and int(text)):
        raise BadLineError("time")
    return int(text)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _lines(data: bytes) -> str:
    return _text(data).replace("\\n", "\n")
