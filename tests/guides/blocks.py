"""The fenced blocks of the guides: what each of them is stands behind the language of its fence, where GitHub shows
nothing and colours by the first word.

    ```sh                  commands that are run, in the order of the page, in a folder that has the page's files
    ```sh cloud            commands that need an account or a cluster: not run, but what they name has to be there
    ```yaml values.yaml    a file: the commands below find it under this name; so for any language
    ```text                what the commands right above print: lines in this order; `…` stands for anything
    ```text elsewhere      the same of what arrives somewhere else, for the test of the page
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "guides"
PAGES = sorted(path for path in GUIDES.glob("*.md") if path.name != "README.md")
CLOUD = "cloud"
_FENCE = re.compile(r"^```(?P<info>[^\n`]+)\n(?P<text>.*?)^```$|^## (?P<heading>[^\n]*)$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block: `mark` is what stands behind the language, `section` the heading above it."""

    page: str
    line: int
    section: str
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def runs(self) -> bool:
        return self.language == "sh" and not self.mark

    @property
    def is_file(self) -> bool:
        return self.language not in ("sh", "text") and bool(self.mark)


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text("utf-8")
    found, section = [], ""
    for m in _FENCE.finditer(text):
        if m["heading"] is not None:
            section = m["heading"]
            continue
        language, _, mark = m["info"].strip().partition(" ")
        line = text.count("\n", 0, m.start()) + 1
        found.append(Block(page.name, line, section, language, mark, m["text"]))
    return found


def file_of(page: str, name: str) -> str:
    """The content of the file `name` that a page has."""
    return next(block.text for block in blocks(GUIDES / page) if block.is_file and block.mark == name)


def rows(page: str, heading: str) -> list[list[str]]:
    """The cells of all tables in a section of a page, without their heads."""
    text = (GUIDES / page).read_text("utf-8")
    section = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    tables = [line for i, line in enumerate(lines) if not _is_head(lines, i)]
    return [[cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in tables]


def _is_head(lines: list[str], i: int) -> bool:
    return lines[i].startswith("|---") or (i + 1 < len(lines) and lines[i + 1].startswith("|---"))
