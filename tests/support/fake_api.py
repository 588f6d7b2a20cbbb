"""An API server on a loopback port, for objects of any kind: created, changed, listed, watched, and fought over.

It keeps the protocol of the real one (kubernetes.io, reference/using-api/api-concepts): one growing resource version
for everything, and none for an update that changes nothing, 409 for one that goes by an old version and for a name that
is taken, pages with `continue`, watches with `timeoutSeconds` and bookmarks, 410 for what is compacted away, as a
status of a list and as an ERROR event of a watch. The real `kubernetes` client has to get along with it
(`tests/kube/test_fake_api.py`).

    with FakeApi() as api:
        api.put(EVENTS, event("shop", "web-1.1", "BackOff"))    # created, or changed if it is there
        api.compact()                                           # older resource versions are gone
        api.silent = True                                       # watches say nothing, and never end
        api.cut_watches()                                       # in the middle of a chunk
        api.fail(503, times=2)                                  # the next two requests
        api.down(); api.up()                                    # the server is not there for a while
"""

import contextlib
import json
import re
import threading
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.http_server import Handler, Server

Object = dict[str, Any]

EVENTS, LEASES = "/api/v1 events", "/apis/coordination.k8s.io/v1 leases"
"""Group and version, and what is in it."""
_KINDS = {EVENTS: ("v1", "Event"), LEASES: ("coordination.k8s.io/v1", "Lease")}
_PATH = re.compile(r"(/api/v1|/apis/[^/]+/[^/]+)(?:/namespaces/([^/]+))?/([a-z]+)(?:/([^/]+))?")


def event(
    namespace: str,
    name: str,
    reason: str,
    *,
    kind: str = "Pod",
    about: str = "web-1",
    type_: str = "Normal",
    message: str = "it has happened",
    **more: Any,
) -> Object:
    """A core/v1 Event as kubelet writes it, about the pod `about` unless `kind` says otherwise."""
    involved = {"kind": kind, "name": about, "uid": f"{about}-uid", "apiVersion": "v1"}
    if kind != "Node":
        involved["namespace"] = namespace
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "creationTimestamp": now,
            "managedFields": [{"manager": "kubelet", "operation": "Update"}],
        },
        "involvedObject": involved,
        "reason": reason,
        "message": message,
        "source": {"component": "kubelet", "host": "node-1"},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
        "type": type_,
        "eventTime": None,
        "reportingComponent": "kubelet",
        "reportingInstance": "node-1",
        **more,
    }


@dataclass
class Request:
    """One request that came in."""

    method: str
    path: str
    query: dict[str, str]
    token: str
    at: float

    @property
    def watch(self) -> bool:
        return self.query.get("watch") in ("1", "true", "True")


@dataclass
class _Failure:
    status: int
    times: int
    path: str
    headers: dict[str, str]


