"""Wheels and source distributions with the extension, and without it where it cannot be built."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from outrider import __version__
from outrider.native import core

ROOT = Path(__file__).parents[2]
PROJECT = (
    "pyproject.toml",
    "hatch_build.py",
    "README.md",
    "LICENSE",
    ".gitignore",
    "outrider",
    "collectors",
    "sidecars",
)
EXTENSION = "outrider/native/_core.abi3.so"
TROUBLE = "from outrider import native; print(native.core, repr(native.trouble))"
USED = "from outrider.native import core; print(core is not None)"
EMPTY = f"{sys.executable} -c 'import sys; open(sys.argv[-1], \"w\")'"  # a compiler of a kind
EDITABLE = "import sys, hatchling.build; hatchling.build.build_editable(sys.argv[1])"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what is packed, with an extension from another time in it."""
    copy = tmp_path / "project"
    copy.mkdir()
    for name in PROJECT:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        else:
            shutil.copy(ROOT / name, copy)
    (copy / EXTENSION).write_bytes(b"stale")
    return copy


def _python(*arguments: str, cwd: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    plain = {key: value for key, value in os.environ.items() if key not in ("OUTRIDER_NATIVE", "PYTHONPATH")}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env={**plain, **env}, capture_output=True, text=True, timeout=60
    )


def _pack(project: Path, kind: str = "wheel", **env: str) -> tuple[Path, str]:
    """What the backend makes, as `pip wheel` calls it but without fetching it, and what it says."""
    done = _python("-m", "hatchling", "build", "-t", kind, "-d", str(project / "dist"), cwd=project, **env)
    assert done.returncode == 0, done.stderr
    (packed,) = (project / "dist").iterdir()
    return packed, done.stderr


def _unpacked(wheel: Path) -> Path:
    place = wheel.parent / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(place)
    return place


def _said(place: Path, *arguments: str) -> str:
    """By the Python that finds the program in `place`."""
    done = _python("-P", *arguments, cwd=place, PYTHONPATH=str(place))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _skip_without_it(said: str) -> None:
    if "no native code" in said:
        pytest.skip(said.strip())


def test_a_wheel_has_the_extension_for_every_later_python_and_not_its_sources(project: Path) -> None:
    wheel, said = _pack(project)
    _skip_without_it(said)
    assert wheel.name.startswith(f"outrider-{__version__}-cp311-abi3-linux_")
    place = _unpacked(wheel)
    assert {path.suffix for path in (place / "outrider/native").iterdir()} == {".py", ".pyi", ".so"}
    assert _said(place, "-c", USED) == "True"
    assert "Root-Is-Purelib: false" in (place / f"outrider-{__version__}.dist-info/WHEEL").read_text()


@pytest.mark.parametrize(
    ("env", "why"),
    [
        ({"CC": "/bin/false"}, "`/bin/false` ended with 1"),
        ({"CC": "no-compiler -x"}, "no C compiler (no-compiler)"),
        ({"CC": EMPTY}, f"what `{sys.executable}` made of it cannot be loaded"),
        ({"OUTRIDER_NATIVE": "off"}, "OUTRIDER_NATIVE=off"),
    ],
)
def test_without_it_a_wheel_is_for_every_platform_and_works(project: Path, env: dict[str, str], why: str) -> None:
    wheel, said = _pack(project, **env)
    assert wheel.name == f"outrider-{__version__}-py3-none-any.whl"
    assert f"outrider: no native code: {why}; Python does the same, more slowly" in said.splitlines()
    place = _unpacked(wheel)
    assert not (place / EXTENSION).exists()
    assert _said(place, "-c", TROUBLE) == "None ''"
    (place / EXTENSION).write_bytes(b"no library")
    assert _said(place, "-c", TROUBLE).startswith("None 'cannot be loaded: ")
    assert __version__ in _said(place, "-m", "outrider.cli.main", "--version")


def test_where_it_is_required_there_is_no_wheel_without_it(project: Path) -> None:
    build = ("-m", "hatchling", "build", "-t", "wheel", "-d", "dist")
    done = _python(*build, cwd=project, OUTRIDER_NATIVE="require", CC="/bin/false")
    assert done.returncode != 0 and list(project.glob("dist/*.whl")) == []
    assert done.stderr.splitlines() == [
        "outrider: no native code: `/bin/false` ended with 1; OUTRIDER_NATIVE=require asks for it"
    ]
    misspelt = _python(*build, cwd=project, OUTRIDER_NATIVE="required")
    assert misspelt.returncode != 0 and "OUTRIDER_NATIVE=required: it can be" in misspelt.stderr


def test_an_editable_installation_has_it_in_the_tree_and_keeps_no_old_one(project: Path) -> None:
    done = _python("-c", EDITABLE, str(project.parent), cwd=project)
    assert done.returncode == 0, done.stderr
    _skip_without_it(done.stderr)
    assert _said(project, "-c", USED) == "True"
    assert _python("-c", EDITABLE, str(project.parent), cwd=project, CC="/bin/false").returncode == 0
    assert [path.name for path in (project / "outrider/native").glob("_core*.so*")] == []
    assert [path.name for path in project.parent.glob("*.whl")] == [f"outrider-{__version__}-py3-none-any.whl"]


def test_a_source_distribution_has_the_sources_and_how_they_are_compiled(project: Path) -> None:
    packed, _ = _pack(project, "sdist", CC="/bin/false", OUTRIDER_NATIVE="require")
    with tarfile.open(packed) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "outrider/native").glob("*.[ch]")}
    assert "outrider/native/module.c" in sources
    assert names >= sources | {"hatch_build.py", "outrider/native/__init__.py"}
    assert EXTENSION not in names


def test_where_it_is_required_the_tests_run_with_it() -> None:
    """As in CI, where nothing else would tell that all the others have seen Python alone."""
    assert core is not None or os.environ.get("OUTRIDER_NATIVE") != "require"
