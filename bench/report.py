"""What came out, for people and for programs: a table on standard output, and JSON with the machine's description.

On a terminal rich draws the table; anywhere else it is plain text, in columns. Progress goes to standard error.
"""

import contextlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.processes import ROOT, loop

LIBRARIES = ("orjson", "msgspec", "isal", "urllib3", "backports.zstd")


def progress(text: str) -> None:
    """A word of what goes on."""
    print(text, file=sys.stderr, flush=True)


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under heads; all columns but the first are figures. In a terminal that is too narrow for
    it the table lies on its side.
    """
    if sys.stdout.isatty():
        _draw(title, heads, rows)
        return
    widths = _widths(heads, rows)
    print(title)
    for row in (heads, *rows):
        padded = [f"{cell:{'>' if i else '<'}{width}}" for i, (cell, width) in enumerate(zip(row, widths, strict=True))]
        print("  ".join(padded).rstrip())
    print(flush=True)


def _draw(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if sum(_widths(heads, rows)) + 3 * len(heads) + 1 > console.width:
        heads, *rows = list(zip(heads, *rows, strict=True))
    drawn = Table(title=title, title_justify="left")
    for i, head in enumerate(heads):
        drawn.add_column(head, justify="right" if i else "left")
    for row in rows:
        drawn.add_row(*row)
    console.print(drawn)


def _widths(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(heads, *rows, strict=True)]


def machine() -> dict[str, Any]:
    """What the figures depend on, beside the program."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        "kernel": platform.release(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "loop_ns": loop() * 1e9,
        "libraries": {name: _version(name) for name in LIBRARIES},
        "commit": _commit(),
        "load_average": os.getloadavg()[0],
    }


def machine_in_words(found: dict[str, Any]) -> str:
    libraries = ", ".join(f"{name} {version}" for name, version in found["libraries"].items())
    return (
        f"{found['cpu']}, {found['cores']} cores, Linux {found['kernel']}, {found['python']} "
        f"({found['loop_ns']:.0f} ns for a turn of a loop), {libraries}; "
        f"load average {found['load_average']:.1f}"
    )


def save(path: Path | None, command: str, results: Any) -> None:
    """Write `results` and the machine as JSON to `path`, or to build/bench/<date>.json."""
    path = path or ROOT / "build" / "bench" / f"{time.strftime('%Y-%m-%dT%H%M%S')}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {"command": command, "arguments": sys.argv[1:], "machine": machine(), "results": results}
    path.write_text(json.dumps(whole, indent=1) + "\n")
    progress(f"written to {path}")


def _cpu_model() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _commit() -> str:
    """The commit that is checked out, with a + if files have changed since."""
    try:
        describe = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
        return subprocess.run(describe, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
