"""Durations, sizes and rates as people write them: `250ms`, `15s`, `5m`; `512KiB`, `10MB`; `1MiB/s`; a plain number.

A duration becomes seconds (float) and a plain number is seconds already; a size becomes bytes (int) and a
rate bytes per second (int). The patterns are
the same ones that the JSON schema carries, and they are plain enough to mean the same in ECMA-262 and in Python.
"""

import math
import re
from decimal import Decimal

_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600), "d": Decimal(86400)}
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}

DURATION_PATTERN = r"^([0-9]{1,12}(?:\.[0-9]{1,9})?)(" + "|".join(_SECONDS) + r")?$"
SIZE_PATTERN = r"^([0-9]{1,20}(?:\.[0-9]{1,9})?)(" + "|".join(_BYTES) + r")?$"

RATE_PATTERN = r"^([0-9]{1,20}(?:\.[0-9]{1,9})?)((?:" + "|".join(_BYTES) + r")/s)?$"

_DURATION = re.compile(DURATION_PATTERN)
_SIZE = re.compile(SIZE_PATTERN)
_RATE = re.compile(RATE_PATTERN)


def duration(value: object) -> float:
    """Seconds of `value`: a number (seconds) or a number with ms, s, m, h or d; ValueError for anything else."""
    number = _number(value)
    if number is None and isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        number = float(Decimal(match[1]) * _SECONDS[match[2] or "s"])
    if number is None or number < 0 or not math.isfinite(number):
        raise ValueError("not a duration")
    return number


def size(value: object) -> int:
    """Bytes of `value`: a whole number or a number with B, kB, MB, KiB, MiB, ...; a fraction of a byte is cut off.

    Raises ValueError for anything else.
    """
    if isinstance(value, int | float) and (number := _number(value)) is not None and number >= 0:
        if isinstance(value, int) or value.is_integer():
            return int(value)
    elif isinstance(value, str) and (match := _SIZE.fullmatch(value)):
        return int(Decimal(match[1]) * _BYTES[match[2] or "B"])
    raise ValueError("not a size")


def rate(value: object) -> int:
    """Bytes per second of `value`: a whole number, or a size with `/s` behind it. Raises ValueError for anything
    else.
    """
    if isinstance(value, str) and not _RATE.fullmatch(value):
        raise ValueError("not a rate")
    return size(value.removesuffix("/s") if isinstance(value, str) else value)


def rate_hint(text: str) -> str:
    """What was meant in `1MiB`, `1MB/sec` or `1Mi/s`, as a sentence; empty when there is no guess."""
    amount, _, _ = text.partition("/")
    if _SIZE.fullmatch(amount):
        return f'did you mean "{amount}/s"?' if not amount.isdecimal() else ""
    return size_hint(amount).replace('"?', '/s"?')


def size_hint(text: str) -> str:
    """The unit that was meant in `4Mi`, `4mb` or `4 MiB`, as a sentence; empty when there is no guess."""
    match = re.fullmatch(r"([0-9.]+)\s*([A-Za-z]{1,3})", text)
    if match is None:
        return ""
    wanted = match[2].lower()
    for unit in ("KiB", "MiB", "GiB", "TiB", "KB", "MB", "GB", "TB", "B"):
        if wanted in (unit.lower(), unit.lower().rstrip("b")):
            return f'did you mean "{match[1]}{unit}"?'
    return ""


def duration_text(seconds: float) -> str:
    """The shortest way to write `seconds`: 0.25 -> `250ms`, 1.0 -> `1s`, 300.0 -> `5m`."""
    if 0 < seconds < 1:
        return f"{_short(round(seconds * 1000, 6))}ms"
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{_short(seconds / length)}{unit}"
    return f"{_short(seconds)}s"


def size_text(count: int) -> str:
    """The shortest exact way to write `count` bytes: 4194304 -> `4MiB`, 10000000 -> `10MB`, 0 -> `0`."""
    for unit in ("TiB", "GiB", "MiB", "KiB", "TB", "GB", "MB"):
        if count and count % _BYTES[unit] == 0:
            return f"{count // _BYTES[unit]}{unit}"
    return str(count)


def _short(number: float) -> str:
    return str(int(number) if float(number).is_integer() else number)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
