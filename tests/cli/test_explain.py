"""`outrider explain`: what a manifest will come to, under which configuration, and what is wrong with it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from outrider.cli.group import main

CONFIG = """\
cluster: {project: acme, name: on-prem-1, location: europe-north1, node: "${NODE_NAME}"}
logs: {select: {exclude: [{namespace: kube-system}, {container: noisy}]}}
exporters:
  google: {kind: stackdriver}
  datadog: {kind: datadog, api_key: a-key, tags: ["env:prod"]}
  gold: {kind: stackdriver, project: acme-gold}
  otel: {kind: opentelemetry}
routes:
  - {namespaces: ["vip-*"], to: [gold]}
  - {name: cheap, labels: {tier: "b*"}, to: [google]}
  - {namespaces: [shop], to: [google, datadog]}
"""
POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: web-1
  namespace: shop
  labels: {app: web}
  annotations:
    outrider.io/checks: '[{redis: {password: "%%env_PASSWORD%%", tags: ["team:a"]}}]'
spec:
  nodeName: node-7
  containers:
    - {name: web, image: "nginx:1.27"}
    - {name: kv, image: "redis:7", ports: [{containerPort: 6379}], env: [{name: PASSWORD, value: hunter2}]}
    - {name: noisy, image: noise}
"""
WORKLOAD = """\
apiVersion: apps/v1
kind: {kind}
metadata: {{name: web, namespace: shop}}
spec: {{template: {{spec: {{containers: [{{name: main, image: a}}]}}}}}}
"""


def explain(tmp_path: Path, manifest: str, config: str | None = CONFIG, output: str = "json") -> Result:
    (tmp_path / "outrider.yaml").write_text(config or "")
    arguments = ["explain", "-", "-o", output]
    arguments += ["--config", str(tmp_path / "outrider.yaml")] if config is not None else []
    return CliRunner().invoke(main, arguments, input=manifest)


def pod(tmp_path: Path, manifest: str, config: str | None = CONFIG) -> dict[str, Any]:
    result = explain(tmp_path, manifest, config)
    document = json.loads(result.stdout)
    [shown] = document["pods"]
    assert result.exit_code == (1 if shown["findings"] else 0)
    assert document["ok"] is (result.exit_code == 0)
    return dict(shown)


def test_the_streams_of_a_pod_and_who_gets_them(tmp_path: Path) -> None:
    web, kv, noisy = pod(tmp_path, POD)["streams"]
    assert web["stream"] == "shop_web-1_UID/web/0"
    assert web["route"] == {"index": 2, "name": None, "why": "the first that matches: namespaces shop", "share": 1}
    google, datadog = web["exporters"]
    assert google["resource"]["labels"] == {
        "project_id": "acme", "location": "europe-north1", "cluster_name": "on-prem-1",
        "namespace_name": "shop", "pod_name": "web-1", "container_name": "web",
    }  # fmt: skip
    assert google["labels"] == {"compute.googleapis.com/resource_name": "NODE", "k8s-pod/app": "web"}
    assert (google["logName"], datadog["service"]) == ("projects/acme/logs/stdout", "nginx")
    assert {"kube_namespace:shop", "image_tag:1.27", "env:prod"} <= set(datadog["ddtags"])
    assert kv["selected"] == {"read": True, "why": "nothing in logs.select excludes it"}
    assert noisy["selected"] == {"read": False, "why": "logs.select.exclude[1] matches"}
    assert noisy["exporters"] == []


def test_the_checks_of_a_pod_and_who_gets_what_they_find(tmp_path: Path) -> None:
    shown = pod(tmp_path, POD)
    [check] = shown["checks"]
    assert (check["check"], check["container"], check["annotation"]) == ("redis", "kv", "outrider.io/checks")
    assert check["settings"] == {"host": "POD_IP", "port": 6379, "password": "***", "tags": ["team:a"]}
    google, datadog, otel = check["exporters"]
    assert google["resource"]["labels"]["container_name"] == "kv"
    assert google["labels"] == {"team": "a"}
    assert {"kube_container_name:kv", "team:a", "env:prod"} <= set(datadog["tags"])
    assert otel == {"name": "otel", "kind": "opentelemetry"}
    assert shown["findings"] == []
    assert "hunter2" not in json.dumps(shown)


@pytest.mark.parametrize(
    ("replaced", "by", "route", "why"),
    [
        ("namespace: shop", "namespace: vip-1", 0, "the first that matches: namespaces vip-*"),
        ("{app: web}", "{tier: bronze}", 1, "the first that matches: labels tier=b*"),
        ("annotations:", "annotations:\n    outrider.io/route: cheap", 1, "the pod asks for it (outrider.io/route)"),
    ],
)
def test_why_a_route_is_taken(tmp_path: Path, replaced: str, by: str, route: int, why: str) -> None:
    shown = pod(tmp_path, POD.replace(replaced, by, 1))
    assert (shown["streams"][0]["route"]["index"], shown["streams"][0]["route"]["why"]) == (route, why)


@pytest.mark.parametrize(
    ("replaced", "by", "words"),
    [
        ("{redis: {", "{redis: {prot: 1, ", 'outrider.io/checks: [0].redis: prot: unknown key "prot"'),
        (
            "annotations:",
            "annotations:\n    outrider.io/route: gold",
            "outrider.io/route: there is no route",
        ),
        ("namespace: shop", "namespace: other", "no route is for other/web-1/web: nobody gets anything of it"),
        ("annotations:", "annotations:\n    prometheus.io/scrape: false", "prometheus.io/scrape is no string, which"),
        ("  containers:", "  Containers:", "web-1 has no containers, which Kubernetes refuses"),
        (
            "annotations:",
            "annotations:\n    ad.datadoghq.com/web.logs: '{'",
            "datadog: ad.datadoghq.com/web.logs: no JSON",
        ),
    ],
)
def test_what_is_wrong_is_a_finding(tmp_path: Path, replaced: str, by: str, words: str) -> None:
    findings = pod(tmp_path, POD.replace(replaced, by, 1))["findings"]
    assert any(words in one for one in findings), findings


