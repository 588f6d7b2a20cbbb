"""Recorded answers, served over HTTP by path."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.http_server import HttpRequest, Said, http_server

DATA = Path(__file__).parent.parent.parent / "checks" / "data"


def recorded(name: str) -> dict[str, Any]:
    """The answers by path in a file of tests/checks/data, which names its source and version."""
    file = json.loads((DATA / name).read_text("utf-8"))
    assert file["source"] and file["version"], f"{name} does not say where it is from"
    answers: dict[str, Any] = file["answers"]
    return answers


@dataclass
class Recorded:
    """A server. `answers` by path, with or without the query: a text as it is, everything else as JSON; an int is a
    status, an event a server that says nothing until it is set.
    """

    answers: dict[str, Any]
    url: str = ""
    requests: list[HttpRequest] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def answer(self, asked: HttpRequest) -> Said:
        self.requests.append(asked)
        found = self.answers.get(asked.path, self.answers.get(asked.path.partition("?")[0], 404))
        if isinstance(found, threading.Event):
            found.wait(30)
            found = 500
        if isinstance(found, int):
            return found, b""
        return 200, found, {"Content-Type": "text/html"} if isinstance(found, str) else {}


@contextmanager
def server(answers: dict[str, Any]) -> Iterator[Recorded]:
    """A server of these answers; 404 for all else. What is changed in them while it runs is what it answers then."""
    served = Recorded(answers)
    with http_server(served.answer) as served.url:
        yield served