class Refused(Exception):  # noqa: N818 (it is an answer)
    """Answered with a Status."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": code,
            "reason": reason,
            "message": message,
        }
        self.code = code


class FakeApi:
    """The stand-in; attributes may be changed while it runs."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.tokens: set[str] | None = None  # None: nobody is asked for one
        self.silent = False
        self.bookmarks = False  # as for events, which real ones keep no cache of
        self.page = 500  # the server's own upper limit of items a page
        self.delay = 0.0  # seconds before any answer
        self.changed = threading.Condition()
        self.version, self.compacted = 100, 0
        self.cut = 0  # watches of an older cut break off
        self.epoch = 0  # watches of an older epoch end in order
        self.log: list[tuple[int, str, str, Object]] = []
        self._objects: dict[str, dict[tuple[str, str], Object]] = {EVENTS: {}, LEASES: {}}
        self._failures: list[_Failure] = []
        self._server: Server | None = None
        self._port = 0

    def __enter__(self) -> "FakeApi":
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def up(self) -> None:
        """Listen, at the address of before if there was one."""
        self._server = Server(type("Handler", (_Handler,), {"api": self}), self._port)
        self._port = self._server.server_port
        self._server.start()

    def down(self) -> None:
        """Be gone, with every connection."""
        server, self._server = self._server, None
        if server is not None:
            self.cut_watches()
            server.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def seen(self, resource: str, watch: bool = False) -> list[Request]:
        """The requests so far for `resource`, watches or others."""
        name = resource.rpartition(" ")[2]
        return [r for r in list(self.requests) if f"/{name}" in r.path and r.watch == watch]

    # -- objects ------------------------------------------------------------------------------------------------------

    def get(self, resource: str, namespace: str, name: str) -> Object | None:
        return self._objects[resource].get((namespace, name))

    def put(self, resource: str, new: Object) -> Object:
        """Create, or change if it is there, whatever its version; an event happens once more."""
        with self.changed:
            meta = new["metadata"]
            old = self.get(resource, meta["namespace"], meta["name"])
            again = {"count": old["count"] + 1} if old and "count" in old else {}
            return self._store(resource, {**new, **again}, old)

    def create(self, resource: str, new: Object, namespace: str) -> Object:
        with self.changed:
            new["metadata"].setdefault("namespace", namespace)
            if new["metadata"].get("resourceVersion"):
                raise Refused(500, "", "resourceVersion should not be set on objects to be created")
            if self.get(resource, namespace, new["metadata"]["name"]) is not None:
                raise Refused(409, "AlreadyExists", f"{new['metadata']['name']} already exists")
            return self._store(resource, new, None)

    def update(self, resource: str, new: Object, namespace: str, name: str) -> Object:
        with self.changed:
            old = self.get(resource, namespace, name)
            # A PUT may create a Lease, but none that says which one it has been.
            if old is None or new["metadata"].get("resourceVersion") != old["metadata"]["resourceVersion"]:
                raise Refused(409, "Conflict", f"{name}: the object has been modified")
            return self._store(resource, new, old)

    def delete(self, resource: str, namespace: str, name: str) -> None:
        with self.changed:
            self._log(resource, "DELETED", self._objects[resource].pop((namespace, name)))

    def _store(self, resource: str, new: Object, old: Object | None) -> Object:
        meta = new["metadata"]
        key = meta["namespace"], meta["name"]
        uid = old["metadata"]["uid"] if old else f"uid-of-{meta['name']}"
        new = {**new, "metadata": {**meta, "uid": uid}}
        if old is not None and self._stamped(resource, new, old["metadata"]["resourceVersion"]) == old:
            return old
        stored = self._log(resource, "MODIFIED" if old else "ADDED", new)
        self._objects[resource][key] = stored
        return stored

    def _log(self, resource: str, kind: str, what: Object) -> Object:
        self.version += 1
        stamped = self._stamped(resource, what, str(self.version))
        self.log.append((self.version, resource, kind, stamped))
        self.changed.notify_all()
        return stamped

    def _stamped(self, resource: str, what: Object, version: str) -> Object:
        api, name = _KINDS[resource]
        return {"kind": name, "apiVersion": api, **what, "metadata": {**what["metadata"], "resourceVersion": version}}

    def restore(self, version: int) -> None:
        """The cluster is restored from a backup: versions begin again at an older one."""
        with self.changed:
            self.version = version
            self.log.clear()
            self.epoch += 1
            self.changed.notify_all()

    # -- trouble ------------------------------------------------------------------------------------------------------

    def compact(self) -> None:
        """All versions so far are forgotten: the server is two further, and knows that one and the last before it, from
        which there is nothing missing.
        """
        with self.changed:
            self.version += 2
            self.compacted = self.version

    def cut_watches(self) -> None:
        """Watches break off, in the middle of a chunk."""
        with self.changed:
            self.cut += 1
            self.changed.notify_all()

    def end_watches(self) -> None:
        """The server ends all open watches, in good order."""
        with self.changed:
            self.epoch += 1
            self.changed.notify_all()

    def fail(self, status: int, times: int = 1, path: str = "/", headers: dict[str, str] | None = None) -> None:
        """The next `times` requests that have `path` in theirs, or as a query key, are answered with `status`."""
        self._failures.append(_Failure(status, times, path, headers or {}))

    def forgive(self) -> None:
        """No request fails any more."""
        self._failures.clear()

    def failing(self, request: Request) -> tuple[int, dict[str, str]] | None:
        for failure in self._failures:
            if failure.times > 0 and (failure.path in request.query or failure.path in request.path):
                failure.times -= 1
                return failure.status, failure.headers
        if self.tokens is not None and request.token not in self.tokens:
            return 401, {}
        return None

    # -- answers ------------------------------------------------------------------------------------------------------

    def page_of(self, resource: str, namespace: str | None, query: dict[str, str]) -> Object:
        """A page of a list, in the order of names."""
        with self.changed:
            version, _, start = query.get("continue", f"{self.version}::").partition(":")
            if int(version) < self.compacted:
                raise Refused(410, "Expired", "the continue parameter is too old")
            found = sorted((key, one) for key, one in self._objects[resource].items() if namespace in (None, key[0]))
            items = [one for key, one in found if "/".join(key) > start.strip(":")]
            most = min(int(query.get("limit", "500")), self.page)
            meta = {"resourceVersion": version}
            if len(items) > most:
                last = items[most - 1]["metadata"]
                meta["continue"] = f"{version}:{last['namespace']}/{last['name']}"
        api, kind = _KINDS[resource]
        bare = [{k: v for k, v in one.items() if k not in ("kind", "apiVersion")} for one in items[:most]]
        return {"kind": f"{kind}List", "apiVersion": api, "metadata": meta, "items": bare}

    def lines(self, resource: str, namespace: str | None, query: dict[str, str]) -> Iterator[Object]:
        """The lines of a watch that begins now. Raises ConnectionError where it is cut."""
        with self.changed:
            at = int(query.get("resourceVersion") or self.version)
            if at + 1 < self.compacted:
                gone = Refused(410, "Expired", f"too old resource version: {at} ({self.compacted})")
                return iter([{"type": "ERROR", "object": gone.status}])
            return self._lines(resource, namespace, query, at, self.cut, self.epoch)

    def _lines(
        self, resource: str, namespace: str | None, query: dict[str, str], at: int, cut: int, epoch: int
    ) -> Iterator[Object]:
        end = time.monotonic() + int(query.get("timeoutSeconds", "1800"))
        while True:
            with self.changed:
                if self.cut == cut and self.epoch == epoch and (self.version <= at or self.silent):
                    self.changed.wait(min(0.2, max(end - time.monotonic(), 0.0)))
                first = bisect_right(self.log, at, key=lambda row: row[0])
                due = [] if self.silent else [row for row in self.log[first:] if row[1] == resource]
                if not self.silent:
                    at = max(at, self.version)
                if self.cut != cut:
                    raise ConnectionError
                over = self.epoch != epoch or (time.monotonic() >= end and not self.silent)
            for _, _, kind, one in due:
                if namespace in (None, one["metadata"]["namespace"]):
                    yield {"type": kind, "object": one}
            if over:
                break
        if "allowWatchBookmarks" in query and self.bookmarks:
            api, name = _KINDS[resource]
            meta = {"resourceVersion": str(at), "creationTimestamp": None}
            yield {"type": "BOOKMARK", "object": {"kind": name, "apiVersion": api, "metadata": meta}}


