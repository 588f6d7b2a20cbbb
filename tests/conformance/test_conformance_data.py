"""The cases themselves: well formed, told apart, and at least one for every fact that can be tested on a line."""

import re
from pathlib import Path

import pytest

from tests.conformance.cases import DATA, Case, all_cases, line_bytes, load
from tests.conformance.compare import FIELDS, MATCHERS, differences, faults, tokens

CASES = all_cases()
IDS = {case.id for case in CASES}
ROWS = {case.row for case in CASES}
DOCUMENT = Path(__file__).parents[2] / "docs" / "log-format.md"

FACTS = [
    f"{letter}{n}" for letter, last in (("T", 8), ("S", 10), ("P", 13), ("O", 9), ("M", 10)) for n in range(1, last + 1)
]
FACTS += [f"F{n}" for n in (1, 2, 3, 4, 5, 6, 7, 12, 13, 14)]
# Left out: G42 (label_map) and G43 to G47 (names of logs) are about settings that a container line does not have.
FACTS += [f"G{n}" for n in (*range(1, 14), *range(20, 42), 48)]
FACTS += ["2.1", "2.2", "2.3", "2.8", "2.9", "2.11", "2.12", "2.13"]

SPECIAL_FIELDS = [
    "severity",
    "level",
    "message",
    "time",
    "timestamp",
    "timestampSeconds",
    "timestampNanos",
    "httpRequest",
]
SPECIAL_FIELDS += [
    f"logging.googleapis.com/{name}"
    for name in ("labels", "insertId", "operation", "sourceLocation", "trace", "spanId", "trace_sampled")
]


@pytest.mark.parametrize("fact", FACTS)
def test_every_fact_has_a_case(fact: str) -> None:
    assert fact in ROWS


@pytest.mark.parametrize("key", SPECIAL_FIELDS)
def test_every_special_field_is_said_well_and_badly(key: str) -> None:
    users = [case for case in CASES if any(f'"{key}":'.encode() in line for line in case.lines)]
    assert any(case.mark == "own" for case in users)
    assert any(case.mark in ("P", "S", "T") for case in users)


def test_ids_are_unique_and_begin_with_a_row() -> None:
    ids = [case.id for case in CASES]
    assert sorted(ids) == sorted(set(ids))
    assert [i for i in ids if not re.fullmatch(r"(?:[TSPOMFG]\d+|2\.\d+|own)-[a-z0-9-]+", i)] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_says_what_it_expects(case: Case) -> None:
    assert case.source
    assert case.lines
    assert all(b"\n" not in line for line in case.lines)
    assert case.wall_time > 0
    stated = [case.expected, case.expect_split, case.expect_text, case.at_least]
    assert [s for s in stated if s is not None], "nothing is expected"
    assert not (case.pairs and (case.input or case.expect)), "lines in pairs have their entries beside them"
    for entry in [*(case.expected or []), case.each]:
        assert set(entry) <= FIELDS | set(MATCHERS)
        assert "ordered" not in entry or "jsonPayload" in entry


def test_every_case_that_leaves_an_agents_test_says_why() -> None:
    differing = [case for case in CASES if case.mark == "own" and case.row[0] in "FGM"]
    assert differing
    assert [case.id for case in differing if not case.decided] == []


def test_every_id_that_the_document_names_is_a_case() -> None:
    named = re.findall(r"`((?:[TSPOMFG]\d+|2\.\d+|own)-[a-z0-9-]+)`", DOCUMENT.read_text(encoding="utf-8"))
    assert len(named) > 50
    assert sorted(set(named) - IDS) == []


def test_a_misspelt_key_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("[{id: P1-x, mark: P, source: s, input: [a], expected: []}]")
    with pytest.raises(ValueError, match="expected"):
        load(tmp_path / "x.yaml")


def test_times_stay_the_strings_that_they_are_in_the_data() -> None:
    assert sorted(p.name for p in DATA.glob("*.yaml"))
    assert line_bytes(["a", {"hex": "ff"}, {"repeat": "é", "times": 2}]) == b"a\xff\xc3\xa9\xc3\xa9"
    (case,) = [c for c in CASES if c.id == "T1-verbatim"]
    assert case.expected == [{"timestamp": "2026-05-16T09:19:06.315692671Z", "textPayload": "hello"}]


PLACE = (
    b'"logName":"projects/acme/logs/stdout","insertId":"i","labels":{"compute.googleapis.com/resource_name":"node-1"},'
    b'"resource":{"type":"k8s_container","labels":{"project_id":"p","location":"l","cluster_name":"c",'
    b'"namespace_name":"n","pod_name":"d","container_name":"a"}}'
)


