"""What joining stack traces costs per line: the screen that every line passes, and the machine behind it.

    python bench/join_screen.py

The screen's price is paid for every line of every log, the machine's only for lines near a trace. Figures are the best
of several rounds, with the price of the empty loop taken off.
"""

import time
from collections.abc import Callable
from pathlib import Path

from outrider.tail.exceptions import SECOND_LINE_BEGINS, Detector, may_follow_start, may_start

WIDTH = 310
ROUNDS = 7
TRACES = Path(__file__).parent.parent / "tests" / "tail" / "traces"

TEXT = [
    b"2026-03-04T09:12:44.118Z INFO  [http-7] c.acme.shop.Orders order accepted customer=%d " % n for n in range(500)
]
LEVEL_FIRST = [b"INFO  2026-03-04 09:12:44 order accepted customer=%d " % n for n in range(500)]
SENTENCE = [b"Order accepted for customer %d after " % n for n in range(500)]
JSON = [b'{"severity":"INFO","time":"2026-03-04T09:12:44.118Z","customer":%d,"message":"' % n for n in range(500)]


def wide(lines: list[bytes]) -> list[bytes]:
    """The lines filled up to 310 bytes."""
    return [line.ljust(WIDTH, b"x") for line in lines]


def nanoseconds(run: Callable[[list[bytes]], None], lines: list[bytes]) -> float:
    """The best time of `run` per line, in nanoseconds."""
    repeats = max(1, 20_000 // len(lines))
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        for _ in range(repeats):
            run(lines)
        best = min(best, (time.perf_counter_ns() - began) / (repeats * len(lines)))
    return best


def nothing(lines: list[bytes]) -> None:
    for _ in lines:
        pass


def two_bytes(lines: list[bytes]) -> None:
    begins = SECOND_LINE_BEGINS
    for line in lines:
        if line[:2] in begins:
            pass


def screen(lines: list[bytes]) -> None:
    for line in lines:
        may_follow_start(line)


def heads(lines: list[bytes]) -> None:
    for line in lines:
        may_start(line)


def machine(lines: list[bytes]) -> None:
    feed = Detector().feed
    for line in lines:
        feed(line)


def main() -> None:
    traces = [line for path in sorted(TRACES.glob("*.txt")) for line in path.read_bytes().splitlines()]
    kinds = {
        "text, time first": wide(TEXT),
        "text, level first": wide(LEVEL_FIRST),
        "text, a sentence": wide(SENTENCE),
        "JSON": wide(JSON),
        "traces, all languages": traces,
    }
    ways = {"line[:2]": two_bytes, "may_follow_start": screen, "may_start": heads, "Detector.feed": machine}
    print(f"{'ns per line':24}" + "".join(f"{name:>18}" for name in ways))
    for kind, lines in kinds.items():
        loop = nanoseconds(nothing, lines)
        print(f"{kind:24}" + "".join(f"{nanoseconds(run, lines) - loop:18.0f}" for run in ways.values()))


if __name__ == "__main__":
    main()
