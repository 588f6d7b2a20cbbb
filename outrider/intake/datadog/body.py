"""From the bytes of a request to Datadog to its plain body, and to its logs, with the limits of the request on the way.

The APIs take a body plain or as gzip, deflate (which is zlib's form, RFC 9110) or zstd, and count it uncompressed. A
decompressor never produces more than one byte over the limit, and a zstd frame may not ask for a window over 8 MiB
(RFC 9659), so a small bomb stays small.
"""

import sys
from collections.abc import Callable
from typing import Any

import orjson
from isal import igzip_lib, isal_zlib

from outrider.intake.datadog.errors import DatadogError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_PAYLOAD = 5_000_000  # "Maximum content size per payload (uncompressed): 5MB"
MAX_LOGS = 1000  # "Maximum array size if sending multiple logs in an array: 1000 entries"
_WINDOW_LOG = 23  # RFC 9659: no more than 8 MiB for the content encoding zstd

_Start = Callable[[], Any]
_START: dict[str, _Start] = {
    "gzip": lambda: isal_zlib.decompressobj(31),
    "deflate": lambda: isal_zlib.decompressobj(15),
    "zstd": lambda: zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG}),
}


def decode(data: bytes, encoding: str, limit: int, over: DatadogError) -> bytes:
    """The body without its content encoding; an error of the type of `over` if it is broken or unknown, and `over` if
    it is larger than `limit`.
    """
    if encoding in ("", "identity"):
        plain = data
    elif encoding in _START:
        plain = _decompressed(data, encoding, limit, type(over))
    else:
        raise type(over)(400, "encoding", f"Unsupported content encoding: {encoding}")
    if len(plain) > limit:
        raise over
    return plain


def _decompressed(data: bytes, encoding: str, limit: int, kind: type[DatadogError]) -> bytes:
    parts: list[bytes] = []
    room = limit + 1
    while data and room > 0:  # one turn per gzip member or zstd frame
        member = _START[encoding]()
        try:
            parts.append(member.decompress(data, room))
        except (igzip_lib.IsalError, zstd.ZstdError, ValueError) as error:  # type: ignore[misc]  # as in intake.body
            raise kind(400, "encoding", f"Request body is not valid {encoding}: {error}") from None
        room -= len(parts[-1])
        if not member.eof and room > 0:
            raise kind(400, "encoding", f"Request body is not valid {encoding}: it ends early")
        data = member.unused_data
    return b"".join(parts)


def parse(plain: bytes) -> list[dict[str, Any]]:
    """The logs of a body, an array of objects or one object; DatadogError if it is neither, or over 1000 logs."""
    try:
        value = orjson.loads(plain)
    except orjson.JSONDecodeError as error:
        raise DatadogError(400, "json", f"Invalid JSON: {error}") from None
    logs = value if type(value) is list else [value]
    if len(logs) > MAX_LOGS:
        raise DatadogError(413, "too_many", f"Request too large: {len(logs)} logs, at most {MAX_LOGS}")
    for index, log in enumerate(logs):
        if type(log) is not dict:
            raise DatadogError(400, "not_an_object", f"Log {index} is not a JSON object")
    return logs
