"""What has to be there before the commands of a guide mean anything: a server, a collector, a destination that is down.

A situation is for a whole page, or begins at a section of it:

    with situation("operate.md")(session) as sections:
        sections["Lag grows"]()
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

from outrider.demo.kubelet import PodLog
from outrider.model.clock import SystemClock
from tests.guides.blocks import GUIDES, blocks
from tests.guides.operated import operated
from tests.guides.session import Session, prints
from tests.support.pages import Page, pages
from tests.support.server import program
from tests.support.servers.memcached import shared
from tests.support.wait import until

Sections = dict[str, Callable[[], None]]
Situation = Callable[[Session], AbstractContextManager[Sections]]
TELEMETRY = "127.0.0.1:9464"


@contextmanager
def _nothing(session: Session) -> Iterator[Sections]:
    del session
    yield {}


@contextmanager
def _pods(session: Session) -> Iterator[Sections]:
    """A node with a pod that has written something."""
    tree = session.folder / "pods"
    PodLog(tree, "shop", "web-1", "uid-1", SystemClock()).container("main").write("hello")
    session.instead |= {"/var/log/pods": str(tree), TELEMETRY: "127.0.0.1:0"}
    yield {}


@contextmanager
def _httpd(session: Session) -> Iterator[Sections]:
    """The page of an Apache httpd."""
    with pages() as served:
        served.at["/server-status?auto"] = Page(
            "127.0.0.1\nServerVersion: Apache/2.4.62 (Debian)\nUptime: 86\nLoad1: 0.42\nTotal Accesses: 1204\n"
            "Total kBytes: 311\nReqPerSec: 14\nBusyWorkers: 3\nIdleWorkers: 22\nScoreboard: _W_.\n"
        )
        session.instead["127.0.0.1:8080"] = urlsplit(served.url).netloc
        yield {}


@contextmanager
def _influx(session: Session) -> Iterator[Sections]:
    """A memcached, and somebody who takes lines of InfluxDB's protocol; which have to come as the page says."""
    came: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            fine = self.path.startswith("/api/v2/write?") and self.headers["Authorization"] == "Token secret"
            came.extend(body.splitlines() if fine else [])
            self.send_response(204 if fine else 400)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    session.instead |= {
        "127.0.0.1:8086": f"127.0.0.1:{server.server_port}",
        "port: 11211": f"port: {shared().port}",
        TELEMETRY: "127.0.0.1:0",
    }
    wanted = [b.text for b in blocks(GUIDES / "extend-exporter.md") if b.language == "text" and b.mark]
    try:
        yield {}
        assert wanted
        until(lambda: all(prints("\n".join(came), text) is None for text in wanted))
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _collector(session: Session) -> Iterator[Sections]:
    """A collector that delivers to both vendors, until a section of the page begins."""
    program("curl", "curl")
    with operated(session.folder) as collector:
        session.instead[TELEMETRY] = collector.listens
        session.env["OUTRIDER_URL"] = f"http://{collector.listens}"
        yield {
            "Lag grows": collector.loses_google,
            "Credentials have expired": collector.loses_its_right,
            "Entries are refused": collector.is_refused_an_entry,
            "The disk is full": collector.has_no_room,
            "Nothing arrives from one pod": collector.has_room,
        }
        collector.has_delivered()


_SITUATIONS: dict[str, Situation] = {
    "migrate-fluent.md": _pods,
    "extend-check.md": _httpd,
    "extend-exporter.md": _influx,
    "operate.md": _collector,
}


def situation(page: str) -> Situation:
    """What the page of this name needs."""
    return _SITUATIONS.get(page, _nothing)
