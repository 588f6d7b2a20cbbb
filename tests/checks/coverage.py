"""How much of what the vendors' dashboards ask for is reported: counted from what real servers gave, and documented.

`data/essential.json` lists, for each product, the metrics that Datadog's stock dashboards and monitors read (from the
files of DataDog/integrations-core) and those that Google's Ops Agent is tested for (GoogleCloudPlatform/ops-agent).
One is seen if a real server here gave a point under exactly its name, type, unit and labels. It is possible if nothing
is needed for it that cannot be had here (`needs` in metrics.yaml).

    python -m tests.checks.coverage > docs/checks.md
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outrider.checks.check import Reading
from outrider.checks.declared import Declared
from outrider.config.reference import settings_table
from outrider.model.points import Metric, Point
from tests.checks.product import Product
from tests.checks.products import all_products

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "checks.md"
ESSENTIAL: dict[str, dict[str, list[dict[str, Any]]]] = json.loads(
    (Path(__file__).parent / "data" / "essential.json").read_text("utf-8")
)


@dataclass(frozen=True)
class Coverage:
    """Of one product for one vendor: how many metrics are listed, and why those that were not seen were not."""

    product: str
    vendor: str
    listed: int
    needed: dict[str, str]
    """What is needed for them, by name."""
    wrong: dict[str, str]
    """What is amiss with them, by name: nothing needs them to be missing."""

    @property
    def possible(self) -> int:
        return self.listed - len(self.needed)

    @property
    def seen(self) -> int:
        return self.possible - len(self.wrong)

    def __str__(self) -> str:
        return f"{self.seen} / {self.possible} / {self.listed}"

    def told(self) -> str:
        """The numbers, and what is not seen, by the reason."""
        by_reason: dict[str, list[str]] = {}
        for name, why in [*self.wrong.items(), *self.needed.items()]:
            by_reason.setdefault(why, []).append(name)
        missing = [f"\n    {why}: {', '.join(names)}" for why, names in by_reason.items()]
        return f"{self.product}, {self.vendor}: {self}{''.join(missing)}"


def coverage(product: str, declared: Declared, readings: Sequence[Reading]) -> list[Coverage]:
    """For Datadog and for Google, of what `readings` have. A product of which neither lists anything has none."""
    points = [point for reading in readings for point in reading.points]
    found = []
    for vendor, listed in ESSENTIAL.get(product, {}).items():
        needed, wrong = {}, {}
        for item in listed:
            name = item.get("name") or item["type"]
            reason = _unlike(vendor, item, name, declared, points)
            needs = {declared.needs.get(metric.key, "") for metric in _called(vendor, name, declared)}
            if reason and needs and "" not in needs:
                needed[name] = ", or ".join(sorted(needs))
            elif reason:
                wrong[name] = reason
        found.append(Coverage(product, vendor, len(listed), needed, wrong))
    return found


def _called(vendor: str, name: str, declared: Declared) -> list[Metric]:
    metrics = [metric for several in declared.metrics.values() for metric in several]
    if vendor == "datadog":
        return [m for m in metrics if m.datadog is not None and m.datadog.name == name]
    return [m for m in metrics if m.google is not None and m.google.type == name]


def _unlike(vendor: str, item: dict[str, Any], name: str, declared: Declared, points: Iterable[Point]) -> str:
    """What is amiss with the metric `name`; nothing, if it was seen as it is listed."""
    called = _called(vendor, name, declared)
    if not called:
        return "not declared"
    for metric in called:
        if vendor == "datadog":
            assert metric.datadog is not None
            has = (metric.datadog.type, metric.datadog.unit, metric.datadog.per_unit)
            wants = (item["type"], item.get("unit", ""), item.get("per_unit", ""))
        else:
            assert metric.google is not None
            has, wants = (metric.google.kind, metric.google.value_type), (item["kind"], item["value_type"])
        if has != wants:
            return f"declared as {has}, not {wants}"
    seen = [point for point in points if point.metric in called]
    if not seen:
        return "not seen"
    if vendor == "google":
        return next((why for why in (_labels_unlike(point, item.get("labels", {})) for point in seen) if why), "")
    return ""


def _labels_unlike(point: Point, wanted: dict[str, str]) -> str:
    labels = dict(spelled(point, "google"))
    if labels.keys() != wanted.keys():
        return f"has the labels {sorted(labels)}, not {sorted(wanted)}"
    unlike = [key for key, pattern in wanted.items() if not re.fullmatch(pattern, labels[key])]
    return f"the label {unlike[0]} is {labels[unlike[0]]!r}, not {wanted[unlike[0]]}" if unlike else ""


def spelled(point: Point, vendor: str) -> list[tuple[str, str]]:
    """The tags or labels of a point, as the vendor has them."""
    if vendor == "datadog":
        name, constant = point.metric.datadog, point.metric.datadog.tags if point.metric.datadog else ()
    else:
        name, constant = point.metric.google, point.metric.google.labels if point.metric.google else ()
    assert name is not None
    own = [(name.spelling.get(key, key), value) for key, value in point.attributes]
    return sorted([*constant, *((key, value) for key, value in own if key is not None)])


_HEAD = """\
# Checks

