"""The bodies of OTLP/HTTP (opentelemetry.io/docs/specs/otlp): from bytes to the messages of opentelemetry-proto, and
answers back, each in the form that the request had.

The JSON form is protobuf's own, but for ids: `traceId` and `spanId` are hexadecimal there, and not base64.
"""

import base64
from collections.abc import Callable
from typing import Any

import orjson
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

PROTOBUF, JSON = "application/x-protobuf", "application/json"
KINDS = (PROTOBUF, JSON)
_IDS = ("traceId", "spanId", "trace_id", "span_id")


class BadMessageError(ValueError):
    """The body is no message of the kind that is expected; the text says why."""


def metrics_request(body: bytes, kind: str) -> Any:
    """The ExportMetricsServiceRequest in `body`, of the media type `kind`. Raises BadMessageError."""
    return _request(ExportMetricsServiceRequest, body, kind, lambda _: None)


def logs_request(body: bytes, kind: str) -> Any:
    """The ExportLogsServiceRequest in `body`, of the media type `kind`. Raises BadMessageError."""
    return _request(ExportLogsServiceRequest, body, kind, _with_base64_ids)


def _request(of: Any, body: bytes, kind: str, prepare: Callable[[Any], None]) -> Any:
    try:
        if kind == PROTOBUF:
            return of.FromString(body)
        given = orjson.loads(body)
        prepare(given)
        return json_format.ParseDict(given, of(), ignore_unknown_fields=True)
    except (DecodeError, json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as e:
        raise BadMessageError(f"the body is no {of.__name__}: {e}"[:300]) from None


def _with_base64_ids(request: Any) -> None:
    """Rewrite the ids of log records. Raises what comes of a request that is none."""
    for resource in request.get("resourceLogs") or ():
        for scope in resource.get("scopeLogs") or ():
            for record in scope.get("logRecords") or ():
                for key in _IDS:
                    if key in record:
                        record[key] = base64.b64encode(bytes.fromhex(record[key])).decode()


def success(kind: str, rejected: int, words: str, name: str) -> bytes:
    """The answer to a request that was taken, but for `rejected` items (`name` is what they are called there)."""
    if not rejected:
        return b"{}" if kind == JSON else b""
    if kind == JSON:
        return orjson.dumps({"partialSuccess": {name: str(rejected), "errorMessage": words}})
    return _field(1, b"\x08" + _varint(rejected) + _field(2, words.encode()))


def failure(kind: str, words: str) -> bytes:
    """google.rpc.Status, which tells why a request was not taken."""
    return orjson.dumps({"message": words}) if kind == JSON else _field(2, words.encode())


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    found = b""
    while number >= 0x80:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def plain(value: Any) -> Any:
    """An AnyValue as Python has it; bytes are base64, as in JSON."""
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [plain(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return pairs(value.kvlist_value.values)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, kind)


def pairs(attributes: Any) -> dict[str, Any]:
    """A list of KeyValue as a dict; one without a key is none."""
    return {one.key: plain(one.value) for one in attributes if one.key}
