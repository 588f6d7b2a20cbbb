"""What was slow since the run before, by command: as the Agent reports it, which makes a histogram of it.

The slow log is a list of the last so many commands that took longer than `slowlog-log-slower-than`, the newest first,
with numbers that only grow while the server runs. The first run reports what stands in it; after that only what is new
counts. The Agent goes by whole seconds, and misses what comes later in the same one; by number nothing is missed.
"""

from outrider.checks.check import Reading
from outrider.checks.redis.resp import Reply


class SlowLog:
    """Remembers up to which entry it has reported."""

    def __init__(self) -> None:
        self._run = ""
        self._last = -1

    def report(self, reading: Reading, entries: Reply, run: str) -> None:
        """Add what is new in `entries`, the answer to SLOWLOG GET, of the server's `run`: another one counts anew."""
        if run != self._run:
            self._run, self._last = run, -1
        by_command: dict[str, list[int]] = {}
        newest = self._last
        for entry in entries if isinstance(entries, list) else []:
            match entry:
                case [int(number), int(), int(micros), [bytes(command), *_], *_]:
                    pass
                case [int(number), int(), int(micros), _, [bytes(command), *_], *_]:  # Redis Enterprise
                    pass
                case _:
                    continue
            if number > self._last:
                by_command.setdefault(command.decode("utf-8", "replace"), []).append(micros)
                newest = max(newest, number)
        self._last = newest
        for name, durations in by_command.items():
            durations.sort()
            reading.add("slowlog.avg", sum(durations) / len(durations), command=name)
            reading.add("slowlog.max", durations[-1], command=name)
            reading.add("slowlog.median", _percentile(durations, 50), command=name)
            reading.add("slowlog.95percentile", _percentile(durations, 95), command=name)
            reading.add("slowlog.count", len(durations), command=name)


def _percentile(ordered: list[int], percent: int) -> int:
    """The smallest value that `percent` of all are at or below (nearest rank, as the Agent reckons)."""
    return ordered[(percent * len(ordered) - 1) // 100]
