"""The reference page: complete, current, and its example works."""

import re
from pathlib import Path
from typing import Any

from outrider.config import examine_text
from outrider.config.reference import reference
from outrider.config.schema import json_schema

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_page_in_the_repository_is_the_generated_one() -> None:
    assert PAGE.read_text() == reference(), "run: outrider schema --reference > docs/configuration.md"


def test_the_examples_of_the_page_are_good_configurations() -> None:
    examples = re.findall(r"```yaml\n(.*?)```", reference(), re.DOTALL)
    assert examples
    for example in examples:
        report = examine_text(example, env={})
        assert report.config is not None
        assert report.problems == []


def paths(schema: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for name, prop in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        items = [prop["items"]] if "items" in prop else []
        variants = prop.get("additionalProperties", False)
        below = paths(prop, f"{path}.") | {p for item in items for p in paths(item, f"{path}[].")}
        if isinstance(variants, dict):
            below |= {p for option in variants.get("oneOf", []) for p in paths(option, f"{path}.<name>.")}
        found |= below or {path}
    return found


def test_the_page_has_a_row_for_every_key_of_the_schema() -> None:
    documented = set(re.findall(r"^\| `([^`]+)` \|", reference(), re.MULTILINE))
    wanted = paths(json_schema())
    assert "exporters.<name>.batch.in_flight" in wanted
    assert wanted - documented == set()


def test_every_row_has_four_cells_and_a_meaning() -> None:
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    for row in rows:
        cells = re.split(r"(?<!\\)\|", row)[1:-1]
        assert len(cells) == 4, row
        assert cells[1].strip(), row
        assert cells[3].strip(), row
