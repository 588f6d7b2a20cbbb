"""Which exporters read a stream: `logs.select` says whether, the first matching route says where to."""

import fnmatch
import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from outrider.model.stream import Stream


class Selector(Protocol):
    """Globs over the names of a stream; an empty list leaves the name open."""

    @property
    def namespace(self) -> Sequence[str]: ...
    @property
    def pod(self) -> Sequence[str]: ...
    @property
    def container(self) -> Sequence[str]: ...


class Route(Protocol):
    """Namespaces (globs) and the exporters that their streams go to."""

    @property
    def namespaces(self) -> Sequence[str]: ...
    @property
    def to(self) -> Sequence[str]: ...


class Routing:
    """The compiled form of `logs.select` and `routes`."""

    def __init__(self, include: Sequence[Selector], exclude: Sequence[Selector], routes: Sequence[Route]) -> None:
        self._include = [_Globs(s) for s in include]
        self._exclude = [_Globs(s) for s in exclude]
        self._routes = [(_pattern(r.namespaces), frozenset(r.to)) for r in routes]

    def readers(self, stream: Stream) -> frozenset[str]:
        """The names of the exporters that read `stream`; empty if nobody does."""
        if self._include and not any(s.match(stream) for s in self._include):
            return frozenset()
        if any(s.match(stream) for s in self._exclude):
            return frozenset()
        for namespaces, exporters in self._routes:
            if namespaces.fullmatch(stream.namespace):
                return exporters
        return frozenset()


class _Globs:
    def __init__(self, selector: Selector) -> None:
        self._namespace = _pattern(selector.namespace)
        self._pod = _pattern(selector.pod)
        self._container = _pattern(selector.container)

    def match(self, stream: Stream) -> bool:
        return bool(
            self._namespace.fullmatch(stream.namespace)
            and self._pod.fullmatch(stream.pod)
            and self._container.fullmatch(stream.container)
        )


def _pattern(globs: Iterable[str]) -> re.Pattern[str]:
    """One expression for all of `globs`; for none of them, one that matches everything."""
    return re.compile("|".join(f"(?:{fnmatch.translate(g)})" for g in globs) or ".*", re.DOTALL)
