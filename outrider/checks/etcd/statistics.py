"""What a member says at /v2/stats: of itself, of its store, and as the leader of its followers.

It is a part of the interface v2, which 3.4 and 3.5 have only with `enable-v2`, and 3.6 not at all. A member that has
none is not asked again.
"""

from typing import Any

from outrider.checks.check import AnswerError, CheckError, Reading
from outrider.checks.http import HttpServer
from outrider.checks.parsed import JsonError, parsed

LARGEST = 8 << 20
"""Bytes of an answer."""
MISSING = "it has no interface v2: 3.4 and 3.5 have it with --enable-v2, and 3.6 has none"


class Statistics:
    """Reads them from the member's `server`."""

    def __init__(self, server: HttpServer) -> None:
        self._server = server
        self._there = True

    def read(self, reading: Reading, deadline: float) -> None:
        """Add what there is. What cannot be had is missing, and no failure."""
        if not self._there:
            reading.lacks_all(("self.", "store.", "leader."), MISSING)
            return
        url = self._server.url.removesuffix("/metrics")
        try:
            of_itself = self._document("self", deadline)
            if of_itself is None:
                self._there = False
                reading.lacks_all(("self.", "store.", "leader."), MISSING)
                return
            leads = of_itself.get("state") == "StateLeader"
            reading.instance(url=url, etcd_state="leader" if leads else "follower")
            _add(reading, "self", of_itself)
            _add(reading, "store", self._document("store", deadline) or {})
            if leads:
                self._followers(reading, deadline)
        except CheckError as e:
            reading.lacks_all(("self.", "store.", "leader."), str(e))

    def forget(self) -> None:
        """The next member there may have them."""
        self._there = True

    def _followers(self, reading: Reading, deadline: float) -> None:
        followers = (self._document("leader", deadline) or {}).get("followers")
        for name, told in (followers if isinstance(followers, dict) else {}).items():
            for part in ("counts", "latency"):
                values = told.get(part) if isinstance(told, dict) else None
                _add(reading, f"leader.{part}", values if isinstance(values, dict) else {}, follower=name)

    def _document(self, name: str, deadline: float) -> dict[str, Any] | None:
        """None if there is none. Raises CheckError."""
        target = f"/v2/stats/{name}"
        answer = self._server.ask(deadline, LARGEST, target=target)
        if answer.status in (403, 404):  # 403 of a member that has lost the lead meanwhile
            return None
        try:
            said = parsed(answer.body)
        except JsonError:
            said = None
        if answer.status != 200 or not isinstance(said, dict):
            raise AnswerError(f"{target} answers with the status {answer.status} (it says {answer.body[:60]!r})")
        return said


def _add(reading: Reading, place: str, values: dict[str, Any], **attributes: str) -> None:
    for name, value in values.items():
        key = f"{place}.{name}"
        if key in reading.declared.metrics and type(value) in (int, float):
            reading.add(key, value, None, **attributes)
