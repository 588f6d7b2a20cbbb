"""What the native core makes of lines is what Python makes of them: the same records, entries and counts."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from outrider import native
from outrider.config.secrets import Secret
from outrider.exporters import written
from outrider.exporters.block import Block
from outrider.exporters.datadog.exporter import DatadogLogs
from outrider.exporters.stackdriver.auth import NoToken
from outrider.exporters.stackdriver.exporter import StackdriverLogs
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.records import Record, Records
from outrider.model.stream import Stream
from outrider.tail import plain
from outrider.tail.exceptions import second_line_bits
from outrider.tail.lines import Scanned, cut, split
from outrider.tail.records import Assembler, Budget, Joining
from tests.support.tables import tabled

pytestmark = pytest.mark.skipif(native.core is None, reason="the native core was not built here")

STREAM = Stream("shop", "web-1", "uid-1", "app", 0)
CLUSTER = Cluster("acme", "on-prem-1", "europe-north1", "node-1")
NOW = 1778923146.0
TIME = b"2026-05-16T09:19:06.000000001Z"
GOOGLE = "logging.googleapis.com/"


def stackdriver(counters: Counters) -> StackdriverLogs:
    return StackdriverLogs("x", "acme", CLUSTER, "http://127.0.0.1:9", NoToken(), ManualClock(NOW), counters)


def datadog(counters: Counters) -> DatadogLogs:
    return DatadogLogs("x", CLUSTER, "http://127.0.0.1:9", Secret("k"), ManualClock(NOW), counters)


Maker = Callable[[Counters], Any]


@pytest.fixture(autouse=True, scope="module")
def misfits_apart() -> Iterator[None]:
    """However many there are: else most examples would be left to Python as a whole."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(written, "FEW", 0)
        yield


def made(maker: Maker, records: Records, begun: bytes = TIME) -> tuple[list[Any], dict[str, float]]:
    """The entries that an exporter makes, and what it counts."""
    counters = Counters()
    destination = maker(counters)
    context = destination.context(STREAM, None)
    block: Block = destination.encode(records, context, lambda turn: (f"{turn:024x}", begun))
    entries = block.entries()
    assert block.count == len(entries)
    return [orjson.loads(entry) for entry in entries], {
        name: counters.value(name, exporter="x")
        for name in ("outrider_invalid_utf8_total", "outrider_timestamps_refused_total", "outrider_entries_split_total")
    }


def alike(rows: Sequence[Record], begun: bytes = TIME) -> None:
    for maker in (stackdriver, datadog):
        assert made(maker, tabled(rows), begun) == made(maker, Records.of(rows), begun)


# -- values ---------------------------------------------------------------------------------------------------------

strings = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        ["", " ", "INFO", "info", "Warn ", "200", "E", "0.1s", "12s", ".5s", "1.0000000001s", "7", "-0", "007"]
    ),
    st.sampled_from(
        ["9" * 18, "9" * 19, "a" * 32, "0" * 31 + "g", "projects/p/traces/t", "true", "\u2028", "\U0001f600"]
    ),
    st.sampled_from([TIME.decode(), "2026-05-16T09:19:06Z", "2026-02-30T09:19:06Z", "2026-05-16t09:19:06z"]),
    st.sampled_from(
        ["2026-05-16T09:19:60Z", "2026-05-16T11:19:06+02:00", "2027-05-16T09:19:06Z", "1969-12-31T23:59:59Z"]
    ),
)
numbers = st.one_of(
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -1, 2**31 - 1, 2**31, -(2**31), 30, 99, 100, 200, 404, 799, 800, 899, 900, 10**17]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, strings)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)


def an_object(*keys: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.one_of(st.sampled_from(keys), st.text(max_size=3)), values, max_size=4)


