"""The gRPC side: google.logging.v2.LoggingServiceV2 on the official protobuf messages.

Messages come in as bytes, so that sizes are counted as they were on the wire, and become the same `WriteRequest` the
REST side makes. Errors leave as a gRPC status with a google.rpc.Status in the trailer `grpc-status-details-bin`, where
clients look for `WriteLogEntriesPartialErrors`. Connection faults end as UNAVAILABLE, which is what a client sees of a
broken connection; `hang` waits for the client's deadline.

grpc and the protos are heavy and optional (extra `intake`): only `outrider.intake.intake` imports this, when asked.
"""

import base64
import threading
from concurrent import futures
from typing import Any, NoReturn

import grpc
from google.cloud.logging_v2 import types
from google.protobuf import any_pb2, empty_pb2, json_format
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from outrider.intake import body, errors
from outrider.intake.api import Api
from outrider.intake.errors import ApiError, invalid
from outrider.intake.faults import Fault
from outrider.intake.requests import PAYLOADS, Entry, ListRequest, WriteRequest
from outrider.intake.timestamps import SECOND, in_range

_SERVICE = "google.logging.v2.LoggingServiceV2"
_CODES = {code.value[0]: code for code in grpc.StatusCode}
_MESSAGE_LIMIT = 8 * body.MAX_REQUEST  # above the API's limit: the API answers that itself, with its own words
_WORKERS = 16


class GrpcServer:
    """The gRPC server of one intake; `port` is bound when made."""

    def __init__(self, host: str, port: int, api: Api) -> None:
        self._api = api
        self._stopping = threading.Event()
        options = [("grpc.max_receive_message_length", _MESSAGE_LIMIT), ("grpc.so_reuseport", 0)]
        self._server = grpc.server(futures.ThreadPoolExecutor(_WORKERS, "intake-grpc"), options=options)
        methods = {
            "WriteLogEntries": self._write,
            "ListLogEntries": self._list,
            "ListLogs": self._list_logs,
            "DeleteLog": self._delete_log,
        }
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(method, response_serializer=_serialize)
            for name, method in methods.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, handlers),))
        self.port: int = self._server.add_insecure_port(f"{host}:{port}")

    def start(self) -> None:
        """Take requests."""
        self._server.start()

    def stop(self) -> None:
        """End all calls and close the port."""
        self._stopping.set()
        self._server.stop(0.2).wait()

    def _write(self, data: bytes, context: Any) -> Any:
        fault = self._api.draw()
        if fault and fault.name != "lost-ack":
            self._api.store.count_request(fault.name, len(data), len(data))
            self._fail(fault, context)
        outcome = "200"
        failure = ApiError(errors.UNAVAILABLE, "Socket closed") if fault else None
        try:
            if len(data) > body.MAX_REQUEST:
                raise body.too_large()
            self._api.write(_write_request(_parsed(types.WriteLogEntriesRequest, data)))
        except ApiError as error:
            outcome = str(error.http_status)
            failure = failure or error
        finally:
            self._api.store.count_request(fault.name if fault else outcome, len(data), len(data))
        if failure:
            _abort(context, failure)
        return types.WriteLogEntriesResponse.pb()()

    def _fail(self, fault: Fault, context: Any) -> NoReturn:
        error = fault.error()
        if error is None and fault.name == "hang":
            while context.is_active() and not self._stopping.wait(0.05):
                pass
        _abort(context, error or ApiError(errors.UNAVAILABLE, "Connection reset by peer"))

    def _list(self, data: bytes, context: Any) -> Any:
        try:
            asked = _parsed(types.ListLogEntriesRequest, data)
            page = self._api.list_entries(
                ListRequest(list(asked.resource_names), asked.filter, asked.order_by, asked.page_size, asked.page_token)
            )
        except ApiError as error:
            _abort(context, error)
        answer = types.ListLogEntriesResponse.pb()(next_page_token=page.next_page_token)
        answer.entries.extend(_as_proto(entry) for entry in page.entries)
        return answer

    def _list_logs(self, data: bytes, context: Any) -> Any:
        try:
            asked = _parsed(types.ListLogsRequest, data)
        except ApiError as error:
            _abort(context, error)
        return types.ListLogsResponse.pb()(log_names=self._api.list_logs(asked.parent))

    def _delete_log(self, data: bytes, context: Any) -> Any:
        try:
            self._api.delete_log(_parsed(types.DeleteLogRequest, data).log_name)
        except ApiError as error:
            _abort(context, error)
        return empty_pb2.Empty()


