"""A kubelet and an API server on a loopback port, with the manners of real ones and bad manners on demand.

It serves the kubelet's `/pods` and the API's `/api/v1/pods` (field selector, pagination, metadata alone where that is
asked for, watch with bookmarks and `timeoutSeconds`) from one set of pods, and `pages` by their paths. Every change
gets the next resource version and is sent to the open watches; a watch that starts at an older version is first sent
what it has missed, or 410 if that is compacted away.

    with FakeKube() as kube:
        kube.add(pod("web-1", uid="u1", labels={"app": "web"}))
        kube.tokens = {"secret"}                # others get 401
        kube.fail(403, times=2)                 # the next two requests
        kube.pages["/stats/summary"] = b"{...}" # what else it answers
        kube.silent = True                      # watches are accepted and never say a word, nor end
        kube.compact()                          # older resource versions are gone
        kube.send(b"not json")                  # into every open watch
"""

import json
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from outrider.kube.pods import Pods
from outrider.model.pod import Pod
from tests.support.http_server import Handler, Server
from tests.support.wait import until

PodJson = dict[str, Any]
JSON = {"Content-Type": "application/json"}


def pod(
    name: str,
    uid: str,
    *,
    namespace: str = "default",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    owners: Sequence[tuple[str, str]] = (),
    node: str = "node-1",
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
) -> PodJson:
    """A pod object as the API sends it; `owners` are (kind, name), `spec` and `status` are laid over the usual ones."""
    meta: dict[str, Any] = {
        "name": name,
        "namespace": namespace,
        "uid": uid,
        "creationTimestamp": "2026-01-02T03:04:05Z",
    }
    if labels is not None:
        meta["labels"] = labels
    if annotations is not None:
        meta["annotations"] = annotations
    if owners:
        meta["ownerReferences"] = [
            {"apiVersion": "v1", "kind": kind, "name": owner, "uid": f"{owner}-uid", "controller": True}
            for kind, owner in owners
        ]
    main = {"name": "main", "image": "app:1", "env": [{"name": "A", "value": "1"}]}
    return {
        "metadata": meta,
        "spec": {"nodeName": node, "containers": [main], **(spec or {})},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.9",
            "conditions": [{"type": "Ready", "status": "True"}],
            **(status or {}),
        },
    }


def known(pods: Pods, uid: str, timeout: float = 5.0) -> Pod:
    """What the pod cache has learned of `uid`, waiting for it."""
    found = until(lambda: pods.get(uid), timeout=timeout)
    assert found is not None
    return found


@dataclass
class Request:
    """One request that came in."""

    path: str
    query: dict[str, str]
    token: str
    accept: str
    at: float

    @property
    def watch(self) -> bool:
        return self.query.get("watch") in ("1", "true")


@dataclass
class _Failure:
    status: int
    times: int
    path: str
    headers: dict[str, str]


class FakeKube:
    """The stand-in; attributes may be changed while it runs."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.tokens: set[str] | None = None  # None: nobody is asked for one
        self.silent = False
        self.bookmarks = True
        self.page = 500  # the server's own upper limit of pods a page
        self.raw_list: bytes | None = None  # sent instead of any list
        self.pages: dict[str, bytes] = {}
        self._pods: dict[str, PodJson] = {}
        self._log: list[tuple[int, str, PodJson]] = []
        self._version, self._compacted = 100, 100
        self._failures: list[_Failure] = []
        self._extra: list[bytes] = []
        self._epoch = 0  # watches of an older epoch end, once they have said all
        self._cut = 0  # watches of an older cut end at once
        self.changed = threading.Condition()
        self._server = Server(type("Handler", (_Handler,), {"kube": self}), tls=tls)
        self.closing = False

    def __enter__(self) -> "FakeKube":
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing = True
        self.end_watches()
        self._server.stop()

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def watches(self) -> list[Request]:
        """The watch requests so far."""
        return [request for request in list(self.requests) if request.watch]

    @property
    def lists(self) -> list[Request]:
        """The other requests so far."""
        return [request for request in list(self.requests) if not request.watch]

    def add(self, new: PodJson) -> None:
        """A pod is created, or changed if its uid is known."""
        uid = new["metadata"]["uid"]
        with self.changed:
            kind = "MODIFIED" if uid in self._pods else "ADDED"
            self._pods[uid] = new
            self._record(kind, new)

    def delete(self, uid: str) -> None:
        with self.changed:
            self._record("DELETED", self._pods.pop(uid))

    def compact(self) -> None:
        """Resource versions up to now can no longer be watched from; open watches are ended."""
        with self.changed:
            self._version += 1
            self._compacted = self._version
            self._log.clear()
            self._cut += 1
            self.changed.notify_all()

    def end_watches(self) -> None:
        """The server ends all open watches, in good order."""
        with self.changed:
            self._epoch += 1
            self.changed.notify_all()

    def send(self, line: bytes) -> None:
        """`line` goes into every open watch as it is."""
        with self.changed:
            self._extra.append(line)
            self.changed.notify_all()

    def fail(self, status: int, times: int = 1, path: str = "/", headers: dict[str, str] | None = None) -> None:
        """The next `times` requests to `path` are answered with `status`; `path` is the head of a path, or a query key
        (`watch`, `continue`)."""
        self._failures.append(_Failure(status, times, path, headers or {}))

    def forgive(self) -> None:
        """No request fails any more."""
        self._failures.clear()

    def _record(self, kind: str, what: PodJson) -> None:
        self._version += 1
        stamped = {**what, "metadata": {**what["metadata"], "resourceVersion": str(self._version)}}
        self._log.append((self._version, kind, stamped))
        self.changed.notify_all()

    # What the request handler asks.

    def answer(self, request: Request) -> tuple[int, dict[str, str]]:
        """Status and extra headers for this request."""
        for failure in self._failures:
            hit = failure.path in request.query or request.path.startswith(failure.path)
            if failure.times > 0 and hit:
                failure.times -= 1
                return failure.status, failure.headers
        if self.tokens is not None and request.token not in self.tokens:
            return 401, {}
        if request.path not in ("/pods", "/api/v1/pods", *self.pages):
            return 404, {}
        if request.watch and int(request.query.get("resourceVersion") or "0") < self._compacted:
            return 410, {}
        return 200, {}

    def page_of(self, query: dict[str, str], paged: bool, accept: str = "") -> bytes:
        """A PodList as JSON: everything (kubelet), or one page of the selected node's pods (API)."""
        if self.raw_list is not None:
            return self.raw_list
        with self.changed:
            node = query.get("fieldSelector", "").removeprefix("spec.nodeName=")
            items = [p for p in self._pods.values() if not node or p["spec"]["nodeName"] == node]
            meta: dict[str, str] = {"resourceVersion": str(self._version)} if paged else {}
            if paged:
                start = int(query.get("continue", "0"))
                end = start + min(int(query.get("limit", "500")), self.page)
                if end < len(items):
                    meta["continue"] = str(end)
                items = items[start:end]
        items = [_shown(item, accept) for item in items]
        return json.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": meta, "items": items or None}).encode()


