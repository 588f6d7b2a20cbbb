"""The library: what it gives to a pod, what it refuses, and how several sidecars get along in one release."""

import shutil
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from tests.charts.pods import containers, pods
from tests.charts.rendering import IMAGE, SIDECAR, documents, render, sidecar_pieces, with_library

WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: %(name)s}
spec:
  selector: {matchLabels: {app: %(name)s}}
  template:
    metadata:
      labels: {app: %(name)s}
      annotations:
        {{- include "outrider-sidecar.annotations" %(of)s | nindent 8 }}
    spec:
      initContainers:
        {{- include "outrider-sidecar.initContainer" %(of)s | nindent 8 }}
      containers:
        - name: %(name)s
          image: app:1
          volumeMounts:
            {{- include "outrider-sidecar.volumeMounts" %(of)s | nindent 12 }}
      volumes:
        {{- include "outrider-sidecar.volumes" %(of)s | nindent 8 }}
---
{{ include "outrider-sidecar.configMap" %(of)s }}
"""
"""A Deployment of a service, as somebody would write it by the README."""


def _service(chart: Path, dependencies: list[dict[str, str]], workloads: dict[str, str]) -> Path:
    """A chart with a Deployment for each of `workloads`, whose sidecar is what the pieces take, brought by Helm."""
    library = chart.parent / SIDECAR.name
    if not library.exists():
        shutil.copytree(SIDECAR, library)
    own = {"name": SIDECAR.name, "version": "0.1.0", "repository": f"file://{library}"}
    meta = {"apiVersion": "v2", "name": chart.name, "version": "0.1.0"}
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(yaml.safe_dump({**meta, "dependencies": [{**own, **d} for d in dependencies]}))
    for name, of in workloads.items():
        (chart / "templates" / f"{name}.yaml").write_text(WORKLOAD % {"name": name, "of": of})
    helm_python.dependency_update(chart)
    return chart


def _sidecars(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """By workload: the directory of its logs, and what its own ConfigMap says of them."""
    for one in objects:
        kubernetes_validate.validate(one, "1.36", strict=True)
    files = {o["metadata"]["name"]: yaml.safe_load(o["data"]["outrider.yaml"]) for o in objects if "data" in o}
    found = {}
    for pod in pods(objects):
        (own,) = (volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume)
        mounts = [
            {mount["name"]: mount["mountPath"] for mount in one["volumeMounts"]}["outrider-logs"]
            for one in containers(pod)
        ]
        assert mounts[0] == mounts[1]
        found[pod["name"]] = (mounts[0], files.pop(own)["logs"]["files"])
    assert files == {}, "a ConfigMap that nobody mounts"
    return found


def test_two_services_of_one_release_have_a_sidecar_each(tmp_path: Path) -> None:
    umbrella = tmp_path / "shop"
    (umbrella / "charts").mkdir(parents=True)
    (umbrella / "Chart.yaml").write_text("{apiVersion: v2, name: shop, version: 0.1.0}")
    for name in ("web", "api"):
        shutil.copytree(_service(tmp_path / name, [{}], {name: "."}), umbrella / "charts" / name)
    values = {
        "global": {"imageRegistry": "mirror.example"},
        **{name: {SIDECAR.name: {**IMAGE, "logs": {"directory": f"/logs/{name}"}}} for name in ("web", "api")},
    }
    objects = documents(render(umbrella, values, release="shop"))
    assert _sidecars(objects) == {name: (f"/logs/{name}", [f"/logs/{name}/**/*.log"]) for name in ("web", "api")}
    images = {one["image"] for pod in pods(objects) for one in pod["initContainers"]}
    assert images == {"mirror.example/registry.example/outrider/node:0.1.0"}


def test_two_workloads_of_one_chart_have_a_sidecar_each_by_aliases(tmp_path: Path) -> None:
    names = ("web", "worker")
    of = {name: f'(dict "chart" . "alias" "{name}-sidecar")' for name in names}
    chart = _service(tmp_path / "shop", [{"alias": f"{name}-sidecar"} for name in names], of)
    values = {f"{name}-sidecar": {**IMAGE, "logs": {"directory": f"/logs/{name}"}} for name in names}
    objects = documents(render(chart, values, release="shop"))
    assert _sidecars(objects) == {name: (f"/logs/{name}", [f"/logs/{name}/**/*.log"]) for name in names}
    with pytest.raises(helm_python.HelmValuesError, match="at '/image'"):
        render(chart, {**values, "worker-sidecar": {"image": {"repo": "x"}}})


def test_an_alias_that_is_not_there_is_named(tmp_path: Path) -> None:
    chart = _service(tmp_path / "shop", [{"alias": "web-sidecar"}], {"web": '(dict "chart" . "alias" "wbe-sidecar")'})
    with pytest.raises(helm_python.HelmRenderError, match=r"wbe-sidecar: Chart\.yaml has no dependency"):
        render(chart, {"web-sidecar": {**IMAGE, "logs": {"directory": "/logs"}}})


def test_a_sidecar_may_run_as_the_user_of_the_program() -> None:
    def user(values: dict[str, Any]) -> Any:
        (container,) = sidecar_pieces({**IMAGE, **values}, "web")["initContainers"]
        assert container["securityContext"]["runAsNonRoot"] is True
        return container["securityContext"]["runAsUser"]

    assert user({}) == 65532
    assert user({"runAsUser": 1000650000}) == 1000650000


def test_a_service_is_refused_by_the_schema_of_the_library(tmp_path: Path) -> None:
    chart = with_library(SIDECAR.parent / "examples" / "web", tmp_path)
    with pytest.raises(helm_python.HelmValuesError) as refused:
        render(chart, {SIDECAR.name: {"config": {"logs": {"file": []}}}})
    assert "at '/config/logs': additional properties 'file' not allowed" in str(refused.value)


def test_a_sidecar_without_a_directory_has_no_volume_for_logs() -> None:
    with_logs = sidecar_pieces({**IMAGE, "logs": {"directory": "/var/log/app"}}, "web")
    without = sidecar_pieces(IMAGE, "web")
    names = [{v["name"] for v in pieces["volumes"]} for pieces in (with_logs, without)]
    assert names[0] - names[1] == {"outrider-logs"}
    configs = [yaml.safe_load(pieces["objects"][0]["data"]["outrider.yaml"]) for pieces in (with_logs, without)]
    assert configs[0]["logs"] == {"files": ["/var/log/app/**/*.log"]}
    assert "logs" not in configs[1]


def test_a_sidecar_is_a_native_one_without_a_readiness_of_its_own() -> None:
    (container,) = sidecar_pieces(IMAGE, "web")["initContainers"]
    assert container["restartPolicy"] == "Always"
    assert not {"readinessProbe", "startupProbe", "lifecycle"} & container.keys()
    given = {variable["name"] for variable in container["env"]}
    assert given == {"POD_NAMESPACE", "POD_NAME", "POD_UID", "NODE_NAME", "OUTRIDER_POD_INFO"}


def test_a_sidecar_that_listens_at_loopback_has_no_probe() -> None:
    at = [{"telemetry": {"listen": f"{host}:9999"}} for host in ("0.0.0.0", "127.0.0.1")]
    (open_one,), (closed,) = (sidecar_pieces({**IMAGE, "config": c}, "web")["initContainers"] for c in at)
    assert open_one["ports"][0]["containerPort"] == 9999
    assert open_one["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "outrider"}
    assert not {"ports", "livenessProbe"} & closed.keys()


def test_the_directory_of_logs_has_to_be_said_where_it_is_mounted(tmp_path: Path) -> None:
    chart = with_library(SIDECAR.parent / "examples" / "web", tmp_path)
    with pytest.raises(helm_python.HelmRenderError) as refused:
        documents(render(chart, {SIDECAR.name: {"logs": {"directory": ""}}}))
    assert "outrider-sidecar.logs.directory: say which directory" in str(refused.value)
