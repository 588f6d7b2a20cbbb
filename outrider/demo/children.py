"""The demo's child processes: started so that none outlives the demo, ended in order, their words kept in a file.

A child gets a session of its own, so Ctrl-C reaches the demo alone, which then ends its children in the right order.
Should the demo itself be killed, the kernel ends the child (`PR_SET_PDEATHSIG`). What a child says goes to a file; the
end of it is shown when the child fails.
"""

import contextlib
import ctypes
import functools
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
_SPOKEN = 20


class DemoError(Exception):
    """The demo cannot go on; the text says what failed, with the last words of the child concerned."""


class Child:
    """A running program; ends with the `with` block. Start children before threads: they are forked."""

    def __init__(self, name: str, arguments: list[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self.name, self.log = name, log
        with open(log, "wb") as said:
            self._process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
                preexec_fn=functools.partial(_die_with_parent, os.getpid()),
            )
        self._cpu = (time.monotonic(), 0.0)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def check(self) -> None:
        """DemoError if the child has ended, which it never does unasked."""
        code = self._process.poll()
        if code is not None:
            raise DemoError(f"{self.name} ended with code {code}; its last words:\n{self.last_words()}")

    def last_words(self) -> str:
        """The last lines of what it said."""
        said = self.log.read_text(errors="replace").splitlines()[-_SPOKEN:]
        return "\n".join(f"  {line}" for line in said) or "  (none)"

    def wait_for(self, pattern: str, timeout: float) -> str:
        """The first group of `pattern` in what the child says; DemoError if it ends or is silent for `timeout` s."""
        deadline = time.monotonic() + timeout
        while True:
            found = re.search(pattern, self.log.read_text(errors="replace"))
            if found:
                return found.group(1)
            self.check()
            if time.monotonic() > deadline:
                raise DemoError(f"{self.name} did not come up within {timeout:g} s:\n{self.last_words()}")
            time.sleep(0.02)

    def usage(self) -> tuple[int, float]:
        """Resident memory in bytes, and CPU since the last call in percent of one core; zeros once it is gone."""
        try:
            with open(f"/proc/{self.pid}/statm", "rb") as f:
                memory = int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            with open(f"/proc/{self.pid}/stat", "rb") as f:
                after_name = f.read().rpartition(b")")[2].split()
        except OSError:
            return 0, 0.0
        now, cpu = time.monotonic(), (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")
        (then, before), self._cpu = self._cpu, (now, cpu)
        return memory, 100 * (cpu - before) / max(now - then, 0.001)

    def end(self, grace: float = 10.0) -> int:
        """SIGTERM, and SIGKILL if it is still there after `grace` seconds (at once for 0). Returns its exit code, or
        the negative signal number."""
        if self._process.poll() is None and grace:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        if self._process.poll() is None:
            self._process.kill()
        return self._process.wait()

    def __enter__(self) -> "Child":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(grace=0 if kind is not None and not issubclass(kind, Exception) else 10.0)


def _die_with_parent(parent: int) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before the request was in
        os._exit(1)
