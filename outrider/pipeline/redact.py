"""Replacing what must not leave the node, before a record is encoded for anybody.

Patterns are about characters, so records are decoded for them: in bytes, `.` would be half an umlaut. Bytes that are no
UTF-8 pass through as they are.
"""

import re
from collections.abc import Sequence

from outrider.tail.records import Record


class Redactor:
    """Applies (pattern, replacement) pairs one after the other to the content of records."""

    def __init__(self, rules: Sequence[tuple[str, str]]) -> None:
        self._rules = [(re.compile(pattern), replacement) for pattern, replacement in rules]

    def __bool__(self) -> bool:
        return bool(self._rules)

    def apply(self, records: list[Record]) -> list[Record]:
        """The records with every match replaced. The position and the time, and so the insertId, stay as they are."""
        return [(at, timestamp, std, self._clean(content)) for at, timestamp, std, content in records]

    def _clean(self, content: bytes) -> bytes:
        text = content.decode("utf-8", "surrogateescape")
        for pattern, replacement in self._rules:
            text = pattern.sub(replacement, text)
        return text.encode("utf-8", "surrogateescape")
