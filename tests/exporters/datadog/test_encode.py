"""The encoder where the conformance tables do not look: identity, order, size, time, and bytes of every kind."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.config.secrets import Secret
from outrider.exporters.datadog.annotations import AnnotatedRule
from outrider.exporters.datadog.encode import MAX_ENTRY, MAX_MESSAGE, mended
from outrider.exporters.datadog.exporter import DatadogLogs
from outrider.exporters.stackdriver.auth import NoToken
from outrider.exporters.stackdriver.exporter import StackdriverLogs
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.model.records import Record, Records
from outrider.model.stream import Stream
from tests.support.tables import tabled

CLUSTER = Cluster("acme", "on-prem-1", "europe-north1", "node-1")
STREAM = Stream("shop", "web-1", "uid-1", "app", 0)
NOW = 1_778_923_200.0  # 2026-05-16T09:20:00Z
TIME = b"2026-05-16T09:19:06.000000001Z"
MILLIS = 1778923146000
KEYS = ["message", "status", "timestamp", "hostname", "service", "ddsource", "ddtags", "outrider.id"]


class Rig:
    """An exporter that sends nothing, its clock and its counters."""

    def __init__(self, rules: Sequence[AnnotatedRule] = (), cluster: Cluster = CLUSTER) -> None:
        self.clock, self.counters = ManualClock(NOW), Counters()
        self.exporter, self._twin = [
            DatadogLogs("dd", cluster, "http://127.0.0.1:9", Secret("k"), self.clock, counters, rules=rules)
            for counters in (self.counters, Counters())
        ]

    def raw(self, *records: Record, pod: Pod | None = None, begun: bytes = TIME) -> list[bytes]:
        """The entries of `records`, which are the same whether they come in columns or in a table."""
        context = self.exporter.context(STREAM, pod)
        entries = self.exporter.encode(tabled(records), context, lambda turn: (f"{turn:024x}", begun)).entries()
        columns = self._twin.encode(Records.of(records), context, lambda turn: (f"{turn:024x}", begun)).entries()
        assert entries == columns
        return entries

    def encode(self, *records: Record, pod: Pod | None = None, begun: bytes = TIME) -> list[dict[str, Any]]:
        return [orjson.loads(e) for e in self.raw(*records, pod=pod, begun=begun)]

    def counted(self, name: str, **labels: str) -> int:
        return self.counters.value(f"outrider_{name}_total", exporter="dd", **labels)


def test_the_keys_of_an_entry_and_their_order() -> None:
    [entry] = Rig().encode((500, TIME, b"stderr", b"hello"))
    assert list(entry) == KEYS
    assert (entry["message"], entry["status"], entry["timestamp"], entry["hostname"]) == (
        "hello",
        "error",
        MILLIS,
        "node-1",
    )


def test_the_id_is_the_insert_id_of_the_same_line_at_google() -> None:
    google = StackdriverLogs("g", "p", CLUSTER, "http://127.0.0.1:9", NoToken(), ManualClock(NOW), Counters())
    records = [(at, TIME, b"stdout", b"x") for at in (0, 77, (3 << 48) + 12)]
    there = google.encode(Records.of(records), google.context(STREAM, None), lambda turn: (f"{turn:024x}", TIME))
    assert [e["outrider.id"] for e in Rig().encode(*records)] == [orjson.loads(e)["insertId"] for e in there.entries()]


def test_the_same_line_has_the_same_entry_whatever_came_before() -> None:
    record = (500, TIME, b"stderr", "é".encode())
    assert Rig().raw((0, TIME, b"stdout", b"x"), record)[1:] == Rig().raw(record)


@pytest.mark.parametrize("unit", ["y", "\\", "é", "\x01", "😀", '"'])
@pytest.mark.parametrize("size", [MAX_MESSAGE - 2, MAX_MESSAGE, 2 * MAX_MESSAGE, 5_000_000])
def test_a_long_message_is_cut_as_the_agent_marks_it(unit: str, size: int) -> None:
    rig = Rig()
    message = "<" + unit * (size // len(orjson.dumps(unit)[1:-1]) - 1) + ">"
    raw = rig.raw((0, TIME, b"stdout", b"before"), (7, TIME, b"stdout", message.encode()), (9_000_000, TIME, b"", b"z"))
    entries = [orjson.loads(e) for e in raw]
    assert all(len(e) <= MAX_ENTRY for e in raw)
    parts = entries[1:-1]
    mark = "...TRUNCATED..."
    if len(parts) > 1:
        assert [p["message"].startswith(mark) for p in parts] == [False] + [True] * (len(parts) - 1)
        assert [p["message"].endswith(mark) for p in parts] == [True] * (len(parts) - 1) + [False]
        assert {p["timestamp"] for p in parts} == {MILLIS}
        assert parts[1]["outrider.id"].endswith("-0000000007-0001")
    assert "".join(p["message"] for p in parts).replace(mark, "") == message
    ids = [e["outrider.id"] for e in entries]
    assert ids == sorted(set(ids))
    assert rig.counted("entries_split") == (len(parts) > 1)
    assert (len(parts) > 1) is (len(orjson.dumps(message)) > MAX_MESSAGE)


@pytest.mark.parametrize(
    ("timestamp", "begun", "sent", "own", "refused", "replaced"),
    [
        (b"2026-05-16T09:19:06.5Z", TIME, MILLIS + 500, None, 0, 0),
        (b"2026-05-15T16:20:01Z", TIME, 1778862001000, None, 0, 0),
        (b"2026-05-15T16:19:59Z", TIME, None, "2026-05-15T16:19:59Z", 0, 1),
        (b"2025-05-15T09:19:59.123456789+02:00", TIME, None, "2025-05-15T09:19:59.123456789+02:00", 0, 1),
        (b"2026-05-16T10:19:59Z", TIME, 1778926799000, None, 0, 0),
        (b"2026-05-16T11:19:59Z", TIME, None, "2026-05-16T11:19:59Z", 0, 1),
        (b"", TIME, MILLIS, None, 1, 0),
        (b"2026-02-31T00:00:00Z", TIME, MILLIS, None, 1, 0),
        (b'2026-05-16"09:19:06Z', b"", 1778923146000, None, 0, 0),
        (b'2020-05-16"09:19:06Z', b"", None, '2020-05-16"09:19:06Z', 0, 1),
        (b"", b"", int(NOW * 1000), None, 1, 0),
        (b"", b"2020-01-01T00:00:00Z", None, "2020-01-01T00:00:00Z", 1, 1),
    ],
)
def test_times(timestamp: bytes, begun: bytes, sent: int | None, own: str | None, refused: int, replaced: int) -> None:
    rig = Rig()
    [entry] = rig.encode((0, timestamp, b"stdout", b"x"), begun=begun)
    assert entry.get("timestamp") == sent
    assert entry.get("outrider.timestamp") == own
    assert entry["message"] == "x"
    assert (rig.counted("timestamps_refused"), rig.counted("timestamps_replaced")) == (refused, replaced)


@pytest.mark.parametrize("message", [b"x", b'","status":"info","timestamp":1,"hostname":', rb"\\", "é😀".encode()])
def test_an_entry_that_has_waited_for_too_long_gets_the_time_of_arrival(message: bytes) -> None:
    rig = Rig()
    entries = rig.raw((0, TIME, b"stdout", message), (9, b"2026-05-16T09:20:00Z", b"stderr", message))
    assert rig.exporter._encoder.in_time(entries) == (entries, 0)
    rig.clock.advance(17 * 3600 - 30)
    (first, second), late = rig.exporter._encoder.in_time(entries)
    assert (second, late) == (entries[1], 1)
    before, after = orjson.loads(entries[0]), orjson.loads(first)
    assert after.pop("outrider.timestamp") == "2026-05-16T09:19:06.000Z"
    del before["timestamp"]
    assert after == before
    assert rig.counted("timestamps_replaced") == 0, "that is for whoever has sent it"
    assert rig.exporter._encoder.in_time([first]) == ([first], 0)


@given(st.lists(st.tuples(st.sampled_from([b"stdout", b"stderr", b""]), st.binary(max_size=200)), max_size=20))
def test_any_bytes_become_one_entry_or_are_empty(lines: list[tuple[bytes, bytes]]) -> None:
    rig = Rig()
    entries = rig.encode(*((i, TIME, std, content) for i, (std, content) in enumerate(lines)))
    spoken = [(std, text) for std, content in lines if (text := trimmed(content))]
    assert [(e["message"], e["status"]) for e in entries] == [
        (text, "error" if std == b"stderr" else "info") for std, text in spoken
    ]
    assert rig.counted("entries_excluded", reason="empty") == len(lines) - len(spoken)


def trimmed(content: bytes) -> str:
    """By Go's rules: what is a space there, and not the four separators of ASCII that Python also takes for one."""
    text = mended(content)
    while text and text[0].isspace() and text[0] not in "\x1c\x1d\x1e\x1f":
        text = text[1:]
    while text and text[-1].isspace() and text[-1] not in "\x1c\x1d\x1e\x1f":
        text = text[:-1]
    return text


