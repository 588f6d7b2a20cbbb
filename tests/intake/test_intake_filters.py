"""The filter language: what a filter finds, what it refuses, and that no text breaks it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.intake.errors import ApiError
from outrider.intake.filters import parse_filter

ENTRY: dict[str, Any] = {
    "logName": "projects/acme/logs/a%2Fb",
    "resource": {"type": "k8s_container", "labels": {"namespace_name": "shop", "pod_name": "cart-0"}},
    "timestamp": "2026-05-16T09:19:06.315692671Z",
    "receiveTimestamp": "2026-05-16T09:19:08Z",
    "severity": "WARNING",
    "insertId": "abc123",
    "labels": {"k8s-pod/app": "cart", "compute.googleapis.com/resource_name": "node-1"},
    "jsonPayload": {
        "message": "Disk FULL on /dev/sda",
        "code": 507,
        "ratio": 0.5,
        "ok": False,
        "none": None,
        "user": {"id": "u-1", "a.b": "dotted"},
        "tags": ["x", "y"],
        "items": [{"sku": "A"}, {"sku": "B"}],
        "quote": 'say "hi"\n',
    },
    "httpRequest": {"status": 503, "latency": "1.500s", "requestSize": "9000", "requestMethod": "GET"},
    "sourceLocation": {"file": "a.py", "line": "42"},
    "traceSampled": True,
}

MATCHES = [
    "",
    "  -- only a comment",
    'logName="projects/acme/logs/a%2Fb"',
    'log_name = "projects/acme/logs/a%2Fb"',
    'logName:"a%2Fb"',
    'log_id("a/b")',
    'resource.type="k8s_container"',
    'resource.type="K8S_CONTAINER"',
    "resource.type=k8s_container",
    'resource.labels.pod_name="cart-0"',
    "resource.labels.pod_name=cart-0",
    'resource.labels.namespace_name:"sho"',
    "severity=WARNING",
    'severity="warning"',
    "severity>=WARNING",
    "severity>INFO severity<ERROR",
    "severity!=ERROR",
    "severity>=400",
    "severity=(INFO OR WARNING)",
    'timestamp>="2026-05-16T09:19:06Z"',
    "timestamp>=2026-05-16T09:19:06Z AND timestamp<2026-05-16T09:19:07Z",
    'timestamp="2026-05-16T11:19:06.315692671+02:00"',
    'timestamp>"2026-05-16"',
    'timestamp<"2026-05-17T00:00:00+0000"',
    'receiveTimestamp>"2026-05-16T09:19:07Z"',
    'insertId="abc123"',
    'labels."k8s-pod/app"="cart"',
    "labels.k8s-pod/app=cart",
    'labels."compute.googleapis.com/resource_name"="node-1"',
    "labels.compute.googleapis.com/resource_name=node-1",
    'jsonPayload.message:"disk full"',
    "jsonPayload.message:full",
    'json_payload.message =~ "FULL.*sd[a-z]$"',
    'jsonPayload.message !~ "^full"',
    "jsonPayload.code=507",
    'jsonPayload.code="507"',
    "jsonPayload.code>=500 AND jsonPayload.code<508",
    "jsonPayload.ratio<0.75",
    "jsonPayload.ok=false",
    "jsonPayload.user.id=u-1",
    'jsonPayload.user."a.b"=dotted',
    "jsonPayload.user:*",
    "jsonPayload.tags=y",
    "jsonPayload.tags:(x AND y)",
    "jsonPayload.items.sku=(A AND B)",
    'jsonPayload.quote="say \\"hi\\"\\n"',
    'jsonPayload.quote:"\\x22hi\\u0022"',
    "jsonPayload:full",
    "httpRequest.status>=500",
    "http_request.request_method=GET",
    'httpRequest.latency>"1.2s"',
    "httpRequest.requestSize>1000",
    "sourceLocation.line=42",
    "traceSampled=true",
    "full",
    '"disk full"',
    '"cart-0" AND 507',
    "-severity=ERROR",
    "NOT severity=ERROR",
    'NOT jsonPayload.missing="x"',
    "-jsonPayload.missing:*",
    "NOT NOT full",
    "severity=ERROR OR full",
    "(severity=ERROR OR severity=WARNING) AND (full)",
    "full OR nothing AND full",  # OR binds tighter than AND
    "full AND nothing OR full",
    "severity=WARNING -- a comment\n resource.type=k8s_container",
    "resource.type='k8s_container'",
    "jsonPayload.message:(NOT empty)",
    "spanId=x OR jsonPayload.code=507",
]
MISSES = [
    'logName="projects/acme/logs/a"',
    'log_id("a%2Fb")',
    "resource.type=k8s_pod",
    'resource.labels.pod_name="cart"',
    "severity<WARNING",
    "severity=(INFO OR ERROR)",
    'timestamp>="2026-05-16T09:19:06.315692672Z"',
    "jsonPayload.message=full",
    'jsonPayload.message=~"full"',
    "jsonPayload.code=508",
    "jsonPayload.code=abc",
    "jsonPayload.missing!=x",
    "jsonPayload.missing:*",
    "jsonPayload.ok=true",
    "jsonPayload.tags:(x AND z)",
    "httpRequest.requestSize>10000",
    "httpRequest.latency<1.5s",
    "nowhere",
    '"full disk"',
    "-full",
    "NOT full",
    "full AND NOT full",
    "nothing OR full AND nothing",
    "spanId=x",
    "trace:*",
    "textPayload:full",
]
REFUSED = [
    ("severity=", "expected a value"),
    ("severity=AND", "expected a value"),
    ("severity=LOUD", "no such severity"),
    ("severity=~ERR", "does not apply to severity"),
    ("timestamp>=yesterday", "not an RFC 3339 timestamp"),
    ('timestamp:"2026"', "does not apply to timestamp"),
    ("mesage=x", "Field not found: 'mesage'"),
    ("(severity=ERROR", "closing parenthesis"),
    ("severity=ERROR)", "unexpected text"),
    ("AND severity=ERROR", "operand is missing"),
    ("severity=ERROR AND", "expected a comparison"),
    ("severity=ERROR OR", "expected a comparison"),
    ("NOT", "expected a comparison"),
    ("=x", "expected a comparison"),
    ('"unclosed', "expected a comparison"),
    ('jsonPayload.x=~"("', "bad regular expression"),
    ("jsonPayload.=x", "ends in a dot"),
    ('"quoted"=x', "must not begin with a quoted string"),
    ("sample(insertId, 0.1)", "Unsupported function in filter: sample"),
    ("(" * 200 + "a" + ")" * 200, "too many parentheses"),
    ("a " * 10_001, "20000 characters"),
]


@pytest.mark.parametrize("text", MATCHES)
def test_finds(text: str) -> None:
    predicate = parse_filter(text)
    assert predicate is None or predicate(ENTRY)


@pytest.mark.parametrize("text", MISSES)
def test_does_not_find(text: str) -> None:
    predicate = parse_filter(text)
    assert predicate is not None
    assert not predicate(ENTRY)


@pytest.mark.parametrize(("text", "why"), REFUSED, ids=[row[0][:30] for row in REFUSED])
def test_refuses_clearly(text: str, why: str) -> None:
    with pytest.raises(ApiError) as caught:
        parse_filter(text)
    assert caught.value.http_status == 400
    assert why in caught.value.message


def test_only_an_empty_filter_is_no_filter() -> None:
    assert parse_filter(" \n -- nothing ") is None
    assert parse_filter("x") is not None


@given(st.text())
def test_any_text_matches_itself_when_quoted(text: str) -> None:
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    predicate = parse_filter(f"textPayload={quoted} AND NOT textPayload!={quoted} AND {quoted}")
    assert predicate is not None
    assert predicate({"textPayload": text})


_PIECES = st.sampled_from(
    [
        *"()-:=<>~!.,\\\"'* \n",
        "AND ",
        "OR ",
        "NOT ",
        "severity",
        "jsonPayload.a",
        "labels.",
        "a",
        "1",
        "log_id(",
        "--",
        "=~",
    ]
)


@given(st.lists(_PIECES, max_size=25).map("".join))
def test_no_text_breaks_the_parser_or_the_predicate(text: str) -> None:
    try:
        predicate = parse_filter(text)
    except ApiError as error:
        assert error.message
    else:
        assert predicate is None or predicate(ENTRY) in (True, False)
