"""The Agent's container tags, line by line of its table and row by row of its owner rule; then limits and odd input."""

import json
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.exporters.datadog.tags import (
    Image,
    Standard,
    container_tags,
    image_of,
    parse_image,
    standard,
)
from outrider.model.cluster import Cluster
from outrider.model.pod import Container, Controller, Owner, Pod
from outrider.model.stream import Stream

STREAM = Stream("shop", "web-0", "uid-1", "main", 2)
CLUSTER = Cluster("acme", "on-prem-1", "europe-north1", "node-1")
MAIN = Container(
    "registry:5000/team/web:1.2", "registry:5000/team/web@sha256:aa", "containerd://c2", "containerd://c1", 2
)
POD = Pod(
    *("uid-1", "web-0", "shop"),
    qos="Burstable",
    priority_class="high",
    runtime_class="gvisor",
    phase="Running",
    containers={"main": MAIN},
)


def changed(**fields: Any) -> Pod:
    return msgspec.structs.replace(POD, **fields)


def main(**fields: Any) -> Pod:
    return changed(containers={"main": msgspec.structs.replace(MAIN, **fields)})


def tags(pod: Pod | None, stream: Stream = STREAM) -> list[str]:
    found = container_tags(stream, pod, CLUSTER)
    assert (found.shed, found.problems) == (0, [])
    return found.tags


def owned(kind: str, name: str, **fields: Any) -> list[str]:
    """The tags that an owner brings in."""
    return [tag for tag in tags(changed(owner=Owner(kind, name), **fields)) if tag not in tags(changed(**fields))]


def test_what_the_path_alone_gives() -> None:
    assert tags(None) == [
        "kube_cluster_name:on-prem-1",
        "kube_namespace:shop",
        "pod_name:web-0",
        "kube_container_name:main",
        "container_name:main",
        "display_container_name:main_web-0",
        "filename:2.log",
        "dirname:/var/log/pods/shop_web-0_uid-1/main",
    ]


def test_the_whole_list_in_its_order() -> None:
    pod = changed(
        labels={"tags.datadoghq.com/env": "prod", "app.kubernetes.io/name": "web", "other": "x"},
        annotations={"ad.datadoghq.com/tags": '{"team":"web"}', "ad.datadoghq.com/main.tags": '{"tier":"front"}'},
        owner=Owner("StatefulSet", "web"),
        controller=Controller("StatefulSet", "web"),
        claims=("data-web-0",),
    )
    found = container_tags(STREAM, pod, CLUSTER, ["region:north", "bare"], ["from:logs"])
    assert ",".join(found.tags).split(",") == [
        "env:prod",
        "kube_cluster_name:on-prem-1",
        "kube_namespace:shop",
        "kube_qos:Burstable",
        "kube_priority_class:high",
        "kube_runtime_class:gvisor",
        "pod_phase:running",
        "kube_app_name:web",
        "kube_ownerref_kind:statefulset",
        "kube_ownerref_name:web",
        "kube_stateful_set:web",
        "persistentvolumeclaim:data-web-0",
        "pod_name:web-0",
        "kube_container_name:main",
        "container_name:main",
        "display_container_name:main_web-0",
        "container_id:c2",
        "image_name:registry:5000/team/web",
        "short_image:web",
        "image_tag:1.2",
        "image_id:registry:5000/team/web@sha256:aa",
        "filename:2.log",
        "dirname:/var/log/pods/shop_web-0_uid-1/main",
        "team:web",
        "tier:front",
        "from:logs",
        "region:north",
        "bare",
    ]


