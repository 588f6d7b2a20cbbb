"""The policy: which pods get the sidecar, what they then look like, and that nothing makes a pod invalid."""

import copy
import re
from collections.abc import Callable
from typing import Any

import kubernetes_validate
import pytest

from outrider.model.injection import CONFIG, CONTAINER, LABEL, LOGS, PARAMETERS
from outrider.wiring import policy
from outrider.wiring.pod import RESOURCES, Wiring
from tests.charts.pods import refusals
from tests.wiring.kubernetes_cel import admit

POLICY = policy.policy()
CONFIGURATION = {"exporters": {"google": {"kind": "stackdriver"}}, "state": "/var/lib/outrider"}
WIRING = Wiring("web", "registry.example/outrider/sidecar:0.1.0", CONFIGURATION, "web")
DATA = policy.parameters(WIRING)
Pod = dict[str, Any]
TOKEN = {"name": "kube-api-access-x", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": True}


def asking(annotations: dict[str, str] | None = None, **spec: Any) -> Pod:
    """A pod with the label, as it comes to admission: two containers, one of which has a mount."""
    containers = [{"name": "web", "image": "web:1"}, {"name": "proxy", "image": "proxy:1", "volumeMounts": [TOKEN]}]
    metadata = {"name": "web-x", "namespace": "shop", "labels": {LABEL: "true", "app": "web"}}
    if annotations is not None:
        metadata["annotations"] = annotations
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"containers": containers, "restartPolicy": "Always", **spec},
    }


def labelled(labels: dict[str, str] | None) -> Pod:
    pod = asking()
    pod["metadata"] = {"name": "web-x", **({} if labels is None else {"labels": labels})}
    return pod


def mounted(path: str) -> Pod:
    pod = asking({LOGS: "/logs"}, volumes=[{"name": "own", "emptyDir": {}}])
    pod["spec"]["containers"][0]["volumeMounts"] = [{"name": "own", "mountPath": path}]
    return pod


def parameters(**changes: str | None) -> Any:
    data = {**DATA, **{key.replace("__", "."): value for key, value in changes.items()}}
    return {"data": {key: value for key, value in data.items() if value is not None}}


SIDECAR, OTHER = {"name": "outrider", "image": "x:1"}, {"name": "migrate", "image": "m:1"}
BOTH = [{"name": "web", "image": "web:1"}, SIDECAR]


@pytest.mark.parametrize(
    "pod",
    [
        asking(),
        asking({}),
        asking({"other.example/x": "y"}),
        asking({CONTAINER: "proxy"}),
        asking({LOGS: "/var/log/web"}),
        asking({LOGS: "/var/log/web", CONTAINER: "proxy"}),
        asking({LOGS: "/etc/outrider.d/..a"}),
        asking(initContainers=[OTHER]),
        asking(volumes=[{"name": "own", "emptyDir": {}}]),
        asking(hostNetwork=False, os={"name": "linux"}),
        asking(restartPolicy="Never", activeDeadlineSeconds=60),
        mounted("/log"),
    ],
    ids=["plain", "no annotations", "others' annotations", "container", "logs", "logs of a container",
         "a place that looks like another",
         "init containers", "volumes", "explicitly ordinary", "of a Job", "a mount elsewhere"],
)  # fmt: skip
def test_a_pod_that_asks_gets_the_sidecar_once(pod: Pod) -> None:
    before = copy.deepcopy(pod)
    notes = pod["metadata"].get("annotations", {})
    wanted = Wiring("web", WIRING.image, CONFIGURATION, notes.get(CONTAINER, "web"), notes.get(LOGS, ""))
    got = admit(POLICY, pod, parameters())
    assert pod == before

    spec, was = got["spec"], before["spec"]
    assert spec["initContainers"] == [wanted.init_container(), *was.get("initContainers", [])]
    added = spec["volumes"][len(was.get("volumes", [])) :]
    assert spec["volumes"] == [*was.get("volumes", []), *added]
    assert [volume["name"] for volume in added] == [volume["name"] for volume in wanted.volumes()]
    assert added[0]["configMap"] == {"name": PARAMETERS}
    assert added[1:] == wanted.volumes()[1:]
    for now, then in zip(spec["containers"], was["containers"], strict=True):
        mounts = wanted.mounts() if now["name"] == wanted.container else []
        assert now.get("volumeMounts", []) == [*then.get("volumeMounts", []), *mounts]
    assert got["metadata"] == before["metadata"]
    kubernetes_validate.validate(got, "1.36", strict=True)
    assert {why for why in refusals(spec) if why.startswith("outrider")} == set()

    assert admit(POLICY, got, parameters()) == got