def _shown(what: PodJson, accept: str) -> PodJson:
    """The object as the API server sends it to a client that accepts this."""
    return {"metadata": what["metadata"]} if "as=PartialObjectMetadata" in accept else what


class Events:
    """The lines of one watch."""

    def __init__(self, kube: FakeKube, query: dict[str, str], accept: str) -> None:
        self._kube, self._accept = kube, accept
        self._version = int(query.get("resourceVersion") or "0")
        self._node = query.get("fieldSelector", "").removeprefix("spec.nodeName=")
        self._bookmarks = query.get("allowWatchBookmarks") == "true"
        self._end = time.monotonic() + int(query.get("timeoutSeconds", "300"))
        with kube.changed:
            self._epoch, self._cut, self._extra = kube._epoch, kube._cut, len(kube._extra)

    def next(self) -> list[bytes] | None:
        """The lines that are due, waiting for some; None at the end of the watch."""
        kube = self._kube
        with kube.changed:
            while self._cut == kube._cut:
                lines = [] if kube.silent else self._due()
                if lines:
                    return lines
                ended = kube.closing or self._epoch != kube._epoch
                if ended or (not kube.silent and time.monotonic() >= self._end):
                    break
                kube.changed.wait(0.05)
            return None

    def last(self) -> list[bytes]:
        """What a watch says before it ends by itself: a bookmark."""
        kube = self._kube
        if not (self._bookmarks and kube.bookmarks) or kube.silent or self._cut != kube._cut:
            return []
        meta = {"resourceVersion": str(self._version)}
        return [json.dumps({"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": meta}}).encode()]

    def _due(self) -> list[bytes]:
        kube = self._kube
        lines = kube._extra[self._extra :]
        self._extra = len(kube._extra)
        for version, kind, what in kube._log:
            if version > self._version and what["spec"]["nodeName"] == (self._node or what["spec"]["nodeName"]):
                lines.append(json.dumps({"type": kind, "object": _shown(what, self._accept)}).encode())
        self._version = max(self._version, kube._version)
        return lines


class _Handler(Handler):
    kube: FakeKube

    def do_GET(self) -> None:  # noqa: N802
        kube = self.kube
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        request = Request(parts.path, query, token, self.headers.get("Accept", ""), time.monotonic())
        with kube.changed:
            events = Events(kube, query, request.accept) if request.watch else None
            kube.requests.append(request)
        status, headers = kube.answer(request)
        if status != 200:
            self._status(status, headers)
        elif parts.path in kube.pages:
            self.say(200, kube.pages[parts.path], JSON)
        elif events is not None:
            self._watch(events)
        else:
            self.say(200, kube.page_of(query, parts.path != "/pods", request.accept), JSON)

    def _watch(self, events: Events) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while (lines := events.next()) is not None:
                self._chunk(lines)
            self._chunk(events.last())
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True

    def _chunk(self, lines: list[bytes]) -> None:
        data = b"".join(line + b"\n" for line in lines)
        # In two chunks, so that a reader who takes a chunk for a line is found out.
        for part in (data[: len(data) // 2], data[len(data) // 2 :]):
            if part:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
                self.wfile.flush()

    def _status(self, code: int, headers: dict[str, str] | None = None) -> None:
        status = {"kind": "Status", "status": "Failure", "code": code, "message": f"scripted {code}"}
        self.say(code, status, headers)
