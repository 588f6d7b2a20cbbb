"""`pip install FOLDER`, as much of it as the guides use: what an installer leaves of a package in pure Python.

Modules and packages of the folder are copied to where Python looks for them (the first entry of PYTHONPATH), and beside
them goes a `dist-info` with the entry points of `pyproject.toml` (packaging.python.org/specifications). To build a
wheel would take a build backend from an index, and to install it an environment that tests share.
"""

import os
import shutil
import sys
import tomllib
from pathlib import Path


def install(folder: Path, site: Path) -> None:
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    shutil.copytree(folder, site, dirs_exist_ok=True, ignore=shutil.ignore_patterns("pyproject.toml"))
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        line
        for group, points in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {target}" for name, target in points.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")


def main() -> None:
    command, folder = sys.argv[1:]
    assert command == "install"
    install(Path(folder), Path(os.environ["PYTHONPATH"].split(os.pathsep)[0]))


if __name__ == "__main__":
    main()
