"""What the documents claim is there."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from outrider.cli.group import main
from outrider.config import examine_text
from outrider.exporters.answer import Row, Verdict
from outrider.exporters.datadog import answers as datadog
from outrider.exporters.stackdriver import answers as stackdriver
from outrider.exporters.stackdriver import metric_answers

MANIFEST = "apiVersion:"
ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "guides").glob("*.md")]
"""The guides' own blocks are the affair of tests/guides: each is a file with a name."""


def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_every_counter_is_documented() -> None:
    sources = [p for folder in ("outrider", "collectors") for p in (ROOT / folder).rglob("*.py")]
    names = {n for p in sources for n in re.findall(r'"(outrider_[a-z_0-9]+)"', p.read_text(encoding="utf-8"))}
    page = _text("docs/how-it-works.md")
    assert len(names) > 20
    assert {n for n in names if f"`{n}`" not in page} == set()


def test_every_documented_counter_is_there() -> None:
    code = "".join(p.read_text(encoding="utf-8") for f in ("outrider", "collectors") for p in (ROOT / f).rglob("*.py"))
    named = {n for page in PAGES for n in re.findall(r"`(outrider_[a-z_0-9]+)`", page.read_text(encoding="utf-8"))}
    assert {n for n in named if f'"{n}"' not in code} == set()


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{page.name}: {target}"
        for page in PAGES
        for target, part in re.findall(r"\]\(([^)#]*)(#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not _leads((page.parent / target) if target else page, part)
    ]
    assert broken == []


def _leads(page: Path, part: str) -> bool:
    if not page.exists() or not part:
        return page.exists()
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return part[1:] in {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


def test_the_commands_of_the_readme_exist() -> None:
    from outrider.cli.main import COMMANDS

    named = set(re.findall(r"`outrider ([a-z]+)|^    outrider ([a-z]+)", _text("README.md"), re.MULTILINE))
    commands = {a or b for a, b in named}
    assert {"node", "audit", "intake", "validate", "schema"} <= commands <= COMMANDS.keys()


@pytest.mark.parametrize(
    ("vendor", "rows"),
    [
        ("stackdriver", stackdriver.ROWS),
        ("stackdriver metrics", metric_answers.ROWS),
        ("datadog", datadog.ROWS),
        ("datadog metrics", datadog.METRIC_ROWS),
    ],
)
def test_the_answers_are_those_of_the_code(vendor: str, rows: Sequence[Row]) -> None:
    begin, end = f"<!-- answers of {vendor}: begin -->\n", f"<!-- answers of {vendor}: end -->"
    page = _text("docs/delivery.md")
    table = page[page.index(begin) + len(begin) : page.index(end)]
    assert table.splitlines() == [
        "| answer | verdict | meaning |",
        "|---|---|---|",
        *(f"| {row.answers} | {row.verdict.value} | {row.meaning} |" for row in rows),
    ]


def test_every_verdict_is_explained() -> None:
    section = _text("docs/delivery.md").split("## What every answer leads to")[1].split("\n## ")[0]
    assert [v.value for v in Verdict if f"\n| {v.value} | " not in section] == []


def test_every_configuration_in_the_documents_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"NODE_NAME": "node-1", "NODE_IP": "10.0.0.1", "DD_API_KEY": "key"}.items():
        monkeypatch.setenv(name, value)
    found = [(page, text) for page, text in _yaml() if not text.startswith(MANIFEST)]
    assert {page.name for page, _ in found} >= {"README.md", "configuration.md", "datadog.md"}
    reports = [(page, examine_text(text.encode(), page.name)) for page, text in found]
    assert [(page.name, [str(p) for p in r.problems]) for page, r in reports if r.config is None] == []


def test_every_pod_in_the_documents_is_understood() -> None:
    found = [(page, text) for page, text in _yaml() if text.startswith(MANIFEST)]
    assert {page.name for page, _ in found} >= {"autodiscovery.md"}
    told = [(page.name, CliRunner().invoke(main, ["explain", "-"], input=text)) for page, text in found]
    assert [(name, result.output) for name, result in told if result.exit_code] == []


def _yaml() -> list[tuple[Path, str]]:
    return [
        (page, text)
        for page in PAGES
        for text in re.findall(r"^```yaml\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    ]


def test_the_cases_that_datadog_md_names_exist() -> None:
    cases = {case["id"] for case in yaml.safe_load(_text("tests/conformance/data/datadog/agent.yaml"))}
    named = set(re.findall(r"`((?:D[0-9]+|own)-[a-z0-9-]+)`", _text("docs/datadog.md")))
    assert len(named) > 20
    assert named <= cases
    assert {case for case in cases if case.startswith("own-")} <= named
