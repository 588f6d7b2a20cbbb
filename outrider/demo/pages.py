"""The pages that the demo asks its children for: the intake's counters and arrivals, a program's ledger and metrics."""

from typing import Any

import orjson
import urllib3

from outrider.demo.children import DemoError


class Pages:
    """The pages at `url` of the child called `name`. Every call raises DemoError if it does not answer as it should."""

    def __init__(self, name: str, url: str) -> None:
        self._name, self._url = name, url
        self._http = urllib3.PoolManager(retries=False, timeout=10.0)

    def text(self, path: str) -> str:
        return self._get(path).decode()

    def json(self, path: str) -> Any:
        try:
            return orjson.loads(self._get(path))
        except ValueError as e:
            raise self.strange(e) from e

    def tell(self, path: str, what: Any) -> None:
        """Post `what` as JSON."""
        self._answered("POST", path, body=orjson.dumps(what))

    def strange(self, why: Exception) -> DemoError:
        """For an answer that is in order and says something else than was to be expected."""
        return DemoError(f"{self._name} gave an answer that is not understood: {why!r}")

    def _get(self, path: str) -> bytes:
        return self._answered("GET", path)

    def _answered(self, method: str, path: str, **more: Any) -> bytes:
        try:
            answer = self._http.request(method, self._url + path, **more)
        except urllib3.exceptions.HTTPError as e:
            raise DemoError(f"{self._name} cannot be reached: {e}") from e
        if answer.status != 200:
            raise DemoError(f"{self._name} answered {answer.status} to {method} {path}: {answer.data[:200]!r}")
        return answer.data