What Outrider reads of the software beside it, and what both vendors call it. This page is generated from the
`metrics.yaml` of each check, and from a run of each against real servers: `make docs`.

The essential metrics are those that Datadog's stock dashboards and monitors read
([integrations-core](https://github.com/DataDog/integrations-core)), and those that Google's Ops Agent is tested for
([ops-agent](https://github.com/GoogleCloudPlatform/ops-agent)). One is *seen* if a real server gave it in the tests
under exactly its name, type, unit and labels; *possible* if nothing is needed for it that the tests have not got, such
as a commercial edition; and all are *listed*. Of Spark the answers of a real one were recorded. There is no Hadoop in
the tests: its answers are written after its documentation.

"""


def row(product: str, found: Sequence[Coverage]) -> str:
    """A product's row of the table."""
    by_vendor = {c.vendor: str(c) for c in found}
    return f"| [{product}](#{product}) | {by_vendor.get('datadog', '')} | {by_vendor.get('google', '')} |"


def page(rows: Sequence[str]) -> str:
    """The whole page, with the `rows` of the table."""
    table = ["| check | Datadog: seen / possible / listed | Google: seen / possible / listed |", "|---|---|---|", *rows]
    return _HEAD + "\n".join(table) + "\n" + "".join(_section(p) for p in all_products().values())


def _section(product: Product) -> str:
    check, declared = product.load()
    about = f"../outrider/checks/{product.name}/README.md"
    metrics = [metric for several in declared.metrics.values() for metric in several]
    lines = [
        f"\n## {product.name}\n",
        f"[What it needs, and what it cannot tell]({about}).\n" if (ROOT / "docs" / about).resolve().exists() else "",
        settings_table(check.Settings),
        "| Service check | Meaning |\n|---|---|",
        *(f"| `{name}` | {text} |" for name, text in declared.service_checks.items()),
        "\n| Metric | Datadog | Google | Needs |\n|---|---|---|---|",
        *(_metric_row(metric, declared) for metric in metrics),
    ]
    return "\n".join(line for line in lines if line) + "\n"


def _metric_row(metric: Metric, declared: Declared) -> str:
    datadog = google = ""
    if d := metric.datadog:
        unit = " per ".join(part for part in (d.unit, d.per_unit) if part)
        submit = "" if d.submit in (d.type, "monotonic_count") else f", {d.submit}"
        datadog = f"`{d.name}` {d.type}{submit}{f', {unit}' if unit else ''}"
    if g := metric.google:
        labels = "".join(f" {key}={value}" for key, value in g.labels)
        google = f"`{g.type.removeprefix('workload.googleapis.com/')}`{labels} {g.kind} {g.value_type}, {g.unit}"
    text = metric.description.replace("|", "\\|")
    return f"| {text} | {datadog} | {google} | {declared.needs.get(metric.key, '')} |"


def main() -> None:
    """Ask every product's servers, and print the page."""
    rows = []
    for product in all_products().values():
        with tempfile.TemporaryDirectory() as folder:
            found = coverage(product.name, product.load()[1], product.observe(Path(folder) / "servers"))
        rows += [row(product.name, found)] if found else []
    sys.stdout.write(page(rows))


if __name__ == "__main__":
    main()
