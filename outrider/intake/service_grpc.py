"""google.logging.v2.LoggingServiceV2 on the official protobuf messages.

They become the same `WriteRequest` the REST side makes.
"""

import base64
from typing import Any

from google.cloud.logging_v2 import types
from google.protobuf import any_pb2, empty_pb2, json_format

from outrider.intake.api import Api
from outrider.intake.grpc_calls import Calls, Method, parsed
from outrider.intake.requests import PAYLOADS, Entry, ListRequest, WriteRequest
from outrider.intake.timestamps import SECOND, in_range


class LoggingService:
    """The methods of the service."""

    NAME = "google.logging.v2.LoggingServiceV2"

    def __init__(self, api: Api, calls: Calls) -> None:
        self._api = api
        self._calls = calls

    def methods(self) -> dict[str, Method]:
        """Methods by their name."""
        return {
            "WriteLogEntries": self._write,
            "ListLogEntries": self._list,
            "ListLogs": self._list_logs,
            "DeleteLog": self._delete_log,
        }

    def _write(self, data: bytes, context: Any) -> Any:
        def take() -> Any:
            self._api.write(_write_request(parsed(types.WriteLogEntriesRequest, data)))
            return types.WriteLogEntriesResponse.pb()()

        fault = self._api.draw()
        answer = self._api.answer(fault) if fault else None
        return self._calls.write(data, context, fault, answer, take, self._api.store.count_request)

    def _list(self, data: bytes, _: Any) -> Any:
        asked = parsed(types.ListLogEntriesRequest, data)
        page = self._api.list_entries(
            ListRequest(list(asked.resource_names), asked.filter, asked.order_by, asked.page_size, asked.page_token)
        )
        answer = types.ListLogEntriesResponse.pb()(next_page_token=page.next_page_token)
        answer.entries.extend(_as_proto(entry) for entry in page.entries)
        return answer

    def _list_logs(self, data: bytes, _: Any) -> Any:
        return types.ListLogsResponse.pb()(log_names=self._api.list_logs(parsed(types.ListLogsRequest, data).parent))

    def _delete_log(self, data: bytes, _: Any) -> Any:
        self._api.delete_log(parsed(types.DeleteLogRequest, data).log_name)
        return empty_pb2.Empty()


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
