"""What a line costs in each part of the hot path, alone and in one thread: microseconds of processor time.

The lines are those of `bench.load` as they lie in the page cache. Every stage gets what the one before has made of a
few megabytes of them, chunk by chunk, so nothing stays in the processor's caches that would not in the program. Rounds
go through all stages, in another order each time, and the best round of a stage counts. `loads` and `dumps` are
orjson's alone, for orientation: no encoder that looks into JSON lines can do with less than the first.
"""

import argparse
import copy
import gc
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from bench import stage_parts as parts
from bench.load import Load, generate, log_path
from bench.report import machine, machine_in_words, progress, save, table

SIZE = 8_000_000
FILES = 2
"""One of text and one of JSON; half and half is both."""


@dataclass(frozen=True, slots=True)
class Stage:
    """`work` is called with each of `inputs`, which have `lines` lines altogether; `fresh`: with a copy of it, since it
    takes it over.
    """

    name: str
    inputs: Sequence[Any]
    lines: int
    work: Callable[[Any], Any]
    fresh: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=7, help="of which the best counts (default 7)")
    parser.add_argument("--only", default="", help="stages whose name has this in it")
    parser.add_argument("--json", type=Path, help="file of the results (default build/bench/<date>.json)")


def stages(single: Load, joined: Load) -> list[Stage]:
    """All stages, in the order in which a line meets them."""
    paths = [log_path(single.pods, file) for file in range(FILES)]
    chunks = [chunk for path in paths for chunk in parts.read(path)]
    n, lines = single.lines, [parts.splitting(chunk) for chunk in chunks]
    mixed = [parts.splitting(chunk) for f in range(FILES) for chunk in parts.read(log_path(joined.pods, f))]
    found = [
        Stage("read", paths, n, parts.read),
        Stage("split", chunks, n, parts.splitting),
        Stage("assemble, nothing joined", lines, n, parts.assembler(joined=False), fresh=True),
        Stage("assemble, nothing to join", lines, n, parts.assembler(joined=True), fresh=True),
        Stage("assemble, 2 % cut, 1 % traces", mixed, joined.lines, parts.assembler(joined=True), fresh=True),
    ]
    feed = parts.assembler(joined=False)
    records = [feed(copy.deepcopy(some)) for some in lines]

    def kinds() -> dict[str, list[Any]]:  # anew, for whoever looks at a column leaves columns
        return {kind: [parts.chosen(r, json=kind == "JSON") for r in records] for kind in ("text", "JSON")}

    for kind, some in kinds().items():
        count = sum(map(len, some))
        found.append(Stage(f"redact {kind}, no rules", some, count, parts.nothing_redacted))
        found.append(Stage(f"redact {kind}, {' + '.join(parts.SETS)} + a pattern", some, count, parts.redactor()))
    for vendor in parts.VENDORS:
        found += _encoding(vendor, {**kinds(), "half and half": records})
    contents = [r.contents for r in kinds()["JSON"]]
    decoded = [[orjson.loads(content) for content in some] for some in contents]
    count = sum(map(len, contents))
    found.append(Stage("orjson.loads of JSON", contents, count, _loads))
    found.append(Stage("orjson.dumps of JSON", decoded, count, _dumps))
    return found


def _encoding(vendor: str, kinds: dict[str, list[Any]]) -> list[Stage]:
    encoding = parts.Encoding(vendor)
    found = [Stage(f"encode for {vendor}, {kind}", some, sum(map(len, some)), encoding) for kind, some in kinds.items()]
    try:
        blocks = [encoding(some) for some in kinds["half and half"]]
        bodies = [[b for some in blocks[i : i + 8] for b in some] for i in range(0, len(blocks), 8)]
        encoding.document(bodies[0])
    except Exception as e:  # an exporter that is being rebuilt must not keep the others from being measured
        progress(f"{vendor} cannot be measured: {type(e).__name__}: {e}")
        return []
    return [*found, Stage(f"gzip for {vendor}", bodies, found[-1].lines, encoding.document)]


def _loads(contents: list[bytes]) -> None:
    for content in contents:
        orjson.loads(content)


def _dumps(objects: list[Any]) -> None:
    for one in objects:
        orjson.dumps(one)


def seconds(stage: Stage) -> float:
    """Processor time of one round."""
    took = 0.0
    for given in stage.inputs:
        own = copy.deepcopy(given) if stage.fresh else given
        began = time.process_time()
        stage.work(own)
        took += time.process_time() - began
    return took


def main(arguments: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        single = generate(root / "single", SIZE, FILES, seed=1)
        joined = generate(root / "joined", SIZE, FILES, joined=True, seed=1)
        todo = [stage for stage in stages(single, joined) if arguments.only in stage.name]
        best = {stage.name: float("inf") for stage in todo}
        for n in range(arguments.rounds):
            progress(f"round {n + 1} of {arguments.rounds} ...")
            for stage in random.sample(todo, len(todo)):
                gc.collect()
                best[stage.name] = min(best[stage.name], seconds(stage) / stage.lines * 1e6)
    print(machine_in_words(machine()))
    table("Each stage alone, the best round", ("stage", "us a line"), [[k, f"{v:.3f}"] for k, v in best.items()])
    save(arguments.json, "stages", best)
    return 0
