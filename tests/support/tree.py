"""Numbered lines in a kubelet tree, and the question whether all of them have arrived.

A line says who wrote it and its number: `web 000017 …`. What has arrived is judged pod by pod: every number once (as
often as it was sent), and in the order in which it was written when the entries are sorted by insertId.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from outrider.demo.kubelet import ContainerLog
from tests.support.sink import Received, Sink
from tests.support.wait import until

_NUMBERED = re.compile(r"(\S+) (\d{6})(?: |$)")


class Numbered:
    """Writes numbered lines to one container of a pod called `name`."""

    def __init__(self, name: str, log: ContainerLog) -> None:
        self.name = name
        self.log = log
        self.written = 0

    def write(self, count: int = 1, width: int = 40) -> None:
        """`count` more lines of about `width` bytes."""
        for _ in range(count):
            self.log.write(self.text(width))

    def text(self, width: int = 40) -> str:
        """The content of the next line, which counts as written."""
        text = f"{self.name} {self.written:06d} ".ljust(width, ".")
        self.written += 1
        return text


def numbers(received: Iterable[Received]) -> list[int]:
    """The numbers that entries carry; every entry must carry one."""
    found = []
    for r in received:
        m = _NUMBERED.search(r.text)
        assert m, f"not a numbered line: {r.text[:200]}"
        found.append(int(m[2]))
    return found


def await_lines(sink: Sink, *writers: Numbered, timeout: float = 20.0) -> None:
    """Wait until every line of `writers` has arrived."""
    for w in writers:
        until(lambda w=w: len(set(numbers(sink.received(w.name)))) >= w.written, timeout)  # type: ignore[misc]


def by_stream(received: Iterable[Received]) -> dict[str, list[Received]]:
    """Entries by their stream, as the insertId tells it, sorted by insertId."""
    streams: dict[str, list[Received]] = {}
    for r in sorted(received, key=lambda r: r.insert_id):
        streams.setdefault(r.insert_id.partition("-")[0], []).append(r)
    return streams


def assert_complete(sink: Sink, writer: Numbered) -> None:
    """Every line is there, none twice under two names, and insertIds sort as the lines were written."""
    first = sink.first(writer.name)
    assert sorted(numbers(first)) == list(range(writer.written))
    for entries in by_stream(first).values():
        found = numbers(entries)
        assert found == sorted(found), "insertIds do not sort in file order"


def files_in(root: Path) -> list[Path]:
    """Every file below `root`, while others make and remove directories there: what vanishes meanwhile is not there."""
    return [Path(directory, name) for directory, _, names in os.walk(root) for name in names]
