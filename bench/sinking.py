"""The benchmark's end of its sink: a child process on a core of its own, questions and answers over a pipe."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.processes import ROOT, on_core


class State(NamedTuple):
    """What has come so far; `first` and `last` are monotonic seconds at which an answer was written, 0 for never."""

    requests: int
    wire: int
    first: float
    last: float


class Verdict(NamedTuple):
    """What became of the numbered lines. `entries` is 0 where the format is neither vendor's."""

    arrived: int
    missing: int
    repeated: int
    strangers: int
    entries: int
    some_missing: list[str]


class Sink:
    """See `bench.sink`. `endpoint` is its base URL, `certificate` the file that it is verified by."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process, self._folder = process, folder
        hello = self._hear()
        self.port: int = hello["port"]
        self.endpoint = f"https://127.0.0.1:{self.port}"
        self.certificate = folder / "ca.crt"
        self.certificate.write_text(hello["certificate"])

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the sink has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _ask(self, **question: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._hear()

    def state(self) -> State:
        answer = self._ask(do="state")
        return State(answer["requests"], answer["wire"], answer["first"] / 1e9, answer["last"] / 1e9)

    def first(self, *ends: str) -> list[float]:
        """Monotonic seconds at which the first request to a path with each of these ends was answered, 0 for never."""
        return [at / 1e9 for at in self._ask(do="first", ends=ends).values()]

    def tally(self, numbers: tuple[int, ...], *, acks: bool = False) -> Verdict:
        """Look into what has come, of which `numbers[f]` lines are expected from file f."""
        return Verdict(**self._ask(do="tally", numbers=numbers, acks=acks))

    def acks(self) -> Path:
        """A file of int64: for every expected line, file by file, when its request was answered (monotonic ns)."""
        path = self._folder / "acks"
        self._ask(do="acks", path=str(path))
        return path


@contextmanager
def sink(folder: Path, core: int | None = None, lose: int = 0) -> Iterator[Sink]:
    """A sink that keeps its files in `folder`. `lose`: it forgets the request of this number."""
    command = [sys.executable, "-m", "bench.sink", str(folder / "spool"), "--lose", str(lose)]
    with on_core(core):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        yield Sink(process, folder)
    finally:
        process.kill()
        process.communicate()
        (folder / "spool").unlink(missing_ok=True)