@given(st.binary(max_size=60))
def test_one_replacement_for_each_bad_byte_as_go_counts_them(content: bytes) -> None:
    expected, at = "", 0
    while at < len(content):
        for size in (1, 2, 3, 4):
            try:
                expected += content[at : at + size].decode()
            except UnicodeDecodeError:
                continue
            at += size
            break
        else:
            expected, at = expected + "\ufffd", at + 1
    assert mended(content) == expected


def test_rules_of_the_exporter_come_before_those_of_the_pod() -> None:
    rig = Rig([AnnotatedRule("mask_sequences", "a", "secret", "$$")])
    own = [
        {"type": "exclude_at_match", "name": "b", "pattern": "secret"},
        {"type": "mask_sequences", "name": "c", "pattern": "[$]", "replace_placeholder": "<$0>"},
    ]
    asked = orjson.dumps([{"log_processing_rules": own}]).decode()
    pod = Pod("uid-1", "web-1", "shop", annotations={"ad.datadoghq.com/app.logs": asked})
    assert [e["message"] for e in rig.encode((0, TIME, b"stdout", b"my secret"), pod=pod)] == ["my <$>"]
    assert rig.counted("entries_masked") == 1


def test_what_is_excluded_is_counted_by_its_reason() -> None:
    rig = Rig([AnnotatedRule("exclude_at_match", "a", "world"), AnnotatedRule("mask_sequences", "b", "^all$", "")])
    lines = [b"a brand new world", b"hello", b" \t\x0b", b"all", "\u00a0\u0085".encode(), b"world \xff"]
    assert len(rig.encode(*((i, TIME, b"stdout", line) for i, line in enumerate(lines)))) == 1
    pod = Pod("uid-1", "web-1", "shop", annotations={"ad.datadoghq.com/app.logs_exclude": "true"})
    assert rig.encode(*((i, TIME, b"stdout", line) for i, line in enumerate(lines)), pod=pod) == []
    assert {r: rig.counted("entries_excluded", reason=r) for r in ("empty", "rule", "annotation")} == {
        "empty": 3,
        "rule": 2,
        "annotation": 6,
    }


