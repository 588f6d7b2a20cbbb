"""Logs and points asked back from Datadog's API (api/latest: logs, search logs; metrics, query timeseries points).

Both questions go to the API's own address, which is where metrics are sent to; that of the logs' intake answers none.
Who asks needs an application key beside the API key, since a key that may send may not read.
"""

import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from outrider import __version__
from outrider.config.secrets import Secret, SecretError, without_password
from outrider.exporters.datadog.names import metric_name
from outrider.exporters.reading import Reader, ReadError
from outrider.model.connections import FAILURES, Connections, read

CONNECT_TIMEOUT, ANSWER_TIMEOUT = 10.0, 30.0
MAX_ANSWER = 4 << 20
AROUND = 60
"""Seconds before and after a log or point that are asked for."""


class Api:
    """Asks the API at `endpoint`. `application_key` is None if nobody gave one, which is told when it is needed."""

    def __init__(self, endpoint: str, key: Secret, application_key: str | None, ca: str | None) -> None:
        context = ssl.create_default_context(cafile=ca) if endpoint.startswith("https:") else None
        self._connections = Connections(endpoint, 0, CONNECT_TIMEOUT, ANSWER_TIMEOUT, context)
        self._endpoint, self._key, self._application_key = endpoint.rstrip("/"), key, application_key

    def log(self, entry: Mapping[str, Any]) -> Reader:
        """A reader of the log that was sent as `entry`."""
        at, around = entry["timestamp"], AROUND * 1000
        wanted = f'@outrider.id:"{entry["outrider.id"]}"'
        query = {
            "filter": {"query": wanted, "from": str(at - around), "to": str(at + around)},
            "page": {"limit": 1},
        }

        def ask() -> Any:
            found = self._ask("POST", "/api/v2/logs/events/search", msgspec.json.encode(query)).get("data")
            return found[0] if found else None

        return ask

    def point(self, name: str, time: int) -> Reader:
        """A reader of the point of the metric `name` at `time`, in seconds since 1970."""
        asked = {"from": time - AROUND, "to": time + AROUND, "query": f"avg:{metric_name(name)}{{*}}"}

        def ask() -> Any:
            for series in self._ask("GET", f"/api/v1/query?{urlencode(asked)}", None).get("series", ()):
                step = series.get("interval") or 1  # what is shown at a moment is of so many seconds from then on
                for at, value in series.get("pointlist", ()):
                    if at / 1000 <= time < at / 1000 + step and value is not None:
                        return {"metric": series["metric"], "scope": series.get("scope"), "point": [at, value]}
            return None

        return ask

    def _ask(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        """Raises ReadError."""
        name = without_password(self._endpoint) + path.partition("?")[0]
        target = (self._endpoint.partition("://")[2].partition("/")[2] + path).lstrip("/")
        try:
            with self._connections.request(method, body, self._headers(), target=f"/{target}") as response:
                status, said = response.status, read(response, MAX_ANSWER)
        except FAILURES as e:
            raise ReadError(f"no answer from {name}: {type(e).__name__}: {e}", passing=True) from e
        except ValueError:  # its text has what cannot be sent
            raise ReadError("what there is as API key or application key is none: no header can carry it") from None
        if status in (401, 403):
            raise ReadError(f"{name} answers {status}: is DD_APP_KEY an application key of the same organization?")
        if status != 200:
            words = said[:300].decode("utf-8", "replace")
            raise ReadError(f"{name} answers {status}: {words}", passing=status in (408, 429) or status >= 500)
        try:
            return msgspec.json.decode(said, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as e:
            raise ReadError(f"what {name} answers is not Datadog's: {e}") from e

    def _headers(self) -> dict[str, str]:
        if self._application_key is None:
            raise ReadError("to read, Datadog asks for an application key: set DD_APP_KEY")
        try:
            key = self._key.read().strip()
        except SecretError as e:
            raise ReadError(f"no API key: {e}") from e
        return {
            "Content-Type": "application/json",
            "User-Agent": f"outrider/{__version__}",
            "DD-API-KEY": key,
            "DD-APPLICATION-KEY": self._application_key,
        }