http_requests = st.fixed_dictionaries(
    {},
    optional={
        "requestMethod": strings,
        "requestUrl": strings,
        "status": scalars,
        "latency": strings,
        "requestSize": scalars,
        "responseSize": scalars,
        "cacheHit": scalars,
        "userAgent": strings,
        "unknown": scalars,
    },
)
lines = st.fixed_dictionaries(
    {},
    optional={
        "severity": scalars,
        "level": values,
        "time": values,
        "timestamp": st.one_of(values, st.fixed_dictionaries({"seconds": scalars}, optional={"nanos": scalars})),
        "timestampSeconds": scalars,
        "timestampNanos": scalars,
        "message": values,
        "httpRequest": st.one_of(values, http_requests),
        GOOGLE + "trace": values,
        GOOGLE + "spanId": values,
        GOOGLE + "trace_sampled": values,
        GOOGLE + "labels": values,
        GOOGLE + "insertId": values,
        GOOGLE + "sourceLocation": st.one_of(values, an_object("file", "line", "function")),
        GOOGLE + "operation": st.one_of(values, an_object("id", "producer", "first", "last")),
        "user": values,
        "": values,
        'a"b': scalars,
    },
)


@st.composite
def json_lines(draw: st.DrawFn) -> bytes:
    """JSON of the special fields, in any spelling, and sometimes no JSON any more."""
    fields = list(draw(lines).items())
    in_order = dict(draw(st.permutations(fields)))
    text = json.dumps(
        in_order, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, None, 1]))
    ).encode()
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(text)))
        put = draw(
            st.sampled_from([b"", b" ", b'"', b"\\", b"\\u0000", b"\\ud800", b"\xff", b",", b'"a":1,', b"1e5", b"\n"])
        )
        text = text[:at] + put + text[at + draw(st.integers(0, 2)) :]
    return text + draw(st.sampled_from([b"", b"", b"\r", b" ", b"x"]))


klog_parts = (
    (b"I", b"W", b"E", b"F", b"D", b"X", b"i"),
    (b"0516 09:19:06.315692", b"0516 09:19:06.3", b"0516 09:19:06.", b"516 09:19:06.3", b"0516T09:19:06.3"),
    (b"       ", b" ", b"\t", b""),
    (b"1", b"4711", b"", b"-1", b"1x"),
    (b" ", b"  ", b"\t", b""),
    (b"a.go", b"a:1:b.go", 'ł"\\.go'.encode(), b"\x01", b"\xff", b"", b"a b", b"a]b", b":"),
    (b":42", b":0", b":" + b"9" * 18, b":" + b"9" * 19, b":", b"", b":4x"),
    (b"] ", b"]", b"]\t", b"]]"),
)


@st.composite
def klog_lines(draw: st.DrawFn) -> bytes:
    """Mostly with one part at the most that klog does not write."""
    odd = draw(st.integers(0, len(klog_parts) + 4))
    parts = [draw(st.sampled_from(some if i == odd else some[:2])) for i, some in enumerate(klog_parts)]
    return b"".join(parts) + draw(st.one_of(st.just(b""), st.binary(max_size=9), st.text(max_size=9).map(str.encode)))


texts = st.one_of(
    klog_lines(),
    st.binary(max_size=40),
    st.text(max_size=40).map(str.encode),
    st.sampled_from(
        [b"", b" ", b"I0516 09:19:06.315692       1 a.go:42] m", b"E05", b'\t{"a":1}', b"\xc2\xa0", b"a\xe2\x80\xa8"]
    ),
    st.sampled_from(
        [b"plain words that go on for a while, and end", b'say "no" to \\ and \x00\x1f\x7f', "żółw 🐢".encode()]
    ),
)
times = st.one_of(
    st.just(TIME),
    st.just(TIME),
    st.sampled_from([b"2026-05-16T09:19:06Z", b"2026-05-16T09:19:06.5Z", b"2026-05-16T09:19:06.123456789+02:00", b""]),
    st.sampled_from(
        [b"2026-15-16T09:19:06Z", b"2026-02-29T09:19:06Z", b"2031-05-16T09:19:06Z", b"2026-05-15T16:19:06Z"]
    ),
)
stds = st.sampled_from([b"stdout", b"stdout", b"stderr", b""])
positions = st.one_of(
    st.integers(0, 1 << 20), st.integers(1 << 48, (1 << 48) + 99), st.integers((1 << 40) - 1, 1 << 41)
)


