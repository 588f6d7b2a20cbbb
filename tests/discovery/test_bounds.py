"""Whatever is in an annotation, it is understood within moments, in little memory, and what is wrong is told."""

import json
import time
from itertools import pairwise
from typing import Any

import pytest

from outrider.discovery import targets as of_targets
from outrider.discovery.annotations import MAX_LENGTH
from outrider.discovery.targets import MAX_FAULTS, MAX_PER_POD, MAX_WISHES, MAX_WORDS, find
from outrider.discovery.templates import MAX_FILLED
from outrider.discovery.wish import Target
from outrider.model.pod import Inside
from tests.discovery.asking import CACHE_CHECKS, OURS, WEB_CHECKS, asking, faults

QUICK = 3.0
"""Seconds, on a machine that has other things to do. Without bounds most of what follows would take longer."""


def instance(**settings: Any) -> str:
    return json.dumps({"redisdb": {"instances": [settings]}})


def almost(before: str, again: str, after: str = "") -> str:
    """As long as an annotation may be."""
    return before + again * ((MAX_LENGTH - len(before) - len(after)) // len(again)) + after


ALIASES = "".join(
    f"{name}: &{name} [{','.join([f'*{of}' if of else 'x'] * 9)}]\n" for of, name in pairwise(["", *"abcdefghi"])
)
HOSTILE: list[tuple[dict[str, str], str]] = [
    ({WEB_CHECKS: almost('{"redisdb": {"instances": [{"tags": ["', "ENC[", '"]}]}}')}, ""),
    ({WEB_CHECKS: almost('{"redisdb": {"instances": [{"password": "', "${A:-", '"}]}}')}, "${A} is not expanded"),
    ({WEB_CHECKS: almost('{"redisdb": {"instances": [{"tags": ["', "${A", '"]}]}}')}, ""),
    ({WEB_CHECKS: instance(a=1) + " " * MAX_LENGTH}, f"characters, and {MAX_LENGTH:,} are read at most"),
    ({OURS: "[" + "redis, " * MAX_LENGTH + "]"}, f"characters, and {MAX_LENGTH:,} are read at most"),
    ({OURS: almost("[", "redis, ", "]")}, f"asks for more than {MAX_WISHES} things"),
    ({OURS: almost("[", "redi, ", "]")}, f"asks for more than {MAX_WISHES} things"),
    ({OURS: almost("[{redis: {", "port: 1, ", "}}]")}, f"asks for more than {MAX_WISHES} things"),
    ({OURS: almost("[{redis: {? ", "r", " : 1}}]")}, "rrr … "),
    ({OURS: almost("[", "[", "")}, "nesting depth"),
    ({OURS: ALIASES}, "stands for more than"),
    ({WEB_CHECKS: almost('{"redisdb": {"instances": [', '{"prot": 1}, ', "{}]}}")}, f"more than {MAX_WISHES} things"),
    ({WEB_CHECKS: '{"redisdb": {"instances": [{"a": ' + "[" * 900 + "]" * 900 + "}]}}"}, "RecursionError"),
    ({WEB_CHECKS: instance(port="9" * 6000)}, "redisdb: it cannot be understood"),
    ({OURS: f"[{{redis: {{port: 0x{'f' * 20000}}}}}]"}, "[0].redis: it cannot be understood"),
    ({OURS: f"[{{redis: {{port: '%%port_{'1' * 5000}%%'}}}}]"}, "is none of the ports"),
    ({OURS: almost("[{redis: {tags: ['", "%%env_LONG%%", "']}}]")}, f"more than {MAX_FILLED:,} characters together"),
    ({OURS: almost("[{redis: {tags: [", "'%%env_LONG%%', ", "]}}]")}, f"more than {MAX_FILLED:,} characters together"),
]


@pytest.mark.parametrize(("annotations", "words"), HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_meant_to_hold_up_the_node_does_not(annotations: dict[str, str], words: str) -> None:
    began = time.monotonic()
    found = find(asking(annotations, Inside("web", env={"LONG": "x" * 20_000})))
    assert time.monotonic() - began < QUICK
    assert any(words in str(fault) for fault in found.faults) or (not words and not found.faults), found.faults
    assert len(found.targets) <= MAX_PER_POD
    assert len(found.faults) <= MAX_FAULTS + 1
    assert all(len(fault.words) <= MAX_WORDS for fault in found.faults)


def test_what_is_beyond_is_counted_for_whoever_reads_it() -> None:
    many = json.dumps([{f"no{i}": {}} for i in range(MAX_FAULTS + 7)])
    said = faults({OURS: many})
    assert len(said) == MAX_FAULTS + 1
    assert said[-1] == f"{OURS}: and 7 more of what is wrong with this pod's annotations"


def test_a_defect_costs_one_check_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> tuple[Target, list[str]]:
        raise TypeError("odd")

    granted = of_targets._granted
    monkeypatch.setattr(
        of_targets, "_granted", lambda wish, *more: (broken if wish.check == "nginx" else granted)(wish, *more)
    )
    found = find(asking({OURS: "[{nginx: {}}, {redis: {}}]", CACHE_CHECKS: "{}"}))
    assert [one.check for one in found.targets] == ["redis"]
    assert [str(fault) for fault in found.faults] == [f"{OURS}: [0].nginx: it cannot be understood (TypeError: odd)"]
