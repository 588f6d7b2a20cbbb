"""Plays every story at a larger size and prints what became of the lines.

    python -m tests.faults.table        make faults

The table goes to standard output as Markdown, progress to standard error. The exit code is 1 if anything was lost or
came again as another entry.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.stories import STORIES
from tests.faults.story import VENDORS, NotBuiltError, Played, play

HEAD = (
    "| story | vendor | lines | lost | repeated | repeated with another id | note |\n|---|---|---:|---:|---:|---:|---|"
)


def rows(played: Played) -> list[str]:
    """One row of the table for each vendor."""
    found = []
    for name, o in played.outcomes.items():
        other = {"mangled": o.mangled, "shared ids": o.shared_ids, "sorted out of order": o.out_of_order}
        measured = [n.removeprefix(f"{name}: ") for n in played.notes if n.startswith(f"{name}: ")]
        told = [played.story.note, *measured, *(f"{v} {k}" for k, v in other.items() if v)]
        told += [f"`{k}` {v:g}" for k, v in played.alarms.items()]
        note = "; ".join(filter(None, told))
        numbers = f"{o.written:,} | {o.lost} | {o.repeated:,} | {o.repeated_otherwise}"
        found.append(f"| {played.story.name} | {name} | {numbers} | {note} |")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=3.0, help="how many times as much is written as in the tests")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-k", default="", help="only stories whose name contains this")
    asked = parser.parse_args()
    bad = 0
    print(HEAD, flush=True)
    for story in (s for s in STORIES if asked.k in s.name):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as root:
            try:
                played = play(story, Path(root), asked.scale, asked.seed)
            except (AssertionError, NotBuiltError) as e:
                bad += 1
                print(f"{story.name}: {e}", file=sys.stderr)
                print(f"| {story.name} | {', '.join(VENDORS)} | | | | | not played to its end: {type(e).__name__} |")
                continue
        bad += not all(o.sound for o in played.outcomes.values())
        print("\n".join(rows(played)), flush=True)
        print(f"{story.name}: {time.monotonic() - began:.1f} s", file=sys.stderr)
        for o in played.outcomes.values():
            print("\n".join(o.examples), end="\n" if o.examples else "", file=sys.stderr)
            print("\n".join(played.notes) if not o.sound else "", end="", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
