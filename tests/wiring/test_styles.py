"""Every style gives the same sidecar: the fragments are put to use as their reader would, and the pods compared."""

import copy
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from outrider.checks.found import INSTALLED
from outrider.config import examine_text
from outrider.wiring import policy
from outrider.wiring.manifests import wire
from outrider.wiring.pod import Wiring
from outrider.wiring.settings import configuration
from outrider.wiring.styles import STYLES, fragment
from tests.charts.rendering import sidecar_pieces
from tests.wiring.kubernetes_cel import admit

IMAGE = "registry.example:5000/outrider/sidecar:0.1.0"
FILE = """\
exporters:
  google: {kind: stackdriver, credentials: {file: /etc/outrider-secrets/key.json}}
  datadog: {kind: datadog, site: datadoghq.eu}
metrics:
  every: 30s
  checks:
    - redis: {password: {env: REDIS_PASSWORD}}
"""
WIRINGS = ["a check", "log files", "both, and secrets", "an image by digest"]


@pytest.fixture
def wiring(request: pytest.FixtureRequest, tmp_path: Path) -> Wiring:
    (tmp_path / "outrider.yaml").write_text(FILE)
    path, checks, logs = {
        "a check": (None, ["redis"], ""),
        "log files": (None, [], "/var/log/web"),
        "both, and secrets": (str(tmp_path / "outrider.yaml"), ["redis", "nginx"], "/var/log/web"),
        "an image by digest": (None, ["redis"], "/logs"),
    }[request.param]
    image = f"registry.example/sidecar@sha256:{'0' * 64}" if request.param == "an image by digest" else IMAGE
    return Wiring("web", image, configuration(path, checks, logs, INSTALLED), "web", logs)


Pod = dict[str, Any]
POD: Pod = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
    "spec": {"containers": [{"name": "proxy", "image": "p:1"}, {"name": "web", "image": "web:1"}]},
}


def pod_with(containers: Any, volumes: Any, mounts: Any, key: str = "initContainers") -> Pod:
    pod = copy.deepcopy(POD)
    spec = pod["spec"]
    spec[key] = [*spec.get(key, []), *containers]
    spec["volumes"] = volumes
    if mounts:
        spec["containers"][1]["volumeMounts"] = mounts
    return pod


def of_values(text: str, containers: str, objects: str) -> tuple[Pod, Any]:
    """A chart that puts these values where their names say."""
    values = yaml.safe_load(text)
    where = "containers" if containers == "extraContainers" else "initContainers"
    pod = pod_with(values[containers], values["extraVolumes"], values.get("extraVolumeMounts"), where)
    (config_map,) = values[objects]
    assert set(values) <= {"podAnnotations", containers, "extraVolumes", "extraVolumeMounts", objects}
    return pod, config_map


def plain(text: str, _wiring: Wiring, _folder: Path) -> tuple[Pod, Any]:
    pieces, config_map = yaml.safe_load_all(text)
    return pod_with(pieces["initContainers"], pieces["volumes"], pieces.get("volumeMounts")), config_map


def bitnami(text: str, _wiring: Wiring, _folder: Path) -> tuple[Pod, Any]:
    return of_values(text, "initContainers", "extraDeploy")


def extra_containers(text: str, _wiring: Wiring, _folder: Path) -> tuple[Pod, Any]:
    pod, config_map = of_values(text, "extraContainers", "extraObjects")
    container = pod["spec"]["containers"].pop()
    assert "restartPolicy" not in container  # an ordinary container has none
    pod["spec"]["initContainers"] = [{**container, "restartPolicy": "Always"}]
    return pod, config_map


def include(text: str, wiring: Wiring, _folder: Path) -> tuple[Pod, Any]:
    """By the library chart and Helm."""
    pieces = sidecar_pieces(yaml.safe_load(text)["outrider-sidecar"], release=wiring.name)
    mounts = [{"name": "outrider-logs", "mountPath": wiring.logs}] if wiring.logs else []
    assert ('include "outrider-sidecar.volumeMounts"' in text) is bool(wiring.logs)
    (config_map,) = pieces["objects"]
    return pod_with(pieces["initContainers"], pieces["volumes"], mounts), config_map


