"""Raw JSON of the kubelet and the API server, good and bad, turned into pods."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.kube.wire import read_change, read_list
from outrider.model.pod import Controller, Owner, Pod
from tests.support.fake_kube import pod

HASH = "kubernetes.io/config.hash"
MIRROR = "kubernetes.io/config.mirror"
SOURCE = "kubernetes.io/config.source"


def listing(*items: Any, **meta: str) -> bytes:
    return json.dumps({"kind": "PodList", "metadata": meta, "items": list(items)}).encode()


def change(kind: str, what: Any) -> bytes:
    return json.dumps({"type": kind, "object": what}).encode()


def test_a_pod_with_everything() -> None:
    labels = {"app": "web", "pod-template-hash": "abc12"}
    raw = pod(
        "web-1", "u1", namespace="shop", labels=labels, annotations={"a": "b"}, owners=[("ReplicaSet", "web-abc12")]
    )
    page = read_list(listing(raw, resourceVersion="7", **{"continue": "c"}))
    assert page.pods == [
        Pod(
            "u1",
            "web-1",
            "shop",
            labels,
            {"a": "b"},
            Controller("Deployment", "web"),
            Owner("ReplicaSet", "web-abc12"),
        )
    ]
    assert (page.resource_version, page.next, page.bad, page.partial) == ("7", "c", 0, 0)


@pytest.mark.parametrize("items", [b"null", b"[]"])
def test_an_empty_list(items: bytes) -> None:
    assert read_list(b'{"kind":"PodList","metadata":{},"items":%b}' % items).pods == []


def test_null_maps_are_empty_maps() -> None:
    raw = {"metadata": {"name": "a", "namespace": "b", "uid": "u", "labels": None, "ownerReferences": None}}
    assert read_list(listing(raw)).pods == [Pod("u", "a", "b")]


@pytest.mark.parametrize(
    ("annotations", "uid"),
    [
        pytest.param({}, "api-uid", id="ordinary"),
        pytest.param({HASH: "h1", SOURCE: "file"}, "h1", id="static pod in the kubelet's list"),
        pytest.param({HASH: "h1", MIRROR: "h1", SOURCE: "file"}, "h1", id="mirror pod in the API"),
        pytest.param({HASH: "h1"}, "h1", id="hash alone"),
        pytest.param({MIRROR: "h1"}, "h1", id="mirror annotation alone"),
        pytest.param({HASH: "", MIRROR: ""}, "api-uid", id="empty annotations"),
        pytest.param({HASH: "h1", MIRROR: "h1", SOURCE: "api"}, "api-uid", id="copied manifest of a mirror pod"),
    ],
)
def test_the_uid_is_the_one_of_the_log_directory(annotations: dict[str, str], uid: str) -> None:
    raw = pod(
        "kube-proxy-node-1", "api-uid", namespace="kube-system", annotations=annotations, owners=[("Node", "node-1")]
    )
    (found,) = read_list(listing(raw)).pods
    assert (found.uid, found.controller) == (uid, None)


def test_one_bad_item_costs_itself_only() -> None:
    bad = [3, None, {}, {"metadata": {"name": "x"}}, {"metadata": {"name": "x", "uid": "u", "labels": {"a": 1}}}]
    page = read_list(listing(*bad, pod("a", "u1")))
    assert ([p.uid for p in page.pods], page.bad) == (["u1"], len(bad))


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"null", b'{"items":{}}', b"\xff", b'{"items":["\xff"]', b"[" * 99999]
)
def test_what_is_no_list_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a pod list"):
        read_list(body)


def test_changes() -> None:
    raw = pod("a", "u1", labels={"x": "y"})
    raw["metadata"]["resourceVersion"] = "12"
    for kind in ("ADDED", "MODIFIED", "DELETED"):
        found = read_change(change(kind, raw))
        assert (found.type, found.resource_version, found.pod) == (kind, "12", Pod("u1", "a", "default", {"x": "y"}))
    bookmark = read_change(change("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": "99"}}))
    assert (bookmark.type, bookmark.resource_version, bookmark.pod) == ("BOOKMARK", "99", None)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ({"code": 410, "reason": "Expired", "message": "too old resource version: 1 (2)"}, 410),
        ({"code": 410, "reason": "Gone"}, 410),
        ({"code": 400, "reason": "Expired"}, 410),  # some versions answer so for an expired continue token
        ({"code": 500, "reason": "InternalError"}, 500),
        ({}, 0),
    ],
)
def test_error_events(status: dict[str, Any], code: int) -> None:
    found = read_change(change("ERROR", {"kind": "Status", **status}))
    assert (found.type, found.code) == ("ERROR", code)


@settings(max_examples=60)
@given(
    st.binary(max_size=200)
    | st.dictionaries(st.sampled_from(["type", "object", "x"]), st.text()).map(json.dumps).map(str.encode)
)
def test_garbage_is_a_value_error(line: bytes) -> None:
    with pytest.raises(ValueError, match="not a watch event"):
        read_change(line)


@pytest.mark.parametrize(
    "line", [change("NEWS", {}), change("ADDED", {}), change("ADDED", None), b'{"object":{}}', b"{}"]
)
def test_events_without_sense_are_value_errors(line: bytes) -> None:
    with pytest.raises(ValueError, match="not a"):
        read_change(line)
