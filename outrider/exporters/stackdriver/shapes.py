"""JSON lines of one program are alike: the same keys, each with the same kind of value.

So a stream's lines are decoded by msgspec straight into a Struct type that has a place for each key that was seen in
them, all lines of a slice in one call. That takes less time than making dicts, and the special fields of
structured logging stand in typed places of their own. A line that does not fit raises: either it has a key, or a kind
of value, that is new, and then the type is made anew with room for it; or something about it wants a closer look, and
it is taken for odd.

    first line      {"severity":"INFO","message":"a"}            a type with two places
    a later one     {"severity":"INFO","message":"b","n":1}      … and with `n`, a scalar; both fit
    another         {"severity":"INFO","message":"c","n":[1]}    … with `n`, anything
    another         {"severity":{},"message":"d"}                odd

Types are shared by all streams of an exporter, since pods of one program are many. A program whose keys have no end
has no shape; its lines are odd ones.

Costs 0.7 µs a line with httpRequest and trace, against 1.0 of `orjson.loads` (`python -m bench stages`).
"""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

import msgspec
import orjson
from msgspec import UNSET, Meta, Struct, UnsetType, field

from outrider.exporters.stackdriver.fields import GOOGLE, LABELS

MAX_KEYS = 64
"""Keys of a shape."""
MAX_SHAPES = 256
"""Types that are kept; beyond, all are made anew as they are needed."""

Line = Any
"""An instance of a shape's type. An encoded line has the fields that are not UNSET."""

Scalar = str | int | float | bool | None | UnsetType
_Text = str | UnsetType
_Truth = bool | UnsetType
_Size = (
    Annotated[str, Meta(pattern=r"^(?:0|-?[1-9][0-9]{0,17})\Z")]
    | Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
    | UnsetType
)


class HttpRequest(Struct, forbid_unknown_fields=True, rename="camel", gc=False):
    """google.logging.type.HttpRequest, with the values that need no conversion but those of sizes."""

    request_method: _Text = UNSET
    request_url: _Text = UNSET
    status: Annotated[int, Meta(ge=-(1 << 31), le=(1 << 31) - 1)] | UnsetType = UNSET
    user_agent: _Text = UNSET
    remote_ip: _Text = UNSET
    server_ip: _Text = UNSET
    referer: _Text = UNSET
    protocol: _Text = UNSET
    latency: _Text = UNSET
    request_size: _Size = UNSET
    response_size: _Size = UNSET
    cache_fill_bytes: _Size = UNSET
    cache_lookup: _Truth = UNSET
    cache_hit: _Truth = UNSET
    cache_validated_with_origin_server: _Truth = UNSET


class SourceLocation(Struct, forbid_unknown_fields=True, gc=False):
    """LogEntrySourceLocation."""

    file: _Text = UNSET
    line: _Size = UNSET
    function: _Text = UNSET


class Operation(Struct, forbid_unknown_fields=True, gc=False):
    """LogEntryOperation."""

    id: _Text = UNSET
    producer: _Text = UNSET
    first: _Truth = UNSET
    last: _Truth = UNSET


_SPECIAL: dict[str, tuple[str, Any]] = {
    "severity": ("severity", str | int | UnsetType),
    "level": ("level", Scalar),
    "time": ("time", Scalar),
    "timestamp": ("timestamp", Scalar),
    "message": ("message", Scalar),
    "httpRequest": ("http", HttpRequest | UnsetType),
    GOOGLE + "trace": ("trace", _Text),
    GOOGLE + "spanId": ("span", _Text),
    GOOGLE + "trace_sampled": ("sampled", _Truth),
    GOOGLE + "sourceLocation": ("source", SourceLocation | UnsetType),
    GOOGLE + "operation": ("operation", Operation | UnsetType),
}
"""The attribute and the type of the keys that are looked at."""
_NEVER_NEST = _SPECIAL.keys() - {"message", "time"}
_NAMES = frozenset(attribute for attribute, _ in _SPECIAL.values())
_MOVED = frozenset({"http", "trace", "span", "sampled", "source", "operation"})
"""Attributes that never stay in the payload."""
_CLOSER_LOOK = frozenset({LABELS, GOOGLE + "insertId", GOOGLE + "severity", "timestampSeconds", "timestampNanos"})
"""Keys that make a line odd."""
NO_FIT = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What `Shape.decode` and `decode_all` raise for lines that do not fit."""


class Shape:
    """The type for lines with `keys`, in this order. True: any value; False: a scalar."""

    __slots__ = ("attributes", "decode", "decode_all", "keys", "nested", "payload")

    def __init__(self, keys: dict[str, bool]) -> None:
        """Raises ValueError for keys that msgspec cannot handle (with quotes or backslashes)."""
        self.keys = keys
        self.nested = any(keys.values())
        """Whether values may have values."""
        attributes: list[str] = []
        places: list[tuple[str, Any, Any]] = []
        for key, anything in keys.items():
            attribute, kind = _SPECIAL.get(key, (f"k{len(places)}", Scalar))
            if anything:
                kind = Any
            attributes.append(attribute)
            places.append((attribute, kind, field(default=UNSET, name=key)))
        self.attributes = frozenset(attributes)
        """Of the type; those of special fields have names of their own."""
        self.payload = sorted((a for a in attributes if a not in _MOVED), key=_NAMES.__contains__)
        """The attributes that a payload may consist of, special ones last."""
        made = msgspec.defstruct("Shaped", places, forbid_unknown_fields=True, gc=False)
        decoder = msgspec.json.Decoder(made)
        self.decode: Callable[[bytes], Line] = decoder.decode
        """The line of JSON that bytes are. Raises one of NO_FIT."""
        self.decode_all: Callable[[bytes], list[Line]] = decoder.decode_lines
        """The lines of JSON, each on a line of its own, that bytes are. Raises one of NO_FIT."""


class Shapes:
    """The shapes of one exporter's streams."""

    def __init__(self) -> None:
        self._made: dict[tuple[tuple[str, bool], ...], Shape] = {}
        self.none = self._shape({})

    def grown(self, shape: Shape, contents: Iterable[bytes]) -> Shape | None:
        """`shape` with room for those of `contents` that can have it; None if that is no reason for another shape."""
        keys = dict(shape.keys)
        for content in contents:
            try:
                fields = orjson.loads(content)
            except orjson.JSONDecodeError:
                continue
            if not isinstance(fields, dict) or not _CLOSER_LOOK.isdisjoint(fields):
                continue
            grown = dict(keys)
            for key, value in fields.items():
                nests = key not in _NEVER_NEST and isinstance(value, (dict, list))
                grown[key] = grown.get(key, False) or nests
            if len(grown) <= MAX_KEYS:
                keys = grown
        try:
            return self._shape(keys) if keys != shape.keys else None
        except ValueError:
            return None

    def _shape(self, keys: dict[str, bool]) -> Shape:
        known = tuple(keys.items())
        found = self._made.get(known)
        if found is None:
            if len(self._made) >= MAX_SHAPES:
                self._made.clear()
            found = self._made[known] = Shape(keys)
        return found
