"""Real servers on loopback, for tests: started on a free port with their data in a directory of the test, and ended by
their pid.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.wait import until

PLACES = ("/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port: int = s.getsockname()[1]
        return port


def quiet_ports(count: int) -> list[int]:
    """Free ports that no connection will take while a server starts slowly: outside of the range of those."""
    found: set[int] = set()
    while len(found) < count:
        port = random.randint(20000, 32000)
        with socket.socket() as s, suppress(OSError):
            s.bind(("127.0.0.1", port))
            found.add(port)
    return list(found)


def program(name: str, package: str) -> str:
    """The path of a server's program; the test is skipped if Debian's `package`, which has it, is not installed."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *PLACES]))
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: {package})")
    return found


def answers(port: int) -> bool:
    """Whether somebody listens on the port."""
    with socket.socket() as s:
        s.settimeout(1.0)
        return s.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(
    command: Sequence[str],
    log: Path,
    ready: Callable[[], object],
    timeout: float = 30.0,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """`command` as a process of its own group, from when it is `ready`; its output is in `log`. `user`: as whom root
    starts it, since some servers refuse root.
    """
    as_user: dict[str, Any] = {"user": user, "group": user, "extra_groups": []} if user and os.getuid() == 0 else {}
    with open(log, "ab") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, start_new_session=True, **as_user
        )
    try:
        until(lambda: process.poll() is not None or ready(), timeout, every=0.05)
        assert process.poll() is None, f"{command[0]} ended with {process.returncode}: {log.read_text()[-2000:]}"
        yield process
    finally:
        for number, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
            if process.poll() is not None:
                break
            os.killpg(process.pid, number)
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                continue
