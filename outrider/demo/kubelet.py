"""A faithful writer of what kubelet and the container runtime leave under `/var/log/pods`.

The runtime opens `<root>/<namespace>_<pod>_<uid>/<container>/<restart>.log` for appending and adds one line per
write: time, stream, tag, content. A line longer than 16 KiB is cut: every piece but the last carries the tag `P`, the
last one `F`. Kubelet looks at the size now and then. When a file has outgrown its limit, kubelet removes the oldest
rotations, compresses the last one that is still plain (to `.tmp`, renamed to `.gz`, then the plain file is unlinked),
renames the live file to `<n>.log.<date>-<time>` and tells the runtime to reopen; until it has, the runtime still
writes to the renamed file. A dead pod's directory goes away as a whole.

Everything written is counted exactly, so a reader of the tree can be held against it. Nothing here runs by itself:
no threads, no waiting; time comes from the clock that is passed in.
"""

import gzip
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import orjson

from outrider.model.clock import Clock

Style = Literal["cri", "docker"]
"""The line format of a file: containerd's and CRI-O's, or dockerd's `json-file`. Names and rotation are kubelet's in
both; what dockerd does to its own files under `/var/lib/docker` is not played."""

LIMIT = 16 * 1024
"""Bytes of content that one line holds at most: containerd's `max_container_log_line_size`, dockerd's copy buffer."""

MAX_SIZE = 10 * 1024 * 1024
"""Bytes at which a file is rotated: kubelet's default `containerLogMaxSize`."""

MAX_FILES = 5
"""Files kept per container run, the live one included: kubelet's default `containerLogMaxFiles`."""

_DOCKER_ESCAPES = ((b"<", rb"\u003c"), (b">", rb"\u003e"), (b"&", rb"\u0026"))


@dataclass(slots=True)
class Counts:
    """What was written: `lines` are newlines in the files, of which `parts` carry a piece that is not the last."""

    lines: int = 0
    parts: int = 0
    bytes: int = 0
    rotations: int = 0
    gzips: int = 0
    removed: int = 0
    """Rotations that were removed because there were more than `max_files`."""

    @property
    def records(self) -> int:
        """Whole lines as the program printed them, however many pieces each was cut into."""
        return self.lines - self.parts

    def add(self, other: "Counts") -> None:
        """Add every number of `other` to this one's."""
        for f in fields(self):
            setattr(self, f.name, getattr(self, f.name) + getattr(other, f.name))


def rfc3339nano(ns: int) -> str:
    """Nanoseconds since the epoch in UTC as Go's `time.RFC3339Nano` prints them: without trailing zeros."""
    seconds, fraction = divmod(ns, 1_000_000_000)
    tail = f".{fraction:09d}".rstrip("0") if fraction else ""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + tail + "Z"


def cut(content: bytes, style: Style = "cri", limit: int = LIMIT) -> list[bytes]:
    """The pieces that a line is written in; all but the last are partial.

    containerd cuts when a line is *longer* than `limit`. dockerd cuts as soon as its buffer is full, so a line of
    exactly `limit` bytes leaves an empty last piece.
    """
    pieces = [content[i : i + limit] for i in range(0, len(content), limit)] or [b""]
    if style == "docker" and len(pieces[-1]) == limit:
        pieces.append(b"")
    return pieces