@given(st.lists(st.tuples(positions, times, stds, st.one_of(json_lines(), texts)), min_size=1, max_size=40))
@example([(0, TIME, b"stdout", b'{"a":{"b":1,"b":2}}')])
@example([(0, TIME, b"stdout", b'{"a":1,"a":2}')])
@example([(0, TIME, b"stdout", b"[" * 40)])
@example([(0, TIME, b"stdout", b'{"a":' * depth + b"1" + b"}" * depth) for depth in (29, 30, 31, 32)])
@example([(0, TIME, b"stdout", b'{"a":1e400}'), (9, TIME, b"stdout", b'{"a":' + b"9" * 400 + b"}")])
def test_entries_are_the_same(rows: list[Record]) -> None:
    alike(rows)


@given(st.lists(st.tuples(positions, times | st.just(b""), stds, st.one_of(json_lines(), texts)), min_size=1))
def test_entries_of_a_file_that_began_without_a_time_are_the_same(rows: list[Record]) -> None:
    alike(rows, b"")


@given(st.lists(st.one_of(json_lines(), texts), max_size=3), st.integers(20, 60))
def test_misfits_stand_where_they_stood(odd: list[bytes], n: int) -> None:
    """Few enough among ordinary lines to be put between what the core has written."""
    contents = [b"an ordinary line"] * n
    for i, content in enumerate(odd):
        contents.insert(i * 17, content)
    alike([(100 * i, TIME, b"stdout", content) for i, content in enumerate(contents)])


@given(klog_lines())
def test_lines_of_klog_are_the_same(line: bytes) -> None:
    alike([(0, TIME, b"stderr", line), (99, TIME, b"", line)])


HTTP = b'{"a":1,"httpRequest":{"requestMethod":"GET",%b}}'


@pytest.mark.parametrize(
    "line",
    [
        b'{"a":1,"logging.googleapis.com/spanId":""}',
        b'{"a":1,"logging.googleapis.com/trace":""}',
        b'{"a":1,"logging.googleapis.com/trace_sampled":"true"}',
        b'{"a":1,"logging.googleapis.com/trace":"%b"}' % (b"g" * 32),
        *[
            HTTP % b'"status":%b' % n
            for n in (b"2147483648", b"-1", b"200.0", b'"200"', b"0200", b"123456789012345678")
        ],
        *[
            HTTP % b'"latency":"%b"' % n
            for n in (b".5s", b"1.0000000001s", b"1.s", b"1", b"1234567890123s", b" 1s", b"-1s")
        ],
        *[
            HTTP % b'"requestSize":%b' % n
            for n in (b'"007"', b'"-0"', b'"%b"' % (b"9" * 19), b"1.0", b"9" * 19, b'""', b"-7")
        ],
        *[HTTP % b'"cacheHit":%b' % n for n in (b"1", b'"true"', b"null", b"[]")],
        *[
            HTTP % n
            for n in (b'"status":1,"status":2', b'"st\\u0061tus":1', b'"other":1', b'"referer":1', b'"referer":null')
        ],
        b'{"a":1,"httpRequest":{}}',
        b'{"a":1,"httpRequest":[]}',
        b'{"a":1,"httpRequest":null}',
        *[
            b'{"a":1,"severity":%b}' % n
            for n in (b"-200", b"200", b"99", b"900", b"true", b"null", b"1.5", b'"200"', b'"x"', b'""')
        ],
        *[b'{"a":1,"level":%b}' % n for n in (b"-30", b"30", b"500", b"null", b'" warn "', b'"x"', b"[]", b"1e2")],
        *[
            b'{"a":%b}' % n
            for n in (
                b"007",
                b"-",
                b"01",
                b"-01",
                b"1.",
                b".5",
                b"1e5",
                b"1E400",
                b"-0",
                b"0.0",
                b"+1",
                b"NaN",
                b"9" * 18,
            )
        ],
        *[
            b'{"a":%b}' % n
            for n in (
                b'"\\udc00"',
                b'"\\ud800"',
                b'"\\ud800\\u0041"',
                b'"\\ud83d\\ude00"',
                b'"\\x"',
                b'"\\u12"',
                b'"\x01"',
            )
        ],
        *[
            b'{"a":%b}' % n
            for n in (b"tru", b"nul", b"truex", b"[1,]", b"[,1]", b"{,}", b'{"b"}', b'{"b":}', b'{"b":1,}', b"[1 2]")
        ],
        b'{"a":{"b":1,"b":2}}',
        b'{"a":1,"a":2}',
        b'{"a":1}{"a":1}',
        b'{"a":1}\n',
        b'{"a"\n:1}',
        b'{ "a" : [ 1 , 2 ] , "message" : "m" } \r',
        b'{"message":"only"}',
        b'{"message":"only","severity":"ERROR","time":"2026-05-16T09:19:05Z"}',
        b'{"severity":"ERROR"}',
        b"{}",
        b"{ }",
        b"{",
        *[
            b'{"a":1,"time":"%b"}' % t
            for t in (b"2026-05-16T24:00:00Z", b"2026-05-16T09:19:60Z", b"2026-02-29T09:19:06Z")
        ],
        *[
            b'{"a":1,"time":"%b"}' % t
            for t in (b"2024-02-29T09:19:06Z", b"2100-02-29T09:19:06Z", b"2026-05-16T09:19:06.Z")
        ],
        *[
            b'{"a":1,"time":"%b"}' % t
            for t in (b"2026-05-17T09:19:05Z", b"2026-05-17T09:19:07Z", b"1969-12-31T23:59:59Z", b"")
        ],
        *[
            b"I0516 09:19:06.3%b" % rest
            for rest in (b"1  7 a.go:42] m", b" 7 a.go:42]", b" 7 a.go:42] ", b" 7 :42] m", b" 7 a:] m", b" 7 42] m")
        ],
        *[b"I0516 09:19:06.31 7 a.go:%b] m" % number for number in (b"007", b"9" * 18, b"9" * 19)],
    ],
)
def test_each_strict_rule(line: bytes) -> None:
    alike([(0, TIME, b"stdout", b"before"), (9, TIME, b"stderr", line), (99, TIME, b"stdout", b"behind")])


