"""Random histories, one after the other, for as long as asked: `make soak ARGS='--minutes 60 --seed 7'`.

Every history has its own seed, which is printed: `--seed N --histories 1` plays that one again (its steps are the same;
the moments at which things fall together are the machine's). The exit code is 1 as soon as a line was lost, came again
as another entry, or did not come in time.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.faults.history import random_history
from tests.faults.story import Played, Story, play


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--seed", type=int, default=None, help="of the first history; the next ones count up")
    parser.add_argument("--histories", type=int, default=None, help="end after so many")
    parser.add_argument("--steps", type=int, default=40, help="of a history, at most")
    asked = parser.parse_args()
    seed = random.randrange(1_000_000) if asked.seed is None else asked.seed
    end = time.monotonic() + asked.minutes * 60
    sums, count, failed = Counter[tuple[str, str]](), 0, None
    while time.monotonic() < end and (asked.histories is None or count < asked.histories):
        rng = random.Random(seed + count)
        story = random_history(rng.randint, rng.randint(5, asked.steps))
        began = time.monotonic()
        failed = _one(story, seed + count, sums)
        count += 1
        _progress(count, seed + count - 1, len(story.steps), time.monotonic() - began, sums)
        if failed:
            print(f"\nhistory with seed {seed + count - 1}:\n  " + "\n  ".join(map(str, story.steps)))
            print(f"\n{failed}")
            break
    print(f"\n{count} histories\n\n| vendor | lines | lost | repeated | repeated with another id |")
    print("|---|---:|---:|---:|---:|")
    for vendor in sorted({v for v, _ in sums}):
        print(f"| {vendor} | " + " | ".join(f"{sums[vendor, k]:,}" for k in _NUMBERS) + " |")
    return 1 if failed else 0


_NUMBERS = ("written", "lost", "repeated", "repeated_otherwise")


def _one(story: Story, seed: int, sums: Counter[tuple[str, str]]) -> str | None:
    """Play one history; what is wrong with it, or None."""
    with tempfile.TemporaryDirectory() as root:
        try:
            played: Played = play(story, Path(root), seed=seed)
        except AssertionError as e:
            return str(e)
    for name, outcome in played.outcomes.items():
        for number in _NUMBERS:
            sums[name, number] += getattr(outcome, number)
    unsound = [str(o) for o in played.outcomes.values() if not o.sound]
    unsound += played.notes if unsound else []
    return "\n".join(unsound) or (f"counters: {played.alarms}" if played.alarms else None)


def _progress(count: int, seed: int, steps: int, seconds: float, sums: Counter[tuple[str, str]]) -> None:
    vendors = [v for v, number in sums if number == "lost"]
    told = ", ".join(f"{v} {sums[v, 'written']:,} lines, {sums[v, 'repeated']:,} repeated" for v in vendors)
    print(f"{count:5d}  seed {seed}  {steps} steps in {seconds:.1f} s; so far {told}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
