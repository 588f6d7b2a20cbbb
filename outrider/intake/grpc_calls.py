"""What every gRPC method of the intake does alike: read the message, answer, fail as told, refuse with details.

Messages come in as bytes, so that sizes are counted as they were on the wire. Errors leave as a gRPC status with a
google.rpc.Status in the trailer `grpc-status-details-bin`, where clients look for the details. Connection faults end as
UNAVAILABLE, which is what a client sees of a broken connection; `hang` waits for the client's deadline.
"""

import threading
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from google.rpc import (
    error_details_pb2,  # noqa: F401  (known by name to json_format from here on)
    status_pb2,
)

from outrider.intake import body, errors
from outrider.intake.errors import ApiError, invalid
from outrider.intake.faults import Fault

_CODES = {code.value[0]: code for code in grpc.StatusCode}

Method = Callable[[bytes, Any], Any]
"""From the bytes of a request and the call's context to the message of the answer; raises ApiError."""


class Calls:
    """The calls of one server; setting `stopping` ends those that hang."""

    def __init__(self) -> None:
        self.stopping = threading.Event()

    def handler(self, method: Method) -> Any:
        """A handler for the server, which turns an ApiError into the call's status."""

        def call(data: bytes, context: Any) -> Any:
            try:
                return method(data, context)
            except ApiError as error:
                _abort(context, error)

        return grpc.unary_unary_rpc_method_handler(call, response_serializer=_serialize)

    def write(
        self,
        data: bytes,
        context: Any,
        fault: Fault | None,
        answer: ApiError | None,
        take: Callable[[], Any],
        count: Callable[[str, int, int], None],
    ) -> Any:
        """Take a write request, unless the fault drawn for it comes before; count it either way.

        `answer` is what the fault answers, if it does. `count` gets the HTTP status or the name of the fault, and the
        size of the message twice: gRPC's compression is not looked at.
        """
        if fault and not fault.taken:
            count(fault.name, len(data), len(data))
            self._fail(fault, answer, context)
        outcome = "200"
        reply: Any = None
        try:
            if len(data) > body.MAX_REQUEST:
                raise body.too_large()
            reply = take()
        except ApiError as error:
            outcome = str(error.http_status)
            if fault is None or not fault.loses_answer:
                raise
        finally:
            count(fault.name if fault else outcome, len(data), len(data))
        if fault and fault.loses_answer:
            raise ApiError(errors.UNAVAILABLE, "Socket closed")
        return reply

    def _fail(self, fault: Fault, answer: ApiError | None, context: Any) -> NoReturn:
        if answer is None and fault.name == "hang":
            while context.is_active() and not self.stopping.wait(0.05):
                pass
        raise answer or ApiError(errors.UNAVAILABLE, "Connection reset by peer")


def parsed(message_type: Any, data: bytes) -> Any:
    """The message; ApiError if the bytes are none (bad UTF-8 in a string, nesting beyond 100, plain garbage)."""
    try:
        return message_type.pb().FromString(data)
    except (DecodeError, ValueError) as error:
        raise invalid(f"Request could not be parsed: {error}") from None


def _serialize(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data


def _abort(context: Any, error: ApiError) -> NoReturn:
    """End the call with the error and its details."""
    status = status_pb2.Status(code=error.code, message=error.message)
    for detail in error.details:
        json_format.ParseDict(detail, status.details.add())
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(_CODES[error.code], error.message)
    raise error  # abort has raised already; this tells the type checker
