"""An HTTP sink that knows two vendors' log intakes and nothing of the program under test.

`Sink()` is Cloud Logging's `entries:write`, `Sink(DATADOG)` is Datadog's `/api/v2/logs`. It unpacks and parses what
arrives with the standard library alone (and zstd), applies the defaults that a request to Google may give its entries
(logName, resource, labels), and keeps every entry of every request that it stored, with the time of arrival and as
often as it came. What the vendor forbids or would cut is a complaint. What it answers can be told:

    with Sink() as sink:
        sink.next(Fault(503), Fault(429, {"Retry-After": "1"}))    # the next two requests, one each
        sink.always = Fault(403)                                   # every request, until it is None again
        sink.refuse = lambda entry: …                              # 400 without details if it is true of any entry
        sink.fail_entry = lambda entry: (3, "words") or None       # partial success: these are not stored
        sink.most_bytes = 10_000                                   # 413 for bodies (unpacked) beyond
    sink.slow = 0.001                                          # requests are read, answers written, a byte at a time

Besides statuses a fault may be HANG (no answer, nothing stored, until `release` or the end), RESET (nothing stored) or
LOST_ACK (stored, closed without an answer); `delay` makes any of them slow.
"""

import contextlib
import gzip
import io
import json
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal

from backports import zstd

from tests.support.http_server import Handler, Server

Entry = dict[str, Any]

HANG, RESET, LOST_ACK = "hang", "reset", "lost-ack"

Vendor = Literal["google", "datadog"]
GOOGLE: Vendor = "google"
DATADOG: Vendor = "datadog"

PATHS = {GOOGLE: "/v2/entries:write", DATADOG: "/api/v2/logs"}
ENCODINGS = {GOOGLE: ("identity", "gzip"), DATADOG: ("identity", "gzip", "deflate", "zstd")}
MOST_BYTES = {GOOGLE: 10 * 1024 * 1024, DATADOG: 5_000_000}
"""Of one request, unpacked."""
_UNPACK = {"identity": bytes, "gzip": gzip.decompress, "deflate": zlib.decompress, "zstd": zstd.decompress}
RESERVED = ("ddsource", "ddtags", "hostname", "service", "status")
DATADOG_ENTRIES, DATADOG_ENTRY_BYTES = 1000, 1_000_000
"""Datadog: entries of one request; bytes of one entry, beyond which it is cut."""


@dataclass(frozen=True)
class Fault:
    """What one request meets: an HTTP status (200: none), or HANG, RESET, LOST_ACK; after `delay` seconds."""

    kind: int | str = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0


@dataclass(frozen=True)
class Received:
    """One entry that was stored. `at` is monotonic seconds, `request` the number of the request that brought it."""

    entry: Entry
    at: float
    request: int
    vendor: Vendor = GOOGLE

    @property
    def insert_id(self) -> str:
        """What a repeat is recognised by."""
        return str(self.entry["insertId" if self.vendor == GOOGLE else "outrider.id"])

    @property
    def text(self) -> str:
        """The payload as one string: a text as it is, an object as JSON."""
        if self.vendor == DATADOG:
            return str(self.entry["message"])
        if "textPayload" in self.entry:
            return str(self.entry["textPayload"])
        return json.dumps(self.entry["jsonPayload"], ensure_ascii=False)

    @property
    def pod(self) -> str:
        if self.vendor == DATADOG:
            tags = dict(tag.partition(":")[::2] for tag in str(self.entry.get("ddtags", "")).split(","))
            return tags.get("pod_name", "")
        return str(self.entry["resource"]["labels"]["pod_name"])

    @property
    def told(self) -> tuple[Any, ...]:
        """Everything that must be the same in a repeat, beside its id."""
        e = self.entry
        if self.vendor == DATADOG:
            return tuple(json.dumps(e.get(key)) for key in sorted(e.keys() | {"message", "timestamp"}))
        return (e.get("timestamp"), self.text, e["logName"], e["severity"], json.dumps(e["resource"]))


@dataclass(frozen=True)
class Request:
    """One request that came in, whatever became of it; `answered` is the status, or the fault that took its place."""

    at: float
    size: int
    headers: dict[str, str]
    entries: int
    answered: int | str


