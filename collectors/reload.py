"""Nodes one after the other: a new configuration takes the place of the old one without an end of the program.

SIGHUP asks for it, or the file says so itself. kubelet renews a mounted ConfigMap by swapping a symbolic link, editors
write a new file and rename it, others write in place: so the identity of what the path leads to is looked at every two
seconds, and when it is another one the content is compared. A file that is being written looks different at every
look; it is taken only when two looks in a row found the same. Certificate authorities that exporters name are watched
in the same way, as they are read only when a node is made.

A new configuration is provisioned while the old node works: the text is examined, the files it names are read, and the
whole new node is made. Whatever is wrong is said and counted, and nothing else happens. Only then the old node ends in
order (what it has read is sent, answers are awaited, cursors saved), and the new one takes up at those cursors, with
the files that were open, for some may have no name any more. Both share the counters; gauges are those of the node that
runs (`Counters.heir`).

The main thread does this and nothing else, each node runs in a thread of its own. So a signal is heard at any moment,
and as its handler only puts a word into a `SimpleQueue`, which may be done anywhere, it cannot meet a lock half way.
"""

import logging
import os
import queue
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from collectors.judging import authorities, lies_outside, problems
from outrider.checks.found import INSTALLED
from outrider.config import Config, examine, examine_text
from outrider.model.clock import Clock, SystemClock
from outrider.model.counters import Counters, Readings

log = logging.getLogger(__name__)

LOOK = 2.0
"""Seconds between two looks at the file."""
SETTLE = 1.0
"""Seconds between the look that finds new content and the one that confirms it."""
AGAIN = 30.0
"""Seconds after which a configuration is judged again that was refused for something outside of the file: kubelet
renews ConfigMaps and Secrets each in their own time."""

Contents = tuple[bytes | None, ...]
"""Of every file that is watched, the configuration first; None: it cannot be read."""


class Runs(Protocol):
    """What is asked of a node."""

    stop: threading.Event
    last: bool
    """Set before `stop`: none of its kind will follow."""

    def run(self) -> None:
        """Work until `stop` is set, then end in order."""

    def inherit(self, before: Any) -> None:
        """Before `run`: take over what `before`, another of its kind that has ended, had open."""


@runtime_checkable
class Adapts(Protocol):
    """What may be asked of a node beside that."""

    readings: Readings

    def adapt(self, new: Any) -> bool:
        """While it runs: go on as `new`, another of its kind, would. False if an end and a beginning are needed."""


Make = Callable[[Config, Clock, Counters], Runs]
Check = Callable[[Config, bool], Iterable[str]]
"""(configuration, whether it is the first) -> what keeps it from being used."""


def make_node(config: Config, clock: Clock, counters: Counters) -> Runs:
    """A node in this process. Raises what `Node` raises."""
    from collectors.node import Node  # who runs workers does without

    return Node(config, clock, counters)


class RefusedError(Exception):
    """The configuration cannot be used; `problems` says why, a line each. `outside`: though the file may be right."""

    def __init__(self, problems: Iterable[str], outside: bool = False) -> None:
        self.problems, self.outside = list(problems), outside
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True)
class _Provisioned:
    """A node that is ready to run, and what it was made from."""

    node: Runs
    config: Config
    counters: Counters
    paths: tuple[str, ...]
    contents: Contents


