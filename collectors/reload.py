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
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from outrider.config import Config, Exporter, Secret, SecretError, Stackdriver, examine, examine_text
from outrider.config.model import SERVICE_ACCOUNT
from outrider.config.problems import UnusableError
from outrider.kube.platform import PlatformError
from outrider.model.clock import Clock, SystemClock
from outrider.model.counters import Counters
from outrider.pipeline.destinations import key_file

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


Make = Callable[[Config, Clock, Counters], Runs]


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
    """Runs a node for the configuration at `path`, and another one whenever that changes. `run` returns after `end`."""

    def __init__(self, path: str, clock: Clock | None, make: Make, drains: bool = False) -> None:
        """`drains`: the last one has to do what the others leave to their successors."""
        self.path = path
        self.counters = Counters()
        """Of the node that runs now."""
        self._clock, self._make = clock or SystemClock(), make
        self._orders: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._ending, self._drains = False, drains
        self._valid = True
        self._refused: list[str] = []
        self._again_at: float | None = None
        self._watched = _Watched((path,))
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

    # -- the main thread ----------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run nodes until `end`. Raises RefusedError if there is none to begin with, and what a node died of."""
        first = self._provision(self._watched.read(), first=True)
        if self._ending:
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
            else:
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
        paths = (self.path, *_authorities(config))
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
        problems = [*_unusable_authorities(config), *([] if first else _unreadable_credentials(config))]
        if problems:
            raise RefusedError([f"{self.path}: {problem}" for problem in problems], outside=True)
        counters = self.counters if first else self.counters.heir()
        counters.gauge(
            "outrider_config_valid",
            "Is the configuration file as it was last looked at one that can be used?",
            lambda: self._valid,
        )
        try:
            node = self._make(config, self._clock, counters)
        except (PlatformError, UnusableError, OSError) as e:
            raise RefusedError([f"{self.path}: {e}"], outside=True) from e
        return _Provisioned(node, config, counters, paths, contents)

    def _examined(self, content: bytes | None) -> Config:
        report = examine(self.path) if content is None else examine_text(content, self.path)
        if report.config is None:
            raise RefusedError(map(str, report.problems))
        for warning in report.problems:
            log.warning("%s", warning)
        return report.config


class _Watched:
    """Files whose content counts. `judged` is the content that was looked at last."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self.paths = paths
        self.judged: Contents = ()
        self._identities: list[object] = []
        self._seen: Contents | None = None

    def follow(self, paths: tuple[str, ...], contents: Contents) -> None:
        """Watch `paths` from now on, which held `contents` when they were judged."""
        self.paths, self.judged = paths, contents
        self._identities, self._seen = [], None

    def read(self) -> Contents:
        return tuple(map(_content, self.paths))

    @property
    def unsettled(self) -> bool:
        """Has the last look found something that the next one has to confirm?"""
        return self._seen is not None

    def look(self) -> Contents | None:
        """What the files hold, if that was not judged yet and they held the same at the look before."""
        identities = list(map(_identity, self.paths))
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


def _used(config: Config) -> Iterator[tuple[str, Exporter]]:
    """The exporters that a route leads to, by name."""
    names = {name for route in config.routes for name in route.to}
    return ((name, exporter) for name, exporter in config.exporters.items() if name in names)


def _authorities(config: Config) -> list[str]:
    """Files of certificate authorities, those of `kube` not: these are read again when a handshake fails."""
    found = [getattr(exporter, "tls", None) for _, exporter in _used(config)]
    return [tls.ca for tls in found if tls is not None and tls.ca is not None]


def _unusable_authorities(config: Config) -> Iterator[str]:
    for path in _authorities(config):
        try:
            ssl.create_default_context(cafile=path)
        except OSError as e:  # ssl.SSLError is one
            yield f"the certificate authorities in {path} cannot be used: {e.strerror or e}"


def _unreadable_credentials(config: Config) -> Iterator[str]:
    """What is wrong with the files and variables that secrets are in, and with the keys that are in them."""
    from outrider.exporters.stackdriver.auth import AuthError, examine_key

    secrets = [(f"exporters.{name}.{key}", s) for name, e in _used(config) for key, s in _secrets(e)]
    if config.kube.source != "none":
        secrets += [(f"kube.{k}", s) for k, s in _secrets(config.kube) if s.file != f"{SERVICE_ACCOUNT}/token"]
    for path, secret in secrets:
        try:
            secret.read()
        except SecretError as e:
            yield f"{path}: {e}"
    for name, exporter in _used(config):
        if isinstance(exporter, Stackdriver) and (file := key_file(exporter)) is not None and os.path.exists(file):
            try:
                examine_key(file)
            except AuthError as e:
                yield f"exporters.{name}.credentials: {e}"


def _secrets(struct: msgspec.Struct) -> list[tuple[str, Secret]]:
    found = [(f.encode_name, getattr(struct, f.name)) for f in msgspec.structs.fields(struct)]
    return [(name, value) for name, value in found if isinstance(value, Secret)]
