"""What `outrider send` shows of a trial: each request and the answer to it, without a secret.

Of the headers only those are shown that are known to be harmless. What the others say, tokens and keys, is blotted out
wherever it turns up again: a proxy's answer may show the request.
"""

import json
import sys
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outrider.exporters.http import Exchange
    from outrider.pipeline.trial import Trial

HARMLESS = frozenset({"content-type", "content-encoding", "user-agent", "x-goog-user-project"})
BLOT = "***"
SHORTEST = 6
"""Characters of a secret that is looked for in bodies: a made-up key of one letter would blot out all of those."""
LONGEST = 20_000
"""Characters of a body that are shown to people."""


def shown(trial: "Trial") -> dict[str, Any]:
    """The result of one trial as plain data."""
    blots = [_blotted(exchange.headers) for exchange in trial.exchanges]
    secrets = [secret for _, some in blots for secret in some]
    return {
        "exporter": trial.exporter,
        "accepted": trial.accepted,
        "unreachable": trial.unreachable,
        "words": _without(trial.answer.words, secrets),
        "exchanges": [
            _exchange(one, headers, secrets) for one, (headers, _) in zip(trial.exchanges, blots, strict=True)
        ],
    }


def _exchange(exchange: "Exchange", headers: dict[str, str], secrets: list[str]) -> dict[str, Any]:
    response = exchange.response
    return {
        "method": "POST",
        "url": exchange.url,
        "headers": headers,
        "body": _read(_unpacked(exchange.body, exchange.headers.get("Content-Encoding", "")), secrets),
        "status": None if response is None else response.status,
        "answer": exchange.error if response is None else _read(response.body, secrets),
        "seconds": round(exchange.seconds, 3),
    }


def _blotted(headers: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The headers without secrets, and the secrets."""
    kept: dict[str, str] = {}
    secrets: list[str] = []
    for name, value in headers.items():
        if name.lower() in HARMLESS:
            kept[name] = value
            continue
        kind, space, secret = value.rpartition(" ")  # `Bearer ...`
        kept[name] = f"{kind}{space}{BLOT}"
        secrets.append(secret)
    return kept, [secret for secret in secrets if len(secret) >= SHORTEST]


def _read(data: bytes, secrets: list[str]) -> Any:
    """JSON as such, anything else as text."""
    text = _without(data.decode("utf-8", "replace"), secrets)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _without(text: str, secrets: list[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, BLOT)
    return text


def _unpacked(body: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return zlib.decompress(body, wbits=31)
    if coding == "deflate":
        return zlib.decompress(body)
    return _zstd(body) if coding == "zstd" else body


def _zstd(body: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return bytes(zstd.decompress(body))


# -- for people --------------------------------------------------------------------------------------------------------


def text(result: dict[str, Any]) -> str:
    """The same as lines."""
    lines: list[str] = []
    for exchange in result["exchanges"]:
        lines += [f"{exchange['method']} {exchange['url']}"]
        lines += [f"{name}: {value}" for name, value in exchange["headers"].items()]
        lines += ["", _pretty(exchange["body"]), ""]
        status = exchange["status"]
        lines += [f"{'no answer' if status is None else f'HTTP {status}'} after {exchange['seconds'] * 1000:.0f} ms"]
        lines += [_pretty(exchange["answer"]), ""]
    if not result["exchanges"]:
        lines += ["no request that could be shown", ""]
    words = f": {result['words']}" if result["words"] else ""
    return "\n".join([*lines, f"{result['exporter']}: {'accepted' if result['accepted'] else 'not accepted'}{words}"])


def found_text(exporter: str, found: Any, seconds: float) -> str:
    """What was read back."""
    return f"{exporter}: read back after {seconds:.1f} s\n{_pretty(found)}"


def _pretty(value: Any) -> str:
    written = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    more = len(written) - LONGEST
    return written if more <= 0 else f"{written[:LONGEST]}\n... {more:,} more characters: -o json"