class Nodes:
    """Runs a node for the configuration at `path`, and another one whenever that changes. `run` returns after `end`.

    If there is a `handed`, it gives the text, and `path` only its name; nothing is watched then. `drains`: the last one
    has to do what the others leave to their successors.
    """

    def __init__(
        self,
        path: str,
        clock: Clock | None,
        make: Make,
        check: Check = problems,
        handed: Callable[[], bytes] | None = None,
        drains: bool = False,
    ) -> None:
        self.path = path
        self.counters = Counters()
        """Of the node that runs now."""
        self.text = b""
        """Of the configuration that was looked at last."""
        self._clock, self._make, self._check, self._handed = clock or SystemClock(), make, check, handed
        self._orders: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._ending, self._drains = False, drains
        self._valid = True
        self._refused: list[str] = []
        self._again_at: float | None = None
        self._watched = _Watched((path,), handed)
        self._current: _Provisioned | None = None
        self._thread = threading.Thread()
        self._failure: BaseException | None = None
        self._results = {
            result: self.counters.counter(
                "outrider_reloads_total",
                "Configurations that were looked at to replace the running one.",
                result=result,
            )
            for result in ("applied", "refused", "unchanged")
        }

    # -- from anywhere, signal handlers included ----------------------------------------------------------------------

    def end(self) -> None:
        """End the node that runs, in order; none follows."""
        self._ending = True
        self._orders.put("end")

    def reload(self) -> None:
        """Look at the configuration now."""
        self._orders.put("reload")

    @property
    def readings(self) -> Readings:
        """Everything that is counted, by whatever processes."""
        node = self._current.node if self._current is not None else None
        return node.readings if isinstance(node, Adapts) else self.counters

    # -- the main thread ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run nodes until `end`. Raises RefusedError if there is none to begin with, and what a node died of."""
        first = self._provision(self._watched.read(), first=True)
        if self._ending and not self._drains:
            return
        self._begin(first)
        try:
            while not self._ending and self._thread.is_alive():
                self._listen()
        finally:
            self._end_current()
        if self._failure is not None:
            raise self._failure

    def _listen(self) -> None:
        asked = False
        try:
            asked = self._orders.get(timeout=SETTLE if self._watched.unsettled else LOOK) == "reload"
            while True:
                asked |= self._orders.get_nowait() == "reload"
        except queue.Empty:
            pass
        again = self._again_at is not None and self._clock.monotonic() >= self._again_at
        news = self._watched.look()
        if self._ending or not self._thread.is_alive():
            return
        if asked or again or news is not None:
            self._judge(news or self._watched.read(), asked or news is not None)

    def _judge(self, contents: Contents, said: bool) -> None:
        """Look at a configuration; unless somebody waits for it to be `said`, only another verdict is worth a word."""
        self._watched.judged, self._again_at = contents, None
        try:
            new = self._provision(contents)
        except RefusedError as e:
            self._refuse(e, said)
        except Exception as e:  # nothing that a file holds may end the node that works
            log.exception("%s: unexpected failure", self.path)
            self._refuse(RefusedError([f"{self.path}: {type(e).__name__}: {e}"]), said)
        else:
            self._valid, self._refused = True, []
            if new is self._current:
                log.info("%s: nothing has changed", self.path)
                self._results["unchanged"].add()
            elif not self._adapt(new):
                self._succeed(new)

    def _refuse(self, refusal: RefusedError, said: bool) -> None:
        self._valid = False
        if refusal.outside:
            self._again_at = self._clock.monotonic() + AGAIN
        if said or refusal.problems != self._refused:
            self._refused = refusal.problems
            self._results["refused"].add()
            for problem in refusal.problems:
                log.error("%s", problem)
            log.error("%s is refused; the configuration from before goes on", self.path)

    def _adapt(self, new: _Provisioned) -> bool:
        """Whether the node that runs goes on by itself as the new one would."""
        current = self._current
        if current is None or not isinstance(current.node, Adapts) or not current.node.adapt(new.node):
            return False
        self._current = replace(current, config=new.config, paths=new.paths, contents=new.contents)
        self._watched.follow(new.paths, new.contents)
        self._results["applied"].add()
        return True

    def _succeed(self, new: _Provisioned) -> None:
        log.info("%s has changed and can be used: the old node ends, a new one begins", self.path)
        self._end_current()
        if self._ending and not (self._drains and self._current is not None and not self._current.node.last):
            return
        if self._failure is not None:
            log.error("the old node did not end in order", exc_info=self._failure)
            self._failure = None
        elif self._current is not None:
            new.node.inherit(self._current.node)
        self._begin(new)
        self._results["applied"].add()

    # -- nodes --------------------------------------------------------------------------------------------------------

    def _begin(self, new: _Provisioned) -> None:
        self._current, self.counters = new, new.counters
        self._watched.follow(new.paths, new.contents)
        self._thread = threading.Thread(target=self._run, args=(new.node,), name="outrider-node")
        self._thread.start()

    def _run(self, node: Runs) -> None:
        try:
            node.run()
        except BaseException as e:
            self._failure = e
        self._orders.put("over")

    def _end_current(self) -> None:
        assert self._current is not None, "run has begun"
        self._current.node.last = self._ending
        self._current.node.stop.set()
        self._thread.join()

    def _provision(self, contents: Contents, first: bool = False) -> _Provisioned:
        """A node for what the file held; the one that runs if that is what it already goes by. Raises RefusedError."""
        config = self._examined(contents[0])
        self.text = contents[0] or b""
        paths = (self.path, *authorities(config))
        if paths[1:] != self._watched.paths[1:]:
            contents = (contents[0], *map(_content, paths[1:]))
        current = self._current
        if (
            current is not None
            and contents[1:] == current.contents[1:]
            and paths == current.paths
            and (contents[0] == current.contents[0] or config == current.config)
        ):
            return current
        found = [f"{self.path}: {problem}" for problem in self._check(config, first)]
        if found:
            raise RefusedError(found, outside=True)
        counters = self.counters if first else self.counters.heir()
        counters.gauge(
            "outrider_config_valid",
            "Is the configuration file as it was last looked at one that can be used?",
            lambda: self._valid,
        )
        try:
            node = self._make(config, self._clock, counters)
        except Exception as e:
            if not lies_outside(e):
                raise
            raise RefusedError([f"{self.path}: {e}"], outside=True) from e
        return _Provisioned(node, config, counters, paths, contents)

    def _examined(self, content: bytes | None) -> Config:
        if content is None:
            report = examine(self.path, checks=INSTALLED)
        else:
            report = examine_text(content, self.path, checks=INSTALLED)
        if report.config is None:
            raise RefusedError(map(str, report.problems))
        for warning in report.problems if self._handed is None else ():  # who has handed it over has said it
            log.warning("%s", warning)
        return report.config


