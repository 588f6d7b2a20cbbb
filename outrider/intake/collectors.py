"""What collectors say of themselves: their ledgers, which a browser could not ask for at another address.

Only addresses of this machine are asked, and only for `/ledger`; so whoever reaches the intake learns nothing of other
machines by it.
"""

import http.client
import threading
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import orjson

TIMEOUT = 3.0
"""Seconds that a collector has to answer."""
_HERE = ("127.0.0.1", "localhost", "::1")


class Collectors:
    """Where the telemetry of collectors is; may be replaced at any time."""

    def __init__(self, urls: Iterable[str] = ()) -> None:
        self._lock = threading.Lock()
        self._urls: list[str] = []
        self.set(urls)

    def set(self, urls: Iterable[str]) -> None:
        """Replace all; ValueError, and nothing changes, if one of them is no address of this machine."""
        wanted = [_checked(url) for url in urls]
        with self._lock:
            self._urls = wanted

    def urls(self) -> list[str]:
        """Those that are known."""
        with self._lock:
            return list(self._urls)

    def ledgers(self) -> list[dict[str, Any]]:
        """What each answers: `url`, and `ledger`, or `trouble` with the reason why there is none."""
        return [{"url": url, **_asked(url)} for url in self.urls()]


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        known = parts.scheme == "http" and parts.hostname in _HERE and parts.port and not parts.query
    except ValueError:
        known = None
    if not known:
        raise ValueError(f"{url!r} must be the telemetry of a collector on this machine, such as http://127.0.0.1:9464")
    return url.rstrip("/")


def _asked(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/ledger")
        answer = connection.getresponse()
        data = answer.read()
        if answer.status != 200:
            return {"trouble": f"it answers {answer.status}: {data[:300].decode('utf-8', 'replace').strip()}"}
        ledger = orjson.loads(data)
        if not isinstance(ledger, dict) or not isinstance(ledger.get("exporters"), dict):
            return {"trouble": "what it answers is no ledger"}
        return {"ledger": ledger}
    except (OSError, http.client.HTTPException) as e:
        return {"trouble": f"no answer: {e}"}
    except orjson.JSONDecodeError:
        return {"trouble": "what it answers is no ledger"}
    finally:
        connection.close()
