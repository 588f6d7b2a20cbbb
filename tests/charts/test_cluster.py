"""The Deployment of `outrider cluster`: when it is there, what it may do, and what its configuration is made of."""

from typing import Any

import helm_python
import pytest
import yaml

from outrider.checks.found import INSTALLED
from outrider.config import examine_text
from tests.charts.rendering import IMAGE, NODE, node, only, render

EVENTS: dict[str, Any] = {"presets": {"kubernetesEvents": True}}
REDIS = [{"redis": {"host": "redis.shop"}}]
CHECKS: dict[str, Any] = {"cluster": {"enabled": True, "config": {"metrics": {"checks": REDIS}}}}
NAME = "outrider-cluster"
CLUSTER_WIDE = f"{NAME}-monitoring"


def own(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The objects that are of the cluster's program, by kind."""
    return {one["kind"]: one for one in node(values) if one["metadata"]["name"] in (NAME, CLUSTER_WIDE)}


def config(values: dict[str, Any]) -> dict[str, Any]:
    text = own(values)["ConfigMap"]["data"]["outrider.yaml"]
    report = examine_text(text.encode(), "outrider.yaml", checks=INSTALLED)
    assert report.config is not None, report.problems
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_it_is_there_when_it_is_asked_for() -> None:
    assert own({}) == {}
    kinds = {"ConfigMap", "Deployment", "PodDisruptionBudget", "NetworkPolicy", "ServiceAccount", "Role", "RoleBinding"}
    assert own(CHECKS).keys() == kinds
    assert own(EVENTS).keys() == kinds | {"ClusterRole", "ClusterRoleBinding"}
    assert own({**EVENTS, "podMonitor": {"enabled": True}}).keys() >= {"PodMonitor"}


def test_nothing_to_do_is_refused() -> None:
    with pytest.raises(helm_python.HelmRenderError, match="there is nothing to do"):
        node({"cluster": {"enabled": True}})


def test_it_may_do_what_its_parts_need_and_no_more() -> None:
    objects = own(EVENTS)
    assert objects["Role"]["rules"] == [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": [NAME],
            "verbs": ["get", "update"],
        },
    ]
    assert objects["ClusterRole"]["rules"] == [{"apiGroups": [""], "resources": ["events"], "verbs": ["list", "watch"]}]
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == NAME
    for binding, name in (("RoleBinding", NAME), ("ClusterRoleBinding", CLUSTER_WIDE)):
        (subject,) = objects[binding]["subjects"]
        assert subject == {"kind": "ServiceAccount", "name": NAME, "namespace": "monitoring"}
        assert objects[binding]["roleRef"]["name"] == objects[binding]["metadata"]["name"] == name


