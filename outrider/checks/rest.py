"""How a check asks several servers for JSON: those that it is told of, and those that they lead to.

A cluster's manager knows the applications, and the applications know the rest, each at an address of its own. So there
is a connection for each address, kept until a run has not asked it. The user and the password go to the hosts that the
settings name, and to no other: an address in an answer is not one that a person has chosen. Redirects are not followed
for the same reason.
"""

import math
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import urljoin, urlsplit

from outrider.checks.check import AnswerError, DeniedError, Reading
from outrider.checks.declared import Declared
from outrider.checks.http import Answered, HttpServer, authorization
from outrider.checks.parsed import JsonError, parsed
from outrider.checks.tls import TlsSettings
from outrider.config.secrets import Secret, without_password

LARGEST = 32 << 20
"""Bytes of an answer. A thousand stages of Spark take five megabytes."""
SHARES = 4
"""Into how many parts the time that is left is divided at most."""


class NotFoundError(AnswerError):
    """The server has no such thing."""


class Rest:
    """Asks for JSON. `homes` are the URLs that the settings name; `deadline` (monotonic seconds) ends every wait."""

    def __init__(
        self,
        homes: Iterable[str],
        timeout: float,
        tls: TlsSettings,
        username: str | None = None,
        password: Secret | None = None,
    ) -> None:
        self._hosts = {urlsplit(home).hostname for home in homes}
        self._timeout, self._tls = timeout, tls
        self._username, self._password = username, password
        self._servers: dict[str, HttpServer] = {}
        self._asked: set[str] = set()
        self.deadline = self._end = 0.0

    def begin(self, deadline: float) -> None:
        """A run begins, which ends at `deadline`. Whoever was not asked by the last one is let go."""
        for address in self._servers.keys() - self._asked:
            self._servers.pop(address).close()
        self._asked.clear()
        self.deadline = self._end = deadline

    def share(self, waiting: int) -> None:
        """From here on one of so many is asked who have still to be, with this one: the time that is left is theirs as
        well, so that one that is silent leaves the others most of it.
        """
        now = time.monotonic()
        self.deadline = now + (self._end - now) / min(max(waiting, 1), SHARES)

    def json(self, url: str) -> Any:
        """What is at `url`. Raises NotFoundError if there is nothing, and CheckError."""
        answer = self.ask(url)
        try:
            return parsed(answer.body)
        except JsonError as e:
            raise AnswerError(f"{bare(url)}: {e}") from None

    def ask(self, url: str) -> Answered:
        """The answer. Raises as `json` does."""
        try:
            parts = urlsplit(url)
            address = f"{parts.scheme}://{parts.netloc}"
            known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            known = False
        if not known:
            raise AnswerError(f"{bare(url)!r} is no URL that could be asked")
        server = self._servers.get(address)
        if server is None:
            server = self._servers[address] = HttpServer(address, self._timeout, self._tls)
        self._asked.add(address)
        ours = parts.hostname in self._hosts
        headers = authorization(self._username, self._password) if ours else {}
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return self._judged(url, server.ask(self.deadline, LARGEST, {"Accept": "application/json", **headers}, target))

    def close(self) -> None:
        for server in self._servers.values():
            server.close()

    def _judged(self, url: str, answer: Answered) -> Answered:
        where = bare(url)
        if answer.status == 200:
            return answer
        if answer.status == 401:
            raise DeniedError(f"{where} asks for a user and a password", "set username and password")
        if answer.status == 403:
            raise DeniedError(f"{where} is not for {self._username or 'somebody without a name'} (status 403)")
        if answer.status == 404:
            raise NotFoundError(f"{where} is not there (status 404)")
        raise AnswerError(f"{where} answers with the status {answer.status} ({_words(answer.body)})")


def linked(page: str, link: object) -> str:
    """Where a link on a page leads, without a slash at the end. What is none stays as it is, for `ask` to say."""
    try:
        return urljoin(f"{page}/", str(link)).rstrip("/")
    except ValueError:
        return str(link)


def origin(url: str) -> str:
    """The server of `url`: its scheme, host and port."""
    return "/".join(bare(url).split("/", 3)[:3])


def bare(url: str) -> str:
    """`url` as it may be told: without a password and a query."""
    try:
        return without_password(url).partition("?")[0]
    except ValueError:
        return "a link that is none"


def _words(body: bytes) -> str:
    """The beginning of a page, if it is a text."""
    text = body[:120].decode("utf-8", "replace").strip()
    return "no text" if text.startswith("<") or not text else " ".join(text.split())


class Members:
    """Which members of the JSON of a thing are reported: `metrics.yaml` says so with keys such as
    `executor.memoryMetrics.usedOnHeapStorageMemory`, the thing and the path in its JSON.
    """

    def __init__(self, declared: Declared) -> None:
        self._paths: dict[str, dict[str, tuple[str, ...]]] = {}
        for key in declared.metrics:
            thing, *path = key.split(".")
            self._paths.setdefault(thing, {})[key] = tuple(path)

    def values(self, thing: str, said: Any) -> dict[str, int | float]:
        """The numbers of one thing by key, without those that it does not have."""
        found = {}
        for key, path in self._paths.get(thing, {}).items():
            value = number(said, *path)
            if value is not None:
                found[key] = value
        return found


def lacks(reading: Reading, things: Iterable[str], why: str) -> None:
    """Nothing of these things was read."""
    reading.lacks_all(tuple(f"{thing}." for thing in things), why)


def number(said: Any, *path: str) -> int | float | None:
    """The number at a path of JSON; None if there is none."""
    for step in path:
        said = said.get(step) if isinstance(said, dict) else None
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    return said if math.isfinite(said) else None


def objects(said: Any, *path: str) -> list[dict[str, Any]]:
    """The objects of the list at a path of JSON; nothing if there is none. Some versions of Hadoop write a list of one
    as the one.
    """
    for step in path:
        said = said.get(step) if isinstance(said, dict) else None
    if isinstance(said, dict) and path:
        return [said]
    return [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
