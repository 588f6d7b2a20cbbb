"""Which exporters read a stream, in whose name, and how much of it: `logs.select` says whether, a route says the rest.

The first route that matches is taken. A pod may ask for another one by its name (annotation `outrider.io/route`), and
gets it if that route is for the pod's namespace; else the first match stands and the refusal is counted.

Names of a stream are known when it is found, labels and annotations only when its pod is. So there are two questions:
`readers` asks early for everybody who might read the stream, `decide` asks again once the pod is known (or has been
waited for in vain) and gives the route for good. Where labels decide, the wait is long: a line in the wrong customer's
project cannot be taken back, a line that comes late can be read.
"""

import fnmatch
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.model.stream import Stream

log = logging.getLogger(__name__)

CHOICE = "outrider.io/route"
"""The annotation by which a pod asks for a route."""


class Selector(Protocol):
    """Globs over the names of a stream; an empty list leaves the name open."""

    @property
    def namespace(self) -> Sequence[str]: ...
    @property
    def pod(self) -> Sequence[str]: ...
    @property
    def container(self) -> Sequence[str]: ...


class Route(Protocol):
    """An entry of the configuration's `routes`."""

    @property
    def name(self) -> str | None: ...
    @property
    def namespaces(self) -> Sequence[str]: ...
    @property
    def containers(self) -> Sequence[str]: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def annotations(self) -> Mapping[str, str]: ...
    @property
    def to(self) -> Sequence[str]: ...
    @property
    def share(self) -> int: ...
    @property
    def limit(self) -> int | None: ...
    @property
    def sample(self) -> Mapping[str, float]: ...


@dataclass(frozen=True, slots=True)
class Decision:
    """What a route means for one stream. `tenant` is the namespace; where several routes are for one namespace, each
    makes a tenant of its own. `limit` is bytes per second for the tenant.
    """

    exporters: frozenset[str]
    tenant: tuple[str, int] = ("", 0)
    share: int = 1
    limit: int | None = None
    sample: Mapping[str, float] = field(default_factory=dict)


NOBODY = Decision(frozenset())


class Routing:
    """The compiled form of `logs.select` and `routes`."""

    def __init__(
        self,
        include: Sequence[Selector],
        exclude: Sequence[Selector],
        routes: Sequence[Route],
        counters: Counters | None = None,
    ) -> None:
        self._include = [_Globs(s) for s in include]
        self._exclude = [_Globs(s) for s in exclude]
        self._routes = [_Compiled(i, r) for i, r in enumerate(routes)]
        self._refused = (counters or Counters()).counter(
            "outrider_route_refusals_total", "Pods that asked for a route that is not there for their namespace."
        )
        self._told: set[tuple[str, str]] = set()

    def readers(self, stream: Stream) -> frozenset[str]:
        """The names of the exporters that may come to read `stream`, whatever its pod says; empty if nobody does."""
        if not self._selected(stream):
            return frozenset()
        found: frozenset[str] = frozenset()
        open_ = True
        for route in self._routes:
            if route.names_match(stream) and (open_ or route.name):
                found |= route.exporters
                open_ &= route.asks_the_pod
        return found

    def asks_the_pod(self, stream: Stream) -> bool:
        """Whether the route of `stream` hangs on the labels or annotations of its pod."""
        candidates = [r for r in self._routes if r.names_match(stream)]
        return any(r.name for r in candidates[1:]) or bool(candidates and candidates[0].asks_the_pod)

    def decide(self, stream: Stream, pod: Pod | None) -> Decision:
        """What the route of `stream` means for its logs, given what is known of its pod."""
        return self.route(stream, pod) if self._selected(stream) else NOBODY

    def route(self, stream: Stream, pod: Pod | None) -> Decision:
        """The same whatever `logs.select` says."""
        wish = pod.annotations.get(CHOICE) if pod is not None else None
        if wish is not None:
            for route in self._routes:
                if route.name == wish and route.names_match(stream):
                    return route.decision(stream)
            self._refuse(stream, wish)
        for route in self._routes:
            if route.names_match(stream) and route.pod_matches(pod):
                return route.decision(stream)
        return NOBODY

    def _selected(self, stream: Stream) -> bool:
        if self._include and not any(s.match(stream) for s in self._include):
            return False
        return not any(s.match(stream) for s in self._exclude)

    def _refuse(self, stream: Stream, wish: str) -> None:
        if (stream.uid, wish) not in self._told:
            self._told.add((stream.uid, wish))
            self._refused.add()
            log.warning(
                "%s/%s asks for the route %r (%s), which is not there for its namespace: the first match is taken",
                *(stream.namespace, stream.pod, wish, CHOICE),
            )


class _Compiled:
    """One route, its globs as patterns."""

    def __init__(self, index: int, route: Route) -> None:
        self.name = route.name
        self.exporters = frozenset(route.to)
        self.asks_the_pod = bool(route.labels or route.annotations)
        self._index, self._route = index, route
        self._namespaces, self._containers = _pattern(route.namespaces), _pattern(route.containers)
        self._labels = {key: _pattern([glob]) for key, glob in route.labels.items()}
        self._annotations = {key: _pattern([glob]) for key, glob in route.annotations.items()}

    def names_match(self, stream: Stream) -> bool:
        return bool(self._namespaces.fullmatch(stream.namespace) and self._containers.fullmatch(stream.container))

    def pod_matches(self, pod: Pod | None) -> bool:
        if not self.asks_the_pod:
            return True
        return pod is not None and _all(self._labels, pod.labels) and _all(self._annotations, pod.annotations)

    def decision(self, stream: Stream) -> Decision:
        route = self._route
        return Decision(self.exporters, (stream.namespace, self._index), route.share, route.limit, route.sample)


def _all(patterns: Mapping[str, re.Pattern[str]], values: Mapping[str, str]) -> bool:
    return all(key in values and pattern.fullmatch(values[key]) for key, pattern in patterns.items())


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