@pytest.mark.parametrize(
    ("kind", "name", "tag"),
    [
        ("Deployment", "web-xxxxxxxxxx-xxxxx", "kube_deployment:web"),
        ("StatefulSet", "web-0", "kube_stateful_set:web"),
        ("DaemonSet", "web-xxxxx", "kube_daemon_set:web"),
        ("Job", "web-xxxxx", "kube_job:web"),
    ],
)
def test_a_workload_stands_for_one_of_its_pods(tmp_path: Path, kind: str, name: str, tag: str) -> None:
    shown = pod(tmp_path, WORKLOAD.format(kind=kind))
    google, datadog = shown["streams"][0]["exporters"]
    assert shown["pod"] == name
    assert tag in datadog["ddtags"]
    assert google["labels"]["logging.gke.io/top_level_controller_name"] == "web"


def test_several_pods_of_a_file_a_list_and_a_cron_job(tmp_path: Path) -> None:
    cron = (
        "{kind: CronJob, metadata: {name: night, namespace: shop}, spec: {jobTemplate: "
        "{spec: {template: {spec: {containers: [{name: a, image: a}]}}}}}}"
    )
    both = f"{POD}---\n{{kind: List, items: [{cron}]}}\n---\nkind: Service\n"
    shown = json.loads(explain(tmp_path, both).stdout)["pods"]
    assert [one["pod"] for one in shown] == ["web-1", "night-1-xxxxx"]


def test_without_a_configuration_and_with_discovery_off(tmp_path: Path) -> None:
    shown = pod(tmp_path, POD, config=None)
    assert [one["name"] for one in shown["checks"][0]["exporters"]] == ["google"]
    assert shown["checks"][0]["exporters"][0]["resource"]["labels"]["project_id"] == "PROJECT"
    off = pod(tmp_path, POD.replace("{redis:", "{redi:"), CONFIG + "metrics: {discover: false}\n")
    assert (off["checks"], off["discover"], off["findings"]) == ([], False, [])


def test_for_people(tmp_path: Path) -> None:
    result = explain(tmp_path, POD.replace("]'", ", {redi: {}}]'"), output="text")
    assert result.exit_code == 1
    for line in (
        "shop/web-1",
        "  log of web: read (nothing in logs.select excludes it)",
        "    route     routes[2]: the first that matches: namespaces shop",
        "      logName   projects/acme/logs/stdout",
        "  check redis of kv (outrider.io/checks): host: POD_IP, port: 6379, tags: [team:a], password: ***",
        '  WRONG: outrider.io/checks: [1].redi: there is no check "redi"',
    ):
        assert line in result.stdout


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        (
            "prometheus.io/scrape: 'true'",
            "check openmetrics of kv (prometheus.io/scrape): url: http://POD_IP:6379/metrics",
        ),
        (
            "outrider.io/checks: '[{elasticsearch: {tls: {verify: false}, index_stats: true}}]'",
            "url: http://POD_IP:9200, tls: {verify: false}, index_stats: true",
        ),
        ("outrider.io/checks: '[{mongodb: {tls: {}}}]'", "hosts: [POD_IP:27017], tls: {verify: true}"),
    ],
)
def test_where_a_check_goes_is_always_said(tmp_path: Path, annotation: str, said: str) -> None:
    before = POD.partition("    outrider.io/checks")
    manifest = f"{before[0]}    {annotation}\nspec{POD.partition('spec')[2]}"
    assert said in explain(tmp_path, manifest, output="text").stdout


@pytest.mark.parametrize(
    "key", ["outrider.io/checks", "outrider.io/route", "ad.datadoghq.com/web.logs", "prometheus.io/scrape"]
)
def test_an_annotation_on_the_workload_itself_is_a_finding(tmp_path: Path, key: str) -> None:
    manifest = WORKLOAD.format(kind="Deployment").replace(
        "namespace: shop", f"namespace: shop, annotations: {{{key}: '[]'}}"
    )
    assert pod(tmp_path, manifest)["findings"] == [
        f"metadata.annotations: {key} is the Deployment's, not its pods': put it into the template's metadata"
    ]


def test_a_pod_in_the_nodes_network(tmp_path: Path) -> None:
    manifest = POD.replace("nodeName: node-7", "hostNetwork: true")
    assert [check["check"] for check in pod(tmp_path, manifest)["checks"]] == ["redis"]
    [finding] = pod(tmp_path, manifest.replace("containerPort: 6379", "containerPort: 6380"))["findings"]
    assert "the pod is in the node's network, where port 6379 may be anybody's" in finding


@pytest.mark.parametrize(
    ("manifest", "config", "code", "words"),
    [
        ("", CONFIG, 2, "has no pod, nor anything that makes pods (it has no objects)"),
        ("kind: Service", CONFIG, 2, "(it has Service)"),
        ("a: [", CONFIG, 2, "is not YAML"),
        ("a: {{ .Values.a }}", CONFIG, 2, "render the template first"),
        (
            "{kind: Pod, metadata: {name: web}, spec: {containers: 7}}",
            CONFIG,
            2,
            "has a pod, web, whose metadata, spec",
        ),
        (POD, "routes: 7", 78, "routes"),
    ],
)
def test_what_cannot_be_explained(tmp_path: Path, manifest: str, config: str, code: int, words: str) -> None:
    result = explain(tmp_path, manifest, config)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.stderr
