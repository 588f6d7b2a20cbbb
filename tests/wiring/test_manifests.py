"""Manifests in a stream: who gets a sidecar, what is left alone, what is refused and where."""

import copy
import difflib
import json
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml

from outrider.wiring.manifests import ManifestError, Wired, wire
from outrider.wiring.pod import Wiring
from outrider.wiring.styles import config_map

CONFIG = {"exporters": {"google": {"kind": "stackdriver"}}, "state": "/var/lib/outrider"}
IMAGE = "registry.example/outrider/sidecar:0.1.0"


def wired(text: str, logs: str = "", container: str = "", only: str = "", config: Any = None) -> Wired:
    return wire(text, lambda name, first: Wiring(name, IMAGE, config or CONFIG, container or first, logs), only)


def pod_of(one: dict[str, Any]) -> dict[str, Any]:
    """The pod template of an object, or the pod itself."""
    if one["kind"] == "CronJob":
        one = one["spec"]["jobTemplate"]
    if one.get("kind") == "Pod":
        return one
    found: dict[str, Any] = one["template"] if "template" in one else one["spec"]["template"]
    return found


POD = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "web", "image": "web:1"}]}}
JOB_POD = {"spec": {**POD["spec"], "restartPolicy": "Never"}}
SELECTOR = {"matchLabels": {"app": "x"}}


