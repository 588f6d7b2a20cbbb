"""What a destination said to a request, in the few words that delivery understands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import NamedTuple


class Verdict(Enum):
    """What to do with the entries of a request."""

    ACCEPTED = "accepted"
    """All are stored."""
    PARTIAL = "partial"
    """All are stored but those in `Answer.rejected` (for good) and `Answer.again` (for now)."""
    RETRY = "retry"
    """None are stored; the same request may succeed later."""
    REFRESH = "refresh"
    """None are stored: the credentials are not, or no longer, good. Get new ones and try again."""
    HOLD = "hold"
    """None are stored, and trying again helps only after somebody changed something. Wait, and say so loudly."""
    SPLIT = "split"
    """None are stored because of the size of the request, or of one entry that is not named."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict with the destination's own words. `retry_after` is in seconds."""

    verdict: Verdict
    words: str = ""
    retry_after: float | None = None
    rejected: dict[int, str] = field(default_factory=dict)
    again: frozenset[int] = frozenset()


class Row(NamedTuple):
    """One row of a destination's table of answers.

    `answers`: what may come, in words or numbers, separated by commas: a status (`413`), a class of them (`5xx`), or a
    word for what is no status (`no answer`). The first row that has the answer holds; `other` has all that are left.
    """

    answers: str
    verdict: Verdict
    meaning: str


def verdict_of(rows: Sequence[Row], answer: int | str) -> Verdict:
    """The verdict of the first row that has `answer`, a status or one of the words of `rows`."""
    names = {str(answer), "other"}
    if isinstance(answer, int):
        names.add(f"{answer // 100}xx")
    return next(row.verdict for row in rows if names & set(row.answers.split(", ")))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date; `now` is seconds since the
    epoch); None if it does not say."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    if value.isascii() and value.strip().isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, OverflowError):
        return None
