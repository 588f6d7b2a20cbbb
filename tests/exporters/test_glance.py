"""What entries of each vendor say at a glance."""

import json
from typing import Any

import pytest

from outrider.exporters.datadog.glance import event_glance
from outrider.exporters.datadog.glance import glance as of_datadog
from outrider.exporters.glance import Glance
from outrider.exporters.stackdriver.glance import glance as of_google

RESOURCE = {
    "type": "k8s_container",
    "labels": {"namespace_name": "shop", "pod_name": "cart-0", "container_name": "server", "project_id": "acme"},
}
TIME = "2026-06-02T10:00:00.123456789Z"
WHOSE = ("shop", "cart-0", "server")
TAGS = "env:prod,kube_namespace:shop,pod_name:cart-0,kube_container_name:server,odd"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"severity": "INFO", "textPayload": "hello"}, ("", "INFO", *WHOSE, "hello")),
        ({"timestamp": TIME, "severity": "ERROR", "textPayload": "né"}, (TIME, "ERROR", *WHOSE, "né")),
        ({"jsonPayload": {"message": "hello"}}, ("", "DEFAULT", *WHOSE, "hello")),
        ({"jsonPayload": {"a": 1, "message": "hello", "b": []}}, ("", "DEFAULT", *WHOSE, 'hello {"a":1,"b":[]}')),
        ({"jsonPayload": {"message": 7}}, ("", "DEFAULT", *WHOSE, '{"message":7}')),
        ({"httpRequest": {"status": 200}}, ("", "DEFAULT", *WHOSE, "")),
        ({"textPayload": "x", "resource": {"type": "k8s_node"}}, ("", "DEFAULT", "", "", "", "x")),
    ],
)
def test_cloud_logging(entry: dict[str, Any], expected: tuple[str, ...]) -> None:
    whole = {"resource": RESOURCE, "logName": "projects/acme/logs/stdout", **entry}
    assert of_google(json.dumps(whole).encode()) == Glance(*expected)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"message": "hello", "timestamp": 1780394400123}, ("2026-06-02T10:00:00.123Z", "INFO", *WHOSE, "hello")),
        ({"message": '{"a":1}', "status": "error"}, ("", "ERROR", *WHOSE, '{"a":1}')),
        ({"message": "late", "outrider.timestamp": TIME}, (TIME, "INFO", *WHOSE, "late")),
        ({"message": "x", "ddtags": ""}, ("", "INFO", "", "", "", "x")),
    ],
)
def test_datadog(entry: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert of_datadog(json.dumps({"ddtags": TAGS, **entry}).encode()) == Glance(*expected)


def test_an_event_for_datadog() -> None:
    event = {"title": "Pod shop/cart-0: BackOff", "text": "Back-off", "date_happened": 1780394400}
    whole = {**event, "alert_type": "warning", "tags": TAGS.split(",")}
    assert event_glance(json.dumps(whole).encode()) == Glance(
        "2026-06-02T10:00:00.000Z", "WARNING", *WHOSE, "Pod shop/cart-0: BackOff: Back-off"
    )
