"""Redaction: no match leaves the node, JSON stays JSON, and nothing else of a record changes."""

import json
import re
import time
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.config import Redact
from outrider.model.counters import Counters
from outrider.model.patterns import compiled, valid_utf8
from outrider.model.records import Records
from outrider.pipeline.redact import Redactor
from tests.support.tables import tabled


def clean(content: bytes, *rules: tuple[str, str]) -> bytes:
    return redacted(content, *(Redact(*rule) for rule in rules))


def redacted(content: bytes, *rules: Redact) -> bytes:
    """What is left of `content`, whether its record comes in columns or in a table."""
    row = (7, b"t", b"stdout", content)
    ways = [Redactor(rules, Counters()).apply(records) for records in (Records.of([row]), tabled([row]))]
    assert ways[0] == ways[1]
    return ways[0].content(0)


@pytest.mark.parametrize(
    ("content", "pattern", "replacement", "wanted"),
    [
        (b"password=hunter2 ok", r"password=\S+", "password=[redacted]", b"password=[redacted] ok"),
        (b"a=1 a=2", r"a=\d", "-", b"- -"),
        (b"card 4111-1111", r"(\d{4})-\d{4}", r"\1-****", b"card 4111-****"),
        ("naïve=größe!".encode(), r"=\pL+", "=x", "naïve=x!".encode()),
        ("née Müller".encode(), r"n.e", "[born]", "[born] Müller".encode()),
        ("ÄÖ".encode(), "[äö]", "x", "ÄÖ".encode()),
        ("ÄÖ".encode(), "(?i)[äö]", "x", b"xx"),
        (b"pin 1234", r"\x{70}in \d+", "→", "→".encode()),
        (b"caf\xe9 secret \xff", "secret", "s", "caf\ufffd s \ufffd".encode()),
        (b"password=a\xffb c", r"password=\S+", "*", b"* c"),
        (b"one\ntwo", "(?m)^two$", "2", b"one\n2"),
        (b"nothing here", "secret", "s", b"nothing here"),
        (b"", "^$", "empty", b"empty"),
    ],
)
def test_matches_in_text_are_replaced(content: bytes, pattern: str, replacement: str, wanted: bytes) -> None:
    assert clean(content, (pattern, replacement)) == wanted


@pytest.mark.parametrize(
    ("content", "pattern", "replacement", "wanted"),
    [
        # the object stays one, and what is not touched keeps its bytes
        (rb'{"m":"password=x"}', r"password=\S+", "p", rb'{"m":"p"}'),
        (rb' { "a" : 1.50e3, "m":"x\/y pin=7" , "z":null} ', r"pin=\d", "p",
         rb' { "a" : 1.50e3, "m":"x/y p" , "z":null} '),
        (rb'{"a":{"b":["s1",{"c":"s2"}]}}', r"s\d", "-", rb'{"a":{"b":["-",{"c":"-"}]}}'),
        (rb'{"m":"s1","m":"s2"}', r"s\d", "-", rb'{"m":"-","m":"-"}'),
        (rb'{"m":"s"}', "s", 'say "x"\\\\', rb'{"m":"say \"x\"\\"}'),
        # escapes hide nothing
        (rb'{"m":"me\u0040x"}', "me@x", "-", rb'{"m":"-"}'),
        (rb'{"m":"a\/b"}', "a/b", "-", rb'{"m":"-"}'),
        (rb'{"m":"one\ntwo"}', r"one\stwo", "-", rb'{"m":"-"}'),
        (rb'{"m":"\ud83d\ude00"}', "😀", "-", rb'{"m":"-"}'),
        (rb'{"\u0073ecret":"x"}', "secret", "-", rb'{"-":"x"}'),
        (rb'{"m":"{\"password\":\"x\"}"}', r'"password":"[^"]*"', r'"password":"-"', rb'{"m":"{\"password\":\"-\"}"}'),
        # beginnings and ends are those of strings
        (rb'{"a":"secret","b":"a secret"}', "^secret$", "-", rb'{"a":"-","b":"a secret"}'),
        (rb'{"a":"secret"}', r"\Asecret\z", "-", rb'{"a":"-"}'),
        (rb'{"a":"x secret"}', r"\bsecret\b", "-", rb'{"a":"x -"}'),
        # numbers
        (rb'{"n":1234,"o":12345}', r"^\d{4}$", "-", rb'{"n":"-","o":12345}'),
        (rb'{"n":12345678901234567890123}', "90123$", "-", rb'{"n":"123456789012345678-"}'),
        (rb'{"n":-1.5e+7}', "1.5e.7", "x", rb'{"n":"-x"}'),
        # keys, which stay different
        (rb'{"a1":1,"a2":2}', r"a\d", "k", rb'''{"k":1,"k'":2}'''),
        (rb'{"s1" : "s1"}', r"s\d", "-", rb'{"-" : "-"}'),
        # a pattern with a quote sees the line as it is written
        (rb'{"password": "x", "b":1}', r'("password":\s*)"[^"]*"', r'\1"-"', rb'{"password": "-", "b":1}'),
        (rb'{"password":"x"}', r'password":"[^"]*', "-", rb'{"-"}'),
        # and so does a match that no string could show
        (rb'{"password": "hunter2","a":"b"}', r"password\W+\w+", "-", rb'{"-","a":"b"}'),
        (rb'{"p":"pin=1","x":[1, 2]}', r"pin=\d|1, 2", "-", rb'{"p":"-","x":[-]}'),
        (rb'{"a": true, "b":"x\ny"}', r"tr|[{\[]|ny|\s+", "-", rb'{"a": true, "b":"x-y"}'),
        # no JSON object
        (rb'{"m":"password=x"', r"password=\S+", "-", rb'{"m":"-'),
        (rb'["s1"]', r"s\d", "-", rb'["-"]'),
        (rb'text {"m":"password=x"}', r"password=\S+", "-", rb'text {"m":"-'),
        (b'{"m":"caf\xe9 s1"}', r"s\d", "-", '{"m":"caf\ufffd -"}'.encode()),
    ],
)  # fmt: skip
def test_matches_in_json_are_replaced(content: bytes, pattern: str, replacement: str, wanted: bytes) -> None:
    assert clean(content, (pattern, replacement)) == wanted


