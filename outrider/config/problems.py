"""What is wrong with a configuration file, one `Problem` per finding, and the error that carries them all.

A file is always checked to its end: the reader fixes everything at once instead of one finding per start.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """One finding. `line` and `column` count from 1; 0 means the file as a whole. `path` is `exporters.a.batch`."""

    file: str
    line: int
    column: int
    path: str
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        parts = [place, *([self.severity] if self.severity == "warning" else []), *([self.path] if self.path else [])]
        return ": ".join([*parts, self.message]) + (f"; {self.hint}" if self.hint else "")


class ConfigError(Exception):
    """The configuration cannot be used; `problems` holds every error of the file in line order (no warnings)."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = [p for p in problems if p.severity == "error"]
        super().__init__("\n".join(str(p) for p in self.problems))


def either(words: Iterable[str]) -> str:
    """`adc, none or {file: path}`."""
    *head, last = words
    return f"{', '.join(head)} or {last}" if head else last


def nearest(word: str, known: Iterable[str]) -> str:
    """`did you mean "batch"?` when one of `known` resembles `word`, else an empty string."""
    import difflib  # only who made a mistake needs it

    by_folded = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), by_folded, n=1, cutoff=0.6)
    return f'did you mean "{by_folded[close[0]]}"?' if close else ""


class UnusableError(Exception):
    """The configuration is sound by itself, and cannot be used here; the text says why, and the way out."""