def test_its_pods_are_restricted() -> None:
    """kubernetes.io, concepts/security/pod-security-standards, `restricted`."""
    pod = own(EVENTS)["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]} <= {"configMap", "emptyDir", "secret"}


def test_replicas_keep_apart_and_know_who_they_are() -> None:
    deployment = own(EVENTS)["Deployment"]["spec"]
    assert deployment["replicas"] == 2
    (spread,) = deployment["template"]["spec"]["topologySpreadConstraints"]
    assert spread["labelSelector"] == deployment["selector"]
    assert {one["name"] for one in deployment["template"]["spec"]["containers"][0]["env"]} == {
        *("POD_NAMESPACE", "POD_NAME", "POD_UID"),
    }
    budget = own(EVENTS)["PodDisruptionBudget"]["spec"]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")
    assert "PodDisruptionBudget" not in own({**EVENTS, "cluster": {"replicas": 1}})


def test_no_selector_finds_the_pods_of_the_other_program() -> None:
    objects = node(EVENTS)
    daemons = only(objects, "DaemonSet")["spec"]["template"]["metadata"]["labels"]
    replicas = only(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    for one in objects:
        spec = one.get("spec", {})
        selector = spec.get("podSelector", spec.get("selector", {}))
        labels = selector.get("matchLabels", selector)
        if labels:
            assert (labels.items() <= daemons.items()) != (labels.items() <= replicas.items()), one["kind"]


def test_its_configuration_has_of_the_nodes_what_is_not_about_a_node() -> None:
    values = {
        **EVENTS,
        "secrets": {"google": {"existingSecret": "keys", "key": "k"}},
        "config": {
            "cluster": {"project": "acme", "name": "c", "location": "l", "node": "${NODE_NAME}"},
            "kube": {"source": "kubelet", "url": "https://127.0.0.1:10250"},
            "logs": {"hold": {"budget": 1}, "redact": [{"set": "keys"}], "start": "end"},
            "metrics": {"every": "30s", "checks": [{"redis": {}}], "kubelet": {"enabled": False}},
            "dogstatsd": {"listen": ["udp://0.0.0.0:8125"]},
            "exporters": {"google": {"kind": "stackdriver"}, "extra": {"kind": "console"}},
            "routes": [{"to": ["google"]}],
            "workers": 2,
        },
    }
    assert config(values) == {
        "cluster": {"project": "acme", "name": "c", "location": "l"},
        "kube": {"source": "api", "lease": NAME},
        "state": "/var/lib/outrider",
        "events": {"enabled": True},
        "logs": {"redact": [{"set": "keys"}], "start": "end"},
        "metrics": {"every": "30s"},
        "exporters": {
            "google": {"kind": "stackdriver", "credentials": {"file": "/etc/outrider-secrets/google/k"}},
            "extra": {"kind": "console"},
        },
        "routes": [{"to": ["google"]}],
    }


def test_what_the_user_says_of_it_goes_before_that() -> None:
    found = config(
        {
            "config": {"kube": {"source": "api", "url": "https://10.0.0.1:6443"}, "telemetry": {"listen": "0.0.0.0:1"}},
            "cluster": {
                "enabled": True,
                "config": {"metrics": {"checks": REDIS}, "telemetry": {"listen": "0.0.0.0:2"}},
            },
        }
    )
    assert found["kube"] == {"source": "api", "url": "https://10.0.0.1:6443", "lease": NAME}
    assert found["telemetry"] == {"listen": "0.0.0.0:2"}
    assert found["metrics"] == {"checks": REDIS}
    assert found["events"] == {"enabled": False}


def test_the_prometheus_operator_finds_it_by_either_monitor() -> None:
    asked = {
        "podMonitor": {"enabled": True},
        "serviceMonitor": {"enabled": True, "interval": "30s", "labels": {"a": "b"}},
    }
    objects = own({**EVENTS, **asked})
    pod = objects["Deployment"]["spec"]["template"]
    assert objects["PodMonitor"]["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    service, monitor = objects["Service"], objects["ServiceMonitor"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["metadata"]["labels"]["a"] == "b"
    (served,), (endpoint,) = service["spec"]["ports"], monitor["spec"]["endpoints"]
    assert endpoint == {"port": served["name"], "path": "/metrics", "honorLabels": True, "interval": "30s"}
    assert served["targetPort"] in {port["name"] for port in pod["spec"]["containers"][0]["ports"]}


def test_the_network_policy_lets_through_what_it_talks_to() -> None:
    values = {
        **CHECKS,
        "config": {"exporters": {"google": {"kind": "stackdriver", "logs_endpoint": "https://proxy:8443"}}},
        "networkPolicy": {"apiServerPorts": [6443]},
    }
    policy = own(values)["NetworkPolicy"]["spec"]
    dns, ports, metadata, anywhere = policy["egress"]
    assert [one["port"] for one in dns["ports"]] == [53, 53]
    assert [one["port"] for one in ports["ports"]] == [443, 6443, 8443]
    assert "169.254.169.254/32" in str(metadata)
    assert anywhere == {"to": [{"namespaceSelector": {}}]}
    assert len(own({**EVENTS})["NetworkPolicy"]["spec"]["egress"]) == 3


def test_a_change_of_its_configuration_rolls_it_and_not_the_nodes() -> None:
    def checksums(values: dict[str, Any]) -> list[str]:
        objects = node(values)
        pods = (only(objects, kind)["spec"]["template"] for kind in ("Deployment", "DaemonSet"))
        return [pod["metadata"]["annotations"]["checksum/config"] for pod in pods]

    before, after = checksums(CHECKS), checksums({**CHECKS, **EVENTS})
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_the_notes_say_who_leads() -> None:
    notes = "".join(text for path, text in render(NODE, {**IMAGE, **EVENTS, **CHECKS}).items() if path.endswith(".txt"))
    assert "replicas: Kubernetes' events, checks (1)." in notes
    assert "get lease outrider-cluster" in notes