def test_rules_apply_one_after_the_other() -> None:
    assert clean(b"a", ("a", "b"), ("b", "c")) == b"c"
    assert clean(b'{"x":"a"}', ("a", "b"), ("b", "c")) == b'{"x":"c"}'


def test_a_line_that_one_rule_damages_hides_nothing_from_the_next() -> None:
    line = rb'{"password":"x","mail":"me\u0040x.de"}'
    assert clean(line, (r"password\W+\w+", "-"), ("me@x.de", "+")) == b'{"-","mail":"+"}'


def test_position_time_and_stream_stay() -> None:
    records = Records.of([(1, b"t1", b"stdout", b"x"), (9, b"t2", b"stderr", b"secret")])
    redactor = Redactor([Redact("secret", "*")], Counters())
    assert list(redactor.apply(records)) == [(1, b"t1", b"stdout", b"x"), (9, b"t2", b"stderr", b"*")]


def test_lines_are_counted_by_rule() -> None:
    counters = Counters()
    rules = [Redact("a", "-"), Redact(set="emails"), Redact("never", "-"), Redact("-", "-")]
    redactor = Redactor(rules, counters, exporter="google")
    contents = [b"a a x@y.de", b"b", b"a", b'{"a":1}']
    redactor.apply(Records.of((i, b"t", b"stdout", c) for i, c in enumerate(contents)))
    by_rule = {r: counters.value("outrider_redactions_total", rule=r, exporter="google")
               for r in ("logs.redact[0]", "emails", "logs.redact[2]", "logs.redact[3]")}  # fmt: skip
    assert list(by_rule.values()) == [3, 1, 0, 0]


def test_without_rules_there_is_nothing_to_apply() -> None:
    assert not Redactor([], Counters())
    assert Redactor([Redact("a", "b")], Counters())


# -- any line ---------------------------------------------------------------------------------------------------------

