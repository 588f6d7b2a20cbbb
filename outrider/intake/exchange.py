"""What an API and the HTTP side give each other: a request that was read whole, and the answer to it.

The HTTP side (`server_rest`) knows connections and faults, an API knows paths. Each API has a module of routes with one
function, `find`, that gives what answers a method and a path.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qs

import orjson

from outrider.intake.errors import AnswerError, invalid
from outrider.intake.faults import Fault

JSON = "application/json; charset=UTF-8"

Answer = tuple[int, str, bytes]
"""Status, content type, body."""


class Write(Protocol):
    """Decode a body and take it, unless the fault drawn for it comes before; count the request either way.

    `answer` is what the fault answers, if it does. `count` gets the HTTP status or the name of the fault, and the size
    before and after decoding.
    """

    def __call__(
        self,
        fault: Fault | None,
        answer: AnswerError | None,
        decode: Callable[[bytes], bytes],
        take: Callable[[bytes], Answer],
        count: Callable[[str, int, int], None],
    ) -> Answer: ...


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `header` gives the value of a header by its name, stripped, empty if it is not there; `raw_query` is
    what stands behind the question mark.
    """

    raw_query: str
    data: bytes
    header: Callable[[str], str]
    write: Write

    @property
    def query(self) -> dict[str, list[str]]:
        """The parameters behind the question mark."""
        return parse_qs(self.raw_query)

    def number(self, name: str, default: int) -> int:
        """A parameter that is a number; ApiError if it is none."""
        text = self.query.get(name, [str(default)])[0]
        if not text.isdecimal():
            raise invalid(f"{name} must be a number: {text}")
        return int(text)


Route = Callable[[Request], Answer]
Find = Callable[[str, str], Route | None]
"""What answers a method and a path, None if nothing does."""


def as_json(value: Any, status: int = 200) -> Answer:
    """An answer of JSON."""
    return status, JSON, orjson.dumps(value)


def lines(records: list[Any]) -> Answer:
    """Records as received, a JSON array of what their `line()` gives."""
    return 200, JSON, b"[" + b",".join(record.line() for record in records) + b"]"