@pytest.mark.parametrize(
    "pod",
    [
        labelled(None),
        labelled({"app": "web"}),
        labelled({LABEL: "false"}),
        asking(initContainers=[OTHER, SIDECAR]),
        asking(containers=BOTH),
        asking(volumes=[{"name": "outrider-state", "emptyDir": {}}]),
        asking(hostNetwork=True),
        asking(os={"name": "windows"}),
        asking({"kubernetes.io/config.mirror": "x"}),
        asking(resources={"limits": {"memory": "64Mi"}}),
        asking({CONTAINER: "wbe"}),
        asking({CONFIG: "other.yaml"}),
        asking({CONFIG: "image"}),
        asking({LOGS: ""}),
        asking({LOGS: "logs"}),
        asking({LOGS: "/"}),
        asking({LOGS: "/logs/"}),
        asking({LOGS: "/lo:gs"}),
        asking({LOGS: "/logs\n"}),
        asking({LOGS: "/logs/../etc/outrider"}),
        asking({LOGS: "/."}),
        asking({LOGS: "/var/lib/outrider"}),
        asking({LOGS: "/etc/outrider/logs"}),
        asking({LOGS: "/etc"}),
        asking({LOGS: "/opt/outrider"}),
        mounted("/logs"),
        mounted("/logs/"),
    ],
    ids=["no labels", "no label", "label says no", "has one", "has an ordinary one", "has a volume of this name",
         "on the node's network", "windows", "a mirror", "resources of the pod", "no such container",
         "no such configuration", "not a configuration", "no directory", "not absolute", "the root", "a slash too many",
         "a colon", "the end of a line", "upwards", "nowhere", "a place of the sidecar", "below one", "above one",
         "the program's place", "a mount there", "a mount there with a slash"],
)  # fmt: skip
def test_every_other_pod_stays_as_it_is(pod: Pod) -> None:
    assert admit(POLICY, pod, parameters()) is pod


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        {"data": {}},
        parameters(image=None),
        parameters(image=""),
        parameters(image="a b"),
        parameters(image="a\u00a0"),
        parameters(outrider__yaml=None),
        parameters(requests__memory="lots"),
        parameters(limits__cpu="-1"),
        parameters(requests__memory="1Gi"),
        parameters(requests__cpu="2", limits__cpu="1500m"),
        parameters(variables="A,B"),
        parameters(variables="A  B"),
        parameters(variables="1A"),
        parameters(variables="A" * 254),
    ],
    ids=["no ConfigMap", "an empty one", "no data", "no image", "an empty image", "no image name", "an invisible blank",
         "no configuration",
         "no quantity", "below nothing", "memory above its limit", "cpu above its limit",
         "commas", "two blanks", "no name", "longer than a key"],
)  # fmt: skip
def test_parameters_that_would_spoil_a_pod_inject_nothing(given: Any) -> None:
    pod = asking()
    assert admit(POLICY, pod, given) is pod


@pytest.mark.parametrize(
    ("changes", "resources"),
    [
        ({}, RESOURCES),
        ({"limits__cpu": "1"}, {**RESOURCES, "limits": {"memory": "128Mi", "cpu": "1"}}),
        ({"requests__memory": "128Mi"}, {**RESOURCES, "requests": {"cpu": "10m", "memory": "128Mi"}}),
        (dict.fromkeys(("requests__cpu", "requests__memory", "limits__memory")), {"requests": {}, "limits": {}}),
    ],
)  # fmt: skip
def test_resources_are_the_config_maps(changes: Any, resources: Any) -> None:
    got = admit(POLICY, asking(), parameters(**changes))
    assert got["spec"]["initContainers"][0]["resources"] == resources
    kubernetes_validate.validate(got, "1.36", strict=True)


@pytest.mark.parametrize("text", ["0", "+1", ".5", "5.", "1e3", "1n", "1.5Gi", "1Ei", "12E"])
def test_a_quantity_may_have_any_of_its_forms(text: str) -> None:
    got = admit(POLICY, asking(), parameters(requests__memory=None, limits__memory=text))
    assert [one["name"] for one in got["spec"]["initContainers"]] == ["outrider"]


@pytest.mark.parametrize("text", ["", " 1", "1 ", "1e", "1K", "0x10", "1.2.3", "-1m"])
def test_what_is_no_quantity_injects_nothing(text: str) -> None:
    pod = asking()
    assert admit(POLICY, pod, parameters(limits__memory=text)) is pod


def test_a_pod_chooses_among_the_configurations_of_its_namespace() -> None:
    got = admit(POLICY, asking({CONFIG: "redis.yaml"}), parameters(redis__yaml="{}"))
    assert got["spec"]["initContainers"][0]["args"] == ["sidecar", "--config", "/etc/outrider/redis.yaml"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [("", []), ("A", ["A"]), ("DD_API_KEY b2", ["DD_API_KEY", "b2"]), ("A" * 253, ["A" * 253])],
    ids=["none", "one", "two", "a long one"],
)
def test_variables_come_from_the_secret_and_may_be_missing(names: str, expected: list[str]) -> None:
    got = admit(POLICY, asking(), parameters(variables=names))
    refers = [one["valueFrom"]["secretKeyRef"] for one in got["spec"]["initContainers"][0]["env"][6:]]
    assert refers == [{"name": PARAMETERS, "key": name, "optional": True} for name in expected]


@pytest.mark.parametrize("version", ["1.36", "1.37"])
@pytest.mark.parametrize("make", [policy.policy, policy.binding])
def test_it_is_valid_where_there_are_such_policies(make: Callable[[], Any], version: str) -> None:
    kubernetes_validate.validate(make(), version, strict=True)


def test_it_fails_open_and_knows_only_pods_that_are_created() -> None:
    spec = POLICY["spec"]
    assert spec["failurePolicy"] == "Ignore"
    assert policy.binding()["spec"]["paramRef"] == {"name": PARAMETERS, "parameterNotFoundAction": "Allow"}
    assert spec["matchConstraints"]["resourceRules"] == [
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    ]


def test_objects_are_of_the_type_that_their_place_has() -> None:
    """The API server compares the name of each type with the path that leads to it; so does the schema of the test for
    what it knows, but not that an object stands at the path of its operation.
    """
    (one,) = POLICY["spec"]["mutations"]
    found = re.findall(r'path: [^,]*?"/spec/(\w+)[^,]*, value: Object\.spec\.(\w+)', one["jsonPatch"]["expression"])
    assert found
    assert [(place, kind) for place, kind in found if place != kind] == []
