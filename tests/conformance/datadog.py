"""The conformance cases of Datadog's logs: rows D of the facts, read strictly, run through the real reader and encoder.

They are written as those for Google (`cases.py`), with what only Datadog has: annotations, rules of the exporter, tags.
What the keys of a case mean is told in `data/README.md`.
"""

import json
import os
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from outrider.config.secrets import Secret
from outrider.exporters.datadog.annotations import AnnotatedRule
from outrider.exporters.datadog.exporter import DatadogLogs
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.pod import Owner, Pod
from outrider.model.stream import Stream
from outrider.tail.files import StreamFiles
from outrider.tail.reader import Reader
from outrider.tail.records import Assembler, Budget, Joining
from tests.conformance.cases import NOW, STREAM, Pair, line_bytes

DATA = Path(__file__).parent / "data" / "datadog"
KEYS = ["message", "status", "timestamp", "hostname", "service", "ddsource", "ddtags", "outrider.id"]
MARK = "...TRUNCATED..."
LIMIT = 1_000_000


class Case(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One fact: these lines in one file become these entries."""

    id: str
    mark: Literal["P", "T", "I", "own"]
    source: str
    decided: str = ""
    input: list[Any] = []
    pairs: list[Pair] = []
    annotations: dict[str, str] = {}
    rules: list[AnnotatedRule] = []
    labels: dict[str, str] = {}
    owner: tuple[str, str] | None = None
    node: str = "node-1"
    now: str = NOW
    expect: list[dict[str, Any]] | None = None
    expect_pieces: Any = None
    counted: dict[str, int] = {}

    @property
    def row(self) -> str:
        """The row of the facts that the case belongs to."""
        return self.id.split("-", 1)[0]

    @property
    def expected(self) -> list[dict[str, Any]] | None:
        return [p.entry for p in self.pairs] if self.pairs else self.expect


def all_cases() -> list[Case]:
    """Every case, as written."""
    return [
        case
        for path in sorted(DATA.glob("*.yaml"))
        for case in msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), list[Case])
    ]


def run(case: Case) -> tuple[list[bytes], Counters]:
    """The entries that the case's lines become, as the bytes of the request body, and what was counted."""
    clock, counters = ManualClock(datetime.fromisoformat(case.now).timestamp()), Counters()
    stream = Stream(**STREAM)
    owner = Owner(*case.owner) if case.owner else None
    pod = Pod(stream.uid, stream.pod, stream.namespace, case.labels, case.annotations, owner=owner)
    cluster = Cluster("acme", "on-prem-1", "europe-north1", case.node)
    exporter = DatadogLogs("dd", cluster, "http://127.0.0.1:9", Secret("k"), clock, counters, rules=case.rules)
    context = exporter.context(stream, pod)
    pattern = exporter.multi_line(context)
    joining = Joining() if pattern is None else Joining(exceptions=False, pattern=pattern, separator=rb"\n")
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, f"{stream.restart}.log")
        lines = [line_bytes(line) for line in [*case.input, *(p.line for p in case.pairs)]]
        with open(path, "wb") as f:
            f.write(b"".join(line + b"\n" for line in lines))
        files = StreamFiles(stream, path, frozenset({"dd"}), clock, counters)
        files.refresh()
        reader = Reader("dd", files, Assembler(joining, Budget()), {}, False, counters)
        entries: list[bytes] = []
        for _ in range(30):
            while (taken := reader.take(clock.monotonic())) is not None:
                entries += exporter.encode(taken.records, context, reader.generation_at).entries()
            clock.advance(1.0)
        for generation in files.generations:
            generation.release("dd")
    return entries, counters


def faults(raw: bytes) -> list[str]:
    """Why the intake would refuse or cut this entry, or a reader could not place it; empty if neither."""
    entry = json.loads(raw.decode())
    found = []
    if [k for k in entry if k != "outrider.timestamp"] != [k for k in KEYS if k != "timestamp" or k in entry]:
        found.append(f"keys are {list(entry)}")
    if ("timestamp" in entry) is ("outrider.timestamp" in entry):
        found.append("not exactly one time")
    if len(raw) > LIMIT:
        found.append(f"{len(raw)} bytes, over the limit of {LIMIT}")
    if not isinstance(entry.get("timestamp", 0), int):
        found.append(f"timestamp is {entry['timestamp']!r}")
    if not entry["message"]:
        found.append("an empty message")
    if entry["status"] not in ("info", "error"):
        found.append(f"status is {entry['status']!r}")
    return found


def differences(want: dict[str, Any], raw: bytes) -> list[str]:
    """Where an entry is not as the case wants it."""
    entry = json.loads(raw.decode())
    tags = entry["ddtags"].split(",")
    found = []
    for key, value in want.items():
        match key:
            case "keys":
                good = list(entry) == value
            case "absent":
                good = not set(value) & set(entry)
            case "tags":
                good = set(value) <= set(tags)
            case "tags_end":
                good = entry["ddtags"].endswith("," + value)
            case "no_tags":
                good = not [t for t in tags if t.split(":")[0] in value]
            case _:
                if key not in {*KEYS, "outrider.timestamp"}:
                    raise ValueError(f"{key} is no field, nor a property of entries")
                good = entry.get(key) == (line_bytes(value).decode() if isinstance(value, list) else value)
        if not good:
            found.append(f"{key}: not {str(value)[:300]} in {raw[:600].decode(errors='replace')}")
    return found


def wrong_pieces(text: str, entries: list[bytes]) -> list[str]:
    """One message over the limit: marked where it was cut, whole when put together, apart and sorted by the ids."""
    parts = [json.loads(raw) for raw in entries]
    last = len(parts) - 1
    found = [] if last > 0 else ["it was not cut"]
    for i, part in enumerate(parts):
        if (part["message"].startswith(MARK), part["message"].endswith(MARK)) != (i > 0, i < last):
            found.append(f"piece {i} of {len(parts)} is not marked as it should be")
    if "".join(part["message"].removeprefix(MARK).removesuffix(MARK) for part in parts) != text:
        found.append("the pieces put together are not the text")
    ids = [part["outrider.id"] for part in parts]
    if ids != sorted(set(ids)):
        found.append(f"ids are not apart and in order: {ids}")
    if len({(part.get("timestamp"), part["status"]) for part in parts}) != 1:
        found.append("the pieces differ in time or status")
    return found
