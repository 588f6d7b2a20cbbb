"""What Datadog answers when it says no: a status and a list of errors, each a title, a detail and the status again.

The shape is `HTTPLogErrors` of the public API client. The statuses are those of the API reference ("Send logs"). The
words of 403 and 413 are the intake's own as they stand in public reports (DataDog/logstash-output-datadog_logs#65,
open-telemetry/opentelemetry-collector-contrib#16834); the others are this program's.
"""

from typing import Any

from outrider.intake.errors import AnswerError

_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}
_WAIT = "1"  # seconds; the client waits as long as X-RateLimit-Reset says before it tries again

FAULTS: dict[str, tuple[int, str, str]] = {
    "401": (401, "api_key_missing", "API key is missing"),
    "403": (403, "api_key_wrong", "API key is missing or invalid"),
    "408": (408, "fault", "The request took too long"),
    "413": (413, "too_large", "Request too large"),
    "429": (429, "fault", "Too many requests"),
    "500": (500, "fault", "Internal server error"),
    "503": (503, "fault", "The service is overloaded"),
}
"""The faults that are answers: name -> status, reason, detail."""


METRIC_FAULTS: dict[str, tuple[int, str, str]] = {
    "403": (403, "api_key", "Forbidden"),
    "408": (408, "fault", "Request timeout"),
    "413": (413, "too_large", "Payload too large"),
    "429": (429, "fault", "Too many requests"),
    "500": (500, "fault", "Internal server error"),
    "503": (503, "fault", "The service is overloaded"),
}
"""The same for metrics, service checks and events, which answer a missing key as they do a wrong one."""


class DatadogError(AnswerError):
    """An answer other than 202. `reason` is the word it is counted under (`refused` in docs/intake.md)."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail

    @property
    def http_status(self) -> int:
        return self.status

    @property
    def headers(self) -> dict[str, str]:
        """`X-RateLimit-Reset` with a 429: seconds until the next attempt makes sense."""
        return {"X-RateLimit-Reset": _WAIT} if self.status == 429 else {}

    def body(self) -> dict[str, Any]:
        return {"errors": [{"status": str(self.status), "title": _TITLES[self.status], "detail": self.detail}]}


class PlainError(DatadogError):
    """An answer of the search and of the metrics API, whose errors are texts (`APIErrorResponse` of the client)."""

    def body(self) -> dict[str, Any]:
        return {"errors": [self.detail]}


def malformed(what: object) -> PlainError:
    """The refusal of a body of the metrics API that is not in the form of its path."""
    return PlainError(400, "form", f"Payload is not in the expected format: {what}")


def fault_answer(name: str) -> DatadogError | None:
    """The answer of a fault that is one, None for a fault of the connection."""
    return DatadogError(*FAULTS[name]) if name in FAULTS else None


def too_large() -> DatadogError:
    """The refusal of a payload over 5 MB."""
    return fault_answer("413") or DatadogError(413, "too_large", "")
