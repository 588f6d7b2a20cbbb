"""Files that begin with a hole: where their first line stands, however they are stored."""

import gzip
import os
from pathlib import Path

import pytest

from outrider.tail.generation import look
from outrider.tail.hole import WIDEST

LINE = b"2026-05-16T09:19:06Z stdout F hello\n"


def looked_at(path: Path) -> tuple[int, bytes] | None:
    """Where its first line stands, and what is known of it."""
    fd, _, head = look(str(path), path.suffix == ".gz")
    os.close(fd)
    return None if head is None else (head.at, head.start)


@pytest.mark.parametrize("width", [0, 1, 255, 256, 4095, 4096, 4097, 300_000, 5_000_000])
@pytest.mark.parametrize("form", ["sparse", "written", "gzip"])
def test_the_first_line_stands_behind_the_hole(tmp_path: Path, width: int, form: str) -> None:
    path = tmp_path / ("0.log.gz" if form == "gzip" else "0.log")
    with gzip.open(path, "wb", compresslevel=1) if form == "gzip" else open(path, "wb") as f:
        if form == "sparse":
            f.seek(width)
        else:
            f.write(b"\0" * width)
        f.write(LINE * 10)
    assert looked_at(path) == (width, LINE)


def test_a_hole_costs_nothing_however_wide_it_is(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    with open(path, "wb") as f:
        f.seek(1 << 40)
        f.write(LINE)
    assert looked_at(path) == (1 << 40, LINE)


def test_a_hole_alone_is_no_line_yet(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.touch()
    os.truncate(path, 100_000)
    assert looked_at(path) is None
    with open(path, "ab") as f:
        f.write(LINE[:10])
    assert looked_at(path) is None


def test_more_nul_bytes_than_can_be_read_through_are_content(tmp_path: Path) -> None:
    path = tmp_path / "0.log.gz"
    with gzip.open(path, "wb", compresslevel=1) as f:
        for _ in range(2 + WIDEST // (1 << 20)):
            f.write(b"\0" * (1 << 20))
        f.write(LINE)
    found = looked_at(path)
    assert found is not None
    assert found[0] == 0
