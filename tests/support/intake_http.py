"""Talking to an intake without any library that knows the API: plain HTTP requests and entries to fill them."""

import datetime
import gzip
import http.client
import json
from typing import Any

from outrider.intake import Intake

K8S = {
    "type": "k8s_container",
    "labels": {
        "project_id": "acme",
        "location": "europe-north1",
        "cluster_name": "on-prem-1",
        "namespace_name": "shop",
        "pod_name": "cart-0",
        "container_name": "server",
    },
}
LOG = "projects/acme/logs/stdout"


def iso(seconds: float = 0) -> str:
    """The time `seconds` from now, as RFC 3339."""
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return moment.isoformat().replace("+00:00", "Z")


def entry(text: str = "hello", **fields: Any) -> dict[str, Any]:
    """A valid entry; fields given as None are left out."""
    whole = {"logName": LOG, "resource": K8S, "textPayload": text, **fields}
    return {name: value for name, value in whole.items() if value is not None}


def call(
    intake: Intake,
    path: str,
    body: Any = None,
    *,
    method: str | None = None,
    headers: dict[str, str] | None = None,
    zipped: bool = False,
    timeout: float = 10,
) -> tuple[int, Any]:
    """Status and parsed JSON of one request; `body` is bytes or what becomes JSON."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    sent = dict(headers or {})
    if zipped:
        data = gzip.compress(data)
        sent["Content-Encoding"] = "gzip"
    connection = http.client.HTTPConnection(intake.host, intake.port, timeout=timeout)
    try:
        connection.request(method or ("GET" if body is None else "POST"), path, data, sent)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def write(intake: Intake, *entries: Any, **request: Any) -> tuple[int, Any]:
    """`entries.write` of `entries`; further arguments are fields of the request."""
    return call(intake, "/v2/entries:write", {"entries": list(entries), **request})


def listed(intake: Intake, query: str = "", **request: Any) -> list[dict[str, Any]]:
    """All entries of `entries.list` with a filter, from the first page."""
    body = {"resourceNames": ["projects/acme"], "filter": query, **request}
    status, answer = call(intake, "/v2/entries:list", body)
    assert status == 200, answer
    return list(answer.get("entries", []))


def refusal(answer: tuple[int, Any]) -> str:
    """The message of an answer that must be INVALID_ARGUMENT in the API's shape."""
    status, body = answer
    assert status == 400, body
    assert body["error"]["code"] == 400
    assert body["error"]["status"] == "INVALID_ARGUMENT"
    return str(body["error"]["message"])


DATADOG = {"DD-API-KEY": "0123456789abcdef", "Content-Type": "application/json"}
"""Headers without which Datadog takes nothing."""


def submit(intake: Intake, body: Any, query: str = "", headers: dict[str, str] | None = None) -> tuple[int, Any]:
    """Datadog's "send logs"; `body` is bytes or what becomes JSON. Headers given as empty are left out."""
    sent = {name: value for name, value in {**DATADOG, **(headers or {})}.items() if value}
    return call(intake, f"/api/v2/logs{query}", body, headers=sent)


def found(intake: Intake, query: str = "*", **request: Any) -> list[dict[str, Any]]:
    """The attributes of the logs on the first page of Datadog's search, which looks at the last 15 minutes."""
    wanted = {"filter": {"query": query}, "page": {"limit": 1000}, "sort": "timestamp", **request}
    status, answer = call(intake, "/api/v2/logs/events/search", wanted, headers=DATADOG)
    assert status == 200, answer
    return [event["attributes"] for event in answer["data"]]


def datadog_refusal(answer: tuple[int, Any]) -> tuple[int, str]:
    """Status and detail of an answer that must be a refusal in the shape of Datadog's intake."""
    status, body = answer
    (error,) = body["errors"]
    assert sorted(error) == ["detail", "status", "title"]
    assert error["status"] == str(status)
    return status, str(error["detail"])
