"""The HTTP API of a node, and what its refusals mean.

It answers in JSON, and tells in JSON what is wrong. An API that a version or an edition lacks is answered with 400, 404
or 405. Whether a user may ask is told apart from who the user is: 403 and 401.
"""

import time
from typing import Any
from urllib.parse import urlsplit

from outrider.checks.check import AnswerError, CheckError, DeniedError
from outrider.checks.elasticsearch.settings import ElasticsearchSettings
from outrider.checks.http import Answered, HttpServer, authorization
from outrider.checks.parsed import JsonError, parsed
from outrider.config.secrets import SecretError

MAX_ANSWER = 16 << 20
"""Bytes of an answer: more than a cluster of 10,000 indices has to say to what is asked here, and no more than may be
taken apart at once beside everything else that a node's collector does.
"""
NOT_OFFERED = (400, 404, 405)
ROLE = (
    'a role with {"cluster": ["monitor"], "indices": [{"names": ["*"], "privileges": ["monitor"]}]} may, '
    "see POST /_security/role/<name>; in OpenSearch one with cluster_monitor and indices_monitor"
)
"""What a user needs, for whoever forgot."""


class NotOfferedError(AnswerError):
    """This server has no such API."""


class Api:
    """Asks the node of the settings; `deadline` (monotonic seconds) ends every wait."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        self._settings = settings
        self._server = HttpServer(settings.url, settings.timeout, settings.tls)
        self._path = urlsplit(settings.url).path.rstrip("/")
        self.deadline = 0.0

    @property
    def url(self) -> str:
        return self._server.url

    def start(self) -> None:
        """Give the run that begins its time."""
        self.deadline = time.monotonic() + self._settings.timeout

    def mapping(self, target: str) -> dict[str, Any]:
        """What `target` (a path and a query) answers, which is an object. Raises CheckError."""
        said = self._ask(target)
        if not isinstance(said, dict):
            raise self._strange(target, "it answers with something else than an object")
        return said

    def rows(self, target: str) -> list[dict[str, Any]]:
        """What `target` answers, which is a table. Raises CheckError."""
        said = self._ask(target)
        if not isinstance(said, list) or not all(isinstance(row, dict) for row in said):
            raise self._strange(target, "it answers with something else than a table")
        return said

    def close(self) -> None:
        self._server.close()

    def _ask(self, target: str) -> Any:
        answer = self._server.ask(self.deadline, MAX_ANSWER, self._headers(), self._path + target)
        if answer.status != 200:
            raise self._refused(target.partition("?")[0], answer)
        try:
            return parsed(answer.body)
        except JsonError as e:
            raise self._strange(target, str(e)) from None

    def _headers(self) -> dict[str, str]:
        if self._settings.api_key is None:
            return authorization(self._settings.username, self._settings.password)
        try:
            return {"Authorization": f"ApiKey {self._settings.api_key.read().strip()}"}
        except SecretError as e:
            raise DeniedError(str(e)) from None

    def _refused(self, path: str, answer: Answered) -> CheckError:
        reason = _reason(answer.body)
        told = f" ({reason})" if reason else ""
        if answer.status == 401:
            who = self._settings.username or ("this API key" if self._settings.api_key else "")
            if not who:
                return DeniedError(f"{self.url} asks for a user", "set username and password, or api_key")
            return DeniedError(f"{self.url} refuses {who}{told}", "is the secret right?")
        if answer.status == 403:
            return DeniedError(f"{self.url} does not let us read {path}{told}", ROLE)
        if answer.status in NOT_OFFERED:
            return NotOfferedError(f"{self.url} has no {path} (HTTP {answer.status}){told}")
        return AnswerError(f"{self.url} answers {path} with HTTP {answer.status}{told}")

    def _strange(self, target: str, what: str) -> AnswerError:
        return AnswerError(f"{self.url} is no Elasticsearch: {what}, asked for {target.partition('?')[0]}")


def _reason(body: bytes) -> str:
    """The first sentence of what is wrong."""
    try:
        said = parsed(body)
    except JsonError:
        return ""
    error = said.get("error") if isinstance(said, dict) else None
    if isinstance(error, dict):
        error = error.get("reason") or error.get("type")
    return str(error or "").split("\n")[0][:200]
