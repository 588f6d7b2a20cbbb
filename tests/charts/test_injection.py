"""`injection` of the chart: the policy of the model under the release's name, and a ConfigMap for each namespace."""

from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from outrider.checks.found import INSTALLED
from outrider.config import examine_text
from outrider.model.injection import CONTAINER, LABEL, LOGS
from outrider.wiring import policy
from outrider.wiring.pod import Wiring
from tests.charts.rendering import node, only
from tests.wiring.kubernetes_cel import admit

CONFIG = {
    "exporters": {"google": {"kind": "stackdriver"}, "dd": {"kind": "datadog"}, "d2": {"kind": "datadog"}},
    "logs": {"files": ["/logs/*.log"]},
    "metrics": {"checks": [{"redis": {"password": {"env": "REDIS_PASSWORD"}}}]},
}
GIVEN = {
    "enabled": True,
    "namespaces": ["shop", "bank"],
    "image": {"repository": "r.example/sidecar"},
    "config": CONFIG,
}


def injection(**changes: Any) -> list[dict[str, Any]]:
    return node({"injection": {**GIVEN, **changes}, "global": {"imageRegistry": "mirror.example"}})


def test_nothing_of_it_is_there_unless_it_is_asked_for() -> None:
    assert [one["kind"] for one in node() if one["kind"].startswith("Mutating")] == []


def test_it_is_the_policy_of_the_model_in_the_versions_that_have_it() -> None:
    objects = injection()
    made, bound = only(objects, "MutatingAdmissionPolicy"), only(objects, "MutatingAdmissionPolicyBinding")
    name = made["metadata"]["name"]
    assert (name, bound["metadata"]["name"]) == ("outrider-monitoring-sidecar",) * 2
    assert made["spec"] == policy.policy()["spec"]
    assert bound["spec"] == policy.binding(name)["spec"]
    for version in ("1.36", "1.37"):
        kubernetes_validate.validate(made, version, strict=True)
        kubernetes_validate.validate(bound, version, strict=True)


@pytest.mark.parametrize("namespace", ["shop", "bank"])
def test_what_it_renders_to_injects(namespace: str) -> None:
    objects = injection(resources={"requests": {"cpu": 1, "memory": "64Mi"}})
    (parameters,) = [
        one for one in objects
        if one["kind"] == "ConfigMap" and one["metadata"].get("namespace") == namespace
    ]  # fmt: skip
    kubernetes_validate.validate(parameters, "1.36", strict=True)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "kv", "labels": {LABEL: "true"}, "annotations": {CONTAINER: "redis", LOGS: "/logs"}},
        "spec": {"containers": [{"name": "redis", "image": "redis:7"}]},
    }
    got = admit(only(objects, "MutatingAdmissionPolicy"), pod, parameters)
    config = yaml.safe_load(parameters["data"]["outrider.yaml"])
    wanted = Wiring("kv", "mirror.example/r.example/sidecar:0.1.0", config, "redis", "/logs").init_container()
    wanted["resources"] = {"requests": {"cpu": "1", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}
    (sidecar,) = got["spec"]["initContainers"]
    assert sidecar == {**wanted, "env": sidecar["env"]}
    assert sorted(sidecar["env"], key=str) == sorted(wanted["env"], key=str)
    variables = {"DD_API_KEY", "REDIS_PASSWORD"}
    assert {one["name"] for one in sidecar["env"][6:]} == variables
    kubernetes_validate.validate(got, "1.36", strict=True)
    report = examine_text(parameters["data"]["outrider.yaml"], env=dict.fromkeys(variables, "x"), checks=INSTALLED)
    assert report.config is not None, report.problems


def test_without_a_configuration_it_is_googles() -> None:
    (parameters,) = [one for one in injection(config={}, namespaces=["a"]) if "image" in one.get("data", {})]
    assert "variables" not in parameters["data"]
    assert yaml.safe_load(parameters["data"]["outrider.yaml"]) == {
        "exporters": {"google": {"kind": "stackdriver"}},
        "state": "/var/lib/outrider",
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": {}}, "injection.image.repository: say where the sidecar's image is"),
        ({"resources": {"limits": {"ephemeral-storage": "1Gi"}}},
         "injection.resources.limits.ephemeral-storage: the policy knows requests and limits of cpu and memory"),
        ({"config": {"state": "/data"}}, "injection.config.state: the policy has decided it"),
        ({"config": {"telemetry": {"listen": "0.0.0.0:1"}}}, "injection.config.telemetry: the policy has decided it"),
        ({"config": {"exporters": {"dd": {"kind": "datadog", "api_key": "0123"}}}},
         "injection.config.exporters.dd.api_key: it would stand in a ConfigMap"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_the_way_out(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(helm_python.HelmRenderError) as refused:
        injection(**changes)
    assert words in str(refused.value)


def test_a_wrong_configuration_is_refused_with_its_path() -> None:
    with pytest.raises(helm_python.HelmValuesError, match="at '/injection/config'"):
        injection(config={"exportres": {}})
