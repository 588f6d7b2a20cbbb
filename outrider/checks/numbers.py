"""Numbers in what servers say as text."""

import math

Number = int | float

LARGEST = 1 << 64
"""No counter of any server is as large as this, or as far below nothing."""


def number(text: str | None) -> Number | None:
    """The number that it is; None if it is none, is not finite (ratios of nothing are nan), or as large as LARGEST."""
    if text is None:
        return None
    value: Number
    try:
        value = int(text)
    except ValueError:
        try:
            value = float(text)
        except ValueError:
            return None
        return value if math.isfinite(value) else None
    return value if -LARGEST < value < LARGEST else None
