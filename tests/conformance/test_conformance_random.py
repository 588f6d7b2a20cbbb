"""Lines that nobody thought of: whatever a container writes, each line becomes an entry that the API accepts, and what
the application said in ordinary fields is in it unchanged."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.cases import NOW, STREAM, Case
from tests.conformance.compare import faults, key_equal
from tests.support.render import render

SPECIAL = ["severity", "level", "message", "time", "timestamp", "timestampSeconds", "timestampNanos", "httpRequest"]
SPECIAL += [
    f"logging.googleapis.com/{name}"
    for name in ("severity", "labels", "insertId", "operation", "sourceLocation", "trace", "spanId", "trace_sampled")
]
MEMBERS = ["seconds", "nanos", "id", "producer", "first", "last", "file", "line", "function", "requestMethod", "status"]
MEMBERS += ["requestSize", "responseSize", "cacheFillBytes", "latency", "referer", "cacheHit", "protocol", "x"]
TIMES = ["2026-05-16T09:19:05Z", "2026-05-16T09:19:05.1+23:59", "2016-12-31T23:59:60Z", "0001-01-01T00:00:00+14:00"]
TIMES += ["9999-12-31T23:59:59.999999999Z", "2026-02-30T00:00:00Z", "2026-05-16T24:00:00Z", "2026-05-16t09:19:05z"]
WORDS = ["", " ", "1.5s", " 1 s", "315576000001s", "-1s", "1e3s", "²", "١", "-1", "+1", "007", "9223372036854775808"]
WORDS += ["warn", "garbage", "true", "0af7651916cd43dd8448eb211c80319c", "\0", "null", "NaN"]

STREAM_NAMES = st.sampled_from(["stdout", "stderr"])
# Numbers that every JSON reader keeps: how others are spelt is the matter of data/json_fidelity.yaml.
NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text(max_size=8) | st.sampled_from([*TIMES, *WORDS])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS) | st.text(max_size=4), inner),
    max_leaves=8,
)
SPECIAL_PARTS = st.dictionaries(st.sampled_from(SPECIAL), VALUES, max_size=6)
ORDINARY_PARTS = st.dictionaries(st.text(max_size=4).map("key-{}".format), VALUES, max_size=4)


def entries_of(lines: list[bytes]) -> list[bytes]:
    """The entries of one stream that holds `lines`, each on its own; none of them has a fault."""
    now = Case(id="own-random", mark="own", source="", now=NOW).wall_time
    entries = render(lines, stream_file=STREAM, join={"exceptions": False}, now=now)
    assert [fault for raw in entries for fault in faults(raw, now)] == []
    return entries


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(STREAM_NAMES, SPECIAL_PARTS, ORDINARY_PARTS), min_size=1, max_size=12))
def test_an_object_becomes_one_entry_with_all_its_ordinary_fields(
    objects: list[tuple[str, dict[str, Any], dict[str, Any]]],
) -> None:
    lines = [
        f"2026-05-16T09:19:06.{n:09d}Z {stream} F {json.dumps({**special, **ordinary}, ensure_ascii=False)}".encode()
        for n, (stream, special, ordinary) in enumerate(objects)
    ]
    entries = [json.loads(raw) for raw in entries_of(lines)]
    assert len(entries) == len(objects)
    for entry, (stream, special, ordinary) in zip(entries, objects, strict=True):
        assert entry["logName"] == f"projects/acme/logs/{stream}"
        payload = entry.get("jsonPayload", {"message": entry.get("textPayload")})
        assert key_equal({k: payload.get(k) for k in ordinary}, ordinary)
        assert set(payload) <= {*special, *ordinary}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b" ")), min_size=1, max_size=12))
def test_any_bytes_arrive(contents: list[bytes]) -> None:
    lines = [b"2026-05-16T09:19:06.%09dZ stdout F %b" % (n, content) for n, content in enumerate(contents)]
    entries = [json.loads(raw) for raw in entries_of(lines)]
    texts = [entry["textPayload"] for entry in entries if "textPayload" in entry]
    assert len(entries) == len(contents)
    assert texts == [content.decode(errors="replace") for content in contents][: len(texts)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.binary(max_size=60).map(lambda line: b"# " + line.replace(b"\n", b" ")), min_size=1, max_size=12))
def test_lines_without_a_head_arrive(lines: list[bytes]) -> None:
    texts = [json.loads(raw)["textPayload"] for raw in entries_of([b"2026-05-16T09:19:06Z stdout F first", *lines])]
    assert texts == ["first", *(line.decode(errors="replace") for line in lines)]
