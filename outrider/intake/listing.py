"""`entries.list`: which entries, in which order, a page at a time.

Results are ordered by timestamp, equal timestamps by insertId (google/logging/v2/logging.proto). A page token holds
the place of the last entry given out and a fingerprint of the query, so that entries arriving between two pages
neither shift nor repeat a page. The sorted result of the latest query is kept until something arrives, since the
pages of one listing follow each other closely.
"""

import bisect
import hashlib
import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

import orjson

from outrider.intake.errors import invalid
from outrider.intake.filters import Predicate, parse_filter
from outrider.intake.requests import ListRequest
from outrider.intake.store import Record, Store

_DEFAULT_PAGE = 50
_MAX_PAGE = 1000
_MAX_PARENTS = 100
_KINDS = ("projects", "organizations", "billingAccounts", "folders")
_EXACT = 1 << 53  # beyond it a double skips integers

_Place = tuple[int, str, int]


@dataclass(slots=True)
class Page:
    """Entries as REST JSON, and the token of the next page (empty: this is the last)."""

    entries: list[dict[str, Any]]
    next_page_token: str


class Lister:
    """Answers list requests from a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._latest: tuple[object, list[Record]] = (None, [])

    def page(self, request: ListRequest) -> Page:
        """The page a request asks for; ApiError if the request makes no sense."""
        size = _page_size(request.page_size)
        descending = _descending(request.order_by)
        parents = _parents(request.resource_names)
        query = (tuple(parents), request.filter, descending)
        place = _read_token(request.page_token, query) if request.page_token else None
        records = self._matching(parents, request.filter)
        start, end = _window(records, place, size, descending)
        chosen = records[start:end]
        more = start > 0 if descending else end < len(records)
        if descending:
            chosen.reverse()
        return Page([_as_listed(record) for record in chosen], _token(chosen[-1], query) if chosen and more else "")

    def _matching(self, parents: list[str], filter_text: str) -> list[Record]:
        predicate = parse_filter(filter_text)
        version = (tuple(parents), filter_text, self._store.last_seq, self._store.deletions)
        with self._lock:
            if self._latest[0] == version:
                return self._latest[1]
            found = [record for record in self._store.queryable() if _matches(record, parents, predicate)]
            found.sort(key=_place)
            self._latest = (version, found)
            return found


def _matches(record: Record, parents: list[str], predicate: Predicate | None) -> bool:
    return record.parent in parents and (predicate is None or predicate(record.entry()))


def _place(record: Record) -> _Place:
    return record.timestamp, record.insert_id, record.seq


def _window(records: list[Record], place: _Place | None, size: int, descending: bool) -> tuple[int, int]:
    if descending:
        end = len(records) if place is None else bisect.bisect_left(records, place, key=_place)
        return max(0, end - size), end
    start = 0 if place is None else bisect.bisect_right(records, place, key=_place)
    return start, start + size


def _page_size(asked: int) -> int:
    if asked < 0:
        raise invalid("page_size must not be negative")
    return min(asked, _MAX_PAGE) or _DEFAULT_PAGE


def _descending(order: str) -> bool:
    words = order.split()
    if words not in ([], ["timestamp"], ["timestamp", "asc"], ["timestamp", "desc"]):
        raise invalid(f'order_by must be "timestamp asc" or "timestamp desc": {order}')
    return words[-1:] == ["desc"]


def _parents(names: list[str]) -> list[str]:
    """The projects (and other parents) behind resource names, which may go on to a bucket and a view."""
    if not names:
        raise invalid("A required field is missing: resource_names")
    if len(names) > _MAX_PARENTS:
        raise invalid(f"resource_names may hold at most {_MAX_PARENTS} names")
    parents = []
    for name in names:
        parts = name.split("/")
        if len(parts) < 2 or parts[0] not in _KINDS or not parts[1]:
            raise invalid(f"Invalid resource name: {name!r}; the form is projects/[PROJECT_ID]")
        parents.append("/".join(parts[:2]))
    return parents


def _fingerprint(query: object) -> str:
    return hashlib.blake2b(repr(query).encode(), digest_size=8).hexdigest()


def _token(record: Record, query: object) -> str:
    return urlsafe_b64encode(orjson.dumps([_fingerprint(query), *_place(record)])).decode()


def _read_token(token: str, query: object) -> _Place:
    try:
        fingerprint, timestamp, insert_id, seq = orjson.loads(urlsafe_b64decode(token))
        place = (int(timestamp), str(insert_id), int(seq))
    except (ValueError, TypeError):
        raise invalid("page_token is not one of this service") from None
    if fingerprint != _fingerprint(query):
        raise invalid("page_token doesn't match arguments from the request")
    return place


def _as_listed(record: Record) -> dict[str, Any]:
    entry = record.entry()
    if "jsonPayload" in entry:
        entry["jsonPayload"] = _doubles(entry["jsonPayload"])
    return entry


def _doubles(value: Any) -> Any:
    """A payload whose numbers went through google.protobuf.Value, which holds doubles only."""
    if type(value) is dict:
        return {key: _doubles(item) for key, item in value.items()}
    if type(value) is list:
        return [_doubles(item) for item in value]
    if type(value) is int and abs(value) > _EXACT:
        return float(value)
    return value
