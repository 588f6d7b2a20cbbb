"""What of the newest arrivals somebody wants to look at: the words of the console's filter.

Each vendor's entries are filtered in the vendor's own language, so that what works here works there. Metrics have no
such language here; what is looked for among them are words, all of which the record has to have.
"""

from collections.abc import Callable
from typing import Any

from outrider.intake import store as google
from outrider.intake.datadog import store as datadog
from outrider.intake.datadog.search import attributes, parse_query
from outrider.intake.filters import parse_filter

SCANNED = 20_000
"""Arrivals that are looked through, the newest; a page that looks every second must not take a second."""

Matches = Callable[[Any], bool]


def of_cloud_logging(text: str) -> Matches:
    """The Logging query language. Raises ApiError."""
    predicate = parse_filter(text)

    def matches(record: google.Record) -> bool:
        return predicate is None or predicate(record.entry())

    return matches


def of_datadog(text: str) -> Matches:
    """Datadog's log search. Raises PlainError."""
    predicate = parse_query(text)

    def matches(record: datadog.Record) -> bool:
        return predicate(attributes(record))

    return matches


def of_words(text: str) -> Matches:
    """Words that the record's JSON has, in any case."""
    words = text.lower().encode().split()

    def matches(record: Any) -> bool:
        line = record.line().lower()
        return all(word in line for word in words)

    return matches


def newest(records: list[Any], matches: Matches, limit: int) -> list[Any]:
    """The last `limit` of `records` that match, oldest first."""
    found: list[Any] = []
    for record in reversed(records[-SCANNED:]):
        if len(found) == limit:
            break
        if matches(record):
            found.append(record)
    return found[::-1]
