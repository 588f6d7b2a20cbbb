"""The encoder where the conformance tables do not look: identity, order, labels, and bytes of every kind."""

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from outrider.exporters.block import block
from outrider.exporters.stackdriver.auth import NoToken
from outrider.exporters.stackdriver.context import StreamContext, log_name
from outrider.exporters.stackdriver.encode import Encoder
from outrider.exporters.stackdriver.exporter import StackdriverLogs
from outrider.exporters.stackdriver.limits import MAX_ENTRY
from outrider.exporters.stackdriver.odd import OddLines
from outrider.exporters.stackdriver.times import Timestamps
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.pod import Controller, Pod
from outrider.model.records import Record, Records
from outrider.model.stream import Stream
from tests.support.tables import tabled

CLUSTER = Cluster("acme", "on-prem-1", "europe-north1", "node-1")
STREAM = Stream("shop", "web-1", "uid-1", "app", 0)
TIME = b"2026-05-16T09:19:06.000000001Z"


def encode(*records: Record, pod: Pod | None = None, strict: bool = False, stream: Stream = STREAM) -> list[dict]:  # type: ignore[type-arg]
    """The entries of `records`, which are the same whether they come in columns or in a table."""
    made = []
    for some in (Records.of(records), tabled(records)):
        encoder = Encoder("acme", strict, ManualClock(), Counters(), "google")
        context = StreamContext(stream, pod, CLUSTER, "acme")
        entries = encoder.encode(some, context, lambda turn: (f"{turn:024x}", TIME)).entries()
        assert all(len(e) <= MAX_ENTRY for e in entries)
        made.append([orjson.loads(e) for e in entries])
    assert made[0] == made[1]
    return made[0]


def test_insert_ids_sort_by_generation_and_offset() -> None:
    positions = [0, 7, 255, 256, 1 << 20, 1 << 35, 1 << 48, (1 << 48) + 9, (2 << 48) + 1]
    ids = [e["insertId"] for e in encode(*((at, TIME, b"stdout", b"x") for at in positions))]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_pieces_of_a_split_text_sort_between_their_neighbours() -> None:
    entries = encode(
        (0, TIME, b"stdout", b"before"), (7, TIME, b"stdout", b"y" * 600_000), (600_050, TIME, b"stdout", b"after")
    )
    ids = [e["insertId"] for e in entries]
    assert ids == sorted(ids)
    parts = [e for e in entries if "split" in e]
    assert "".join(e["textPayload"] for e in parts) == "y" * 600_000
    assert [e["split"]["index"] for e in parts] == [0, 1, 2]
    assert {(e["split"]["uid"], e["split"]["totalSplits"]) for e in parts} == {(parts[0]["split"]["uid"], 3)}


@pytest.mark.parametrize(
    "other",
    [
        Stream("shop", "web-1", "uid-2", "app", 0),
        Stream("shop", "web-1", "uid-1", "sidecar", 0),
        Stream("shop", "web-1", "uid-1", "app", 1),
    ],
)
def test_another_stream_has_other_ids(other: Stream) -> None:
    record = (5, TIME, b"stdout", b"x")
    assert encode(record)[0]["insertId"] != encode(record, stream=other)[0]["insertId"]


def test_the_same_line_has_the_same_entry_whatever_came_before() -> None:
    record = (500, TIME, b"stderr", b'{"message":"m","a":1}')
    alone = encode(record)
    behind = encode((0, TIME, b"stdout", b"x"), record)
    assert behind[1:] == alone


@pytest.mark.parametrize("before", [b'{"b":1}', b'{"b":[1]}', b"x"])
def test_a_number_that_no_double_holds_is_text_whatever_came_before(before: bytes) -> None:
    great = b'{"b":%b}' % (b"9" * 309)
    [_, entry] = encode((0, TIME, b"stdout", before), (9, TIME, b"stdout", great))
    assert entry["textPayload"] == great.decode()


