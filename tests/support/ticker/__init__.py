"""A product that nobody runs: a server that ticks (`Ticker`), the check of it, and the entry point that names it.

    with Ticker() as ticker:
        ticker.says = {"ticks": 7, "hands": 3}
        ticker.mood = "hang"                        # or "deny", or None
        install(tmp_path)                           # {"ticker": {"port": ticker.port}} in metrics.checks

`install` writes what `pip install` would: in a directory that is on the path, the check is found by its entry point.
"""

import json
import os
import socketserver
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

ROOT = Path(__file__).parents[3]
ENTRY = "[outrider.checks]\nticker = tests.support.ticker.check:TickerCheck\n"


def install(directory: Path) -> dict[str, str]:
    """Make `directory` one where the check is installed; the environment of a child that is to find it there."""
    info = directory / "ticker-1.0.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ticker\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY)
    return {"PYTHONPATH": os.pathsep.join([str(directory), str(ROOT)])}


class Ticker:
    """The server: a line of JSON to everybody who connects. Attributes may be set while it runs."""

    def __init__(self) -> None:
        self.says: dict[str, Any] = {"ticks": 7, "hands": 3}
        self.mood: Literal["hang", "deny"] | None = None
        self.asked = 0
        self._release = threading.Event()
        ticker = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                ticker.asked += 1
                if ticker.mood == "hang":
                    ticker._release.wait(60)
                    return
                ticker.says["ticks"] = ticker.says.get("ticks", 0) + 10
                said = {"error": "wrong password"} if ticker.mood == "deny" else ticker.says
                self.request.sendall(json.dumps(said).encode() + b"\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> "Ticker":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Nobody listens on the port any more."""
        self._release.set()
        self._server.shutdown()
        self._server.server_close()