def test_a_secret_is_masked_across_bad_bytes_and_across_a_cut() -> None:
    rig = Rig([AnnotatedRule("mask_sequences", "a", r"key=\S+", "key=***")])
    line = b"y" * (MAX_MESSAGE - 60) + b" key=abc\xffdef" + b"k" * 100 + b" " + b"z" * MAX_MESSAGE
    entries = rig.encode((0, TIME, b"stdout", line))
    whole = "".join(e["message"] for e in entries).replace("...TRUNCATED...", "")
    assert "key=***" in whole
    assert "abc" not in whole
    assert "def" not in whole
    assert rig.counted("invalid_utf8") == 1


@pytest.mark.parametrize(
    ("rules", "line"),
    [
        ([("(.)", "$1$1")] * 20, b"x" * 100),
        ([("x", "y" * 1000)], b"x" * 10),
        ([("x", "")], b"x" * 300_000),
    ],
)
def test_masks_that_make_too_much_leave_the_record_out(rules: list[tuple[str, str]], line: bytes) -> None:
    masks = [AnnotatedRule("mask_sequences", f"m{i}", *rule) for i, rule in enumerate(rules)]
    rig = Rig(masks)
    entries = rig.encode(
        (0, TIME, b"stdout", b"before"), (7, TIME, b"stdout", line), (9_000_000, TIME, b"stdout", b"z")
    )
    assert rig.counted("entries_excluded", reason="mask_limit") >= 1
    assert not [e for e in entries if "x" in e["message"]]


@pytest.mark.parametrize("placeholder", ["-", "é"])
def test_a_mask_that_matches_nothing_between_characters_leaves_valid_text(placeholder: str) -> None:
    rig = Rig([AnnotatedRule("mask_sequences", "a", "x*", placeholder)])
    [entry] = rig.encode((0, TIME, b"stdout", "aé😀".encode()))
    assert entry["message"].replace(placeholder, "") in ("aé😀", "a😀")
    assert "\ufffd" not in entry["message"]


def test_broken_annotations_are_said_once_and_the_line_goes_out(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    pod = Pod("uid-1", "web-1", "shop", annotations={"ad.datadoghq.com/app.logs": '{"service":"s"}'})
    for _ in range(3):
        assert [e["message"] for e in rig.encode((0, TIME, b"stdout", b"x"), pod=pod)] == ["x"]
    assert rig.counted("annotations_broken") == 1
    [said] = [r.getMessage() for r in caplog.records]
    assert "shop/web-1" in said
    assert "invalid format, expected an array" in said
    rig.encode(
        (0, TIME, b"stdout", b"x"), pod=Pod("uid-2", "w", "shop", annotations={"ad.datadoghq.com/app.logs": "["})
    )
    assert rig.counted("annotations_broken") == 2


@pytest.mark.parametrize(("node", "hostname"), [("node-1", "node-1"), ("", "unknown")])
def test_the_hostname(node: str, hostname: str) -> None:
    [entry] = Rig(cluster=Cluster("p", "c", "l", node)).encode((0, TIME, b"stdout", b"x"))
    assert entry["hostname"] == hostname


def test_tags_that_are_shed_are_counted() -> None:
    tags = orjson.dumps([{"tags": [f"t:{i}" for i in range(150)]}]).decode()
    rig = Rig()
    [entry] = rig.encode(
        (0, TIME, b"stdout", b"x"), pod=Pod("uid-1", "w", "shop", annotations={"ad.datadoghq.com/app.logs": tags})
    )
    assert len(entry["ddtags"].split(",")) == 100
    assert rig.counted("tags_shed") > 50


def test_a_message_has_no_plainer_form() -> None:
    rig = Rig()
    assert rig.exporter.plainer(b"{}") is None
    assert rig.exporter.max_entries == 1000
    assert rig.exporter.max_request < 5_000_000
