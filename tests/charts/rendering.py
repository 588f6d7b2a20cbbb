"""Charts as Helm 4 renders them, by the SDK itself (`helm_python`, without a cluster).

The SDK renders for one fixed version of Kubernetes and knows no CRDs; the charts ask for neither. An example is either
values for `charts/outrider`, in files named `values*.yaml`, or a chart of its own that depends on the library.
"""

import functools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import helm_python
import yaml

CHARTS = Path(__file__).parents[2] / "charts"
NODE, SIDECAR, EXAMPLES = CHARTS / "outrider", CHARTS / "outrider-sidecar", CHARTS / "examples"
IMAGE: dict[str, Any] = {"image": {"repository": "registry.example/outrider/node"}}
"""Values without which nothing is rendered."""
NOTES = "NOTES.txt"


def render(
    chart: Path, values: dict[str, Any], release: str = "outrider", namespace: str = "monitoring"
) -> dict[str, str]:
    """What Helm makes of each template that has something to say, by its path. Raises HelmError."""
    with helm_python.Chart.load(chart) as loaded:
        made = loaded.render(values, name=release, namespace=namespace)
    return {path: text for path, text in sorted(made.items()) if text.strip()}


def documents(rendered: dict[str, str]) -> list[dict[str, Any]]:
    """The objects of Kubernetes in it."""
    texts = [text for path, text in rendered.items() if not path.endswith(NOTES)]
    return [document for text in texts for document in yaml.safe_load_all(text) if document]


def node(values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """The objects of `charts/outrider`."""
    return documents(render(NODE, {**IMAGE, **(values or {})}))


def only(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The one object of this kind that is no hook."""
    found = [o for o in objects if o["kind"] == kind and "helm.sh/hook" not in o["metadata"].get("annotations", {})]
    assert len(found) == 1, f"{len(found)} of {kind}"
    return found[0]


def with_library(chart: Path, folder: Path) -> Path:
    """A copy of `chart` that has the library in `charts/`, as `helm dependency update` leaves it."""
    copy = folder / chart.name
    shutil.copytree(chart, copy, ignore=shutil.ignore_patterns("charts", "rendered*", "Chart.lock"))
    shutil.copytree(SIDECAR, copy / "charts" / SIDECAR.name)
    return copy


def examples() -> Iterator[tuple[str, Path, dict[str, Any], Path]]:
    """(name, chart, values, golden) of every example that can be rendered."""
    for folder in sorted(path for path in EXAMPLES.iterdir() if path.is_dir()):
        if (folder / "Chart.yaml").exists():
            yield folder.name, folder, {}, folder / "rendered.yaml"
            continue
        for values in sorted(folder.glob("values*.yaml")):
            name = folder.name + values.stem.removeprefix("values")
            golden = folder / f"rendered{values.stem.removeprefix('values')}.yaml"
            yield name, NODE, yaml.safe_load(values.read_text("utf-8")), golden


@functools.cache
def rendered(name: str) -> dict[str, str]:
    """The templates of an example."""
    chart, values = next((chart, values) for found, chart, values, _ in examples() if found == name)
    if chart == NODE:
        return render(chart, values)
    with TemporaryDirectory() as folder:
        return render(with_library(chart, Path(folder)), values, release=name)


def golden(templates: dict[str, str]) -> str:
    """All of an example in one file, but for the script of `helm test`, which is the same everywhere."""
    return "".join(f"---\n# {path}\n{text.strip()}\n" for path, text in templates.items() if "/tests/" not in path)


def plain(value: Any) -> str:
    """`value` as YAML of one form, to compare by."""
    return json.dumps(value, sort_keys=True)


_PIECES = """\
{{ include "outrider-sidecar.configMap" . }}
---
kind: Pieces
annotations:
  {{- include "outrider-sidecar.annotations" . | nindent 2 }}
initContainers:
  {{- include "outrider-sidecar.initContainer" . | nindent 2 }}
volumes:
  {{- include "outrider-sidecar.volumes" . | nindent 2 }}
"""


def sidecar_pieces(values: dict[str, Any], release: str) -> dict[str, Any]:
    """What the library gives for these values: `annotations`, `initContainers`, `volumes`, and `objects`."""
    with TemporaryDirectory() as folder:
        chart = Path(folder) / "pieces"
        (chart / "templates").mkdir(parents=True)
        (chart / "Chart.yaml").write_text(f"{{apiVersion: v2, name: {release}, version: 0.1.0}}")
        (chart / "templates" / "pieces.yaml").write_text(_PIECES)
        shutil.copytree(SIDECAR, chart / "charts" / SIDECAR.name)
        config_map, pieces = documents(render(chart, {SIDECAR.name: values}, release=release))
    del config_map["metadata"]["namespace"]
    return {**pieces, "objects": [config_map]}