# Source: the Agent's tagger, one entry a line of its table of tags (docs/log-format.md), then the edges of each.
TABLE = [
    ("namespace", POD, ["kube_namespace:shop"]),
    ("container", POD, ["kube_container_name:main"]),
    ("qos", changed(qos="Guaranteed"), ["kube_qos:Guaranteed"]),
    ("priority class", changed(priority_class="low"), ["kube_priority_class:low"]),
    ("runtime class", changed(runtime_class="kata"), ["kube_runtime_class:kata"]),
    ("phase, lower-cased", changed(phase="Succeeded"), ["pod_phase:succeeded"]),
    ("pod", POD, ["pod_name:web-0"]),
    ("owner", changed(owner=Owner("FooSet", "x")), ["kube_ownerref_kind:fooset", "kube_ownerref_name:x"]),
    ("container id", POD, ["container_id:c2"]),
    ("container names", POD, ["container_name:main", "display_container_name:main_web-0"]),
    ("image", POD, ["image_name:registry:5000/team/web", "short_image:web", "image_tag:1.2"]),
    ("image id", POD, ["image_id:registry:5000/team/web@sha256:aa"]),
    (
        "docker",
        main(id="docker://c2", image="web", image_id="docker-pullable://web@sha256:aa"),
        ["container_id:c2", "image_id:web@sha256:aa", "docker_image:web:latest"],
    ),
    ("kube_app_name", changed(labels={"app.kubernetes.io/name": "a"}), ["kube_app_name:a"]),
    ("kube_app_instance", changed(labels={"app.kubernetes.io/instance": "a"}), ["kube_app_instance:a"]),
    ("kube_app_version", changed(labels={"app.kubernetes.io/version": "a"}), ["kube_app_version:a"]),
    ("kube_app_component", changed(labels={"app.kubernetes.io/component": "a"}), ["kube_app_component:a"]),
    ("kube_app_part_of", changed(labels={"app.kubernetes.io/part-of": "a"}), ["kube_app_part_of:a"]),
    ("kube_app_managed_by", changed(labels={"app.kubernetes.io/managed-by": "a"}), ["kube_app_managed_by:a"]),
    (
        "unified service tags",
        changed(labels={f"tags.datadoghq.com/{name}": name[0] for name in ("env", "service", "version")}),
        ["env:e", "service:s", "version:v"],
    ),
    ("cluster", POD, ["kube_cluster_name:on-prem-1"]),
    ("file", POD, ["filename:2.log", "dirname:/var/log/pods/shop_web-0_uid-1/main"]),
]