@pytest.mark.parametrize(
    "time", [b"2026-05-15T16:19:05.9Z", b"2026-05-15T16:19:06Z", b"2026-05-16T10:19:06Z", b"2026-05-16T10:19:07Z"]
)
def test_times_at_the_ends_of_what_an_intake_takes(time: bytes) -> None:
    alike([(0, time, b"stdout", b"x")])


@pytest.mark.parametrize("odd", [0, 1, 2, 3, 32])
def test_either_way_at_the_threshold(odd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written, "FEW", 16)
    rows = [(9 * i, TIME, b"stdout", b"\xff" if i % 11 == 3 and i // 11 < odd else b"x") for i in range(32)]
    alike(rows)


@pytest.mark.parametrize("length", [16383, 16384, 16385, 149_999, 150_001, 400_000])
@pytest.mark.parametrize("pattern", [b"x", b"\x01", b'"', "ż".encode()])
def test_long_lines(length: int, pattern: bytes) -> None:
    content = (pattern * length)[:length]
    text = orjson.dumps({"message": "m", "text": content.decode("utf-8", "ignore")})
    alike([(0, TIME, b"stdout", content), (length, TIME, b"stdout", b"short"), (length + 9, TIME, b"stdout", text)])


@pytest.mark.parametrize("n", [63, 64, 65])
def test_many_keys(n: int) -> None:
    alike([(0, TIME, b"stdout", orjson.dumps({f"k{i}": i for i in range(n)}))])
    alike([(0, TIME, b"stdout", orjson.dumps({"a": {f"k{i}": i for i in range(n - 1)}}))])


# -- lines ----------------------------------------------------------------------------------------------------------

heads = st.one_of(
    st.sampled_from([TIME + b" stdout F ", TIME + b" stderr F ", TIME + b" stdout P "]),
    st.sampled_from(
        [TIME + b" stdout F", TIME + b" stdin F ", TIME + b" stdout F:x ", b"2026-05-16T24:19:06Z stdout F ", b""]
    ),
    st.sampled_from([b"2026-05-16T09:19:06+0200 stdout F ", b"2026-19-39T09:19:06.123456789-02:30 stdout F "]),
    st.sampled_from([b"2026-05-16T09:19:06.Z stdout F ", b"2026-05-16T09:19:06.1234567890Z stdout F "]),
)
contents = st.one_of(
    st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"")),
    st.sampled_from(
        [b"", b"panic: boom", b"goroutine 1 [running]:", b"java.lang.Error: x", b"\tat a.B(C.java:1)", b"Caused by: y"]
    ),
)


