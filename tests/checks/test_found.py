"""Checks are found where installers write entry points, in the forms that these may have."""

from pathlib import Path

import pytest

from outrider.checks import found


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(found, "_points", found._points.__wrapped__)
    return tmp_path


def distribution(path: Path, name: str, text: str | None) -> None:
    (path / name).mkdir()
    if text is not None:
        (path / name / "entry_points.txt").write_text(text)


def test_entry_points_of_every_form_are_read(path: Path) -> None:
    distribution(
        path, "a-1.0.dist-info", "[console_scripts]\nx = a:main\n\n[ outrider.checks ]\n# one\na = a.check:A\n"
    )
    distribution(
        path, "b-1.0.egg-info", "[outrider.checks]\nb=b.check:B [extra]\n; another\n[outrider.others]\nc = c:C\n"
    )
    distribution(path, "c-1.0.dist-info", None)
    distribution(path, "d", "[outrider.checks]\nd = d:D\n")
    points = found._points()
    assert (points["a"], points["b"]) == (("a.check", "A"), ("b.check", "B"))
    assert points.keys() & {"x", "c", "d"} == set()
    assert {"a", "b", "redis"} <= set(found.names())


def test_the_first_on_the_path_is_taken_and_what_is_no_directory_is_passed_over(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (path / "archive.zip").write_bytes(b"")
    monkeypatch.syspath_prepend(str(path / "archive.zip"))
    monkeypatch.syspath_prepend(str(path / "nowhere"))
    distribution(path, "mine-1.0.dist-info", "[outrider.checks]\nredis = mine:Redis\n")
    assert found._points()["redis"] == ("mine", "Redis")
    with pytest.raises(KeyError):
        found.load("nobody")
    with pytest.raises(ImportError):
        found.load("redis")


def test_the_checks_of_this_package_are_the_ones_that_are_declared() -> None:
    """As importlib.metadata, which takes more memory, finds them."""
    from importlib.metadata import entry_points

    assert found.names() == sorted(point.name for point in entry_points(group=found.GROUP))
