Misfits = list[tuple[int, int]]
"""Rows that were left out, each with the offset in the entries at which its own belongs."""
Entries = tuple[bytes, int, int, int, int, Misfits]
"""Entries separated by commas, how many, how many lines are empty, how many entries lack a time of their line, and the
row after the last that was gone through, which is one at least.
"""

FORM: int

def scan(chunk: bytes, at: int, screen: bytes | None = None, /) -> bytes | None: ...
def scan_plain(chunk: bytes, at: int, screen: bytes | None = None, /) -> bytes | None: ...
def google(
    chunk: bytes, rows: bytes, begin: int, end: int, strings: bytes, latest: bytes, names: bytes, timeless: bool, /
) -> Entries: ...
def datadog(
    chunk: bytes, rows: bytes, begin: int, end: int, strings: bytes, earliest: int, latest: int, now: int, /
) -> Entries: ...