def injected(text: str, _wiring: Wiring, _folder: Path) -> tuple[Pod, Any]:
    """By the policy, into a pod with the metadata that the comment shows."""
    made, binding, parameters = yaml.safe_load_all(text)
    assert (made, binding) == (policy.policy(), policy.binding())
    pod = copy.deepcopy(POD)
    comment = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("#")]
    start = comment.index("metadata:")
    asked = yaml.safe_load("\n".join(line for line in comment[start:] if not line.startswith(("kubectl", "What"))))
    pod["metadata"] = {**pod["metadata"], "labels": asked["metadata"]["labels"]}
    pod["metadata"]["annotations"] = asked["metadata"]["annotations"]
    return admit(made, pod, parameters), parameters


def kustomized(text: str, _wiring: Wiring, folder: Path) -> tuple[Pod, Any]:
    """By kubectl, for a Deployment and a CronJob of this name."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not there")
    (folder / "outrider").mkdir()
    (folder / "outrider" / "kustomization.yaml").write_text(text)
    (folder / "kustomization.yaml").write_text("resources: [objects.yaml]\ncomponents: [outrider]\n")
    template = {"template": {"metadata": {"labels": {"app": "web"}}, "spec": POD["spec"]}}
    job = {"jobTemplate": {"spec": template}}
    both = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": template},
        {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "web"}, "spec": job},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "other"}, "spec": template},
    ]
    (folder / "objects.yaml").write_text(yaml.safe_dump_all(both))
    done = subprocess.run([kubectl, "kustomize", str(folder)], check=True, capture_output=True, text=True)
    made = {(one["kind"], one["metadata"]["name"].split("-")[0]): one for one in yaml.safe_load_all(done.stdout)}
    pods = [made["Deployment", "web"]["spec"], made["CronJob", "web"]["spec"]["jobTemplate"]["spec"]]
    assert pods[0] == pods[1]
    assert made["Deployment", "other"]["spec"] == template
    config_map = made["ConfigMap", "web"]
    text = json.dumps(pods[0]["template"]["spec"]).replace(config_map["metadata"]["name"], "web-outrider")
    config_map["metadata"]["name"] = "web-outrider"
    return {**copy.deepcopy(POD), "spec": json.loads(text)}, config_map


USES = {
    "include": include,
    "bitnami": bitnami,
    "extra-containers": extra_containers,
    "kustomize": pytest.param(kustomized, marks=pytest.mark.may_skip("kubectl is no package of Debian")),
    "policy": injected,
    "plain": plain,
}


def by_name(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: str(item["name"]))


@pytest.mark.parametrize("wiring", WIRINGS, indirect=True)
@pytest.mark.parametrize(
    ("style", "use"),
    [pytest.param(s, *u.values, marks=u.marks) if hasattr(u, "marks") else (s, u) for s, u in USES.items()],
    ids=list(USES),
)
def test_every_style_yields_the_same_sidecar(style: str, use: Any, wiring: Wiring, tmp_path: Path) -> None:
    made = use(fragment(style, wiring), wiring, tmp_path)
    pod, config_map = made
    spec = pod["spec"]
    assert spec["initContainers"] == [wiring.init_container()]
    expected = by_name(wiring.volumes())
    expected[0]["configMap"]["name"] = config_map["metadata"]["name"]
    assert by_name(spec["volumes"]) == expected
    mounts = {one["name"]: one.get("volumeMounts", []) for one in spec["containers"]}
    assert mounts == {"proxy": [], "web": wiring.mounts()}
    assert yaml.safe_load(config_map["data"]["outrider.yaml"]) == wiring.config
    kubernetes_validate.validate(pod, "1.36", strict=True)
    kubernetes_validate.validate(config_map, "1.36", strict=True)


@pytest.mark.parametrize("wiring", WIRINGS, indirect=True)
def test_so_does_a_manifest(wiring: Wiring) -> None:
    got = wire(yaml.safe_dump(POD), lambda _name, _first: wiring)
    pod, config_map = yaml.safe_load_all(got.text)
    assert pod["spec"]["initContainers"] == [wiring.init_container()]
    assert pod["spec"]["volumes"] == wiring.volumes()
    assert yaml.safe_load(config_map["data"]["outrider.yaml"]) == wiring.config


def test_all_styles_are_put_to_use() -> None:
    assert list(USES) == list(STYLES)


@pytest.mark.parametrize("wiring", WIRINGS, indirect=True)
def test_the_sidecar_reads_its_configuration(wiring: Wiring) -> None:
    """With the variables that its container has, and no others."""
    env = {one["name"]: "x" for one in wiring.init_container()["env"]}
    report = examine_text(yaml.safe_dump(wiring.config), env=env, checks=INSTALLED)
    assert report.config is not None, report.problems
