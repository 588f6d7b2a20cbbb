"""Where the demo's views are shown: a live screen on a terminal, one line a second everywhere else.

Both go to standard error; standard output is for the summary. The screen is not the terminal's alternate one, so its
last state stays above the summary.
"""

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator

from outrider.demo.screen import View, draw, status_line

Show = Callable[[View], None]
"""Shows a view now, or passes it over."""


@contextlib.contextmanager
def display(plain: bool) -> Iterator[Show]:
    """The screen, or lines if `plain`, `NO_COLOR` is set, or standard error is no terminal."""
    if plain or os.environ.get("NO_COLOR") or not sys.stderr.isatty():
        yield lines()
    else:
        with _screen() as show:
            yield show


def lines(now: Callable[[], float] = time.monotonic, say: Callable[[str], None] | None = None) -> Show:
    """Says a view in one line if the last one was a second ago, or tells something new."""
    out = say or (lambda line: print(line, file=sys.stderr, flush=True))
    last, note = -1.0, ""

    def show(view: View) -> None:
        nonlocal last, note
        if now() - last >= 1 or view.note != note:
            last, note = now(), view.note
            out(status_line(view))

    return show


@contextlib.contextmanager
def _screen() -> Iterator[Show]:
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    with Live(console=console, auto_refresh=False) as live:
        yield lambda view: live.update(draw(view, console.width, console.height - 1), refresh=True)
