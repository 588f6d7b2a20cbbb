"""The tables of the page about operating: the alerts are the chart's, the figures are those that were measured."""

import re

import pytest
import yaml

from tests.charts.rendering import NODE
from tests.guides.blocks import ROOT, rows

PAGE = "operate.md"


def test_the_alerts_are_those_of_the_chart() -> None:
    rules = yaml.safe_load((NODE / "files" / "alerts.yaml").read_text("utf-8"))["groups"][0]["rules"]
    named = [name.strip("`") for name, _, _ in rows(PAGE, "Alerts")]
    assert named == [rule["alert"] for rule in rules]


FIGURES = rows(PAGE, "Capacity")


@pytest.mark.parametrize(("node", "processor", "memory"), FIGURES)
def test_the_figures_are_those_that_were_measured(node: str, processor: str, memory: str) -> None:
    """Each number of a row stands in one row of docs/performance.md, which says how it was measured."""
    numbers = [number for cell in (node, processor, memory) for number in re.findall(r"\d[\d,.]*\d|\d", cell)]
    measured = [line for line in (ROOT / "docs" / "performance.md").read_text("utf-8").splitlines() if "|" in line]
    assert numbers
    assert any(all(re.search(rf"(?<![\d,.]){re.escape(n)}(?![\d,.]*\d)", line) for n in numbers) for line in measured)
