"""Sizes, depths and times against the official protobuf messages: what we compute is what they are."""

from typing import Any

import orjson
import pytest
from google.cloud.logging_v2 import types as pb
from google.protobuf import duration_pb2, json_format, timestamp_pb2
from hypothesis import assume, given
from hypothesis import strategies as st

from outrider.intake import timestamps, wiresize
from tests.support.intake_http import K8S, LOG

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
VALUE = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
PAYLOAD = st.dictionaries(TEXT, VALUE, max_size=6)


def message_of(fields: dict[str, Any]) -> Any:
    return json_format.ParseDict(fields, pb.LogEntry.pb()())


@given(PAYLOAD, st.dictionaries(TEXT, TEXT, max_size=5), TEXT)
def test_entry_size_is_the_length_on_the_wire(payload: dict[str, Any], labels: dict[str, str], insert_id: str) -> None:
    fields: dict[str, Any] = {
        "logName": LOG,
        "resource": K8S,
        "jsonPayload": payload,
        "labels": labels,
        "insertId": insert_id,
        "timestamp": "2026-05-16T09:19:06.315692671Z",
    }
    real = message_of(fields).ByteSize()
    ours = wiresize.entry_size(fields)
    assert abs(ours - real) <= 8  # an empty insertId is not on the wire, and a time takes 11 to 14 bytes
    assert ours <= wiresize.MOST_PER_JSON_BYTE * len(orjson.dumps(fields))


@pytest.mark.parametrize("item", [1, None, [], {}, "", {"": 1}, [[]]])
def test_the_bound_per_json_byte_holds_at_its_worst(item: Any) -> None:
    fields = {"jsonPayload": {"": [item] * 5000}}
    assert wiresize.entry_size(fields) <= wiresize.MOST_PER_JSON_BYTE * len(orjson.dumps(fields))


SHAPES = st.lists(st.sampled_from(["object", "array"]), min_size=20, max_size=60)


@given(SHAPES, st.sampled_from(["leaf", None, [], {}]))
def test_depth_is_refused_exactly_where_the_wire_parser_does(shape: list[str], leaf: Any) -> None:
    value = leaf
    for kind in shape:
        value = {"k": value} if kind == "object" else [value]
    payload = {"k": value}
    raw = as_bytes(payload)
    try:
        pb.WriteLogEntriesRequest.pb().FromString(raw)
    except Exception:
        with pytest.raises(wiresize.TooDeepError, match="k"):
            wiresize.check_depth(payload)
    else:
        wiresize.check_depth(payload)


def as_bytes(payload: dict[str, Any]) -> bytes:
    """A write request with this payload; written by hand, since no library writes what none can read."""

    def varint(number: int) -> bytes:
        return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + varint(number >> 7)

    def field(number: int, data: bytes) -> bytes:
        return varint(number << 3 | 2) + varint(len(data)) + data

    def value(item: Any) -> bytes:
        if item is None:
            return b"\x08\x00"
        if isinstance(item, str):
            return field(3, item.encode())
        if isinstance(item, dict):
            return field(5, struct(item))
        return field(6, b"".join(field(1, value(element)) for element in item))

    def struct(fields: dict[str, Any]) -> bytes:
        return b"".join(field(1, field(1, key.encode()) + field(2, value(item))) for key, item in fields.items())

    return field(4, field(6, struct(payload)))


@given(st.integers(-62_135_596_800 * 10**9, 253_402_300_800 * 10**9 - 1))
def test_a_timestamp_survives_the_round_trip_and_is_the_official_text(nanos: int) -> None:
    official = timestamp_pb2.Timestamp(seconds=nanos // 10**9, nanos=nanos % 10**9)
    text = timestamps.format_timestamp(nanos)
    assert text == official.ToJsonString()
    assert timestamps.parse_timestamp(text) == nanos


@given(
    st.from_regex(
        r"\A\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-6]\d:[0-6]\d(\.\d{1,10})?(Z|[+-][012]\d:[0-6]\d)\Z".replace(r"\d", "[0-9]")
    )
)
def test_timestamps_agree_with_the_official_parser(text: str) -> None:
    try:
        ours = timestamps.parse_timestamp(text)
    except ValueError:
        return
    official = timestamp_pb2.Timestamp()
    official.FromJsonString(text)
    assert official.seconds * 10**9 + official.nanos == ours


@given(st.text("0123456789-+:.TZtz ", max_size=40))
def test_no_text_breaks_the_time_parser(text: str) -> None:
    for parse in (timestamps.parse_timestamp, timestamps.parse_duration):
        try:
            assert isinstance(parse(text), int)
        except ValueError as error:
            assert text in str(error) or repr(text) in str(error)


@given(st.integers(-315_576_000_000 * 10**9, 315_576_000_000 * 10**9))
def test_a_duration_survives_the_round_trip_and_is_the_official_text(nanos: int) -> None:
    assume(nanos != 0)
    official = duration_pb2.Duration()
    official.FromNanoseconds(nanos)
    text = timestamps.format_duration(nanos)
    assert text == official.ToJsonString()
    assert timestamps.parse_duration(text) == nanos


@pytest.mark.parametrize(("size", "text"), [(300_134, "293.1K"), (262_144, "256.0K"), (2_097_152, "2.0M")])
def test_sizes_read_as_the_api_prints_them(size: int, text: str) -> None:
    assert wiresize.human(size) == text
