"""`outrider sidecar` as a child process: a `NodeProcess` whose files are in `<root>/logs`, and plain."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.node import NodeProcess

POD = {"POD_NAMESPACE": "shop", "POD_NAME": "web-1", "POD_UID": "uid-1", "OUTRIDER_CONTAINER": "web"}


class SidecarProcess(NodeProcess):
    """One sidecar and its volume. `globs` are relative to the volume."""

    def __init__(self, root: Path, exporters: dict[str, Any], *globs: str, **config: Any) -> None:
        self.logs = root / "logs"
        files = [str(self.logs / glob) for glob in globs or ("*.log",)]
        super().__init__(root, exporters, **{"logs": {"files": files}, **config})
        self.command, self.env = "sidecar", dict(POD)
        self.logs.mkdir(exist_ok=True)

    def write(self, name: str, *lines: str, end: str = "\n") -> Path:
        """Add lines to a file of the volume, all in one write; the last one ends with `end`."""
        path = self.logs / name
        with open(path, "ab", buffering=0) as f:
            f.write(("\n".join(lines) + end).encode("utf-8", "surrogateescape"))
        return path


@contextmanager
def sidecar_process(root: Path, exporters: dict[str, Any], *globs: str, **config: Any) -> Iterator[SidecarProcess]:
    """A sidecar that is not started yet and that does not outlive the test."""
    sidecar = SidecarProcess(root, exporters, *globs, **config)
    try:
        yield sidecar
    finally:
        sidecar.kill()
