"""A reader of a guide with a shell: files lie where commands look for them, and commands run one after the other.

    with Session(tmp_path, {"127.0.0.1:8085": "127.0.0.1:41234"}) as session:
        output = session.run(block)

Addresses that a guide names stand for others, since tests run side by side. What a command leaves running is ended with
the session.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from tests.guides.blocks import ROOT, Block
from tests.support.wait import until

_PROGRAM = """#!/bin/sh
exec "{python}" -m tests.guides.{name} "$@"
"""


class Session:
    """Its folder has the charts of the checkout, and `outrider`, `helm` and `pip` can be called. What is installed is
    in `site`.
    """

    def __init__(self, folder: Path, instead: dict[str, str] | None = None) -> None:
        self.folder, self.instead = folder, instead or {}
        self._shells: list[subprocess.Popen[bytes]] = []
        self._calls = 0
        programs = folder / ".bin"
        programs.mkdir(parents=True)
        for name in ("helm", "pip"):
            (programs / name).write_text(_PROGRAM.format(python=sys.executable, name=name))
            (programs / name).chmod(0o755)
        (folder / "charts").symlink_to(ROOT / "charts")
        path = [str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]
        self.site = folder / ".site"
        self.env = {**os.environ, "PATH": os.pathsep.join(path), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
        self.env["PYTHONPATH"] = os.pathsep.join([str(self.site), str(ROOT)])

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for shell in self._shells:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)

    def write(self, block: Block) -> Path:
        """The file that a block is."""
        path = self.folder / block.mark
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.here(block.text), "utf-8")
        return path

    def run(self, block: Block, timeout: float = 60.0) -> str:
        """What the commands print, on both streams. They have to end well; one that ends with `&` stays, and has
        begun when it says something.
        """
        self._calls += 1
        out, env = self.folder / f".{self._calls}.out", self.folder / ".env"
        stays = block.text.rstrip().endswith("&")
        with open(out, "wb") as f:  # a file, since what stays in the background would keep a pipe open
            shell = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", f"{self.here(block.text)}\nenv -0 > {env}"],
                cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=f, stderr=f, start_new_session=True,
            )  # fmt: skip
        self._shells.append(shell)
        code = shell.wait(timeout)
        if stays:
            until(lambda: out.stat().st_size > 0)
        said = out.read_text("utf-8", "replace")
        assert code == 0, f"{block} ends with {code}: {said}"
        exported = env.read_text("utf-8").split("\0")
        self.env |= dict(pair.split("=", 1) for pair in exported if "=" in pair)
        return said

    def here(self, text: str) -> str:
        """`text` with the addresses that are in use here."""
        for there, here in self.instead.items():
            text = text.replace(there, here)
        return text


def prints(output: str, expected: str) -> str | None:
    """The first line of `expected` that `output` does not have in its order; blanks count as one."""
    lines = iter([" ".join(line.split()) for line in output.splitlines()])
    for wanted in expected.splitlines():
        pattern = ".*".join(re.escape(part) for part in " ".join(wanted.split()).split("…"))
        if not any(re.fullmatch(pattern, line) for line in lines):
            return wanted
    return None