def test_labels_beyond_64_are_shed_from_the_pods() -> None:
    pod = Pod("uid-1", "web-1", "shop", {f"l{i:02d}": "v" for i in range(80)}, {}, Controller("Deployment", "web"))
    line = orjson.dumps({"a": 1, "logging.googleapis.com/labels": {f"u{i}": "w" for i in range(10)}})
    labels = encode((0, TIME, b"stdout", line), pod=pod)[0]["labels"]
    assert len(labels) == 64
    assert labels["compute.googleapis.com/resource_name"] == "node-1"
    assert labels["logging.gke.io/top_level_controller_name"] == "web"
    assert all(f"u{i}" in labels for i in range(10))


def test_labels_that_are_left_out_are_counted() -> None:
    counters = Counters()
    exporter = StackdriverLogs("google", "acme", CLUSTER, "http://127.0.0.1:9", NoToken(), ManualClock(), counters)
    line = b'{"logging.googleapis.com/labels":{"a":"b"}}'
    for pod_labels, shed in ((60, 0), (63, 1), (64, 3)):
        pod = Pod("uid-1", "web-1", "shop", {f"l{i:02d}": "v" for i in range(pod_labels)})
        before = counters.value("outrider_labels_shed_total", exporter="google")
        context = exporter.context(STREAM, pod)
        records = Records.of([(0, TIME, b"stdout", b"x"), (5, TIME, b"stdout", line)])
        exporter.encode(records, context, lambda _: ("g", TIME))
        if pod_labels == 64:
            exporter.encode(records.part(1, 2), context, lambda _: ("g", TIME))
        assert counters.value("outrider_labels_shed_total", exporter="google") - before == shed


@given(
    st.lists(st.tuples(st.sampled_from([b"stdout", b"stderr", b""]), st.binary(max_size=300)), max_size=20),
    st.sampled_from([TIME, b"", b"9999-01-01T00:00:00Z", b"2026-02-31T00:00:00Z"]),
)
def test_any_bytes_become_exactly_one_entry(lines: list[tuple[bytes, bytes]], time: bytes) -> None:
    entries = encode(*((i, time, std, content) for i, (std, content) in enumerate(lines)))
    assert len(entries) == len(lines)
    for entry, (std, content) in zip(entries, lines, strict=True):
        assert entry["timestamp"] == TIME.decode()
        assert entry["logName"].endswith("/stderr" if std == b"stderr" else "/stdout")
        assert ("textPayload" in entry) != ("jsonPayload" in entry)
        if std == b"":
            assert entry["textPayload"] == content.decode("utf-8", "replace")


def test_without_any_usable_time_the_server_sets_one() -> None:
    encoder = Encoder("acme", False, ManualClock(), Counters(), "google")
    context = StreamContext(STREAM, None, CLUSTER, "acme")
    records = Records.of([(0, b"", b"", b"x"), (2, b"9999-01-01T00:00:00Z", b"stdout", b"{}")])
    entries = encoder.encode(records, context, lambda _: ("g", b"")).entries()
    assert ["timestamp" in orjson.loads(e) for e in entries] == [False, False]


def test_what_is_counted() -> None:
    counters = Counters()
    clock = ManualClock()
    context = StreamContext(STREAM, None, CLUSTER, "acme")
    records = Records.of(
        [
            (0, TIME, b"stdout", b"\xff"),
            (1, b"9999-01-01T00:00:00Z", b"stdout", b"x"),
            (2, TIME, b"stdout", b"y" * 300_000),
            (3, TIME, b"stdout", orjson.dumps({"a": "y" * 300_000})),
        ]
    )
    Encoder("acme", False, clock, counters, "google").encode(records, context, lambda _: ("g", TIME))
    Encoder("acme", True, clock, counters, "strict").encode(records, context, lambda _: ("g", TIME))
    assert {
        name: (
            counters.value(f"outrider_{name}_total", exporter="google"),
            counters.value(f"outrider_{name}_total", exporter="strict"),
        )
        for name in (
            "invalid_utf8",
            "timestamps_refused",
            "entries_split",
            "entries_shortened",
            "entries_oversize_dropped",
            "entries_truncated",
        )
    } == {
        "invalid_utf8": (1, 1),
        "timestamps_refused": (1, 1),
        "entries_split": (1, 0),
        "entries_shortened": (1, 0),
        "entries_oversize_dropped": (0, 1),
        "entries_truncated": (0, 1),
    }


