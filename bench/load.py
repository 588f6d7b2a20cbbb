"""A kubelet tree full of numbered lines, the same for the same seed, written at some hundred megabytes a second.

Templates (`bench.lines`) are strung together to chunks of some hundred lines, and a chunk is filled in by one `%` with
the times and numbers of all its lines. The times are those of the last few minutes, because Datadog replaces times of
the day before; they are written as containerd writes them, RFC 3339 with nanoseconds and without the zeros at the end.
"""

import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from bench.lines import Item, item

NAMESPACES = 8
SPAN, AGE = 240, 300
"""Seconds: over how many the times of a file are spread, about, and how long ago the first of them is."""
CHUNK_ITEMS, CHUNKS = 250, 16
BEFORE = 200_000
"""Nanoseconds between a program's own time and the runtime's, which is about what a pipe takes."""
_SECOND = 1_000_000_000
_LINE = 280


@dataclass(frozen=True, slots=True)
class Load:
    """What was written: `numbers[f]` numbers in file f, from 0 on, in `lines` lines of `size` bytes altogether, which a
    collector that joins lines makes `items` entries. `kinds` counts items by kind.
    """

    pods: Path
    size: int
    lines: int
    items: int
    numbers: tuple[int, ...]
    kinds: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A format with three open places a line, and which number each line has, counted from the chunk's first."""

    form: bytes
    numbers: list[int]
    used: int
    kinds: Counter[str]


def log_path(pods: Path, file: int) -> Path:
    """Where the log of file number `file` is: `<namespace>_<pod>_<uid>/<container>/0.log`."""
    return pods / f"team-{file % NAMESPACES}_{pod_name(file)}_{uid(file)}" / "main" / "0.log"


def pod_name(file: int) -> str:
    return f"shop-{file}-7d4b9c6f5-x{file:04d}"


def uid(file: int) -> str:
    return f"{file:08d}-5b1c-4c66-9f0e-2d3a7c1e8b42"


def generate(
    pods: Path, size: int, files: int, *, mix: str = "mixed", joined: bool = False, seed: int = 1, until: int = 0
) -> Load:
    """Write about `size` bytes into `files` logs under `pods`. `until` is when all of them were written, in
    nanoseconds since 1970 (0: now).
    """
    until = until or time.time_ns()
    total = lines = 0
    numbers: list[int] = []
    kinds: Counter[str] = Counter()
    for file in range(files):
        path = log_path(pods, file)
        path.parent.mkdir(parents=True)
        chunks = list(
            _chunks(file, random.Random(f"{seed}/{file}"), mix, joined, min(CHUNKS, 1 + size // files // 50_000))
        )
        written, count = 0, 0
        with open(path, "wb") as log:
            stamps = _stamps(until - AGE * _SECOND, SPAN * _SECOND * _LINE * files // size)
            for chunk in cycle(chunks):
                made = _filled(chunk, count, stamps)
                log.write(made)
                written, count, lines = written + len(made), count + chunk.used, lines + len(chunk.numbers)
                kinds.update(chunk.kinds)
                if written >= size // files:
                    break
        total += written
        numbers.append(count)
    return Load(pods, total, lines, sum(kinds.values()), tuple(numbers), dict(kinds))


def _chunks(file: int, chance: random.Random, mix: str, joined: bool, count: int) -> Iterator[_Chunk]:
    for _ in range(count):
        items = [item(file, chance, mix, joined) for _ in range(CHUNK_ITEMS)]
        numbers, used = _numbered(items)
        form = b"".join([line for i in items for line in i.lines])
        yield _Chunk(form, numbers, used, Counter(i.kind for i in items))


def _numbered(items: list[Item]) -> tuple[list[int], int]:
    numbers: list[int] = []
    used = 0
    for i in items:
        own = len(i.lines) - i.unnumbered
        numbers += [used] * i.unnumbered + list(range(used, used + own))
        used += own
    return numbers, used


def _filled(chunk: _Chunk, first: int, stamps: "Iterator[tuple[bytes, bytes]]") -> bytes:
    values: list[bytes | int] = []
    for number, stamp in zip(chunk.numbers, stamps, strict=False):
        values += stamp
        values.append(first + number)
    return chunk.form % tuple(values)


def stamp(at: int) -> bytes:
    """`at`, nanoseconds since 1970, as containerd writes it."""
    second, rest = divmod(at, _SECOND)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode()
    return b"%b.%bZ" % (text, (b"%09d" % rest).rstrip(b"0")) if rest else text + b"Z"


def _stamps(begin: int, step: int) -> Iterator[tuple[bytes, bytes]]:
    """Times of a runtime, each with the program's own, about `step` nanoseconds apart."""
    jitter = [random.Random(n).randrange(max(step, 1)) for n in range(1009)]
    second, text = -1, b""
    for base, more in zip(_count(begin, step), cycle(jitter), strict=False):
        now, rest = divmod(base + more, _SECOND)
        if now != second:
            second, text = now, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)).encode()
        yield (
            b"%b.%bZ" % (text, (b"%09d" % rest).rstrip(b"0") or b"0"),
            b"%b.%06dZ" % (text, max(rest - BEFORE, 0) // 1000),
        )


def _count(begin: int, step: int) -> Iterator[int]:
    at = begin
    while True:
        yield at
        at += step
