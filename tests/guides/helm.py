"""`helm`, as much of it as the guides use, by Helm's SDK: `template`, `install` and `upgrade` print what they render.

There is no cluster here to install into, so the other commands (`test`, `rollback`, `history`, `uninstall`) are known
by name alone.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from helm_python import HelmError

from tests.charts.rendering import NOTES, render

RENDERED = ("template", "install", "upgrade")
OTHERS = ("test", "rollback", "history", "uninstall")


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """Raises SystemExit if it is not one of these commands."""
    parser = argparse.ArgumentParser("helm")
    parser.add_argument("-n", "--namespace", default="default")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in RENDERED:
        rendering = commands.add_parser(name)
        rendering.add_argument("release")
        rendering.add_argument("chart", type=Path)
        rendering.add_argument("-f", "--values", type=Path, action="append", default=[])
    for name in OTHERS:
        other = commands.add_parser(name)
        other.add_argument("release")
        other.add_argument("revision", nargs="?", type=int)
        other.add_argument("--logs", action="store_true")
    return parser.parse_args(arguments)


def templates(given: argparse.Namespace, folder: Path) -> dict[str, str]:
    """What is rendered, by template; paths are relative to `folder`. Raises HelmError."""
    values: dict[str, Any] = {}
    for path in given.values:
        values |= yaml.safe_load((folder / path).read_text("utf-8"))
    return render(folder / given.chart, values, release=given.release)


def main() -> None:
    given = parsed(sys.argv[1:])
    assert given.command == "template", "nothing else can be run without a cluster"
    try:
        made = templates(given, Path.cwd())
    except HelmError as e:
        sys.exit(f"Error: {e}")
    for path, text in made.items():
        if not path.endswith(NOTES):
            print(f"---\n# Source: {path}\n{text.strip()}")


if __name__ == "__main__":
    main()
