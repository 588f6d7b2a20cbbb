"""From the bytes of an HTTP body to a JSON value, with the API's limits on the way.

The order is the API's: undo the content encoding, refuse more than 10 MiB of what comes out (10485760 bytes, counted
uncompressed), then UTF-8 and JSON. A decompressor never produces more than one byte over the limit, so a small bomb
stays small.

orjson is fast and strict (UTF-8, no lone surrogates, no NaN) but lets the last of two equal keys win, where the API
refuses: keys of a `jsonPayload` or of labels become keys of a protobuf map, and the front end rejects a repeated one.
So the keys are counted, and where the count is in doubt the standard library's slower parser, which shows every pair,
looks for the repeated one.
"""

import json
import re
from collections import Counter
from typing import Any

import orjson
from isal import igzip_lib, isal_zlib

from outrider.intake.errors import ApiError, invalid, unparsable
from outrider.intake.protojson import MalformedError

MAX_REQUEST = 10_485_760
_SPACED_COLON = re.compile(rb'"[ \t\r\n]+:')
_ESCAPED_SIGN = re.compile(rb"\\u00(?:22|3[aA])")  # a quote or a colon
_GZIP = 31  # zlib's wbits for a gzip header and trailer


def too_large() -> ApiError:
    """The refusal of a request over 10 MiB."""
    return invalid(f"Request payload size exceeds the limit: {MAX_REQUEST} bytes.")


def decode(data: bytes, encoding: str) -> bytes:
    """The body without its content encoding (`gzip`, `identity` or none); ApiError if broken or over the limit."""
    if encoding in ("", "identity"):
        plain = data
    elif encoding in ("gzip", "x-gzip"):
        plain = _gunzip(data)
    else:
        raise invalid(f"Unsupported content encoding: {encoding}")
    if len(plain) > MAX_REQUEST:
        raise too_large()
    return plain


def _gunzip(data: bytes) -> bytes:
    parts: list[bytes] = []
    room = MAX_REQUEST + 1
    while data and room > 0:  # one turn per gzip member
        member = isal_zlib.decompressobj(_GZIP)
        try:
            parts.append(member.decompress(data, room))
        except (igzip_lib.IsalError, ValueError) as error:  # type: ignore[misc]  # the stub calls the class an instance
            raise invalid(f"Request body is not valid gzip: {error}") from None
        room -= len(parts[-1])
        if not member.eof and room > 0:
            raise invalid("Request body is not valid gzip: it ends early")
        data = member.unused_data
    return b"".join(parts)


def parse(body: bytes) -> Any:
    """The JSON value of a body; ApiError if it is no UTF-8, no JSON, no object, or repeats a key."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid(f"Invalid JSON payload received. {error}") from None
    if type(value) is not dict:
        raise unparsable([("", 'Invalid JSON payload received. Unknown name "": Root element must be a message.')])
    if not _surely_unique(body, value):
        _refuse_repeated_keys(body)
    return value


def _surely_unique(body: bytes, value: Any) -> bool:
    """Whether counting keys proves that none was lost in parsing; False means: look closely.

    `":` ends a key, and stands in a text only behind a backslash or at its very start, in the body as in what orjson
    writes. The two counts differ by repeated keys only, unless the body spells quotes or spaces in another way.
    """
    if _SPACED_COLON.search(body) or _ESCAPED_SIGN.search(body):
        return False
    return body.count(b'":') == orjson.dumps(value).count(b'":')


def _refuse_repeated_keys(body: bytes) -> None:
    try:
        value = json.loads(body, object_pairs_hook=_pairs)
    except RecursionError:
        raise invalid("Invalid JSON payload received. Message too deep.") from None
    if isinstance(value, _Marked):
        raise unparsable([_locate(value).violation()])


class _Marked(dict[str, Any]):
    """An object that repeats a key, or holds one that does."""

    repeated: str | None = None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs) and not any(_is_marked(value) for value in plain.values()):
        return plain
    marked = _Marked(pairs)
    if len(plain) < len(pairs):
        marked.repeated = Counter(key for key, _ in pairs).most_common(1)[0][0]
    return marked


def _is_marked(value: Any) -> bool:
    kind = type(value)
    return kind is _Marked or (kind is list and any(_is_marked(item) for item in value))


def _locate(value: Any) -> MalformedError:
    """The innermost repeated key and the path to it."""
    if isinstance(value, _Marked):
        for key, item in value.items():
            if _is_marked(item):
                return _locate(item).under(key)
        return MalformedError(f"Repeated map key: '{value.repeated}' is already set.", name=str(value.repeated))
    index, item = next((index, item) for index, item in enumerate(value) if _is_marked(item))
    return _locate(item).under(f"[{index}]")
