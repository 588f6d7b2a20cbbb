"""The conformance cases as objects: `data/*.yaml` read strictly, so that a misspelt key is an error and not a case
that cannot fail.

A line of input is a string, or a list of pieces for what a string cannot say well: `{hex: ff}` for bytes that are no
UTF-8, `{repeat: x, times: 300000}` for size. `{copies: 900, line: …}` stands for that many equal lines. The newline at
the end of each line is not written. What the keys of a case mean is told in `data/README.md`.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

DATA = Path(__file__).parent / "data"

# A day after the time that most lines carry: nothing in the cases is in the future unless the case says so.
NOW = "2026-05-17T00:00:00Z"

STREAM: dict[str, Any] = {
    "namespace": "default",
    "pod": "web-5d4f8c7b9-abcde",
    "uid": "11111111-2222-3333-4444-555555555555",
    "container": "app",
    "restart": 0,
}


class Pair(msgspec.Struct, forbid_unknown_fields=True):
    """One line and the one entry that it becomes."""

    line: Any
    entry: dict[str, Any]


class Owner(msgspec.Struct, forbid_unknown_fields=True):
    """One `metadata.ownerReferences` item of the pod."""

    kind: str
    name: str


class PodData(msgspec.Struct, forbid_unknown_fields=True):
    """What is known of the pod; `owners` (null: not looked at) is what the controller must be found from."""

    labels: dict[str, str] = {}
    controller: tuple[str, str] | None = None
    owners: list[Owner] | None = None


class Case(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One fact: these lines in one file become these entries."""

    id: str
    mark: Literal["P", "S", "T", "I", "own"]
    source: str
    decided: str = ""
    input: list[Any] = []
    pairs: list[Pair] = []
    format: Literal["cri", "docker"] = "cri"
    pod: PodData | None = None
    pod_known: bool = True
    stream: dict[str, Any] = {}
    project: str = "acme"
    join: dict[str, Any] | None = None
    strict: bool = False
    now: str = NOW
    any_order: bool = False
    expect: list[dict[str, Any]] | None = None
    expect_split: Any = None
    expect_text: list[Any] | None = None
    at_least: int | None = None
    at_most: int | None = None
    each: dict[str, Any] = {}

    @property
    def row(self) -> str:
        """The row of the facts that the case belongs to: what stands before the first hyphen of its id."""
        return self.id.split("-", 1)[0]

    @property
    def lines(self) -> list[bytes]:
        """The lines of the file, without their newlines."""
        return [line for item in [*self.input, *(p.line for p in self.pairs)] for line in _lines(item)]

    @property
    def texts(self) -> list[str]:
        """The lines of text that all entries together must hold, where the case says so."""
        return [line.decode() for item in self.expect_text or [] for line in _lines(item)]

    @property
    def expected(self) -> list[dict[str, Any]] | None:
        """The expected entries in order, or None if the case states a property of all of them instead."""
        return [p.entry for p in self.pairs] if self.pairs else self.expect

    @property
    def wall_time(self) -> float:
        """`now` in seconds since the epoch."""
        return datetime.fromisoformat(self.now).timestamp()


class _Loader(yaml.SafeLoader):
    """YAML without its time stamps: what looks like a time is the string that is written."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(path: Path) -> list[Case]:
    """The cases of one file; raises msgspec.ValidationError with the place in the data if one is not well formed."""
    loader = _Loader(path.read_text(encoding="utf-8"))
    try:
        return msgspec.convert(loader.get_single_data(), list[Case])
    finally:
        loader.dispose()


def all_cases() -> list[Case]:
    """Every case, in the order of the file names and within each file as written."""
    return [case for path in sorted(DATA.glob("*.yaml")) for case in load(path)]


def line_bytes(item: Any) -> bytes:
    """The bytes of one line (or of one piece of text) as the data write it."""
    if isinstance(item, str):
        return item.encode()
    if isinstance(item, list):
        return b"".join(map(line_bytes, item))
    match item:
        case {"hex": str(digits), **rest} if not rest:
            return bytes.fromhex(digits)
        case {"repeat": unit, "times": int(times), **rest} if not rest:
            return line_bytes(unit) * times
    raise ValueError(f"neither text nor a piece: {item!r}")


def _lines(item: Any) -> Iterator[bytes]:
    match item:
        case {"copies": int(copies), "line": line, **rest} if not rest:
            yield from [line_bytes(line)] * copies
        case _:
            yield line_bytes(item)