@pytest.mark.parametrize(
    ("log_id", "name"),
    [
        ("stdout", "stdout"),
        ("germanß", "german%C3%9F"),
        ("specialCharacter/_-.", "specialCharacter%2F_-."),
        ("abc@&^$*", "abc%40%26%5E%24%2A"),
        ("chinese中", "chinese%E4%B8%AD"),
    ],
)
def test_log_names_are_escaped(log_id: str, name: str) -> None:
    assert log_name("p", log_id) == f"projects/p/logs/{name}"


def test_a_plainer_form_is_text_and_still_the_same_entry() -> None:
    exporter = StackdriverLogs("google", "acme", CLUSTER, "http://127.0.0.1:9", NoToken(), ManualClock(), Counters())
    context = exporter.context(STREAM, None)
    line = b'{"a":{"b":[1,"c"]},"severity":"ERROR","httpRequest":{"status":200}}'
    block = exporter.encode(Records.of([(0, TIME, b"stdout", line)]), context, lambda _: ("g", TIME))
    (entry,) = block.entries()
    plainer = exporter.plainer(entry)
    assert plainer is not None
    before, after = orjson.loads(entry), orjson.loads(plainer)
    said = {"httpRequest": before.pop("httpRequest"), **before.pop("jsonPayload")}
    assert orjson.loads(after.pop("textPayload")) == said, "nothing that the line said is gone"
    assert after == before
    assert exporter.plainer(plainer) is None


_WORDS = st.sampled_from(
    [
        b"plain",
        b"INFO started",
        b"I0516 09:19:06.315692 1 main.go:42] klog",
        b' \t{"message":"behind white space"}',
        b"  indented",
        b'{"message":"only"}',
        b'{"severity":"warn","time":"2026-05-16T09:19:06.5Z","message":"m","httpRequest":{"status":200,"x":1},"n":1}',
        b'{"logging.googleapis.com/labels":{"a":"b","c":3},"logging.googleapis.com/insertId":"own","k":"v"}',
        b'{"big":123456789012345678901234567890,"f":1e22,"nested":{"deep":[1,{"a":null}]}}',
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b'{"broken":',
        b"caf\xc3\xa9 \xe2\x82\xac",
        b"caf\xe9",
        b"x" * 20_000,
        b"y" * 300_000,
        b"",
    ]
)
_TIMES = st.sampled_from(
    [TIME, TIME, b"2026-05-16T23:19:06Z", b"2026-05-15T09:19:06+02:00", b"", b"9999-01-01T00:00:00Z"]
)
_LINES = st.tuples(_TIMES, st.sampled_from([b"stdout", b"stderr", b""]), _WORDS | st.binary(max_size=40))


@given(st.lists(_LINES, max_size=12))
def test_the_straight_path_makes_what_the_odd_one_makes(lines: list[tuple[bytes, bytes, bytes]]) -> None:
    turns = (0, 0, 0, 1, 2)
    records = sorted(((turns[i % 5] << 48) + i * 100, *line) for i, line in enumerate(lines))
    times = Timestamps(ManualClock().now())
    odd = OddLines("acme", False, times, Counters().counter)
    context = StreamContext(STREAM, None, CLUSTER, "acme")
    expected = []
    for at, time, std, content in records:
        insert_id = f"{context.prefix(f'{at >> 48:024x}')}{at & ((1 << 48) - 1):010x}"
        good = times.good(time) or times.good(TIME)
        assert good is not None
        expected += block(odd.entries(insert_id, good, std, content, context)).entries()
    assert encode(*records) == [orjson.loads(e) for e in expected]