def workload(kind: str, version: str, spec: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": "shop"}, "spec": spec}


WORKLOADS = [
    workload("Deployment", "apps/v1", {"selector": SELECTOR, "template": POD}),
    workload("StatefulSet", "apps/v1", {"selector": SELECTOR, "serviceName": "x", "template": POD}),
    workload("DaemonSet", "apps/v1", {"selector": SELECTOR, "template": POD}),
    workload("ReplicaSet", "apps/v1", {"selector": SELECTOR, "template": POD}),
    workload("ReplicationController", "v1", {"selector": {"app": "x"}, "template": POD}),
    workload("Job", "batch/v1", {"template": JOB_POD}),
    workload("CronJob", "batch/v1", {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": JOB_POD}}}),
    workload("Pod", "v1", POD["spec"]),
    {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x", "namespace": "shop"}, "template": POD},
    workload("Rollout", "argoproj.io/v1alpha1", {"selector": SELECTOR, "template": POD}),
]


@pytest.mark.parametrize("form", ["yaml", "json", "flow"])
@pytest.mark.parametrize("one", WORKLOADS, ids=lambda one: one["kind"])
def test_every_kind_with_a_pod_template_gets_the_sidecar(one: dict[str, Any], form: str) -> None:
    text = {
        "yaml": yaml.safe_dump(one, sort_keys=False),
        "json": json.dumps(one, indent=2),
        "flow": yaml.safe_dump(one, default_flow_style=True),
    }[form]
    got = wired(text, logs="/logs")
    wiring = Wiring("x", IMAGE, CONFIG, "web", "/logs")
    assert not got.text.startswith("{")  # kubectl would take what follows for JSON as well
    after, configuration = yaml.safe_load_all(got.text)
    expected = pod_of(copy.deepcopy(one))
    spec = expected["spec"]
    spec["initContainers"] = [wiring.init_container()]
    spec["volumes"] = wiring.volumes()
    spec["containers"][0]["volumeMounts"] = wiring.mounts()
    metadata = pod_of(after)["metadata"]
    assert set(metadata.pop("annotations")) == {"checksum/outrider-sidecar"}
    assert metadata == expected.get("metadata", {})
    assert pod_of(after)["spec"] == spec
    assert configuration == config_map(wiring, "shop")
    if one["kind"] != "Rollout":
        kubernetes_validate.validate(after, "1.36", strict=True)
    assert wired(got.text, logs="/logs").text == got.text


WEB = """\
# Copyright, and what else stands above.
%YAML 1.2
---   # the service first
apiVersion: v1
kind: Service
metadata: {name: web,    labels: {  }}
spec: {ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web      # of the shop
spec:
  replicas: 0x2
  template:
    metadata:
      # for the mesh
      annotations:
        # on its own line
        mesh.example/inject: 'yes'     # quoted
    spec:
      # first of all

      serviceAccountName: "web"
      initContainers:
      # it has to be first of its own
      - name: migrate
        image: migrate:1
        command:
        - sh
        - -c
        - |
          echo volumes:
          echo "- name: nothing"

      containers:
      - image: web:1
        name: web    # served
        args: [a,   "b"]   # as it is
        volumeMounts:
        - mountPath: /tmp
          name: tmp

        # the end of web
      - name: proxy
        image: >-
          proxy:1
      # and of the containers
      volumes:
      - {name: tmp, emptyDir: {}}   # scratch
      terminationGracePeriodSeconds: 060
# nothing follows
...
"""
VARIANTS = {
    "as it is": WEB.replace("%YAML 1.2\n", ""),
    "windows line ends": WEB.replace("%YAML 1.2\n", "").replace("\n", "\r\n"),
    "null lists": WEB.replace("%YAML 1.2\n", "").replace("      - {name: tmp, emptyDir: {}}   # scratch\n", ""),
    "no end of line": WEB.replace("%YAML 1.2\n", "").partition("# nothing")[0].rstrip("\n"),
    "a byte order mark": "\ufeff" + WEB.replace("%YAML 1.2\n", ""),
}


@pytest.mark.parametrize("text", VARIANTS.values(), ids=VARIANTS)
def test_nothing_but_additions(text: str) -> None:
    """Every line is still there, in its order, byte for byte; and what was added reads as it should."""
    got = wired(text, logs="/logs").text
    differences = list(difflib.ndiff(text.splitlines(keepends=True), got.splitlines(keepends=True)))
    kept_open = {line for line in differences if line.startswith("- ") and not line.endswith("\n")}
    assert [line for line in differences if line.startswith("- ") and line not in kept_open] == []
    (deployment,) = [one for one in yaml.safe_load_all(got) if one["kind"] == "Deployment"]
    spec = deployment["spec"]["template"]["spec"]
    assert [one["name"] for one in spec["initContainers"]] == ["outrider", "migrate"]
    assert spec["initContainers"][1]["command"][2] == 'echo volumes:\necho "- name: nothing"\n'
    assert {one["name"] for one in spec["volumes"]} - {"tmp"} == {
        "outrider-config", "outrider-pod", "outrider-state", "outrider-secrets", "outrider-logs",
    }  # fmt: skip
    assert spec["containers"][0]["volumeMounts"][-1] == {"mountPath": "/tmp", "name": "tmp"}
    assert deployment["spec"]["template"]["metadata"]["annotations"]["mesh.example/inject"] == "yes"
    again = wired(got, logs="/logs").text
    assert again == got


def documents(text: str) -> Iterator[Any]:
    return yaml.safe_load_all(text)


def test_another_configuration_replaces_what_follows_from_it() -> None:
    changed = {**CONFIG, "metrics": {"checks": [{"redis": {"password": {"env": "P"}}}]}}
    once = wired(VARIANTS["as it is"], logs="/logs").text
    twice = wired(once, logs="/other", config=changed).text
    assert list(documents(twice)) == list(documents(wired(VARIANTS["as it is"], logs="/other", config=changed).text))
    assert twice.count("# ") == once.count("# ")


def test_a_list_and_several_workloads() -> None:
    others = [copy.deepcopy(WORKLOADS[0]), copy.deepcopy(WORKLOADS[5])]
    others[1]["metadata"] = {"name": "y"}
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": others})
    got = wired(text)
    both, first, second = documents(got.text)
    assert [pod_of(one)["spec"]["initContainers"][0]["name"] for one in both["items"]] == ["outrider", "outrider"]
    assert first["metadata"] == {"name": "x-outrider", "namespace": "shop"}
    assert second["metadata"] == {"name": "y-outrider"}
    assert got.done == ["Deployment x: outrider beside web", "Job y: outrider beside web"]

    only, made = documents(wired(text, only="y").text)
    assert ["initContainers" in pod_of(one)["spec"] for one in only["items"]] == [False, True]
    assert made["metadata"]["name"] == "y-outrider"


def test_the_container_that_is_named_is_served() -> None:
    got = next(one for one in documents(wired(VARIANTS["as it is"], "/logs", "proxy").text) if one["kind"] != "Service")
    web, proxy = got["spec"]["template"]["spec"]["containers"]
    assert [one["name"] for one in web["volumeMounts"]] == ["tmp"]
    assert proxy["volumeMounts"] == [{"name": "outrider-logs", "mountPath": "/logs"}]


HEAD = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has nothing that makes pods"),
        ("kind: Service\n", "has nothing that makes pods"),
        ("containers", "has nothing that makes pods"),
        ("[containers]", "has nothing that makes pods"),
        ("containers: [\n", "line 2: is not YAML"),
        ("a: 1\n---\ncontainers:\n  {{- toYaml .Values.x }}\n", "render the template first, such as"),
        ("{containers: " * 2000, "line 1: is nested too deeply"),
        (f"{HEAD}spec: {{containers: []}}\n", "line 4: x has no containers"),
        (f"{HEAD}spec: {{containers: 1}}\n", "line 4: x has no containers"),
        (f"{HEAD}spec: {{containers: [1]}}\n", "line 4: x has no containers"),
        ("kind: Pod\nspec:\n  containers: [{name: a}]\n", "line 1: has no metadata.name"),
        (f"{HEAD}spec:\n  volumes: 1\n  containers: [{{name: web}}]\n", "line 5: volumes is not what Kubernetes takes"),
        (f"{HEAD}x: &v []\nspec:\n  volumes: *v\n  containers: [{{name: a}}]\n", "line 6: volumes is an alias"),
        (f"{HEAD}x: &v {{a: 1}}\nspec:\n  <<: *v\n  containers: [{{name: a}}]\n", "line 6: a merge key may bring"),
        (f"{HEAD}spec: {{containers: [{{name: a, volumeMounts: [{{name: own, mountPath: /logs}}]}}]}}\n",
         "line 4: a mounts own at /logs already: take that out, or choose another directory"),
    ],
)  # fmt: skip
def test_what_cannot_be_wired_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(ManifestError) as refused:
        wired(text, logs="/logs")
    assert words in str(refused.value)


def test_nothing_is_wired_if_one_cannot_be() -> None:
    good, bad = yaml.safe_dump(WORKLOADS[0]), f"---\n{HEAD}spec: {{containers: []}}\n"
    with pytest.raises(ManifestError, match=f"line {good.count(chr(10)) + 5}: x has no containers"):
        wired(good + bad)


ALIASES = """\
kind: Deployment
metadata:
  name: &app web
  labels: &labels {app: *app}
spec:
  selector: {matchLabels: *labels}
  template:
    metadata: {labels: *labels}
    spec:
      containers:
        - name: *app
          image: &image web:1
          env: &env [{name: A, value: "x\ty"}]
        - {name: second, image: *image, env: *env}
"""


def test_a_value_that_is_said_once_and_meant_often_is_read_and_left() -> None:
    got = wired(ALIASES, logs="/logs")
    assert got.done == ["Deployment web: outrider beside web"]
    lines = got.text.splitlines()
    changed = "    metadata: {labels: *labels}"
    assert [line for line in ALIASES.splitlines() if line not in lines] == [changed]
    spec = next(documents(got.text))["spec"]["template"]["spec"]
    assert [(one["name"], "volumeMounts" in one) for one in spec["containers"]] == [("web", True), ("second", False)]
    assert wired(got.text, logs="/logs").text == got.text


def test_an_addition_that_another_place_would_share_is_refused() -> None:
    """A merge key brings everything along, what would be added too."""
    text = f"{HEAD}spec:\n  containers:\n  - &web\n    name: web\n  - <<: *web\n    name: second\n"
    with pytest.raises(ManifestError, match="line 6: what begins here has an alias elsewhere"):
        wired(text, logs="/logs")
    spec = next(documents(wired(text).text))["spec"]  # nothing is added to the container itself
    assert [one["name"] for one in spec["initContainers"]] == ["outrider"]


def test_a_pod_on_its_nodes_network_is_told_whose_port_it_takes() -> None:
    got = wired(f"{HEAD}spec:\n  hostNetwork: true\n  containers: [{{name: web}}]\n")
    assert got.done == [
        "Pod x: outrider beside web; it is on its node's network, where nothing else may listen at 9464"
    ]


def test_a_workload_that_is_not_there_is_missed() -> None:
    with pytest.raises(ManifestError, match="has no workload called web, but x"):
        wired(yaml.safe_dump(WORKLOADS[0]), only="web")


def test_a_long_name_is_cut_to_one_that_kubernetes_takes() -> None:
    name = "a" * 53 + "-" + "b" * 20
    assert Wiring(name, IMAGE, CONFIG, "web").config_map == "a" * 53 + "-outrider"


def test_a_container_that_is_not_there_is_missed() -> None:
    with pytest.raises(ManifestError, match="x has no container nginx, but web"):
        wired(yaml.safe_dump(WORKLOADS[0]), container="nginx")


def test_a_pod_with_an_outrider_of_its_own_stays_as_it_is() -> None:
    own = f"---\n{HEAD}spec:\n  containers: [{{name: outrider}}]\n"
    assert wired(own).text == own
    got = wired(yaml.safe_dump(WORKLOADS[0]) + own)
    assert got.done[1] == "Pod x: has a container outrider of its own, and stays as it is"
    assert own in got.text
