"""The side of a story that writes: pods whose every record carries who wrote it and its number.

A record is `[cart 0000017] …`: a plain line, a JSON object, a line that the runtime cuts in pieces, or a stack trace on
stderr. What it must look like when it arrives follows from its number alone (`record`), so a judge needs no copy of it.
Files are written and rotated as kubelet and the runtime do it (`outrider.demo.kubelet`), or as logrotate's
`copytruncate` does.
"""

import json
import re
import threading
import time
from pathlib import Path

from outrider.demo.kubelet import PodLog

STAMP = re.compile(r"\[([a-z0-9-]+) (\d{7})\]")
TRACE = ("Traceback (most recent call last):", '  File "/app/main.py", line 12, in <module>', "    run()")
LONG = 20_000
"""Characters of a line that the runtime cuts in two."""


def record(pod: str, number: int, width: int) -> tuple[str, str]:
    """(stdout or stderr, content) of record `number` of `pod`. A trace has its lines' ends in it."""
    stamp = f"[{pod} {number:07d}]"
    if number % 61 == 7:
        return "stdout", f"{stamp} ".ljust(LONG, "l")
    if number % 23 == 11:
        return "stderr", "\n".join((*TRACE, f"ValueError: {stamp} no such cart"))
    if number % 7 == 3:
        return "stdout", json.dumps({"stamp": stamp, "size": number, "pad": "j" * (width // 4)})
    return "stdout", f"{stamp} ".ljust(width, ".")


class JumpingClock:
    """The machine's clock, set forward or back by `shift` seconds: what the node's time looks like in the files."""

    def __init__(self) -> None:
        self.shift = 0.0

    def now(self) -> float:
        return time.time() + self.shift

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, event: threading.Event, timeout: float) -> bool:
        return event.wait(timeout)


class Writer:
    """One pod with one container. Methods may be called from several threads."""

    def __init__(
        self,
        root: Path,
        clock: JumpingClock,
        namespace: str,
        name: str,
        *,
        width: int,
        max_size: int,
        max_files: int,
        copytruncate: bool = False,
    ) -> None:
        self.namespace, self.name, self.width = namespace, name, width
        self.pod = PodLog(root, namespace, name, f"uid-{name}", clock, max_size=max_size, max_files=max_files)
        self.log = self.pod.container("main")
        self.copytruncate = copytruncate
        self.at: list[float] = []
        """When each record was written (monotonic seconds)."""
        self.deleted = False
        self.lock = threading.RLock()
        self._keeps = max_files - 2
        self._rotated: list[int] = []
        """For each rotation of the current run: how many records were written before it."""

    @property
    def written(self) -> int:
        return len(self.at)

    def write(self, count: int = 1) -> None:
        """`count` more records. The lines of a trace are written without a pause between them."""
        with self.lock:
            for _ in range(0 if self.deleted else count):
                stream, content = record(self.name, self.written, self.width)
                self.at.append(time.monotonic())
                self.log.write(content, stream)

    def next_to_be_deleted(self) -> int:
        """How many records must have arrived before another rotation may be played without a loss: those that
        kubelet deletes by it, and those that it has deleted already."""
        with self.lock:
            gone = len(self._rotated) - self._keeps
            return 0 if self.copytruncate or gone <= 0 else self._rotated[gone - 1]

    def due(self) -> bool:
        """Whether kubelet would rotate now."""
        with self.lock:
            return not self.deleted and self.log.due()

    def rotate(self) -> None:
        """As kubelet does, whatever the size; with `copytruncate` nothing is written between copy and truncation."""
        with self.lock:
            if self.deleted:
                return
            if self.copytruncate:
                self.log.copytruncate()
            else:
                self.log.rotate()
                self._rotated.append(self.written)

    def restart(self) -> None:
        """The container is started again: its next records go to the file of a new run."""
        with self.lock:
            if not self.deleted:
                self.log.restart()
                self._rotated.clear()  # kubelet leaves the earlier run's files alone for now

    def delete(self) -> None:
        """The pod and its files are gone."""
        with self.lock:
            self.deleted = True
            self.pod.remove()
