"""Time series, points and the requests that bring them to an intake, over plain HTTP."""

from typing import Any

from outrider.intake import Intake
from outrider.intake.timestamps import format_timestamp
from tests.support.intake_http import DATADOG, K8S, call

TYPE = "workload.googleapis.com/redis.clients.connected"


def at(seconds: float) -> str:
    """A time in seconds since 1970, to the millisecond, as RFC 3339."""
    return format_timestamp(round(seconds * 1000) * 1_000_000)


def series(end: float, value: Any = None, **fields: Any) -> dict[str, Any]:
    """A valid time series with one point; `start`, `labels`, `type` and fields of TimeSeries."""
    start = fields.pop("start", None)
    interval = {"endTime": at(end), **({} if start is None else {"startTime": at(start)})}
    metric = {"type": fields.pop("type", TYPE), "labels": fields.pop("labels", {"db": "0"})}
    point = {"interval": interval, "value": value or {"int64Value": "1"}}
    return {"metric": metric, "resource": K8S, "points": [point], **fields}


def create(intake: Intake, *given: dict[str, Any], project: str = "acme") -> tuple[int, Any]:
    """`timeSeries.create`."""
    return call(intake, f"/v3/projects/{project}/timeSeries", {"timeSeries": list(given)})


def refused(answer: tuple[int, Any]) -> tuple[str, dict[str, Any]]:
    """Message and summary of an answer that says that series were not written."""
    status, body = answer
    assert status == 400, body
    error = body["error"]
    assert (error["code"], error["status"]) == (400, "INVALID_ARGUMENT")
    (detail,) = error["details"]
    assert detail.pop("@type") == "type.googleapis.com/google.monitoring.v3.CreateTimeSeriesSummary"
    return error["message"], detail


def post(intake: Intake, path: str, body: Any, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """A write request to Datadog's API; `body` is bytes or what becomes JSON. Headers given as empty are left out."""
    sent = {name: value for name, value in {**DATADOG, **(headers or {})}.items() if value}
    return call(intake, path, body, headers=sent)


def get(intake: Intake, path: str) -> tuple[int, Any]:
    """A reading request to Datadog's API."""
    return call(intake, path, headers=DATADOG)
