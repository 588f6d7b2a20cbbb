"""JSON that a server answers with, read only if it is not larger in memory than anybody has to tell.

Three bytes of JSON, `{},`, are seventy in memory, so a limit to the bytes of an answer is none to what it takes. How
many values there are can be told before it is taken apart: before each stands a comma, or the bracket of what it is in.
Those inside of texts are counted as well, which does no harm.
"""

from typing import Any

import orjson

MOST = 500_000
"""Values of one answer: sixty megabytes at the worst. A thousand stages of Spark have a quarter of that."""


class JsonError(ValueError):
    """It is no JSON, or too much of it; the text says which, and how it begins."""


def parsed(body: bytes) -> Any:
    """What `body` says. Raises JsonError."""
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MOST:
        raise JsonError(f"it answers with more than {MOST:,} values")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise JsonError(f"it does not answer in JSON (it says {body[:60]!r})") from None
