"""Specification and status of a pod, reduced to what is kept; what of them is kept when one of them is broken."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.kube.details import read_details
from outrider.kube.wire import read_change, read_list
from outrider.model.pod import Container, Pod
from tests.support.fake_kube import PodJson, pod

ENV = [
    {"name": "DD_ENV", "value": "prod"},
    {"name": "DD_SERVICE", "value": "web"},
    {"name": "DD_VERSION", "value": "1.2"},
    {"name": "OTEL_SERVICE_NAME", "value": "web-otel"},
    {"name": "OTEL_RESOURCE_ATTRIBUTES", "value": "service.name=x"},
    {"name": "PASSWORD", "value": "hunter2"},
]
SPEC = {
    "priorityClassName": "high",
    "runtimeClassName": "gvisor",
    "volumes": [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0", "readOnly": True}},
        {"name": "scratch", "emptyDir": {}},
        {"name": "logs", "persistentVolumeClaim": {"claimName": "logs-web-0"}},
    ],
    "containers": [
        {"name": "main", "image": "registry:5000/web:1.2", "env": ENV},
        {"name": "waiting", "image": "late"},
    ],
    "initContainers": [
        {"name": "migrate", "image": "migrate:1"},
        {"name": "mesh", "image": "mesh:1", "restartPolicy": "Always"},
    ],
    "ephemeralContainers": [{"name": "debug", "image": "busybox", "targetContainerName": "main"}],
}
STATUS = {
    "phase": "Running",
    "qosClass": "Burstable",
    "containerStatuses": [
        {
            "name": "main",
            "image": "registry:5000/web:1.2",
            "imageID": "registry:5000/web@sha256:aa",
            "containerID": "containerd://c2",
            "restartCount": 2,
            "lastState": {"terminated": {"exitCode": 1, "containerID": "containerd://c1"}},
        },
        {
            "name": "waiting",
            "image": "late",
            "imageID": "",
            "restartCount": 0,
            "state": {"waiting": {}},
            "lastState": {},
        },
    ],
    "initContainerStatuses": [
        {"name": "migrate", "imageID": "m@sha256:bb", "containerID": "containerd://m", "restartCount": 0},
        {"name": "mesh", "imageID": "mesh@sha256:cc", "containerID": "containerd://s", "restartCount": 1},
    ],
    "ephemeralContainerStatuses": [{"name": "debug", "containerID": "containerd://d", "restartCount": 0}],
}
KEPT = {e["name"]: e["value"] for e in ENV if e["name"] != "PASSWORD"}


def seen(raw: PodJson, details: bool = True) -> tuple[Pod, int]:
    page = read_list(json.dumps({"items": [raw]}).encode(), details)
    assert page.bad == 0
    return page.pods[0], page.partial


def test_everything_that_is_kept() -> None:
    found, partial = seen(pod("web-0", "u1", spec=SPEC, status=STATUS))
    assert partial == 0
    assert found == Pod(
        "u1",
        "web-0",
        "default",
        qos="Burstable",
        priority_class="high",
        runtime_class="gvisor",
        phase="Running",
        claims=("data-web-0", "logs-web-0"),
        containers={
            "main": Container(
                "registry:5000/web:1.2",
                "registry:5000/web@sha256:aa",
                "containerd://c2",
                "containerd://c1",
                2,
                KEPT,
            ),
            "waiting": Container("late", restart=0),
            "migrate": Container("migrate:1", "m@sha256:bb", "containerd://m", restart=0),
            "mesh": Container("mesh:1", "mesh@sha256:cc", "containerd://s", restart=1),
            "debug": Container("busybox", id="containerd://d", restart=0),
        },
    )


def test_without_details_there_are_none() -> None:
    assert seen(pod("web-0", "u1", spec=SPEC, status=STATUS), details=False) == (Pod("u1", "web-0", "default"), 0)


def test_a_change_carries_details_too() -> None:
    line = json.dumps({"type": "MODIFIED", "object": pod("web-0", "u1", spec=SPEC, status=STATUS)}).encode()
    assert read_change(line, details=True).pod == seen(pod("web-0", "u1", spec=SPEC, status=STATUS))[0]
    assert read_change(line).pod == Pod("u1", "web-0", "default")


def test_metadata_alone_has_no_details_and_is_no_trouble() -> None:
    assert seen({"metadata": {"name": "a", "uid": "u"}}) == (Pod("u", "a", "default"), 0)


@pytest.mark.parametrize(
    ("entry", "kept"),
    [
        ({"name": "DD_ENV", "value": "prod"}, {"DD_ENV": "prod"}),
        ({"name": "DD_ENV"}, {}),
        ({"name": "DD_ENV", "value": ""}, {}),
        ({"name": "DD_ENV", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['env']"}}}, {}),
        ({"name": "DD_API_KEY", "value": "secret"}, {}),
        ({"name": "dd_env", "value": "prod"}, {}),
    ],
)
def test_only_plain_values_of_the_named_variables_are_kept(entry: dict[str, Any], kept: dict[str, str]) -> None:
    found, _ = seen(pod("a", "u", spec={"containers": [{"name": "main", "env": [entry]}]}))
    assert found.containers["main"].env == kept


@pytest.mark.parametrize(
    ("spec", "status", "phase", "images"),
    [
        ({"containers": 3}, {}, "Running", {}),
        ({"volumes": [None]}, {}, "Running", {}),
        ({}, {"containerStatuses": [{"name": 7}]}, "", {"main": "app:1"}),
        ({"containers": None}, {"phase": None}, "", {}),
    ],
)
def test_an_unreadable_half_costs_itself_only(
    spec: dict[str, Any], status: dict[str, Any], phase: str, images: dict[str, str]
) -> None:
    found, partial = seen(pod("a", "u", labels={"app": "a"}, owners=[("DaemonSet", "a")], spec=spec, status=status))
    assert partial == 1
    assert (found.name, found.labels, found.owner is not None) == ("a", {"app": "a"}, True)
    assert (found.phase, {name: c.image for name, c in found.containers.items()}) == (phase, images)


@settings(max_examples=100)
@given(spec=st.binary(max_size=60), status=st.binary(max_size=60))
def test_no_bytes_make_it_raise(spec: bytes, status: bytes) -> None:
    read_details(spec, status)


def test_what_does_not_matter_here_is_no_change() -> None:
    noisy = {
        **STATUS,
        "podIP": "10.0.0.10",
        "startTime": "2026-01-02T03:04:06Z",
        "conditions": [{"type": "Ready", "status": "False", "lastProbeTime": "2026-01-02T03:04:07Z"}],
    }
    assert seen(pod("a", "u", spec=SPEC, status=noisy)) == seen(pod("a", "u", spec=SPEC, status=STATUS))
