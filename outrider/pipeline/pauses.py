"""How long to wait for a destination: before the next attempt, at the end of the program, and before it counts as a
trouble that a rollout should stop at. The same for logs and for metrics.
"""

import random

from outrider.exporters.answer import Answer, Verdict

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 60.0
FIRST_HOLD, LONGEST_HOLD = 5.0, 30.0
"""Seconds. A key that was renewed, or a right that was granted, is found out about within the longest."""
LONGEST_RETRY_AFTER = 600.0
"""Seconds; a server that asks for more (a misread date, a proxy's whim) is asked again all the same."""
GRACE = 5.0
"""Seconds that the end of the program leaves for answers that are on their way."""
DRAIN = 25.0
"""Seconds that an end takes at most which nobody takes up from, as long as answers come: kubelet kills after 30."""
UNREADY_AFTER = 60.0
"""Seconds for which a destination may fail before `/readyz` says so."""


class Backoff:
    """Pauses that grow from one failure to the next."""

    def __init__(self) -> None:
        self._pause = 0.0

    def over(self) -> None:
        """Something succeeded: the next failure is a first one."""
        self._pause = 0.0

    def after(self, answer: Answer) -> float:
        """Seconds, jittered, or what Retry-After asks for if that is longer."""
        first, longest = FIRST_PAUSE, LONGEST_PAUSE
        if answer.verdict is Verdict.HOLD:
            first, longest = FIRST_HOLD, LONGEST_HOLD
        self._pause = min(max(self._pause * 2, first), longest)
        asked = min(answer.retry_after or 0.0, LONGEST_RETRY_AFTER)
        return max(self._pause * random.uniform(0.5, 1.0), asked)
