"""Cursors are dealt out anew when another number of processes shares the streams.

One process keeps its state in the state directory itself, several keep theirs in `worker-0`, `worker-1`, … below it.
Before any of them starts, every cursor file in all of these places is read; a cursor that lies where its stream is not
read is brought to where it is. If a stream is in several files, the file that was written last is right.

This may be interrupted anywhere, by kill -9 too. First every place gets what it lacks and keeps what it has; when all
of that is on the disk, what is left over is taken away. So a cursor is always in one file at least, and who begins
again finds the same. Where everything lies right, nothing is written.

The pod snapshots are put together and each process gets the whole, for it may get streams of any pod. Dead letters stay
where they are: they are for people.
"""

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from outrider.kube.snapshot import Known
from outrider.model.counters import Counters
from outrider.model.files import CorruptStateError, read_state, write_state
from outrider.model.pod import Pod
from outrider.model.shard import DIRECTORY, Shard, owner_of_key

log = logging.getLogger(__name__)

PODS = "pods.json"

Streams = dict[str, dict[str, tuple[int, str]]]


@dataclass(slots=True)
class _File:
    """A state file: where it is, when it was written, what it holds."""

    path: Path
    written: int
    streams: Streams


def deal(state: Path, of: int, counters: Counters) -> bool:
    """Bring the cursors under `state` to the `of` processes that will run; whether anything was out of place.

    A file that cannot be read is left out, counted and said. If something cannot be written that is said, and nothing
    is taken away: where a cursor is missing, its stream is read again.
    """
    directories = list(_directories(state))
    places = [state / Shard(i, of).directory for i in range(of)]
    names = sorted({path.name for directory in directories for path in directory.glob("cursors-*.json")})
    hands = [_Hand([d / name for d in directories], [p / name for p in places], counters) for name in names]
    hands = [hand for hand in hands if hand.misplaced]
    if not hands:
        return False
    try:
        _share_pods(directories, places)
        for hand in hands:
            hand.deal()
    except OSError as e:
        counters.counter(
            "outrider_state_write_errors_total", "Failed writes of state files.", file="cursors", exporter=""
        ).add()
        log.error("the cursors cannot be dealt out to %d processes: %s. Some logs will be read again", of, e)
    else:
        log.info("the cursors have been dealt out to %d process%s", of, "" if of == 1 else "es")
    return True


def _directories(state: Path) -> Iterator[Path]:
    """Every place where a process may have left its state."""
    yield state
    try:
        names = os.listdir(state)
    except OSError:
        return
    numbers = {name[len(DIRECTORY) :] for name in names if name.startswith(DIRECTORY)}
    for number in sorted(int(n) for n in numbers if n.isdecimal() and n.isascii()):
        yield state / f"{DIRECTORY}{number}"


class _Hand:
    """The cursors of one exporter: from the files `sources` to `targets`, one for each process."""

    def __init__(self, sources: list[Path], targets: list[Path], counters: Counters) -> None:
        files = [file for path in sources if (file := _read(path, counters)) is not None]
        self._targets = targets
        self._before = {file.path: file.streams for file in files}
        self._known: Streams = {}
        for file in sorted(files, key=lambda f: f.written):
            self._known |= file.streams
        self._after: dict[Path, Streams] = {path: {} for path in targets}
        for key, places in self._known.items():
            self._after[targets[owner_of_key(key, len(targets))]][key] = places

    @property
    def misplaced(self) -> bool:
        """Whether any file holds what belongs into another one."""
        return any(streams.keys() - self._after.get(path, {}).keys() for path, streams in self._before.items())

    def deal(self) -> None:
        """Raises OSError."""
        for path, streams in self._after.items():
            before = self._before.get(path, {})
            both = {key: self._known[key] for key in (*before, *streams)}
            if both != before:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_state(path, both)
        for path, streams in self._after.items():
            if self._before.get(path, {}).keys() - streams.keys():
                write_state(path, streams)
        for path in self._before.keys() - self._after.keys():
            path.unlink(missing_ok=True)


def _read(path: Path, counters: Counters) -> _File | None:
    exporter = path.stem.partition("-")[2]
    try:
        written = os.stat(path).st_mtime_ns
        body = read_state(path)
        return None if body is None else _File(path, written, msgspec.convert(body, Streams))
    except FileNotFoundError:
        return None
    except (CorruptStateError, msgspec.ValidationError, OSError) as e:
        counters.counter(
            "outrider_state_corrupt_total", "State files that could not be read.", file="cursors", exporter=exporter
        ).add()
        log.error("cursors could not be read: %s. Logs are read again; repeats carry the same insertIds", e)
        return None


def _share_pods(directories: list[Path], places: list[Path]) -> None:
    """What any process knew of pods, for each of them; of a pod, what was written last. Raises OSError."""
    found: list[tuple[int, Known]] = []
    for path in (directory / PODS for directory in directories):
        try:
            body = read_state(path)
            if body is not None:
                found.append((os.stat(path).st_mtime_ns, msgspec.convert(body, Known)))
        except (CorruptStateError, msgspec.ValidationError, OSError) as e:
            log.warning("pod snapshot %s is left out: %s", path, e)
    pods: dict[str, Pod] = {}
    gone: dict[str, float] = {}
    for _, known in sorted(found, key=lambda item: item[0]):
        for pod in known.pods:
            pods[pod.uid] = pod
            gone.pop(pod.uid, None)
        gone |= known.gone
    for place in places if pods else ():
        place.mkdir(parents=True, exist_ok=True)
        write_state(place / PODS, Known(list(pods.values()), gone))
