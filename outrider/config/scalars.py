"""From a YAML scalar to a number, a word or a string of the model; pure functions of a shape and a value."""

import re
from typing import Any

from outrider.config.problems import nearest
from outrider.config.secrets import without_password
from outrider.config.shape import Bool, Choice, Duration, Fraction, Int, Rate, Shape, Size, Text, allowed
from outrider.config.units import duration, rate, rate_hint, size, size_hint

_SHOWN = 60


class BadValueError(ValueError):
    """The value does not fit; `hint` is the way out, where one can be guessed."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def read_scalar(shape: Shape, value: Any) -> Any:
    """`value` as the model wants it. Raises BadValueError with what was found and what is allowed."""
    match shape:
        case Bool():
            return value if isinstance(value, bool) else _reject(shape, value)
        case Int(low, high):
            return _int(shape, value, low, high)
        case Duration(above, high):
            return _duration(shape, value, above, high)
        case Size(low, high):
            return _size(shape, value, low, high)
        case Rate(low):
            return _rate(shape, value, low)
        case Fraction():
            return _fraction(shape, value)
        case Choice(words):
            if isinstance(value, str) and value in words:
                return value
            return _reject(shape, value, nearest(value, words) if isinstance(value, str) else "")
        case Text():
            return _text(shape, value)
    raise TypeError(f"{shape!r} is no scalar")


def found(value: Any) -> str:
    """What stands in the file, in words: `"soon"`, `12 (a number)`, `a list`, `nothing`."""
    if isinstance(value, str):
        text = without_password(value)
        return f'"{text[:_SHOWN]}..."' if len(text) > _SHOWN else f'"{text}"'
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return f"{str(value).lower()} (a boolean)"
    if isinstance(value, int | float):
        return f"{_digits(value)} (a number)"
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else "a date"


def _reject(shape: Shape, value: Any, hint: str = "") -> Any:
    raise BadValueError(f"found {found(value)}, expected {allowed(shape)}", hint or _quoting_hint(shape, value))


def _quoting_hint(shape: Shape, value: Any) -> str:
    if isinstance(shape, Text):
        if isinstance(value, bool):
            return "put it in quotes: YAML reads yes, no, on, off, true and false as booleans"
        if value is not None and not isinstance(value, str | list | dict):
            return "put it in quotes"
    if isinstance(shape, Int) and isinstance(value, str) and value.isdecimal():
        return "leave out the quotes"
    if isinstance(shape, Bool) and isinstance(value, str) and value in ("true", "false"):
        return "leave out the quotes"
    return ""


def _int(shape: Shape, value: Any, low: int, high: int) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        _reject(shape, value)
    return int(value)


def _duration(shape: Shape, value: Any, above: float, high: float) -> float:
    try:
        seconds = duration(value)
    except ValueError:
        _reject(shape, value)
    if not above < seconds <= high:
        _reject(shape, value)
    return seconds


def _size(shape: Shape, value: Any, low: int, high: int | None) -> int:
    try:
        count = size(value)
    except ValueError:
        _reject(shape, value, size_hint(value) if isinstance(value, str) else "")
    if count < low or (high is not None and count > high):
        _reject(shape, value)
    return count


def _rate(shape: Shape, value: Any, low: int) -> int:
    try:
        count = rate(value)
    except ValueError:
        _reject(shape, value, rate_hint(value) if isinstance(value, str) else "")
    if count < low:
        _reject(shape, value)
    return count


def _fraction(shape: Shape, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        _reject(shape, value)
    return float(value)


def _text(shape: Text, value: Any) -> str:
    if not isinstance(value, str) or not re.search(shape.pattern, value):
        _reject(shape, value)
    text = str(value)
    if shape.check is not None:
        try:
            shape.check(text)
        except ValueError as e:
            raise BadValueError(f"found {found(text)}, which {e}") from None
    return text


def _digits(value: float) -> str:
    try:
        text = str(value)
    except ValueError:
        return "a number of more than 4,300 digits"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
