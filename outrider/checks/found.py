"""Which checks there are: those that entry points of the group `outrider.checks` name, ours and anybody's.

    [project.entry-points."outrider.checks"]
    redis = "outrider.checks.redis.check:RedisCheck"

A check is loaded when it is asked for by name, and with it its client library. Entry points are read where installers
write them: in `entry_points.txt` of every distribution that lies in a directory on the path
(packaging.python.org/specifications/entry-points). `importlib.metadata` reads the same, and takes 1.3 MB of modules for
it, a twenty-fifth of what a sidecar may have.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from outrider.checks.check import Check, CheckSettings
    from outrider.checks.declared import Declared
    from outrider.model.points import Attributes

GROUP = "outrider.checks"


class _Point(NamedTuple):
    """An entry point: `attribute` of `module`."""

    module: str
    attribute: str

    def load(self) -> Any:
        return getattr(import_module(self.module), self.attribute)


@cache
def _points() -> dict[str, _Point]:
    points: dict[str, _Point] = {}
    for place in sys.path:
        for name, point in _of_directory(place or "."):
            points.setdefault(name, point)
    return points


def _of_directory(place: str) -> Iterator[tuple[str, _Point]]:
    """The checks of the distributions that are installed in `place`."""
    try:
        there = sorted(name for name in os.listdir(place) if name.endswith((".dist-info", ".egg-info")))
    except OSError:  # not there, or no directory
        return
    for distribution in there:
        try:
            with open(os.path.join(place, distribution, "entry_points.txt"), encoding="utf-8") as f:
                yield from _parsed(f)
        except OSError:
            continue


def _parsed(lines: Iterable[str]) -> Iterator[tuple[str, _Point]]:
    """What the section of our group says, `name = module:attribute`. Extras behind it are an old form."""
    section = ""
    for line in map(str.strip, lines):
        if line.startswith("["):
            section = line.strip("[]").strip()
        elif section == GROUP and "=" in line and line[0] not in "#;":
            name, _, value = line.partition("=")
            module, _, attribute = value.partition("[")[0].partition(":")
            yield name.strip(), _Point(module.strip(), attribute.strip())


def names() -> list[str]:
    """Every check that is installed, sorted."""
    return sorted(_points())


def load(name: str) -> "tuple[type[Check], Declared]":
    """The check of this name and its `metrics.yaml`. Raises KeyError if there is none, and ImportError if its client
    library is not installed.
    """
    from outrider.checks.declared import declared

    point = _points()[name]
    check: type[Check] = point.load()
    return check, declared(point.module.rpartition(".")[0])


class Pair(NamedTuple):
    """One metric under both names. `tags` and `labels`, as `key:value`, are those by which it is told from others that
    have the same name.
    """

    datadog: str
    tags: tuple[str, ...]
    google: str
    labels: tuple[str, ...]


def pairs() -> list[Pair]:
    """What has both names, of every check that is installed, with or without its client library."""
    from outrider.checks.declared import declared

    metrics = (
        metric
        for point in _points().values()
        for some in declared(point.module.rpartition(".")[0]).metrics.values()
        for metric in some
    )
    found = {
        Pair(m.datadog.name, _told(m.datadog.tags), m.google.type, _told(m.google.labels))
        for m in metrics
        if m.datadog and m.google
    }
    return sorted(found)


def _told(attributes: "Attributes") -> tuple[str, ...]:
    return tuple(f"{key}:{value}" for key, value in attributes)


class _Installed(Mapping[str, "type[CheckSettings]"]):
    """The settings of every check that is installed, loaded when they are looked up (which may raise ImportError)."""

    def __getitem__(self, name: str) -> "type[CheckSettings]":
        check: type[Check] = _points()[name].load()
        return check.Settings

    def __iter__(self) -> Iterator[str]:
        return iter(names())

    def __len__(self) -> int:
        return len(_points())


INSTALLED = _Installed()