@given(st.lists(st.tuples(heads, contents), min_size=1, max_size=12), st.integers(0, 1 << 50))
def test_lines_are_the_same(parts: list[tuple[bytes, bytes]], at: int) -> None:
    chunk = b"".join(head + content + b"\n" for head, content in parts)
    found, reference = cut(chunk, at), split(chunk)
    if isinstance(found, Scanned):
        assert list(found.records) == list(
            zip(_positions(reference.raws, at), reference.times, reference.stds, reference.contents, strict=True)
        )
        assert [found.tag(i) for i in range(found.number)] == reference.tags
    else:
        assert not all(tag and _SIMPLE.match(raw) for tag, raw in zip(reference.tags, reference.raws, strict=True))


_SIMPLE = re.compile(rb"\S+ \S+ [FP] ")


plain_heads = st.sampled_from(
    [b"", b"[", b"\0\0", b"\0", TIME, TIME + b" ", b"[" + TIME + b"]", TIME + b"\tx", TIME + b"x", TIME[:-1] + b" "]
)


@given(st.lists(st.tuples(plain_heads, contents, st.sampled_from([b"", b"\r", b"\r\r", b"\0\r"])), min_size=1))
def test_lines_of_a_programs_own_file_are_the_same(parts: list[tuple[bytes, bytes, bytes]]) -> None:
    chunk = b"".join(head + content + end + b"\n" for head, content, end in parts)
    found, reference = plain.cut(chunk, 7), plain.split(chunk)
    assert isinstance(found, Scanned)
    assert list(found.records) == list(
        zip(_positions(reference.raws, 7), reference.times, reference.stds, reference.contents, strict=True)
    )
    assert {found.tag(i) for i in range(found.number)} == {b"F"}


def _positions(raws: list[bytes], at: int) -> list[int]:
    return [at + sum(map(len, raws[:i])) for i in range(len(raws))]


simple_heads = st.sampled_from([TIME + b" stdout F ", TIME + b" stderr F ", TIME + b" stdout P ", TIME + b" stderr P "])
joinings = st.sampled_from(
    [Joining(), Joining(partials=False), Joining(exceptions=False), Joining(pattern="java"), Joining(False, False)]
)


@given(st.lists(st.tuples(simple_heads, contents), min_size=1, max_size=30), joinings, st.lists(st.integers(1, 29)))
def test_records_are_the_same(parts: list[tuple[bytes, bytes]], joining: Joining, ends: list[int]) -> None:
    """Whatever is joined over however many chunks."""
    raws = [head + content + b"\n" for head, content in parts]
    ways = Assembler(joining, Budget()), Assembler(joining, Budget())
    said: tuple[list[Any], list[Any]] = [], []
    at = begin = 0
    for end in sorted({*ends, len(raws)}):
        chunk = b"".join(raws[begin:end])
        if chunk:
            for way, out, chunked in zip(ways, said, (cut(chunk, at, ways[0].screen), split(chunk)), strict=True):
                out.append([*way.feed(chunked, at, 1.0)])
                out.append((way.unfinished, way.timestamp, way.joined))
        at, begin = at + len(chunk), end
    for way, out in zip(ways, said, strict=True):
        out.append([*way.finish(2.0)])
    assert said[0] == said[1]


def test_a_screen_marks_what_may_follow_the_first_line_of_a_trace() -> None:
    found = cut(TIME + b" stdout F panic: x\n" + TIME + b" stdout F goroutine 1 [running]:\n", 0, second_line_bits())
    assert isinstance(found, Scanned)
    assert found.marked() == [1]


@pytest.mark.parametrize(("begin", "end"), [(0, 2), (-1, 1), (1, 0)])
def test_rows_that_there_are_not_are_refused(begin: int, end: int) -> None:
    core: Any = native.core
    chunk, said = TIME + b" stdout F x\n", native.strings(*[b"x"] * 8)
    with pytest.raises(ValueError, match="row"):
        core.datadog(chunk, core.scan(chunk, 0), begin, end, said, 0, 1 << 60, -1)