BRACED = st.sampled_from(
    [
        *(b'{"a":1}', b"{}", b"{} {}", b"{}{}", b'{"a":', b'{"a":[{}', b'{"a":[1', b'{"x":1}}', b'{"x":1}]}', b"{}]}"),
        *(b"{},", b"{}\n{}", b'{"a":1\n}', b'{"a":1} ', b'{"a":1}\r', b'{"a":"}', b'{"}', b'{"a":"x\\"}', b"{"),
    ]
)


@given(st.lists(BRACED, min_size=1, max_size=8))
@example([b"{} {}", b'{"a":', b'{"x":1}}'])
@example([b"{}\n{}", b'{"a":', b'{"x":1}}'])
@example([b"{} {}", b'{"a":[1', b"2]}"])
def test_lines_that_are_decoded_at_once_keep_to_themselves(contents: list[bytes]) -> None:
    """Whatever could be taken for the end of one line and the beginning of the next: each line says what it says."""
    shapes = [b'{"a":1,"x":1}', b'{"a":[1],"x":{}}', b'{"a":{"b":{}}}']
    every = [*shapes, *contents]
    entries = encode(*((n * 100, TIME, b"stdout", content) for n, content in enumerate(every)))
    assert len(entries) == len(every)
    for content, entry in zip(every, entries, strict=True):
        [alone] = encode((0, TIME, b"stdout", content))
        assert [entry.get(k) for k in ("jsonPayload", "textPayload")] == [
            alone.get(k) for k in ("jsonPayload", "textPayload")
        ]
        if "jsonPayload" in entry:
            assert entry["jsonPayload"] == orjson.loads(content)


@pytest.mark.parametrize(
    "content",
    [
        b'{"id":123456789012345678901,"z":1}',
        b'{"severity":18446744073709551616,"m":1}',
        b'{"level":18446744073709551616,"m":1}',
        b'{"a":' + b"1" * 400 + b',"b":[1]}',
        b'{"a":"' + b"1" * 400 + b'","b":[1]}',
        b'{"a":' + b"1" * 5000 + b"}",
        b'{"a":1e400}',
        b'{"httpRequest":{"requestSize":0,"responseSize":0,"cacheFillBytes":0},"m":1}',
        b'{"httpRequest":{"requestSize":"007","responseSize":"-0"},"m":1}',
        b'{"httpRequest":{"requestSize":"12\\n","requestUrl":"/x"},"m":1}',
        '{"httpRequest":{"latency":"١s"},"m":1}'.encode(),
        b'{"logging.googleapis.com/sourceLocation":{"line":"08"},"m":1}',
        b'{"a":1e2,"b":-0.0,"c":1e22,"d":1e-7}',
    ],
)
def test_an_entry_is_the_same_by_whichever_way_and_whatever_came_before(content: bytes) -> None:
    """The odd way, of a line behind white space; a stream's first line; and one whose values may be anything."""
    nested = [b'{"a":[1],"b":{},"id":[],"z":[],"m":[]}'] * 3
    [odd] = encode((0, TIME, b"stdout", b" " + content))
    [first] = encode((0, TIME, b"stdout", content))
    *_, later = encode(*((n * 1000, TIME, b"stdout", c) for n, c in enumerate([*nested, content])))
    text = odd.get("textPayload", "").strip()
    for entry in (first, later):
        assert {k: v for k, v in entry.items() if k not in ("insertId", "textPayload")} == {
            k: v for k, v in odd.items() if k not in ("insertId", "textPayload")
        }
        assert entry.get("textPayload", "").strip() == text


def test_a_line_number_that_no_field_holds_leaves_a_line_text() -> None:
    line = b"I0516 09:19:06.315692 1 f.go:99999999999999999999] x"
    [entry] = encode((0, TIME, b"stdout", line))
    assert entry["textPayload"] == line.decode()
