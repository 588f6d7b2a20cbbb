"""An API server on loopback that reviews access and lists what a test gives it, for `outrider doctor`."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.http_server import HttpRequest, Said, http_server

REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass
class ReviewingApi:
    """`lists` has the items by path, `objects` what else there is, `denied` what is not allowed (`watch pods`). Lists
    come in pages of `page`. Requests without `token` are answered 401.
    """

    url: str = ""
    token: str = "t0k3n"
    page: int = 500
    denied: set[str] = field(default_factory=set)
    lists: dict[str, list[Any]] = field(default_factory=dict)
    objects: dict[str, Any] = field(default_factory=lambda: {"/version": {"gitVersion": "v1.36.0"}})
    reviewed: list[str] = field(default_factory=list)

    def answer(self, target: str, body: bytes) -> tuple[int, Any]:
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        if parts.path == REVIEW:
            asked = json.loads(body)["spec"]["resourceAttributes"]
            what = f"{asked['verb']} {asked['resource']} {asked['name']}".strip()
            self.reviewed.append(what)
            return 201, {"kind": "SelfSubjectAccessReview", "status": {"allowed": what not in self.denied}}
        if parts.path in self.lists:
            chosen = [one for one in self.lists[parts.path] if _selected(one, query.get("labelSelector", ""))]
            start = int(query.get("continue", "0"))
            end = start + min(int(query["limit"]), self.page)
            meta = {"continue": str(end)} if end < len(chosen) else {}
            return 200, {"metadata": meta, "items": chosen[start:end]}
        found = self.objects.get(parts.path)
        return (200, found) if found is not None else (404, {"kind": "Status", "code": 404})


def _selected(what: Any, selector: str) -> bool:
    key, _, value = selector.partition("=")
    return not selector or what["metadata"].get("labels", {}).get(key) == value


@contextlib.contextmanager
def reviewing_api() -> Iterator[ReviewingApi]:
    api = ReviewingApi()

    def answer(asked: HttpRequest) -> Said:
        allowed = asked.headers.get("Authorization") == f"Bearer {api.token}"
        return api.answer(asked.path, asked.body) if allowed else (401, {"kind": "Status", "code": 401})

    with http_server(answer) as api.url:
        yield api
