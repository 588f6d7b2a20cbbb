"""What a destination said to a request, in the few words that delivery understands."""

from dataclasses import dataclass, field
from enum import Enum


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
