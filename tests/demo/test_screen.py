"""The screen draws from a recorded view, without a terminal."""

import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from outrider.demo.balance import Events, Row
from outrider.demo.points import Shown
from outrider.demo.screen import COLOURS, Seen, View, draw, sparkline, status_line, svg

RECORDED = Path(__file__).parent / "data" / "view.json"


def recorded() -> View:
    raw = json.loads(RECORDED.read_text())
    raw["rows"] = [Row(**r) for r in raw["rows"]]
    raw["events"] = Events(**raw["events"])
    raw["metrics"] = [Shown(**m) for m in raw["metrics"]]
    raw["last"] = [Seen(**e) for e in raw["last"]]
    return View(**raw)


def drawn(view: View, *, width: int = 110, height: int = 32, colour: bool = False) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colour, color_system="truecolor" if colour else None)
    console.print(draw(view, width, height))
    return out.getvalue()


def test_everything_that_is_known_is_on_the_screen() -> None:
    text = drawn(recorded())
    for part in (
        "01:05", "shop", "payments", "total", "26,000", "Cloud Logging", "25,000", "Datadog", "24,990", "210",
        "412 entries/s", "0.84 s", "rotations 12",
        "gzipped 7", "pods born 3", "died 2", "restarts 4", "repeats 7", "rejected 0", "node 41 MB 6 % CPU",
        "shop/web-7d9c6b5f4-abcde",
        "sidecar 31 MB 0 % CPU", "redis.net.commands", "96.2", "redis.commands.processed", "12,345", "▁▃█", "1,048,576",
        "GET /cart 503", "ERROR", "10:11:12.123", "panic: runtime error⏎goroutine 7", "▁", "█", "draining",
    ):  # fmt: skip
        assert part in text, part


@pytest.mark.parametrize(("width", "height"), [(100, 20), (80, 24), (100, 32), (120, 50)])
def test_the_screen_fits_the_terminal(width: int, height: int) -> None:
    view = recorded()
    many = View(**{**{f: getattr(view, f) for f in View.__slots__}, "last": view.last * 20})
    text = drawn(many, width=width, height=height).splitlines()
    assert len(text) <= height
    assert all(len(line) <= width for line in text)
    assert "GET /cart" in "\n".join(text)


@pytest.mark.parametrize(("width", "height", "metrics"), [(80, 17, 0), (80, 20, 1), (110, 20, 3), (110, 40, 3)])
def test_metrics_are_shown_where_there_is_room(width: int, height: int, metrics: int) -> None:
    text = drawn(recorded(), width=width, height=height)
    names = ("redis.net.commands", "redis.mem.used", "redis.keyspace.h")
    assert [name in text for name in names] == [n < metrics for n in range(3)]
    assert ("sidecar 31 MB" in text) == (metrics > 0)
    assert "GET /cart and more" in text


def test_severities_are_told_apart_by_colour() -> None:
    coloured = drawn(recorded(), colour=True)
    assert "\x1b[31mERROR" in coloured
    assert "\x1b[32mINFO" in coloured
    assert len(set(COLOURS.values())) == len(COLOURS) == 8


def test_terminal_codes_in_a_log_line_do_not_reach_the_terminal() -> None:
    text = drawn(View(1.0, [], last=[Seen("2026-08-23T10:11:12Z", "INFO", "a", "b", "\x1b[2J\x07[red]boo")]))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[red]boo" in text


def test_an_empty_view_can_be_drawn() -> None:
    assert "0 entries/s" in drawn(View(0.0, []))
    assert "0 lines written" in status_line(View(0.0, []))


def test_the_status_line_says_the_same_in_one_line() -> None:
    line = status_line(recorded())
    assert "\n" not in line
    for part in (
        "65.0 s", "26,000 lines written", "entries received: Cloud Logging 25,000, Datadog 24,990 (412/s)",
        "210 on the way", "lag 0.8 s",
        "points received: Cloud Monitoring 480, Datadog 1,320 (redis.net.commands 96.2), sidecar 31 MB, 0 % CPU",
    ):  # fmt: skip
        assert part in line, line


@pytest.mark.parametrize(
    ("values", "width", "bars"),
    [
        ([], 5, ""),
        ([0, 0], 5, "  "),
        ([0, 1, 100], 5, " ▁█"),
        ([1, 2, 4, 8], 2, "▄█"),
        ([5, 5], 5, "██"),
    ],
)
def test_sparkline(values: list[float], width: int, bars: str) -> None:
    assert sparkline(values, width) == bars


def test_the_picture_stands_alone() -> None:
    picture = svg(recorded())
    assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert "GET&#160;/cart&#160;503" in picture
    assert "@font-face" not in picture
    assert "url(http" not in picture
