"""Every example: up to date, valid in every version of Kubernetes, with a configuration that our own program reads."""

import functools
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import utils

from outrider.checks.found import INSTALLED
from outrider.config import examine_text
from tests.charts.generated import THIRD_PARTY, files
from tests.charts.pods import containers, pods, refusals
from tests.charts.rendering import EXAMPLES, documents, examples, plain, rendered

NAMES = [name for name, *_ in examples()]
ON_NODES = {name for name, chart, *_ in examples() if chart.name == "outrider"}
VERSIONS = [f"1.{minor}" for minor in range(29, 38)]
BEYOND_RESTRICTED = {
    "hostPath", "outrider: add DAC_READ_SEARCH", "outrider: add FOWNER",
    "directories: add CHOWN", "directories: runAsNonRoot", "directories: runAsUser",
}  # fmt: skip
"""What the collector of a node needs besides: its logs, the right to read them, and directories of its own."""
OF_THE_OPERATOR = {"PodMonitor", "ServiceMonitor", "PrometheusRule"}


Objects = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def objects() -> Objects:
    """Of every example; rendered once, since to render 16 takes seconds where the machine is busy."""
    return {**{name: documents(rendered(name)) for name in NAMES}, **{name: third_party(name) for name in THIRD_PARTY}}


def third_party(name: str) -> list[dict[str, Any]]:
    """What is in the values for a chart of somebody else: its own objects, and a pod with the pieces."""
    values = yaml.safe_load((EXAMPLES / "third-party" / name / "values.yaml").read_text("utf-8"))

    def at(path: str) -> Any:
        return functools.reduce(lambda place, key: place[key], path.split("."), values)

    places = THIRD_PARTY[name]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": at(places["annotations"])},
        "spec": {
            "initContainers": at(places["initContainers"]),
            "containers": [{"name": "server", "image": "server:1"}],
            "volumes": at(places["volumes"]),
        },
    }
    return [*at(places["objects"]), pod]


ALL = [*NAMES, *THIRD_PARTY]


def test_what_is_generated_is_up_to_date() -> None:
    stale = [str(path) for path, content in files() if not path.exists() or path.read_text("utf-8") != content]
    assert stale == [], "run: make charts"


def test_there_are_examples() -> None:
    assert len(NAMES) >= 10 and len(ON_NODES) >= 6


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_is_valid(version: str, objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    # The library reads the schemas of a version, 3 MB, anew for every object.
    monkeypatch.setattr(utils, "schema_contents", functools.cache(utils.schema_contents))
    every = {plain(one): one for name in ALL for one in objects[name] if one["kind"] not in OF_THE_OPERATOR}
    assert len(every) > 30
    for one in every.values():
        kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("name", ALL)
def test_the_configuration_is_read_without_problems_with_what_the_pod_gives(name: str, objects: Objects) -> None:
    config_maps = [one for one in objects[name] if one["kind"] == "ConfigMap" and "outrider.yaml" in one["data"]]
    programs = [(pod, one) for pod in pods(objects[name]) for one in containers(pod) if one["name"] == "outrider"]
    assert len(config_maps) == len(programs) >= 1
    for config_map in config_maps:
        named = f"'{config_map['metadata']['name']}'"
        ((pod, container),) = [(pod, one) for pod, one in programs if named in str(pod["volumes"])]
        _can_be_read(name, config_map, pod, container)


def _can_be_read(name: str, config_map: dict[str, Any], pod: dict[str, Any], container: dict[str, Any]) -> None:
    variables = {variable["name"]: "10.0.0.1" for variable in container["env"]}
    report = examine_text(config_map["data"]["outrider.yaml"], name, variables, INSTALLED)
    assert report.config is not None, report.problems
    # What is left is that files are not here which the pod has: each has to lie in one of its mounts.
    mounted = [mount["mountPath"] for mount in container["volumeMounts"]]
    for problem in report.problems:
        assert problem.message.endswith(" does not exist"), problem
        path = problem.message.split()[2]
        assert any(path.startswith(f"{mount}/") for mount in mounted), problem
    # Mounts name volumes.
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} <= volumes.keys()
    assert len(volumes) == len(pod["volumes"])


@pytest.mark.parametrize("name", ALL)
def test_pod_security(name: str, objects: Objects) -> None:
    """Pods with a sidecar pass `restricted`; a node's collector needs what it needs, and nothing besides."""
    for pod in pods(objects[name]):
        found = {why for why in refusals(pod) if not why.startswith("server: ")}
        assert found <= (BEYOND_RESTRICTED if pod["name"] == "outrider" and name in ON_NODES else set()), pod["name"]
        if name not in THIRD_PARTY:
            assert pod.get("automountServiceAccountToken") is (pod["name"] in ("outrider", "outrider-cluster"))
        for container in containers(pod):
            if "outrider/" in container["image"]:
                assert container["securityContext"]["readOnlyRootFilesystem"] is True
                assert container["resources"]["requests"].keys() == {"cpu", "memory"}
