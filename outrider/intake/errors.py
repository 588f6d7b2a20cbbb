"""What the API answers when it says no: one error type, rendered as REST JSON here and as gRPC status by the gRPC side.

Google APIs share one error model (google.rpc.Status, https://cloud.google.com/apis/design/errors): a canonical code,
a message and typed details. Over REST it is `{"error": {"code", "message", "status", "details"}}`. Two kinds of
details matter for `entries.write`: `BadRequest` names the fields that could not be parsed,
`WriteLogEntriesPartialErrors` names the entries that were not written although others were.
"""

from abc import ABC, abstractmethod
from typing import Any

INVALID_ARGUMENT = 3
NOT_FOUND = 5
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14
UNAUTHENTICATED = 16

_CODES: dict[int, tuple[int, str]] = {
    INVALID_ARGUMENT: (400, "INVALID_ARGUMENT"),
    NOT_FOUND: (404, "NOT_FOUND"),
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
    """An answer of Cloud Logging other than OK.

    `code` is the canonical code (google.rpc.Code). `violations` are (field path, description) pairs of a request that
    could not be parsed; `entry_errors` are messages by entry index for a request of which some entries were written.
    """

    def __init__(
        self,
        code: int,
        message: str,
        violations: list[tuple[str, str]] | None = None,
        entry_errors: dict[int, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.violations = violations or []
        self.entry_errors = entry_errors or {}

    @property
    def http_status(self) -> int:
        """The HTTP status that belongs to the code (google/rpc/code.proto)."""
        return _CODES[self.code][0]

    def body(self) -> dict[str, Any]:
        """The REST error body."""
        error: dict[str, Any] = {"code": self.http_status, "message": self.message, "status": _CODES[self.code][1]}
        details = self._details()
        if details:
            error["details"] = details
        return {"error": error}

    def _details(self) -> list[dict[str, Any]]:
        details: list[dict[str, Any]] = []
        if self.violations:
            named = [
                {"field": field, "description": text} if field else {"description": text}
                for field, text in self.violations
            ]
            details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": named})
        if self.entry_errors:
            by_index = {
                str(index): {"code": INVALID_ARGUMENT, "message": text} for index, text in self.entry_errors.items()
            }
            kind = "type.googleapis.com/google.logging.v2.WriteLogEntriesPartialErrors"
            details.append({"@type": kind, "logEntryErrors": by_index})
        return details


def invalid(message: str) -> ApiError:
    """The commonest refusal: INVALID_ARGUMENT, HTTP 400."""
    return ApiError(INVALID_ARGUMENT, message)


def unparsable(violations: list[tuple[str, str]]) -> ApiError:
    """A request that is not the message it claims to be; nothing of it is looked at further."""
    return ApiError(INVALID_ARGUMENT, "\n".join(text for _, text in violations), violations=violations)