class ContainerLog:
    """The log files of one container: the live file of the current run, its rotations, and earlier runs' files.

    The live file exists from the start, empty, as the runtime creates it. Raises OSError where the disk does.
    """

    def __init__(
        self,
        directory: Path,
        clock: Clock,
        *,
        style: Style = "cri",
        max_size: int = MAX_SIZE,
        max_files: int = MAX_FILES,
        restarts: int = 0,
    ) -> None:
        if max_files < 2:
            raise ValueError(f"max_files is {max_files}; kubelet demands at least 2")
        self.directory = directory
        self.restarts = restarts
        self.counts = Counts()
        self._clock = clock
        self._style: Style = style
        self._max_size, self._max_files = max_size, max_files
        self._last_now = self._same_now = 0
        directory.mkdir(parents=True, exist_ok=True)
        self._fd = self._open()

    @property
    def path(self) -> Path:
        """The live file."""
        return self.directory / f"{self.restarts}.log"

    # -- what the container runtime does ----------------------------------------------------------------------------

    def write(self, text: str | bytes, stream: str = "stdout", timestamp: str | None = None) -> None:
        """What the program prints: one line, or several with newlines between them; a last newline may be left out.

        `timestamp` is put into the file as it stands; without it every piece gets the clock's time, and pieces of the
        same instant are a nanosecond apart.
        """
        data = text.encode() if isinstance(text, str) else text
        for line in data.removesuffix(b"\n").split(b"\n"):
            if self._style == "cri":
                line = line.removesuffix(b"\r")  # containerd takes CRLF for the end of a line, dockerd keeps the CR
            *partial, last = cut(line, self._style)
            for piece in partial:
                self.write_piece(piece, stream, final=False, timestamp=timestamp)
            self.write_piece(last, stream, timestamp=timestamp)

    def write_piece(
        self, content: bytes, stream: str = "stdout", *, final: bool = True, timestamp: str | None = None
    ) -> None:
        """One physical line. `final=False` is a piece that the next one of the same stream goes on from, or what a
        program printed without a newline before it died."""
        stamp = timestamp or rfc3339nano(self._now_ns())
        if self._style == "cri":
            data = f"{stamp} {stream} {'F' if final else 'P'} ".encode() + content + b"\n"
        else:
            log = content.decode(errors="replace") + ("\n" if final else "")
            data = orjson.dumps({"log": log, "stream": stream, "time": stamp}) + b"\n"
            for sign, escaped in _DOCKER_ESCAPES:
                data = data.replace(sign, escaped)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._fd, rest) :]
        self.counts.lines += 1
        self.counts.parts += not final
        self.counts.bytes += len(data)

    def reopen(self) -> None:
        """The runtime's answer to a rotation: from now on the lines go to the file at `path`, created if need be."""
        fd = self._open()
        os.close(self._fd)
        self._fd = fd

    def restart(self) -> None:
        """The container died and was started again: the next run writes to `<restarts + 1>.log`."""
        self.restarts += 1
        self.reopen()

    def close(self) -> None:
        """The container died for good; its files stay until kubelet removes them. Closing twice does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # -- what kubelet does ------------------------------------------------------------------------------------------

    def due(self) -> bool:
        """Whether kubelet would rotate now: the container runs and its live file has reached the size limit."""
        return self._fd >= 0 and os.fstat(self._fd).st_size >= self._max_size

    def rotate(self) -> Path:
        """Rotate as kubelet does, the live file whatever its size; returns the new name of what was the live file."""
        self.compress_rotations()
        rotated = self.rename()
        self.reopen()
        return rotated

    def compress_rotations(self) -> None:
        """The first half of a rotation: remove what is too much or half done, compress what is still plain."""
        names = self.rotations()
        for unused in [n for n in names if n.suffix == ".tmp" or n.with_name(n.name + ".gz") in names]:
            unused.unlink()
            names.remove(unused)
        while len(names) > self._max_files - 2:  # the live file and the rotation it becomes are the other two
            names.pop(0).unlink()
            self.counts.removed += 1
        for plain in [n for n in names if n.suffix != ".gz"]:
            _compress(plain)
            self.counts.gzips += 1

    def rename(self) -> Path:
        """The second half: move the live file out of the way. The runtime writes on to it until `reopen`.

        The name carries the second. Kubelet comes by every ten seconds, so two rotations never meet in one; here the
        later one takes the next second that is free.
        """
        now = int(self._clock.now())
        taken = max((n.name.removesuffix(".gz") for n in self.rotations()), default="")
        while (name := f"{self.path.name}.{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}") <= taken:
            now += 1
        rotated = self.path.with_name(name)
        self.path.rename(rotated)
        self.counts.rotations += 1
        return rotated

    def rotations(self) -> list[Path]:
        """The rotated files of the current run, oldest first."""
        return sorted(p for p in self.directory.iterdir() if p.name.startswith(self.path.name + "."))

    # -- what others do to the files --------------------------------------------------------------------------------

    def copytruncate(self) -> Path:
        """Rotate as logrotate's `copytruncate` does: the content is copied to `<n>.log.1` (older copies move up by
        one), then the live file, the same inode, is cut to nothing. Returns the copy."""
        copies = sorted(self.rotations(), key=lambda p: int(p.suffix[1:]), reverse=True)
        for older in copies:
            older.rename(older.with_suffix(f".{int(older.suffix[1:]) + 1}"))
        copy = self.path.with_name(self.path.name + ".1")
        shutil.copyfile(self.path, copy)
        os.truncate(self.path, 0)
        self.counts.rotations += 1
        return copy

    def remove(self) -> None:
        """The container died and kubelet cleaned up: its directory is gone."""
        self.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _open(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)

    def _now_ns(self) -> int:
        now = int(self._clock.now() * 1e9)
        self._same_now = self._same_now + 1 if now == self._last_now else 0
        self._last_now = now
        return now + self._same_now


class PodLog:
    """The log directory of one pod. Containers are made when first asked for, with the settings given here."""

    def __init__(
        self,
        root: Path,
        namespace: str,
        name: str,
        uid: str,
        clock: Clock,
        *,
        style: Style = "cri",
        max_size: int = MAX_SIZE,
        max_files: int = MAX_FILES,
    ) -> None:
        self.namespace, self.name, self.uid = namespace, name, uid
        self.directory = root / f"{namespace}_{name}_{uid}"
        self.containers: dict[str, ContainerLog] = {}
        self._clock = clock
        self._style: Style = style
        self._max_size, self._max_files = max_size, max_files
        self.directory.mkdir(parents=True, exist_ok=True)

    def container(self, name: str) -> ContainerLog:
        """The container's log; its directory and its empty first file are there once this returns."""
        if name not in self.containers:
            self.containers[name] = ContainerLog(
                self.directory / name,
                self._clock,
                style=self._style,
                max_size=self._max_size,
                max_files=self._max_files,
            )
        return self.containers[name]

    @property
    def counts(self) -> Counts:
        """What all containers of this pod have written; stays after the pod is gone."""
        total = Counts()
        for log in list(self.containers.values()):
            total.add(log.counts)
        return total

    def close(self) -> None:
        """The pod is dead; its files are still there."""
        for log in self.containers.values():
            log.close()

    def remove(self) -> None:
        """The pod is deleted: its containers are closed and the directory is gone."""
        self.close()
        shutil.rmtree(self.directory, ignore_errors=True)