class Sink:
    """The server; attributes may be set while it runs."""

    def __init__(self, vendor: Vendor = GOOGLE) -> None:
        self.vendor = vendor
        self.requests: list[Request] = []
        self.always: Fault | None = None
        self.refuse: Callable[[Entry], bool] | None = None
        self.fail_entry: Callable[[Entry], tuple[int, str] | None] | None = None
        self.most_bytes: int | None = None
        self.slow: float | None = None
        """Seconds between two bytes, for all requests."""
        self.complaints: list[str] = []
        """What no client may send: bodies that are no JSON, entries that are no objects, wrong paths, headers that are
        missing, more than the vendor takes."""
        self.release = threading.Event()
        self._received: list[Received] = []
        self._script: list[Fault] = []
        self._lock = threading.Lock()
        self._server = Server(type("Handler", (_Handler,), {"sink": self}))

    def __enter__(self) -> "Sink":
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release.set()
        self._server.stop()

    @property
    def url(self) -> str:
        return self._server.url

    def next(self, *faults: Fault) -> None:
        """The next requests meet these, one each."""
        with self._lock:
            self._script += faults

    @property
    def scripted(self) -> int:
        """Faults that no request has met yet."""
        return len(self._script)

    def received(self, pod: str | None = None) -> list[Received]:
        """Every entry stored so far, repeats included, in the order of arrival; of one pod, or of all."""
        with self._lock:
            found = list(self._received)
        return found if pod is None else [r for r in found if r.pod == pod]

    def first(self, pod: str | None = None) -> list[Received]:
        """As `received`, but every insertId once, as it came first."""
        found: dict[str, Received] = {}
        for r in self.received(pod):
            found.setdefault(r.insert_id, r)
        return list(found.values())

    def texts(self, pod: str | None = None) -> list[str]:
        """The payloads of one stream's or all entries in the order of their insertIds, repeats left out."""
        return [r.text for r in sorted(self.first(pod), key=lambda r: r.insert_id)]

    def since(self, position: int) -> list[Received]:
        """What was stored after the first `position` entries; repeats are included."""
        with self._lock:
            return self._received[position:]

    # -- what the handler asks ----------------------------------------------------------------------------------------

    def take(self, path: str, headers: dict[str, str], body: bytes) -> tuple[Fault, Any]:
        """Judge and keep one request: the fault it meets and the body of the answer."""
        at = time.monotonic()
        raw, entries, dry = self._read(path, headers, body)
        with self._lock:
            fault = self._script.pop(0) if self._script else self.always or Fault()
        if fault.delay:
            self.release.wait(fault.delay)
        answer: Any = {}
        if fault.kind == 200:
            fault, answer, stored = self._judge(entries, len(raw))
        else:
            stored = entries if fault.kind == LOST_ACK else []
            if isinstance(fault.kind, int):
                answer = self._error(fault.kind, f"the sink was told to answer {fault.kind}")
        with self._lock:
            self.requests.append(Request(at, len(raw), headers, len(entries), fault.kind))
            if not dry:
                self._received += [Received(e, at, len(self.requests), self.vendor) for e in stored]
        return fault, answer

    def _read(self, path: str, headers: dict[str, str], body: bytes) -> tuple[bytes, list[Entry], bool]:
        """The unpacked body, its entries, and whether they are not meant to be stored (Google's `dryRun`)."""
        if path != PATHS[self.vendor]:
            self.complaints.append(f"path {path}")
        raw = b""
        try:
            raw = self._unpacked(headers.get("content-encoding", "identity"), body)
            if len(raw) > MOST_BYTES[self.vendor]:
                self.complaints.append(f"a body of {len(raw)} bytes")
            request = json.loads(raw.decode("utf-8", "strict"))
            if self.vendor == DATADOG:
                return raw, self._datadog_entries(headers, request), False
            return raw, [_with_defaults(entry, request) for entry in request["entries"]], bool(request.get("dryRun"))
        except (ValueError, KeyError, TypeError, RecursionError, EOFError, OSError, zlib.error, zstd.ZstdError) as e:
            self.complaints.append(f"{type(e).__name__}: {e}")
            return raw, [], False

    def _unpacked(self, encoding: str, body: bytes) -> bytes:
        if encoding not in ENCODINGS[self.vendor]:
            raise ValueError(f"content-encoding {encoding}")
        return _UNPACK[encoding](body)

    def _datadog_entries(self, headers: dict[str, str], request: Any) -> list[Entry]:
        """The entries of a list, or the one that stands for itself; `{}` is how the Agent asks whether all is well."""
        if not headers.get("dd-api-key"):
            self.complaints.append("no DD-API-KEY")
        if headers.get("content-type", "").partition(";")[0] != "application/json":
            self.complaints.append(f"content-type {headers.get('content-type')}")
        entries: list[Entry] = request if isinstance(request, list) else [request] if request else []
        if len(entries) > DATADOG_ENTRIES:
            self.complaints.append(f"{len(entries)} entries in a request")
        for entry in entries:
            if not isinstance(entry["message"], str) or not isinstance(entry.get("timestamp", 0), int):
                raise TypeError(f"a message or a timestamp of a wrong type: {str(entry)[:200]}")
            if not all(
                isinstance(entry.get(k, ""), str) for k in ("ddsource", "ddtags", "hostname", "service", "status")
            ):
                raise TypeError(f"one of the reserved attributes is no string: {str(entry)[:200]}")
            if len(json.dumps(entry, ensure_ascii=False).encode()) > DATADOG_ENTRY_BYTES:
                self.complaints.append("an entry that would be cut")
        return entries

    def _judge(self, entries: list[Entry], size: int) -> tuple[Fault, Any, list[Entry]]:
        if size > min(self.most_bytes or size, MOST_BYTES[self.vendor]):
            return Fault(413), self._error(413, "Request Entity Too Large"), []
        if self.refuse is not None and any(map(self.refuse, entries)):
            return Fault(400), self._error(400, "Invalid value in one of the entries"), []
        failed = self.fail_entry
        if failed is not None and (errors := {i: e for i, entry in enumerate(entries) if (e := failed(entry))}):
            assert self.vendor == GOOGLE, "Datadog takes a request as a whole"
            stored = [entry for i, entry in enumerate(entries) if i not in errors]
            return Fault(200 if not errors else 400), _partial(errors), stored
        return Fault(200 if self.vendor == GOOGLE else 202), {}, entries

    def _error(self, status: int, message: str) -> Entry:
        if self.vendor == DATADOG:
            return {"errors": [{"status": str(status), "title": "Scripted", "detail": message}]}
        return _error(status, message)


