"""Values: what is refused, in which words, and what follows from which value."""

from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from tests.charts.pods import containers, pods
from tests.charts.rendering import IMAGE, NODE, documents, node, only, render

DATADOG = {"kind": "datadog"}
ON_PREMISE = {"presets": {"onPremise": True}}
CLUSTER = {"cluster": {"project": "acme", "name": "c", "location": "l"}}
KEY = {"existingSecret": "keys", "key": "k"}
LISTEN = {"dogstatsd": {"listen": ["udp://0.0.0.0:8125", "unix:///var/run/dsd/dsd.socket"]}}


def hold(budget: Any) -> dict[str, Any]:
    return {"config": {"logs": {"hold": {"budget": budget}}}}


def exporters(**given: Any) -> dict[str, Any]:
    return {"config": {"exporters": given}}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"confg": {}}, "at '': additional properties 'confg' not allowed"),
        ({"image": {"pullPolicy": "Sometimes"}}, "at '/image/pullPolicy'"),
        ({"presets": {"gke": "yes"}}, "at '/presets/gke': got string, want boolean"),
        ({"presets": None}, "at '': missing property 'presets'"),
        ({"podAnnotations": {"prometheus.io/scrape": True}}, "at '/podAnnotations/prometheus.io~1scrape': got boolean"),
        ({"fullnameOverride": "1st"}, "at '/fullnameOverride': '1st' does not match pattern"),
        ({"config": {"exportres": {}}}, "at '/config': additional properties 'exportres' not allowed"),
        ({"config": {"logs": {"hold": {"budget": "much"}}}}, "at '/config/logs/hold/budget'"),
        ({"config": {"metrics": {"checks": [{"redis": {"prot": 1}}]}}}, "at '/config/metrics/checks/0/redis'"),
        ({"config": {"metrics": {"checks": [{"redis": {"password": "hunter2"}}]}}},
         "at '/config/metrics/checks/0/redis/password'"),
        ({"config": {"kube": {"token": "hunter2"}}}, "at '/config/kube/token'"),
        ({"secrets": {"google": {"existingSecret": "s"}}}, "at '/secrets/google': missing property 'key'"),
        ({"secrets": {"Google_2": KEY}}, "at '/secrets': additional properties 'Google_2' not allowed"),
        ({"secrets": {"google": {**KEY, "value": "x"}}}, "at '/secrets/google': additional properties 'value'"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_its_path(values: dict[str, Any], words: str) -> None:
    with pytest.raises(helm_python.HelmValuesError) as refused:
        node(values)
    assert words in str(refused.value)


@pytest.mark.parametrize("password", ["${REDIS_PASSWORD}", {"env": "REDIS_PASSWORD"}, {"file": "/run/secret"}], ids=str)
def test_a_secret_may_be_named(password: Any) -> None:
    checks = [{"redis": {"password": password}}]
    assert _config(node({"config": {"metrics": {"checks": checks}}}))["metrics"]["checks"] == checks


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"image": {"repository": ""}}, "image.repository: say where your image is"),
        ({"secrets": {"goggle": KEY}}, "secrets.goggle: there is no exporter of this name; config.exporters has"),
        (exporters(dd=DATADOG), "secrets.dd: {existingSecret: NAME, key: KEY}"),
        (exporters(dd={**DATADOG, "api_key": "0123"}), "config.exporters.dd.api_key: it would stand"),
        ({**exporters(x={"kind": "console"}), "secrets": {"x": KEY}}, "secrets.x: an exporter of kind console"),
        (ON_PREMISE, "config.cluster.project: presets.onPremise needs it"),
        ({**ON_PREMISE, "config": CLUSTER}, "config.exporters.google: outside of Google Cloud it needs credentials"),
        ({"presets": {"onPremise": True, "gke": True}}, "presets: a cluster is either on GKE or onPremise"),
        ({"presets": {"gkeAutopilot": True}, **hold("1GiB")}, "config.logs.hold.budget: Autopilot"),
        ({"presets": {"gkeAutopilot": True}, "config": LISTEN}, "config.dogstatsd.listen: Autopilot"),
        ({"config": {"telemetry": {"listen": "127.0.0.1:9464"}}}, "config.telemetry.listen: kubelet asks from outside"),
        ({"config": {"logs": {"hold": {"budget": 1, "path": "/data/held"}}}}, "have to lie in /var/log"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_the_way_out(values: dict[str, Any], words: str) -> None:
    with pytest.raises(helm_python.HelmRenderError) as refused:
        node(values)
    assert words in str(refused.value)


def test_a_chart_above_may_set_global_and_enabled_and_extras_are_open() -> None:
    values = {
        "enabled": True,
        "global": {"imageRegistry": "mirror.example", "imagePullSecrets": [{"name": "pull"}, "bare"], "more": 1},
        "imagePullSecrets": [{"name": "own"}, {"name": "pull"}],
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "extraVolumes": [{"name": "x", "emptyDir": {"medium": "Memory"}}],
        "extraObjects": ["{apiVersion: v1, kind: ConfigMap, metadata: {name: '{{ .Release.Name }}-x'}}"],
    }
    objects = node(values)
    pod = only(objects, "DaemonSet")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "mirror.example/registry.example/outrider/node:0.1.0"
    assert pod["imagePullSecrets"] == [{"name": "own"}, {"name": "pull"}, {"name": "bare"}]
    assert {"name": "HTTPS_PROXY", "value": "http://proxy:3128"} in pod["containers"][0]["env"]
    assert "outrider-x" in [one["metadata"]["name"] for one in objects]


@pytest.mark.parametrize("word", ["123", "true"])
def test_words_that_yaml_takes_for_something_else_stay_words(word: str) -> None:
    values = {**IMAGE, "secrets": {"google": {"existingSecret": word, "key": word}}}
    for one in documents(render(NODE, values, release=word)):
        kubernetes_validate.validate(one, "1.36", strict=True)


def test_no_service_of_the_namespace_is_an_option_of_a_program() -> None:
    assert [pod["enableServiceLinks"] for pod in pods(node({"presets": {"kubernetesEvents": True}}))] == [False] * 3


def test_pods_are_for_linux_whatever_else_they_ask_of_a_node() -> None:
    values = {"nodeSelector": {"disk": "ssd"}, "cluster": {"nodeSelector": {"disk": "ssd"}}}
    found = pods(node({**values, "presets": {"kubernetesEvents": True}}))
    assert [pod["nodeSelector"] for pod in found] == [{"kubernetes.io/os": "linux", "disk": "ssd"}] * 3


def _config(objects: list[dict[str, Any]]) -> Any:
    (text,) = [o["data"]["outrider.yaml"] for o in objects if "outrider.yaml" in (o.get("data") or {})]
    return yaml.safe_load(text)


def test_what_the_user_says_goes_before_everything() -> None:
    values = {
        "presets": {"autodiscovery": True},
        "secrets": {"google": KEY},
        "config": {
            "metrics": {"discover": False},
            "kube": {"source": "none"},
            "exporters": {"google": {"kind": "stackdriver", "credentials": "none", "batch": {"bytes": 4194304}}},
            "logs": {"hold": {"budget": 10737418240}},
        },
    }
    config = _config(node(values))
    assert config["metrics"] == {"discover": False}
    assert config["kube"] == {"source": "none"}
    assert config["exporters"]["google"]["credentials"] == "none"
    assert (config["exporters"]["google"]["batch"]["bytes"], config["logs"]["hold"]["budget"]) == (4194304, 10737418240)


@pytest.mark.parametrize(
    ("config", "right", "rules"),
    [
        ({}, "nodes/pods", [(["pods"], ["list", "watch"])]),
        ({"kube": {"source": "kubelet"}}, "nodes/pods", [(["nodes/pods"], ["get"])]),
        ({"kube": {"source": "kubelet"}}, "nodes/proxy", [(["nodes/proxy"], ["get"])]),
        ({"kube": {"source": "none"}}, "nodes/pods", None),
    ],
)
def test_rights_and_token_follow_from_the_source_of_labels(config: Any, right: str, rules: Any) -> None:
    objects = node({"config": config, "rbac": {"kubelet": right}})
    given = [r for o in objects if o["kind"] == "ClusterRole" for r in o["rules"]]
    assert [(rule["resources"], rule["verbs"]) for rule in given] == (rules or [])
    assert only(objects, "DaemonSet")["spec"]["template"]["spec"]["automountServiceAccountToken"] is bool(rules)


READ, LINK = "DAC_READ_SEARCH", "FOWNER"


@pytest.mark.parametrize(
    ("values", "group", "added", "logs", "prepared"),
    [
        ({}, 65532, [READ], ("/var/log/pods", True), ["/var/lib/outrider"]),
        (hold("1GiB"), 65532, [READ, LINK], ("/var/log", False), ["/var/lib/outrider", "/var/log/outrider"]),
        (hold(0), 65532, [READ], ("/var/log/pods", True), ["/var/lib/outrider"]),
        (hold("0MB"), 65532, [READ], ("/var/log/pods", True), ["/var/lib/outrider"]),
        ({"config": {"state": "/data/outrider"}}, 65532, [READ], ("/var/log/pods", True), ["/data/outrider"]),
        ({"presets": {"gkeAutopilot": True}}, 0, [], ("/var/log/pods", True), []),
    ],
    ids=["default", "hold", "no hold", "a hold of nothing", "state elsewhere", "autopilot"],
)  # fmt: skip
def test_user_capabilities_and_mounts(
    values: Any, group: int, added: list[str], logs: Any, prepared: list[str]
) -> None:
    pod = only(node(values), "DaemonSet")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    context = container["securityContext"]
    assert (context["runAsNonRoot"], context["runAsUser"], context["runAsGroup"]) == (True, 65532, group)
    assert context["capabilities"] == {"drop": ["ALL"], **({"add": added} if added else {})}
    assert context["allowPrivilegeEscalation"] is False
    mounts = {m["name"]: m for m in container["volumeMounts"]}
    volumes = {v["name"]: v for v in pod["volumes"]}
    assert (mounts["logs"]["mountPath"], mounts["logs"].get("readOnly", False)) == logs
    assert volumes["logs"]["hostPath"]["path"] == logs[0]
    assert [path for c in pod.get("initContainers", []) for path in c["command"][3:]] == prepared
    assert [c["securityContext"]["capabilities"]["add"] for c in pod.get("initContainers", [])] in ([], [["CHOWN"]])
    on_the_node = [v["hostPath"]["path"] for v in pod["volumes"] if "hostPath" in v]
    assert on_the_node == [logs[0], *prepared[:1]]
    assert mounts["state"]["mountPath"] == (prepared or ["/var/lib/outrider"])[0]
    assert ("emptyDir" in volumes["state"]) is not bool(prepared)


@pytest.mark.parametrize(
    ("config", "ports"),
    [
        ({}, {443, 6443}),
        ({"exporters": {"x": {"kind": "stackdriver", "logs_endpoint": "http://intake:8085"}}}, {443, 6443, 8085}),
        ({"kube": {"source": "kubelet"}}, {443, 10250}),
        ({"kube": {"source": "kubelet", "url": "https://${NODE_IP}:10250"}}, {443, 10250}),
        ({"exporters": {"x": {"kind": "stackdriver", "logs_endpoint": "http://${INTAKE}/v2"}}}, {443, 6443, 80}),
        ({"kube": {"source": "none"}}, {443}),
        ({"kube": {"source": "api", "url": "https://api:16443"}}, {443, 6443, 16443}),
    ],
)
def test_the_network_is_open_where_something_is_sent(config: Any, ports: set[int]) -> None:
    egress = only(node({"config": config}), "NetworkPolicy")["spec"]["egress"]
    anywhere = [port["port"] for rule in egress if "to" not in rule for port in rule["ports"]]
    assert set(anywhere) - {53} == ports


KEYS = {"secrets": {"google": KEY}, "config": CLUSTER}


@pytest.mark.parametrize(
    ("values", "asked"),
    [
        ({}, True),
        ({"secrets": {"google": KEY}}, True),
        ({"config": CLUSTER}, True),
        (KEYS, False),
        ({**KEYS, **ON_PREMISE}, False),
        ({**KEYS, "presets": {"gke": True}}, True),
        ({**KEYS, "presets": {"gkeAutopilot": True}}, True),
        ({**KEYS, "config": {**CLUSTER, **exporters(google={"credentials": "adc"})["config"]}}, True),
    ],
    ids=["default", "no names", "no credentials", "all is said", "on premise", "GKE", "Autopilot", "the pod's own"],
)  # fmt: skip
def test_the_metadata_server_is_reached_where_it_has_to_be_asked(values: dict[str, Any], asked: bool) -> None:
    events = {"presets": {**values.get("presets", {}), "kubernetesEvents": True}}
    policies = [one for one in node({**values, **events}) if one["kind"] == "NetworkPolicy"]
    blocks = [[str(rule["to"]) for rule in one["spec"]["egress"] if "to" in rule] for one in policies]
    assert [["169.254.169.254/32" in text for text in texts] for texts in blocks] == [[True] * asked] * 2


def test_dogstatsd_gets_a_port_and_a_directory_of_the_node() -> None:
    objects = node(
        {"config": {**LISTEN, **exporters(dd={**DATADOG, "api_key": "${K}", "statsd": "udp://a:8126"})["config"]}}
    )
    pod = only(objects, "DaemonSet")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {"name": "dogstatsd-8125", "containerPort": 8125, "hostPort": 8125, "protocol": "UDP"} in container["ports"]
    assert {"name": "dogstatsd-0", "mountPath": "/var/run/dsd"} in container["volumeMounts"]
    assert pod["initContainers"][0]["command"][3:] == ["/var/lib/outrider", "/var/run/dsd"]
    policy = only(objects, "NetworkPolicy")["spec"]
    assert {"ports": [{"port": 8125, "protocol": "UDP"}]} in policy["ingress"]
    assert {"port": 8126, "protocol": "UDP"} in policy["egress"][1]["ports"]


def test_checks_of_pods_open_the_network_to_pods() -> None:
    for values in ({"presets": {"autodiscovery": True}}, {"config": {"metrics": {"discover": True}}}):
        egress = only(node(values), "NetworkPolicy")["spec"]["egress"]
        assert {"to": [{"namespaceSelector": {}}]} in egress


def test_the_nodes_metrics_bring_the_source_and_the_rights() -> None:
    objects = node({"presets": {"nodeMetrics": True}})
    assert _config(objects)["metrics"]["kubelet"] == {"enabled": True}
    assert _config(objects)["kube"] == {"source": "kubelet"}
    granted = {name for rule in only(objects, "ClusterRole")["rules"] for name in rule["resources"]}
    assert granted == {"nodes/pods", "nodes/stats", "nodes/metrics"}
    with pytest.raises(helm_python.HelmRenderError, match=r"config\.kube\.source: .* set it to kubelet or leave it"):
        node({"presets": {"nodeMetrics": True}, "config": {"kube": {"source": "api"}}})


def test_a_change_of_the_configuration_makes_new_pods_and_nothing_else_does() -> None:
    def checksum(values: Any) -> str:
        return str(only(node(values), "DaemonSet")["spec"]["template"]["metadata"]["annotations"]["checksum/config"])

    assert checksum({}) != checksum({"config": {"workers": 2}})
    assert checksum({}) == checksum({"podMonitor": {"enabled": True}})


def test_a_secret_that_is_not_there_yet_keeps_no_pod_from_starting() -> None:
    objects = node({"presets": {"kubernetesEvents": True}, "secrets": {"google": KEY}})
    found = [v["secret"] for pod in pods(objects) for v in pod["volumes"] if "secret" in v]
    assert found == [{"secretName": "keys", "items": [{"key": "k", "path": "k"}], "optional": True}] * 2


def test_federation_mounts_a_token_and_says_how_it_is_exchanged() -> None:
    provider = "projects/1/locations/global/workloadIdentityPools/p/providers/q"
    objects = node({**ON_PREMISE, "config": CLUSTER, "federation": {"provider": provider, "serviceAccount": "a@b.c"}})
    credentials = yaml.safe_load(only(objects, "ConfigMap")["data"]["federation.json"])
    pod = only(objects, "DaemonSet")["spec"]["template"]["spec"]
    mounts = {m["name"]: m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}
    (projected,) = [v["projected"]["sources"][0]["serviceAccountToken"] for v in pod["volumes"] if "projected" in v]
    assert credentials["credential_source"]["file"] == f"{mounts['federation']}/{projected['path']}"
    assert credentials["audience"] == f"//iam.googleapis.com/{provider}"
    assert projected["audience"] == f"https://iam.googleapis.com/{provider}"
    assert credentials["service_account_impersonation_url"].endswith("/a@b.c:generateAccessToken")
    assert _config(objects)["exporters"]["google"]["credentials"] == {"file": f"{mounts['config']}/federation.json"}


def test_nothing_of_the_prometheus_operator_is_made_unless_asked_for() -> None:
    quiet = {one["kind"] for one in node()}
    asked = {key: {"enabled": True} for key in ("podMonitor", "serviceMonitor", "alerts")}
    assert {one["kind"] for one in node(asked)} - quiet == {"PodMonitor", "ServiceMonitor", "PrometheusRule"}


def test_notes_name_the_secret_and_the_next_commands() -> None:
    notes = render(NODE, {**IMAGE, "secrets": {"google": KEY}}, release="logs")["outrider/templates/NOTES.txt"]
    assert 'reads the key "k" of the Secret keys' in notes
    assert "kubectl -n monitoring rollout status daemonset/logs-outrider" in notes
    assert "helm -n monitoring test logs --logs" in notes


def test_a_digest_counts_instead_of_a_tag() -> None:
    pod = only(node({"image": {"repository": "o/n", "tag": "9", "digest": "sha256:ab"}}), "DaemonSet")["spec"][
        "template"
    ]
    assert {c["image"] for c in containers(pod["spec"])} == {"o/n@sha256:ab"}
