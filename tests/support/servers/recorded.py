"""Recorded answers, served over HTTP by path."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent.parent.parent / "checks" / "data"


def recorded(name: str) -> dict[str, Any]:
    """The answers by path in a file of tests/checks/data, which names its source and version."""
    file = json.loads((DATA / name).read_text("utf-8"))
    assert file["source"] and file["version"], f"{name} does not say where it is from"
    answers: dict[str, Any] = file["answers"]
    return answers


@dataclass
class Asked:
    """One request that came in."""

    path: str
    headers: Mapping[str, str]


@dataclass
class Recorded:
    """A server. `answers` by path, with or without the query: a text as it is, everything else as JSON; an int is a
    status, an event a server that says nothing until it is set.
    """

    port: int
    answers: dict[str, Any]
    requests: list[Asked] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece, or each waits for the acknowledgement of its head
    served: Recorded

    def do_GET(self) -> None:
        self.served.requests.append(Asked(self.path, dict(self.headers)))
        answers = self.served.answers
        found = answers.get(self.path, answers.get(self.path.partition("?")[0], 404))
        if isinstance(found, threading.Event):
            found.wait(30)
            found = 500
        status, body = (found, "") if isinstance(found, int) else (200, found)
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        del format, args


@contextmanager
def server(answers: dict[str, Any]) -> Iterator[Recorded]:
    """A server of these answers; 404 for all else. What is changed in them while it runs is what it answers then."""
    handler = type("Handler", (_Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listening:
        handler.served = served = Recorded(listening.server_port, answers)  # type: ignore[attr-defined]
        threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield served
        listening.shutdown()
