"""The management API of a broker, and what its refusals mean.

It answers in JSON, and with 401 to three different troubles: the password, a user without the tag that the question
needs, and a user without rights in a virtual host. Its reason tells them apart. Lists of queues can be long, so they
are asked for in pages, and only for the members that are reported.

Source: the API's own description (/api/index.html), and answers of 3.10.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

from outrider.checks.check import AnswerError, DeniedError, RefusedError
from outrider.checks.http import Answered, HttpServer, authorization
from outrider.checks.parsed import JsonError, parsed
from outrider.checks.rabbitmq.settings import RabbitmqSettings

MAX_ANSWER = 64 << 20
"""Bytes of an answer."""
PAGE = 500
"""Items of a page; the API gives no more."""


class NotFoundError(AnswerError):
    """The API has no such thing."""


class Management:
    """Asks the API at `url`; `deadline` (monotonic seconds) ends every wait."""

    def __init__(self, url: str, settings: RabbitmqSettings) -> None:
        self._server = HttpServer(url, settings.timeout, settings.tls)
        self._path = urlsplit(url).path.rstrip("/").removesuffix("/api")
        self._user, self._password = settings.username, settings.password
        self.deadline = 0.0

    @property
    def url(self) -> str:
        return self._server.url

    def get(self, path: str, *columns: str) -> Any:
        """What `/api/<path>` answers. Raises CheckError."""
        query = f"?columns={','.join(columns)}" if columns else ""
        return self._ask(f"{path}{query}")

    def items(self, path: str, *columns: str) -> Iterator[dict[str, Any]]:
        """What a list has, page by page. Raises CheckError."""
        page, pages = 1, 1
        while page <= pages:
            said = self._ask(f"{path}?page={page}&page_size={PAGE}&columns={','.join(columns)}")
            try:
                pages, items = int(said["page_count"]), said["items"]
            except (KeyError, TypeError, ValueError):
                raise self._strange(f"/api/{path} has no pages") from None
            yield from items
            page += 1

    def close(self) -> None:
        self._server.close()

    def _ask(self, path: str) -> Any:
        try:
            answer = self._server.ask(
                self.deadline,
                MAX_ANSWER,
                authorization(self._user, self._password),
                f"{self._path}/api/{path}",
            )
        except RefusedError as e:
            if "nobody listens" in e.words:
                raise RefusedError(
                    e.words, "does the broker run, with its plugin? rabbitmq-plugins enable rabbitmq_management"
                ) from None
            raise
        if answer.status != 200:
            raise self._refused(path.partition("?")[0], answer)
        try:
            return parsed(answer.body)
        except JsonError as e:
            raise self._strange(str(e)) from None

    def _refused(self, path: str, answer: Answered) -> Exception:
        reason = _reason(answer.body)
        lower = reason.lower()
        if answer.status in (401, 403):
            if "virtual host" in lower:
                return VhostDeniedError(f"the user {self._user} may not ask for /api/{path} ({reason})")
            if "not manag" in lower or "not monitor" in lower:
                return DeniedError(
                    f"the user {self._user} may not read /api/{path} ({reason})",
                    f"rabbitmqctl set_user_tags {self._user} monitoring",
                )
            return DeniedError(
                f"{self.url} refuses the user {self._user} ({reason or f'HTTP {answer.status}'})",
                f"is the password right? rabbitmqctl change_password {self._user} ...",
            )
        if answer.status == 404:
            return NotFoundError(
                f"{self.url} has no /api/{path} (HTTP 404)", "is this the management API of a RabbitMQ?"
            )
        return AnswerError(f"{self.url} answers /api/{path} with HTTP {answer.status} ({reason})")

    def _strange(self, what: str) -> AnswerError:
        return AnswerError(f"{self.url} is not the management API of a RabbitMQ: {what}")


class VhostDeniedError(DeniedError):
    """The user has no rights in the virtual host that was asked about."""


def quoted(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")


def _reason(body: bytes) -> str:
    try:
        said = parsed(body)
        return str(said.get("reason") or said.get("error") or "")[:200]
    except (JsonError, AttributeError):
        return ""