class _Watched:
    """Files whose content counts. `judged` is the content that was looked at last."""

    def __init__(self, paths: tuple[str, ...], handed: Callable[[], bytes] | None = None) -> None:
        self.paths, self._handed = paths, handed
        self.judged: Contents = ()
        self._identities: list[object] = []
        self._seen: Contents | None = None

    def follow(self, paths: tuple[str, ...], contents: Contents) -> None:
        """Watch `paths` from now on, which held `contents` when they were judged."""
        self.paths, self.judged = paths, contents
        self._identities, self._seen = [], None

    def read(self) -> Contents:
        first = _content(self.paths[0]) if self._handed is None else self._handed()
        return (first, *map(_content, self.paths[1:]))

    @property
    def unsettled(self) -> bool:
        """Has the last look found something that the next one has to confirm?"""
        return self._seen is not None

    def look(self) -> Contents | None:
        """What the files hold, if that was not judged yet and they held the same at the look before."""
        identities = list(map(_identity, self.paths)) if self._handed is None else self._identities
        if identities == self._identities and self._seen is None:
            return None
        self._identities = identities
        before, self._seen = self._seen, None
        contents = self.read()
        if contents == self.judged or contents[0] is None:  # the file is away: another one is about to come
            return None
        if contents == before:
            return contents
        self._seen = contents
        return None


def _identity(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size


def _content(path: str) -> bytes | None:
    try:
        with open(path, "rb") as f:
            return f.read()
    except (OSError, ValueError):
        return None