PATTERNS = ["s+", "^s$", r"\bs", "(?i)S.x", r"\d{2}", "[@/]", "ä.", r"x\W+s", r'"s":"[^"]*"', "s$|^x", r"s\n"]
ALPHABET = 's@x/ä1 \n"\\'
_JSON = st.recursive(
    st.one_of(st.text(ALPHABET, max_size=6), st.integers(0, 2000), st.none(), st.booleans(), st.floats(0, 99)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(ALPHABET, max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(st.text(ALPHABET, max_size=4), _JSON, max_size=4)


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [s for k, v in value.items() for s in (k, *strings(v))]
    if isinstance(value, list):
        return [s for v in value for s in strings(v)]
    return [] if value is None or isinstance(value, bool) else [value if isinstance(value, str) else repr(value)]


@settings(max_examples=400)
@given(_OBJECTS, st.sampled_from(PATTERNS), st.sampled_from([json.dumps, lambda o: orjson.dumps(o).decode()]))
def test_no_string_that_matches_leaves_the_node(value: dict[str, Any], pattern: str, dump: Any) -> None:
    line = dump(value).encode()
    found = compiled(pattern).search
    # an underscore occurs in no value, and no pattern matches what is put together around four of them
    out = clean(line, (pattern, "____"))
    try:
        after = orjson.loads(out)
    except orjson.JSONDecodeError:
        assert out != line
        assert found(out) is None
        return
    if not any(found(s.encode()) for s in strings(value)) and found(line) is None:
        assert out == line
    assert not [s for s in strings(after) if found(s.encode())]


@given(_OBJECTS, st.sampled_from(["s+", "^s$", "[@/]", r"s\n"]))
def test_a_value_of_many_kinds_keeps_its_shape(value: dict[str, Any], pattern: str) -> None:
    """A pattern that only strings can match leaves an object with as many keys, and the same numbers."""

    def shape(v: Any) -> Any:
        if isinstance(v, dict):
            return [shape(x) for x in v.values()]
        return [shape(x) for x in v] if isinstance(v, list) else "" if isinstance(v, str) else v

    assert shape(orjson.loads(clean(orjson.dumps(value), (pattern, "____")))) == shape(value)


@given(st.binary())
def test_bytes_that_nothing_matches_pass_unchanged(content: bytes) -> None:
    assert clean(content, ("nevermore", "x")) == content
    assert clean(b'{"a\\n":' + content, ("^nevermore$", "x")) == b'{"a\\n":' + content


@given(st.binary(), st.sampled_from(PATTERNS[:7]))
def test_no_bytes_are_too_odd(content: bytes, pattern: str) -> None:
    out = clean(content, (pattern, "____"))
    assert compiled(pattern).search(valid_utf8(out)) is None


def test_a_line_without_a_match_costs_little() -> None:
    """Beside Python's own engine on the same line (generously)."""
    line = b'{"message":"request served","path":"/api/items/42","status":200,"ms":17,"user":"u-1","trace":"abcdef012"}'
    records = Records.of((i, b"t", b"stdout", line) for i in range(2000))
    redactor = Redactor([Redact(r"password=\S+", "*"), Redact(set="keys"), Redact(set="tokens")], Counters())
    redactor.apply(records.part(0, 10))
    begun = time.perf_counter()
    redactor.apply(records)
    took = time.perf_counter() - begun
    begun = time.perf_counter()
    for _ in records:
        re.search(rb"(?:pass|secret)word=\S+", line)
    assert took < 20 * (time.perf_counter() - begun)


@pytest.mark.parametrize(
    "line",
    [
        rb'{"v":1,"k":"joe\u0040example.com"}',
        rb'{"v":NaN,"k":"joe\u0040example.com"}',
        rb'{"v":"\ud83d","k":"joe\u0040example.com"}',
        rb'[{"k":"joe\u0040example.com"}]',
        rb'INFO {"k":"joe\u0040example.com"}',
        rb'{"k":"joe\u0040example.com"',
        rb'{"k":"joe\u0040example.com"} trailing',
    ],
)
def test_an_escape_hides_nothing_in_a_line_that_only_looks_like_json(line: bytes) -> None:
    cleaned = redacted(line, Redact(set="emails"))
    assert b"joe" not in cleaned
    assert cleaned.count(b"redacted") == 1


def test_what_a_pod_writes_does_not_make_redaction_slow() -> None:
    """Each of these took time by the square of the line."""
    keys = json.dumps({f"user{i}@example.com": 1 for i in range(16_000)}).encode()
    pairs = json.dumps({"a": ["password", "x"] * 40_000}).encode()
    began = time.thread_time()
    cleaned = redacted(keys, Redact(set="emails"))
    redacted(pairs, Redact(r"password\W+\w+", "*"))
    assert time.thread_time() - began < 20
    assert len(orjson.loads(cleaned)) == 16_000
    assert len(cleaned) < 2 * len(keys)
