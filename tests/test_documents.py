"""What the documents claim is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_every_counter_is_documented() -> None:
    sources = [p for folder in ("outrider", "collectors") for p in (ROOT / folder).rglob("*.py")]
    names = {n for p in sources for n in re.findall(r'"(outrider_[a-z_0-9]+)"', p.read_text(encoding="utf-8"))}
    page = (ROOT / "docs/how-it-works.md").read_text(encoding="utf-8")
    assert len(names) > 20
    assert {n for n in names if f"`{n}`" not in page} == set()


def test_links_between_documents_lead_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]
    broken = [
        f"{page.name}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []


def test_the_commands_of_the_readme_exist() -> None:
    from outrider.cli.main import COMMANDS

    page = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`outrider ([a-z]+)|^    outrider ([a-z]+)", page, re.MULTILINE))
    commands = {a or b for a, b in named}
    assert {"node", "intake", "validate", "schema"} <= commands <= COMMANDS.keys()
