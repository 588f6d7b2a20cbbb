"""`outrider tap`: every entry that a running collector ships, while it ships it.

The collector's telemetry has a page that goes on (`/tap`, see `outrider/pipeline/taps.py`); filters are applied there.
Here its lines are made fit for eyes, or passed on as they are. Entries go to standard output; what is said about them
(a request that has to be made again, entries that came too fast) goes to standard error, unless the output is JSON.

A collector that reloads or restarts is back soon; so once it was there, it is asked again until Ctrl-C.
"""

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn
from urllib.parse import urlencode

import click

from outrider.cli.options import output_option, url_option

EXIT_USAGE = 2
EXIT_UNREACHABLE = 69
"""There is nothing to follow (EX_UNAVAILABLE of sysexits.h)."""
SILENCE = 10.0
"""Seconds without even a blank line after which the collector is taken for dead."""
AGAIN = 1.0
COLOURS = {
    "DEFAULT": "bright_black",
    "DEBUG": "bright_black",
    "NOTICE": "green",
    "WARN": "yellow",
    "WARNING": "yellow",
    "ERROR": "red",
    "CRITICAL": "magenta",
    "ALERT": "magenta",
    "EMERGENCY": "magenta",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What a terminal might obey."""


class TapError(Exception):
    """There is nothing to follow; the text says why. `code` is what to exit with."""

    def __init__(self, words: str, code: int = EXIT_UNREACHABLE) -> None:
        super().__init__(words)
        self.code = code


@click.command()
@url_option()
@click.option(
    "--namespace", "-n", multiple=True, metavar="GLOB",
    help="Only of this namespace; may be repeated.",
)  # fmt: skip
@click.option(
    "--exporter", "-e", multiple=True, metavar="NAME",
    help="Only what this exporter ships; may be repeated.",
)  # fmt: skip
@click.option(
    "--grep", "-g", default="", metavar="PATTERN",
    help="Only with this in the text (RE2).",
)  # fmt: skip
@click.option(
    "--count", type=click.IntRange(1), metavar="N",
    help="End after so many entries.",
)  # fmt: skip
@output_option("Lines for people, or everything as one JSON object a line.")
def tap(url: str, namespace: Sequence[str], exporter: Sequence[str], grep: str, count: int | None, output: str) -> None:
    """Follow what a running collector ships.

    Prints every entry once its destination has answered for it: as it was sent, redacted, and by which exporter. What
    comes faster than it can be shown is left out, and counted.

    Exit codes: 0 --count entries were shown, 2 wrong usage, 69 there is nothing to follow, 130 interrupted.
    """
    query = [("namespace", n) for n in namespace] + [("exporter", e) for e in exporter] + [("grep", grep)] * bool(grep)
    page = ("" if "://" in url else "http://") + url.rstrip("/") + "/tap"
    try:
        _follow(f"{page}?{urlencode(query)}" if query else page, page, count, output)
    except TapError as e:
        click.echo(f"outrider tap: {e}", err=True)
        sys.exit(e.code)


def _follow(url: str, page: str, count: int | None, output: str) -> None:
    """Show `count` entries. Raises TapError if there was nothing to follow to begin with."""
    show = _pass_on if output == "json" else _show
    shown, found = 0, False
    while True:
        try:
            for line in _lines(url, page):
                told = _read(line, page)
                if "exporters" in told:
                    if not found:
                        _talk(f"following {', '.join(told['exporters']) or 'nobody'} at {page}; Ctrl-C ends it")
                    found = True
                    continue
                show(line, told)
                shown += "entry" in told
                if shown == count:
                    return
            raise TapError(f"{page} has ended")
        except TapError as e:
            if not found:
                raise
            _talk(f"{e}; trying again")
            time.sleep(AGAIN)


def _lines(url: str, page: str) -> Iterator[bytes]:
    """The lines of the page, without blank ones. Raises TapError."""
    import urllib3

    try:
        answer = urllib3.request("GET", url, timeout=SILENCE, retries=False, redirect=False, preload_content=False)
        if answer.status != 200:
            _refuse(answer.status, answer.read(4096).decode("utf-8", "replace").strip(), page)
        rest = b""
        while some := answer.read1(1 << 16):
            *lines, rest = (rest + some).split(b"\n")
            yield from filter(None, lines)
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as e:
        reason = getattr(e, "reason", None) or e
        raise TapError(f"{page} is out of reach: {reason}; is --url where `telemetry.listen` is?") from e


def _refuse(status: int, words: str, page: str) -> NoReturn:
    if status == 400:
        raise TapError(words, EXIT_USAGE)
    if status in (403, 503):
        raise TapError(words)
    raise TapError(f"{page} answers {status}; is --url where `telemetry.listen` is?")


def _read(line: bytes, page: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or not told.keys() & {"exporters", "verdict", "dropped"}:
        raise TapError(f"what {page} answers is nothing to follow; is --url where `telemetry.listen` is?")
    return told


# -- what is printed --------------------------------------------------------------------------------------------------


def _pass_on(line: bytes, _: dict[str, Any]) -> None:
    click.echo(line)


def _show(_: bytes, told: dict[str, Any]) -> None:
    if "entry" in told:
        click.echo(_text(told), color=False if os.environ.get("NO_COLOR") else None)
    elif "dropped" in told:
        _talk(f"{told['dropped']} entries came too fast to be shown, whether they would have matched or not")
    else:
        words = " ".join(_plain(str(told["words"])).split())
        _talk(f"{told['exporter']}: {words} ({told['verdict']}; entries to be sent again: {told['entries']})")


def _text(told: dict[str, Any]) -> str:
    severity = _plain(told["severity"])
    whose = "/".join(_plain(told[key]) for key in ("namespace", "pod", "container") if told[key])
    text = _plain(told["text"]).replace("\n", "\n    ")
    line = " ".join(
        (
            click.style(f"{told['time'][:23].rstrip('Z')}Z".ljust(24), dim=True),
            _plain(told["exporter"]),
            click.style(severity.ljust(7), fg=COLOURS.get(severity)),
            click.style(whose or "-", fg="cyan"),
            text,
        )
    )
    if told["verdict"] == "rejected":
        line += "\n    " + click.style(f"refused for good: {_plain(told['words'])}", fg="red")
    return line


def _plain(text: str) -> str:
    r"""`text` with control characters spelled, as `\x1b`: a log must not move anybody's cursor."""
    return _CONTROL.sub(lambda m: f"\\x{ord(m[0]):02x}", text)


def _talk(words: str) -> None:
    click.echo(f"outrider tap: {words}", err=True)
