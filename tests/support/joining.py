"""Two ways to group the lines of one stream with a joiner: the plain one, and the one a hot path takes."""

from collections.abc import Sequence

from outrider.tail.exceptions import ALONE, INSIDE, Detector, Joiner, may_follow_start


def join(joiner: Joiner, lines: Sequence[bytes]) -> list[list[int]]:
    """The line numbers of each record, every line having been fed: what the statuses mean, and the oracle."""
    groups: list[list[int]] = []
    for number, line in enumerate(lines):
        if joiner.feed(line) >= INSIDE:
            groups[-1].append(number)
        else:
            groups.append([number])
    return groups


def join_screened(detector: Detector, lines: Sequence[bytes]) -> tuple[list[list[int]], int]:
    """The same, looking one line back only where `may_follow_start` says so; and how many times a line was fed."""
    groups: list[list[int]] = []
    fed = 0
    alone = False
    for number, line in enumerate(lines):
        if not detector.active and alone and may_follow_start(line):
            detector.feed(lines[number - 1])
            fed += 1
        status = ALONE
        if detector.active:
            status = detector.feed(line)
            fed += 1
        if status >= INSIDE:
            groups[-1].append(number)
        else:
            groups.append([number])
        alone = status == ALONE
    return groups, fed
