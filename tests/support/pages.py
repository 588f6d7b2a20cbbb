"""An HTTP server on loopback that answers with pages which a test sets."""

import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.support.http_server import HttpRequest, Said, http_server

TEXT = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Page:
    body: str | bytes = ""
    status: int = 200
    content_type: str = TEXT
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Pages:
    """`url` answers with what stands in `at` under the path, with its query or without (404 if nothing). `asked` are
    the headers of requests.
    """

    url: str = ""
    at: dict[str, Page] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)


@contextlib.contextmanager
def pages(context: ssl.SSLContext | None = None) -> Iterator[Pages]:
    served = Pages()

    def answer(asked: HttpRequest) -> Said:
        served.asked.append(asked.lower)
        page = served.at.get(asked.path) or served.at.get(asked.path.partition("?")[0]) or Page("not here", 404)
        return page.status, page.body, {"Content-Type": page.content_type, **page.headers}

    with http_server(answer, context) as served.url:
        yield served