def _with_defaults(entry: Entry, request: Entry) -> Entry:
    """The entry as the API stores it: what the request says for all applies where the entry is silent."""
    defaults = {key: request[key] for key in ("logName", "resource") if key in request}
    labels = {**request.get("labels", {}), **entry.get("labels", {})}
    return {**defaults, **entry, **({"labels": labels} if labels else {})}


def _error(status: int, message: str) -> Entry:
    return {"error": {"code": status, "message": message, "status": "SCRIPTED"}}


def _partial(errors: dict[int, tuple[int, str]]) -> Entry:
    """The answer to a request with `partialSuccess` of which some entries were refused
    (logging.proto, WriteLogEntriesPartialErrors)."""
    detail = {
        "@type": "type.googleapis.com/google.logging.v2.WriteLogEntriesPartialErrors",
        "logEntryErrors": {str(i): {"code": code, "message": message} for i, (code, message) in errors.items()},
    }
    answer = _error(400, "Log entries were refused")
    answer["error"]["details"] = [detail]
    return answer


class _Handler(Handler):
    sink: Sink

    def do_POST(self) -> None:  # noqa: N802
        sink = self.sink
        slow, length = sink.slow, int(self.headers.get("Content-Length") or "0")
        body = self.rfile.read(length) if slow is None else self._sip(length, slow)
        if len(body) < length:
            self.close_connection = True  # the client died while it sent
            return
        fault, answer = sink.take(self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        if fault.kind == HANG:
            sink.release.wait(60)
        if not isinstance(fault.kind, int):
            self._hang_up(reset=fault.kind == RESET)
            return
        if slow is None:
            self.say(fault.kind, answer, fault.headers)
        else:
            self._drip(fault, answer, slow)

    def _sip(self, length: int, pause: float) -> bytes:
        """As many bytes of a body, one by one; fewer if the client hangs up."""
        body = bytearray()
        while len(body) < length and (byte := self.rfile.read(1)):
            body += byte
            time.sleep(pause)
        return bytes(body)

    def _drip(self, fault: Fault, answer: Any, pause: float) -> None:
        """The whole answer, byte by byte."""
        wire, self.wfile = self.wfile, io.BytesIO()
        self.say(int(fault.kind), answer, fault.headers)
        data, self.wfile = self.wfile.getvalue(), wire
        with contextlib.suppress(OSError):
            for byte in data:
                self.connection.sendall(bytes([byte]))
                time.sleep(pause)

    def _hang_up(self, reset: bool) -> None:
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR) if not reset else self.connection.close()


def repeats_are_identical(received: Iterable[Received]) -> bool:
    """Whether entries with one insertId are one entry: the same time, payload and place, whenever they came."""
    seen: dict[str, tuple[Any, ...]] = {}
    return all(seen.setdefault(r.insert_id, r.told) == r.told for r in received)