@pytest.mark.parametrize(
    ("rest", "complaint"),
    [
        (b'"textPayload":"m"', ""),
        (b'"textPayload":"m","timestamp":"2026-05-16T09:19:06.5Z"', ""),
        (b'"jsonPayload":{"a":1,"a":2}', "duplicate"),
        (b'"jsonPayload":{"a":NaN}', "NaN"),
        (b'"textPayload":"\xff"', "utf-8"),
        (b'"textPayload":"m","jsonPayload":{}', "LogEntry"),
        (b'"severity":"INFO"', "payload"),
        (b'"textPayload":"m","timestamp":"2026-05-16T09:19:06.1234567890Z"', "LogEntry"),
        (b'"textPayload":"m","timestamp":"2026-05-18T09:19:06Z"', "ahead"),
        (b'"textPayload":"m","httpRequest":{"status":"OK"}', "LogEntry"),
        (b'"textPayload":"m","unknown":1', "LogEntry"),
        (b'"textPayload":"' + b"x" * 262_144 + b'"', "over the limit"),
    ],
)
def test_what_the_api_would_refuse_is_found(rest: bytes, complaint: str) -> None:
    found = faults(b"{" + PLACE + b"," + rest + b"}", 1_778_976_000.0)
    assert (complaint in " ".join(found)) if complaint else not found


@pytest.mark.parametrize(
    ("expected", "raw", "differs"),
    [
        ({"jsonPayload": {"a": 1}}, b'{"jsonPayload":{"a":1}}', False),
        ({"jsonPayload": {"a": 1}}, b'{"jsonPayload":{"a":1.0}}', True),
        ({"jsonPayload": {"a": 1}}, b'{"jsonPayload":{"a":true}}', True),
        ({"jsonPayload": {"a": 1, "b": 2}}, b'{"jsonPayload":{"b":2,"a":1}}', False),
        ({"jsonPayload": {"a": 1, "b": 2}, "ordered": True}, b'{"jsonPayload":{"b":2,"a":1}}', True),
        ({"payload_text": '{"a": 1e2}'}, b'{"jsonPayload":{"a":1e2}}', False),
        ({"payload_text": '{"a": 1e2}'}, b'{"jsonPayload":{"a":100.0}}', True),
        ({"payload_text": '{"\\u0061": "é"}'}, b'{"jsonPayload":{"a":"\\u00e9"}}', False),
        ({"severity": "DEFAULT"}, b"{}", False),
        ({"severity": "INFO"}, b"{}", True),
        ({"instant": "2026-05-16T09:19:05Z"}, b'{"timestamp":"2026-05-16T09:19:05.000Z"}', False),
        ({"instant": "2026-05-16T09:19:05Z"}, b'{"timestamp":"2026-05-16T09:19:05.001Z"}', True),
        ({"timestamp": "2026-05-16T09:19:05Z"}, b'{"timestamp":"2026-05-16T09:19:05.000Z"}', True),
        ({"httpRequest": {"latency": "1.5s"}}, b'{"httpRequest":{"latency":"1.500000000s"}}', False),
        ({"httpRequest": {"latency": "1.5s"}}, b'{"httpRequest":{"latency":"1.6s"}}', True),
        ({"absent": ["trace"]}, b'{"trace":""}', True),
        ({"present": ["trace"]}, b"{}", True),
        ({"labels_include": {"a": "b"}}, b'{"labels":{"a":"c"}}', True),
        ({"labels_absent": ["a"]}, b'{"labels":{"a":"c"}}', True),
        ({"labels_match": {"a": r"^\d+$"}}, b'{"labels":{"a":"12"}}', False),
        ({"labels_count": 2}, b'{"labels":{"a":"c"}}', True),
        ({"shortened": {"keep": {"a": 1}, "cut": {"b": "xx"}}}, b'{"jsonPayload":{"a":1,"b":"xxx"}}', False),
        ({"shortened": {"keep": {"a": 1}, "cut": {"b": "xx"}}}, b'{"jsonPayload":{"a":1,"b":"y"}}', True),
        ({"text_start": {"of": ["abcdef"], "characters": 3}}, b'{"textPayload":"abcx"}', False),
        ({"text_start": {"of": ["abcdef"], "characters": 3}}, b'{"textPayload":"abx"}', True),
    ],
)
def test_a_difference_is_found(expected: dict[str, object], raw: bytes, differs: bool) -> None:
    assert bool(differences(expected, raw)) is differs


def test_a_key_that_means_nothing_is_an_error_in_the_data() -> None:
    with pytest.raises(ValueError, match="textpayload"):
        differences({"textpayload": "m"}, b"{}")


def test_tokens_keep_the_spelling_of_numbers_and_not_that_of_strings() -> None:
    assert tokens('{"a" : [-0, 1E+2, null], "b\\/":"\\u0041"}') == tokens('{"a":[-0,1E+2,null],"b/":"A"}')
    assert tokens("[1.0]") != tokens("[1]")
