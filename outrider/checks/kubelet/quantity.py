"""Quantities as Kubernetes writes them: `100m` of a core, `64Mi` of memory, `1e3`.

The forms are those of k8s.io/apimachinery, pkg/api/resource (`Quantity`): a decimal number and a suffix, of powers of
1000 or of 1024, or an exponent.
"""

import re
from functools import lru_cache

_FORM = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?[0-9]{1,2}))?", re.ASCII)
_SUFFIXES = {"n": 1e-9, "u": 1e-6, "m": 1e-3}
_SUFFIXES |= {letter: 1000.0 ** (i + 1) for i, letter in enumerate("kMGTPE")}
_SUFFIXES |= {f"{letter}i": 1024.0 ** (i + 1) for i, letter in enumerate("KMGTPE")}


@lru_cache(maxsize=1000)  # a node has few different ones
def quantity(text: str) -> float | None:
    """The number that `text` means; None if it is no quantity."""
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    number, suffix, exponent = match.groups()
    if exponent is not None:
        return float(f"{number}e{exponent}")
    # a division is exact where a product with 0.001 is not: 80m is 0.08
    return float(number) / 1000 if suffix == "m" else float(number) * _SUFFIXES.get(suffix, 1.0)