def _serialize(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _parsed(message_type: Any, data: bytes) -> Any:
    """The message; ApiError if the bytes are none (bad UTF-8 in a string, nesting beyond 100, plain garbage)."""
    try:
        return message_type.pb().FromString(data)
    except (DecodeError, ValueError) as error:
        raise invalid(f"Request could not be parsed: {error}") from None


def _write_request(message: Any) -> WriteRequest:
    return WriteRequest(
        [_entry(entry) for entry in message.entries],
        message.log_name,
        json_format.MessageToDict(message.resource) if message.HasField("resource") else None,
        dict(sorted(message.labels.items())),
        message.partial_success,
        message.dry_run,
    )


def _entry(message: Any) -> Entry:
    """One LogEntry message as canonical JSON; what JSON cannot say is an error of this entry."""
    timestamp: int | None = None
    if message.HasField("timestamp"):
        timestamp = message.timestamp.seconds * SECOND + message.timestamp.nanos
        if not 0 <= message.timestamp.nanos < SECOND or not in_range(timestamp):
            return Entry({}, error="Timestamp is out of range")
    payload = _any_as_json(message.proto_payload) if message.HasField("proto_payload") else None
    for name in ("timestamp", "receive_timestamp", *(("proto_payload",) if payload else ())):
        message.ClearField(name)
    try:
        fields = json_format.MessageToDict(message)
    except (ValueError, TypeError, json_format.Error) as error:
        return Entry({}, error=f"Log entry cannot be represented: {error}")
    fields = {name: value for name, value in fields.items() if value or name in PAYLOADS}
    if "labels" in fields:
        fields["labels"] = dict(sorted(fields["labels"].items()))
    if payload:
        fields["protoPayload"] = payload
    return Entry(fields, timestamp)


def _any_as_json(message: Any) -> dict[str, Any]:
    """A protoPayload; one of a type that is not known here keeps its bytes in base64."""
    try:
        known: dict[str, Any] = json_format.MessageToDict(message)
        return known
    except (TypeError, KeyError, ValueError, json_format.Error):
        return {"@type": message.type_url, "value": base64.b64encode(message.value).decode()}


def _as_proto(entry: dict[str, Any]) -> Any:
    payload = entry.pop("protoPayload", None)
    message = json_format.ParseDict(entry, types.LogEntry.pb()(), ignore_unknown_fields=True)
    if payload is not None:
        message.proto_payload.CopyFrom(_json_as_any(payload))
    return message


def _json_as_any(payload: dict[str, Any]) -> Any:
    try:
        return json_format.ParseDict(payload, any_pb2.Any())
    except (TypeError, KeyError, ValueError, json_format.Error):
        value = payload.get("value", "")
        return any_pb2.Any(type_url=payload["@type"], value=base64.b64decode(value if isinstance(value, str) else ""))


def _abort(context: Any, error: ApiError) -> NoReturn:
    """End the call with the error and its details."""
    status = status_pb2.Status(code=error.code, message=error.message)
    if error.entry_errors:
        partial = types.WriteLogEntriesPartialErrors.pb()()
        for index, text in error.entry_errors.items():
            partial.log_entry_errors[index].CopyFrom(
                status_pb2.Status(code=errors.INVALID_ARGUMENT, message=text),
            )
        status.details.add().Pack(partial)
    if error.violations:
        bad = error_details_pb2.BadRequest()
        for field, text in error.violations:
            bad.field_violations.add(field=field, description=text)
        status.details.add().Pack(bad)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(_CODES[error.code], error.message)
    raise error  # abort has raised already; this tells the type checker
