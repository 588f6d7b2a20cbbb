"""What the API answers when it says no: one error type, rendered as REST JSON here and as gRPC status by the gRPC side.

Google APIs share one error model (google.rpc.Status, https://cloud.google.com/apis/design/errors): a canonical code,
a message and typed details. Over REST it is `{"error": {"code", "message", "status", "details"}}`. The details are kept
as proto3 JSON. `BadRequest` names the fields that could not be parsed; `WriteLogEntriesPartialErrors` names the entries
that were not written although others were, `CreateTimeSeriesSummary` counts such time series (monitoring/refusals).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
ALREADY_EXISTS = 6
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14
UNAUTHENTICATED = 16

_CODES: dict[int, tuple[int, str]] = {
    INVALID_ARGUMENT: (400, "INVALID_ARGUMENT"),
    DEADLINE_EXCEEDED: (504, "DEADLINE_EXCEEDED"),
    NOT_FOUND: (404, "NOT_FOUND"),
    ALREADY_EXISTS: (409, "ALREADY_EXISTS"),
    PERMISSION_DENIED: (403, "PERMISSION_DENIED"),
    RESOURCE_EXHAUSTED: (429, "RESOURCE_EXHAUSTED"),
    UNIMPLEMENTED: (501, "UNIMPLEMENTED"),
    INTERNAL: (500, "INTERNAL"),
    UNAVAILABLE: (503, "UNAVAILABLE"),
    UNAUTHENTICATED: (401, "UNAUTHENTICATED"),
}


class AnswerError(Exception, ABC):
    """An answer that says no, of either vendor."""

    @property
    @abstractmethod
    def http_status(self) -> int:
        """The status of the HTTP answer."""

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the HTTP answer beside the usual ones."""
        return {}

    @abstractmethod
    def body(self) -> dict[str, Any]:
        """The JSON body of the HTTP answer."""


class ApiError(AnswerError):
    """An answer of an API of Google other than OK.

    `code` is the canonical code (google.rpc.Code), `details` are typed messages (`@type`) that go with it.
    """

    def __init__(self, code: int, message: str, details: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = list(details)

    @property
    def http_status(self) -> int:
        """The HTTP status that belongs to the code (google/rpc/code.proto)."""
        return _CODES[self.code][0]

    def body(self) -> dict[str, Any]:
        """The REST error body."""
        error: dict[str, Any] = {"code": self.http_status, "message": self.message, "status": _CODES[self.code][1]}
        if self.details:
            error["details"] = self.details
        return {"error": error}


def invalid(message: str) -> ApiError:
    """The commonest refusal: INVALID_ARGUMENT, HTTP 400."""
    return ApiError(INVALID_ARGUMENT, message)


def unparsable(violations: list[tuple[str, str]]) -> ApiError:
    """A request that is not the message it claims to be; nothing of it is looked at further.

    `violations` are (field path, description) pairs.
    """
    named = [{"field": field, "description": text} if field else {"description": text} for field, text in violations]
    bad = {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": named}
    return ApiError(INVALID_ARGUMENT, "\n".join(text for _, text in violations), [bad])


def partly_written(refused: dict[int, str]) -> ApiError:
    """A request to `entries.write` of which some entries were written; `refused` has messages by index of the rest."""
    by_index = {str(index): {"code": INVALID_ARGUMENT, "message": text} for index, text in refused.items()}
    partial = {
        "@type": "type.googleapis.com/google.logging.v2.WriteLogEntriesPartialErrors",
        "logEntryErrors": by_index,
    }
    return ApiError(INVALID_ARGUMENT, next(iter(refused.values())), [partial])
