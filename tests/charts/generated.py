"""What in `charts/` is written by a program: `make charts` writes it, a test compares.

From the typed configuration and the comments of `values.yaml`: each chart's schema and the table in its README. From
the model of a pod with a sidecar: the policy that injects one. From the node's chart: the templates that the library
shares with it, under its own prefix. From Helm: what every example renders to, and values for third-party charts, which
are the library's own pieces under the keys of those charts.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from outrider.wiring import policy
from outrider.wiring.text import dump
from tests.charts import values_file
from tests.charts.rendering import EXAMPLES, NODE, SIDECAR, examples, golden, rendered, sidecar_pieces

_BITNAMI = {
    "annotations": "podAnnotations",
    "initContainers": "initContainers",
    "volumes": "extraVolumes",
    "objects": "extraDeploy",
}
THIRD_PARTY = {
    "bitnami-mongodb": _BITNAMI,
    "bitnami-rabbitmq": _BITNAMI,
    "bitnami-redis": {
        "annotations": "master.podAnnotations",
        "initContainers": "master.initContainers",
        "volumes": "master.extraVolumes",
        "objects": "extraDeploy",
    },
    "opensearch": {
        "annotations": "podAnnotations",
        "initContainers": "extraInitContainers",
        "volumes": "extraVolumes",
        "objects": "extraObjects",
    },
}
"""By example: where a chart takes the pieces, as its values file has it."""
_TABLE = re.compile(r"(?<=<!-- values: begin -->\n)(.*?)(?=<!-- values: end -->)", re.DOTALL)


def files() -> Iterator[tuple[Path, str]]:
    """Every file that is generated, with what has to be in it."""
    for chart in (NODE, SIDECAR):
        values = values_file.read(chart / "values.yaml")
        schema = values_file.schema(values, f"Values of the chart {chart.name}")
        yield chart / "values.schema.json", json.dumps(schema, indent=1) + "\n"
        readme = (chart / "README.md").read_text("utf-8")
        before, _, after = _TABLE.split(readme)
        yield chart / "README.md", f"{before}{values_file.table(values)}\n{after}"
    yield NODE / "files" / "injection.yaml", dump(policy.policy()["spec"])
    shared = (NODE / "templates" / "_exporters.tpl").read_text("utf-8")
    yield SIDECAR / "templates" / "_exporters.tpl", shared.replace('"outrider.', '"outrider-sidecar.')
    for name, _, _, path in examples():
        yield path, golden(rendered(name))
    for name in THIRD_PARTY:
        yield EXAMPLES / "third-party" / name / "values.yaml", third_party(name)


def third_party(name: str) -> str:
    """Values for a chart of somebody else, under which its pod has the sidecar that `sidecar.yaml` describes."""
    own = yaml.safe_load((EXAMPLES / "third-party" / name / "sidecar.yaml").read_text("utf-8"))
    pieces = sidecar_pieces(own, release=name.rpartition("-")[2])
    values: dict[str, Any] = {}
    for piece, path in THIRD_PARTY[name].items():
        *parents, last = path.split(".")
        place = values
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = pieces[piece]
    return "# Made of sidecar.yaml by `make charts`. For a release of this name; the ConfigMap comes with it.\n" + dump(
        values
    )


def main() -> None:
    for path, content in files():
        if not path.exists() or path.read_text("utf-8") != content:
            path.write_text(content, "utf-8")
            print(path.relative_to(NODE.parent))


if __name__ == "__main__":
    main()