@pytest.mark.parametrize(("pod", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_tag_table(pod: Pod, expected: list[str]) -> None:
    assert [tag for tag in tags(pod) if tag in expected] == expected


@pytest.mark.parametrize("key", ["kube_service", "git.commit.sha", "git.repository_url", "kube_distribution"])
def test_what_cannot_be_known_is_not_reported(key: str) -> None:
    assert not [tag for tag in tags(POD) if tag.startswith(f"{key}:")]


@pytest.mark.parametrize("key", ["docker_image", "kube_ownerref_kind", "service", "persistentvolumeclaim"])
def test_what_is_not_there_makes_no_empty_tag(key: str) -> None:
    assert not [tag for tag in tags(POD) if tag.startswith(f"{key}:")]
    assert not [tag for tag in tags(Pod("u", "web-0", "shop")) if tag.endswith(":")]


OWNERS = [
    ("D50", "ReplicaSet", "frontend-56c89cfff7", ["kube_deployment:frontend", "kube_replica_set:frontend-56c89cfff7"]),
    ("D50", "ReplicaSet", "frontend-56c", ["kube_deployment:frontend", "kube_replica_set:frontend-56c"]),
    ("D50", "ReplicaSet", "frontend-2891696001", ["kube_deployment:frontend", "kube_replica_set:frontend-2891696001"]),
    (
        "D50",
        "ReplicaSet",
        "front-end-768dd754b7",
        ["kube_deployment:front-end", "kube_replica_set:front-end-768dd754b7"],
    ),
    ("D51", "ReplicaSet", "frontend2891696001", ["kube_replica_set:frontend2891696001"]),
    ("D51", "ReplicaSet", "manually-created", ["kube_replica_set:manually-created"]),
    ("D51", "ReplicaSet", "frontend-5f", ["kube_replica_set:frontend-5f"]),
    ("D51", "ReplicaSet", "frontend-56a89cfff7", ["kube_replica_set:frontend-56a89cfff7"]),
    ("D51 no name", "ReplicaSet", "-56c", ["kube_replica_set:-56c"]),
    ("D51 digits of both kinds", "ReplicaSet", "frontend-12b", ["kube_replica_set:frontend-12b"]),
    ("D52", "Job", "hello-1562319360", ["kube_job:hello-1562319360", "kube_cronjob:hello"]),
    ("D52", "Job", "hello-600", ["kube_job:hello-600", "kube_cronjob:hello"]),
    ("D53", "Job", "hello-60", ["kube_job:hello-60"]),
    ("D53", "Job", "hello-world", ["kube_job:hello-world"]),
    ("D53", "Job", "hello-1562319a60", ["kube_job:hello-1562319a60"]),
    ("Deployment", "Deployment", "web", ["kube_deployment:web"]),
    ("StatefulSet", "StatefulSet", "web", ["kube_stateful_set:web"]),
    ("DaemonSet", "DaemonSet", "web", ["kube_daemon_set:web"]),
    ("ReplicationController", "ReplicationController", "web", ["kube_replication_controller:web"]),
    ("other kinds", "Node", "node-1", []),
]


@pytest.mark.parametrize(
    ("kind", "name", "expected"), [row[1:] for row in OWNERS], ids=[f"{row[0]} {row[2]}" for row in OWNERS]
)
def test_owner_table(kind: str, name: str, expected: list[str]) -> None:
    assert owned(kind, name) == [f"kube_ownerref_kind:{kind.lower()}", f"kube_ownerref_name:{name}", *expected]


@pytest.mark.parametrize(
    ("name", "rollout"), [("shop-56c89cfff7", ["kube_argo_rollout:shop"]), ("shop", [])], ids=["rollout", "no hash"]
)
def test_a_replica_set_of_an_argo_rollout(name: str, rollout: list[str]) -> None:
    labels = {"rollouts-pod-template-hash": "56c89cfff7"}
    assert [t for t in owned("ReplicaSet", name, labels=labels) if t.startswith("kube_argo_rollout")] == rollout


def test_claims_are_told_of_a_stateful_set_only() -> None:
    claims = ("data-web-0", "logs-web-0")
    assert owned("StatefulSet", "web", claims=claims)[-2:] == [f"persistentvolumeclaim:{claim}" for claim in claims]
    assert owned("DaemonSet", "web", claims=claims)[-1] == "kube_daemon_set:web"


LABELS = {"tags.datadoghq.com/service": "pod", "tags.datadoghq.com/main.service": "container"}
OTHER = {"tags.datadoghq.com/other.service": "other"}
DD = {"DD_SERVICE": "dd"}
OTEL = {"OTEL_SERVICE_NAME": "otel", "OTEL_RESOURCE_ATTRIBUTES": "a=b, service.name = attribute ,broken"}
NEWER = "deployment.environment=old,deployment.environment.name=new,service.version=3"


@pytest.mark.parametrize(
    ("labels", "env", "expected"),
    [
        ({}, {}, ("", "", "")),
        (OTHER, {}, ("", "", "")),
        (LABELS | OTHER, DD | OTEL, ("", "container", "")),
        ({"tags.datadoghq.com/service": "pod"}, DD | OTEL, ("", "pod", "")),
        ({}, DD | OTEL, ("", "dd", "")),
        ({}, OTEL, ("", "otel", "")),
        ({}, {"OTEL_RESOURCE_ATTRIBUTES": OTEL["OTEL_RESOURCE_ATTRIBUTES"]}, ("", "attribute", "")),
        ({}, {"OTEL_RESOURCE_ATTRIBUTES": NEWER}, ("new", "", "3")),
        ({}, {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=old"}, ("old", "", "")),
        ({}, {"DD_ENV": "e", "DD_VERSION": "v"}, ("e", "", "v")),
        ({"tags.datadoghq.com/service": ""}, DD, ("", "dd", "")),
        ({}, {"DD_SERVICE": "$(APP)-web", "OTEL_SERVICE_NAME": "otel"}, ("", "otel", "")),
        (
            {"tags.datadoghq.com/env": "prod"},
            {"DD_ENV": "dev", "DD_SERVICE": "web", "OTEL_RESOURCE_ATTRIBUTES": "service.version=2"},
            ("prod", "web", "2"),
        ),
    ],
)
def test_unified_service_tagging(labels: dict[str, str], env: dict[str, str], expected: tuple[str, str, str]) -> None:
    pod = changed(labels=labels, containers={"main": Container(env=env)})
    assert standard(pod, "main") == Standard(*expected)
    named = [f"{name}:{value}" for name, value in zip(("env", "service", "version"), expected, strict=True) if value]
    assert tags(pod)[: len(named) + 1] == [*named, "kube_cluster_name:on-prem-1"]


def test_nothing_is_known_of_an_unknown_pod_or_container() -> None:
    assert standard(None, "main") == standard(POD, "other") == Standard("", "", "")
    assert image_of(None, "main") == image_of(POD, "other") == Image("", "", "")
    assert image_of(POD, "main") == Image("registry:5000/team/web", "web", "1.2")


@pytest.mark.parametrize(
    ("reference", "name", "short", "tag"),
    [
        ("nginx", "nginx", "nginx", "latest"),
        ("nginx:1.27", "nginx", "nginx", "1.27"),
        ("registry:5000/nginx", "registry:5000/nginx", "nginx", "latest"),
        ("registry:5000/a/nginx:1.27", "registry:5000/a/nginx", "nginx", "1.27"),
        ("registry:5000/a/nginx@sha256:5bef08", "registry:5000/a/nginx", "nginx", "latest"),
        ("registry:5000/a/nginx:1.27@sha256:5bef08", "registry:5000/a/nginx", "nginx", "1.27"),
        ("org/redis:latest@sha512:5bef08", "org/redis", "redis", "latest"),
        ("a/b/c/d:x-y_z.1", "a/b/c/d", "d", "x-y_z.1"),
        ("sha256:5bef08", "sha256:5bef08", "", ""),
        ("", "", "", ""),
        ("@sha256:5bef08", "@sha256", "@sha256", "5bef08"),
    ],
)
def test_image_references(reference: str, name: str, short: str, tag: str) -> None:
    assert parse_image(reference) == Image(name, short, tag)


@pytest.mark.parametrize(
    ("restart", "container", "expected"),
    [
        (2, MAIN, ["container_id:c2"]),
        (1, MAIN, ["container_id:c1"]),
        (0, MAIN, []),
        (3, MAIN, []),
        (2, Container(id="c2"), ["container_id:c2"]),
        (0, Container(restart=0), []),
        (0, Container(id="containerd://c1", restart=1), []),
    ],
    ids=["this run", "the run before", "older", "not yet told", "run not known", "not started", "before not known"],
)
def test_the_container_id_is_the_one_of_the_run(restart: int, container: Container, expected: list[str]) -> None:
    stream = Stream("shop", "web-0", "uid-1", "main", restart)
    found = tags(changed(containers={"main": container}), stream)
    assert [tag for tag in found if tag.startswith("container_id:")] == expected


ASKED = [
    ('{"team":"web"}', ["team:web"]),
    ('{"team":["a","b","a"]}', ["team:a", "team:b"]),
    ('{"n":5,"f":1.5,"whole":2.0,"yes":true,"no":false}', ["n:5", "f:1.5", "whole:2", "yes:true", "no:false"]),
    ('{"mixed":[1,"x",true]}', ["mixed:1", "mixed:x", "mixed:true"]),
    ('{"+high":"x"}', ["high:x"]),
    ('{"empty":"","":"x","list":[]}', []),
    ('{"url":"https://a:1/b"}', ["url:https://a:1/b"]),
    ('{"list":"a,b,c","a,b":"x"}', ["list:a_b_c", "a_b:x"]),
    ("{}", []),
]


@pytest.mark.parametrize("key", ["ad.datadoghq.com/tags", "ad.datadoghq.com/main.tags"])
@pytest.mark.parametrize(("text", "expected"), ASKED)
def test_tags_of_annotations(key: str, text: str, expected: list[str]) -> None:
    assert tags(changed(annotations={key: text})) == [*tags(POD), *expected]


def test_annotations_for_another_container_do_not_count() -> None:
    assert tags(changed(annotations={"ad.datadoghq.com/other.tags": '{"a":"b"}'})) == tags(POD)


@pytest.mark.parametrize(
    ("text", "kept", "problem"),
    [
        ("", [], "not JSON"),
        ("{", [], "not JSON"),
        ("team:web", [], "not JSON"),
        ('["a:b"]', [], "must be an object"),
        ("null", [], "must be an object"),
        pytest.param('{"a":' * 2000, [], "not JSON", id="nested beyond reason"),
        ('{"a":"b","c":{"d":"e"},"f":null}', ["a:b"], "list of them: c, f"),
        ('{"a":["b",null,["c"]]}', ["a:b"], "list of them: a"),
    ],
)
def test_what_cannot_be_read_is_told_and_costs_itself_only(text: str, kept: list[str], problem: str) -> None:
    pod = changed(annotations={"ad.datadoghq.com/tags": text, "ad.datadoghq.com/main.tags": '{"fine":"yes"}'})
    found = container_tags(STREAM, pod, CLUSTER)
    assert found.tags == [*tags(POD), *kept, "fine:yes"]
    assert len(found.problems) == 1
    assert found.problems[0].startswith("annotation ad.datadoghq.com/tags: ")
    assert problem in found.problems[0]


def test_a_hundred_tags_and_the_annotations_give_way() -> None:
    pod = changed(annotations={"ad.datadoghq.com/tags": json.dumps({f"k{n}": "v" for n in range(100)})})
    found = container_tags(STREAM, pod, CLUSTER, ["region:north"], ["from:logs"])
    own = len(tags(POD))
    assert len(found.tags) == 100
    assert found.tags[:own] == tags(POD)
    assert found.tags[own:-1] == [f"k{n}:v" for n in range(99 - own)]
    assert found.tags[-1] == "region:north"
    assert found.shed == own + 100 + 1 + 1 - 100


def test_a_tag_of_more_than_256_characters_is_cut_and_counted() -> None:
    found = container_tags(STREAM, POD, CLUSTER, ["a:" + "é" * 254, "b:" + "é" * 255])
    assert found.tags[-2:] == ["a:" + "é" * 254, "b:" + "é" * 254]
    assert found.shed == 1


def test_repeats_and_nothing_are_no_loss() -> None:
    found = container_tags(STREAM, POD, CLUSTER, ["a:b", "", "a:b", "c", "pod_name:web-0"])
    assert (found.tags, found.shed) == ([*tags(POD), "a:b", "c"], 0)


SCALARS = st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | st.text()
JSON = st.recursive(
    st.none() | SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(text=st.text() | JSON.map(json.dumps), configured=st.lists(st.text()))
def test_no_annotation_breaks_the_list(text: str, configured: list[str]) -> None:
    pod = changed(annotations={"ad.datadoghq.com/tags": text})
    found = container_tags(STREAM, pod, CLUSTER, configured)
    assert set(tags(POD)) <= set(found.tags)
    assert len(found.tags) == len(set(found.tags)) <= 100
    assert all(0 < len(tag) <= 256 and "," not in tag for tag in found.tags)
    orjson.dumps(",".join(found.tags))


@given(st.text())
def test_any_reference_is_taken_apart(reference: str) -> None:
    image = parse_image(reference)
    assert reference.startswith(image.name)
    assert image.name.endswith(image.short)