class _Handler(Handler):
    wbufsize = 0
    api: FakeApi

    def _answer(self) -> None:
        api = self.api
        parts = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        request = Request(self.command, parts.path, query, token, time.monotonic())
        body = self.body()
        with api.changed:
            api.requests.append(request)
        if api.delay:
            time.sleep(api.delay)
        try:
            if (failing := api.failing(request)) is not None:
                raise_with = Refused(failing[0], "Scripted", f"scripted {failing[0]}")
                self.say(raise_with.code, raise_with.status, failing[1])
                return
            m = _PATH.fullmatch(parts.path)
            resource = f"{m[1]} {m[3]}" if m else ""
            if m is None or resource not in _KINDS:
                raise Refused(404, "NotFound", "there is nothing of this kind")
            if request.watch:
                self._watch(api.lines(resource, m[2], query))
            else:
                self.say(201 if self.command == "POST" else 200, self._object(api, resource, m[2], m[4], query, body))
        except Refused as refusal:
            self.say(refusal.code, refusal.status)
        except OSError:
            self.close_connection = True

    do_GET = do_POST = do_PUT = _answer  # noqa: N815

    def _object(
        self, api: FakeApi, resource: str, namespace: str | None, name: str | None, query: dict[str, str], body: bytes
    ) -> Object:
        if self.command == "GET" and name is None:
            return api.page_of(resource, namespace, query)
        if namespace is None:
            raise Refused(405, "MethodNotAllowed", "it is in a namespace")
        if self.command == "POST":
            return api.create(resource, json.loads(body), namespace)
        if name is None:
            raise Refused(405, "MethodNotAllowed", "which one?")
        if self.command == "PUT":
            return api.update(resource, json.loads(body), namespace, name)
        found = api.get(resource, namespace, name)
        if found is None:
            raise Refused(404, "NotFound", f"{name} not found")
        return found

    def _watch(self, lines: Iterator[Object]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for line in lines:
                data = json.dumps(line).encode() + b"\n"
                # In two chunks, so that a reader who takes a chunk for a line is found out.
                for part in (data[: len(data) // 2], data[len(data) // 2 :]):
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        except ConnectionError:
            with contextlib.suppress(OSError):
                self.wfile.write(b'ff\r\n{"type":"ADD')
            self.close_connection = True