class Kubelet:
    """A node's whole tree: starts pods, rotates what is due, and knows the sums."""

    def __init__(
        self, root: Path, clock: Clock, *, style: Style = "cri", max_size: int = MAX_SIZE, max_files: int = MAX_FILES
    ) -> None:
        self.root = root
        self.pods: list[PodLog] = []
        """Every pod that ever was, the removed ones too."""
        self._clock = clock
        self._style: Style = style
        self._max_size, self._max_files = max_size, max_files
        root.mkdir(parents=True, exist_ok=True)

    def start_pod(self, namespace: str, name: str, uid: str) -> PodLog:
        """A new pod with its (empty) directory."""
        settings = {"max_size": self._max_size, "max_files": self._max_files}
        pod = PodLog(self.root, namespace, name, uid, self._clock, style=self._style, **settings)
        self.pods.append(pod)
        return pod

    def rotate_due(self) -> int:
        """Kubelet's periodic round: rotate every live file over the limit; returns how many there were."""
        due = [log for log in self._logs() if log.due()]
        for log in due:
            log.rotate()
        return len(due)

    def counts(self) -> dict[str, Counts]:
        """What was written per namespace, since the beginning."""
        sums: dict[str, Counts] = {}
        for pod in list(self.pods):
            sums.setdefault(pod.namespace, Counts()).add(pod.counts)
        return sums

    def close(self) -> None:
        """Close every file; the tree stays as it is."""
        for pod in self.pods:
            pod.close()

    def _logs(self) -> Iterator[ContainerLog]:
        for pod in self.pods:
            yield from pod.containers.values()


def _compress(plain: Path) -> None:
    """As kubelet compresses: into a `.tmp` that gets its final name when it is whole; the plain file goes last."""
    temporary = plain.with_name(plain.name + ".tmp")
    with open(plain, "rb") as source, open(temporary, "wb") as target:
        os.fchmod(target.fileno(), os.fstat(source.fileno()).st_mode & 0o777)
        with gzip.GzipFile(filename="", mode="wb", fileobj=target, compresslevel=6, mtime=0) as packed:
            shutil.copyfileobj(source, packed)
    temporary.rename(plain.with_name(plain.name + ".gz"))
    plain.unlink()
