"""What lines of the DogStatsD protocol say, as a table; and that nothing whatever does more than be refused."""

from typing import Any

import pytest
from datadog.dogstatsd.base import DogStatsd as Client
from hypothesis import given
from hypothesis import strategies as st

from outrider.model.points import Event, ServiceCheck, Status
from outrider.receivers.dogstatsd.lines import BadLineError, Head, Origin, Tags, event, head, numbers, service_check

NOW = 1_780_000_000.0
NS = int(NOW * 1e9)
NO_TAGS = Tags((), ())


def read(line: str) -> tuple[Head, bytes]:
    named, _, meta = line.encode("utf-8", "surrogateescape").partition(b"|")
    name, _, values = named.partition(b":")
    return head(name, meta), values


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("page.views:1|c", Head("page.views", "c", NO_TAGS, Origin())),
        ("fuel.level:0.5|g", Head("fuel.level", "g", NO_TAGS, Origin())),
        ("song.length:240|h|@0.5", Head("song.length", "h", NO_TAGS, Origin(), 0.5)),
        ("song.length:240:234|ms|@1", Head("song.length", "ms", NO_TAGS, Origin())),
        ("users.uniques:1234|s", Head("users.uniques", "s", NO_TAGS, Origin())),
        (
            "users.online:1|c|#country:china,shell,empty:,,country:china",
            Head("users.online", "c", Tags((("country", "china"), ("empty", "")), ("shell",)), Origin()),
        ),
        ("a:1|d|#b:2|@0.1", Head("a", "d", Tags((("b", "2"),), ()), Origin(), 0.1)),
        ("a:1|g|c:83c0a9", Head("a", "g", NO_TAGS, Origin(container_id="83c0a9"))),
        ("a:1|g|c:ci-83c0a9,in-4026", Head("a", "g", NO_TAGS, Origin(container_id="83c0a9"))),
        ("a:1|g|c:in-4026", Head("a", "g", NO_TAGS, Origin())),
        (
            "a:1|g|e:it-false,cn-nginx-web,pu-75a2-b6",
            Head("a", "g", NO_TAGS, Origin(pod="75a2-b6", container="nginx-web")),
        ),
        ("a:1|g|card:low", Head("a", "g", NO_TAGS, Origin(cardinality="low"))),
        ("a:1|g|card:huge", Head("a", "g", NO_TAGS, Origin())),
        (
            "a:1|g|#host:db-1,dd.internal.entity_id:u-1,dd.internal.card:none,x:y",
            Head("a", "g", Tags((("x", "y"),), ()), Origin("db-1", "", "u-1", "", "none")),
        ),
        ("a:1|g|#host:of-all,host:of-this", Head("a", "g", NO_TAGS, Origin("of-this"))),
        ("a:1|g|#dd.internal.entity_id:none", Head("a", "g", NO_TAGS, Origin())),
        ("a:15|c|#env:dev|T1656581400", Head("a", "c", Tags((("env", "dev"),), ()), Origin(), 1.0, 1656581400)),
        ("a:1|g|future:field|zz", Head("a", "g", NO_TAGS, Origin())),
        ("größe:1|g|#ort:köln", Head("größe", "g", Tags((("ort", "köln"),), ()), Origin())),
        ("\udcff:1|g", Head("\ufffd", "g", NO_TAGS, Origin())),
    ],
)  # fmt: skip
def test_heads(line: str, expected: Head) -> None:
    assert read(line)[0] == expected


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "form"),
        ("garbage", "form"),
        (":1|c", "form"),
        ("a:1|", "form"),
        ("a:1|x", "form"),
        ("a:1|c|@", "rate"),
        ("a:1|c|@0", "rate"),
        ("a:1|c|@-1", "rate"),
        ("a:1|c|@1.5", "rate"),
        ("a:1|c|@nan", "rate"),
        ("a:1|c|@1e-9", "rate"),
        ("a:1|c|T", "time"),
        ("a:1|c|T0", "time"),
        ("a:1|c|T-5", "time"),
        ("a:1|c|T1.5", "time"),
        ("a:1|d|T1656581400", "time"),
    ],
)
def test_heads_that_cannot_be_read(line: str, reason: str) -> None:
    with pytest.raises(BadLineError) as e:
        read(line)
    assert e.value.reason == reason


@pytest.mark.parametrize(
    ("values", "expected"),
    [(b"1", [1.0]), (b"1:2:32", [1, 2, 32]), (b"-0.5", [-0.5]), (b"1e3", [1000]), (b"+4", [4]), (b"21::22", [21, 22])],
)
def test_values(values: bytes, expected: list[float]) -> None:
    assert numbers(values) == expected


@pytest.mark.parametrize("values", [b"", b":", b"x", b"1:x", b"nan", b"inf", b"1e999", b"1_000", b"0x10", b"1,5"])
def test_values_that_are_none(values: bytes) -> None:
    with pytest.raises(BadLineError):
        numbers(values)


@pytest.mark.parametrize(
    ("line", "expected", "words", "origin"),
    [
        (
            "_e{21,36}:An exception occurred|Cannot parse CSV file from 10.0.0.17|t:warning|#err_type:bad_file",
            Event(
                "An exception occurred",
                "Cannot parse CSV file from 10.0.0.17",
                NS,
                (("err_type", "bad_file"),),
                "warning",
            ),
            (),
            Origin(),
        ),
        (
            "_e{2,6}:ü|a|b\\nc|d:1656581400|h:db|k:key|p:low|s:nagios|t:error|#shell|c:ci-4f",
            Event("ü", "a|b\nc", 1656581400 * 10**9, (), "error", "key", "low", "nagios", "db"),
            ("shell",),
            Origin(container_id="4f"),
        ),
        ("_e{1,0}:a|", Event("a", "", NS), (), Origin()),
        ("_e{1,1}:a|b|t:odd|p:odd|d:odd", Event("a", "b", NS), (), Origin()),
    ],
)  # fmt: skip
def test_events(line: str, expected: Event, words: tuple[str, ...], origin: Origin) -> None:
    assert event(line.encode(), NOW) == (expected, words, origin)


@pytest.mark.parametrize(
    "line",
    ["_e{1,1}", "_e{}:a|b", "_e{0,1}:|b", "_e{1,5}:a|b", "_e{5,1}:a|b", "_e{1,1}:ab|c", "_e{1,1}:a|bc", "_e{-1,1}:a|b"],
)
def test_events_that_cannot_be_read(line: str) -> None:
    with pytest.raises(BadLineError) as e:
        event(line.encode(), NOW)
    assert e.value.reason == "event"


@pytest.mark.parametrize(
    ("line", "expected", "words"),
    [
        (
            "_sc|Redis connection|2|#env:dev|m:Redis connection timed out after 10s",
            ServiceCheck(
                "Redis connection", Status.CRITICAL, NS, (("env", "dev"),), "Redis connection timed out after 10s"
            ),
            (),
        ),
        (
            "_sc|a|0|d:1656581400|h:db|#shell|m:a\\nm\\: b",
            ServiceCheck("a", Status.OK, 1656581400 * 10**9, (), "a\nm: b", "db"),
            ("shell",),
        ),
        ("_sc|a|1", ServiceCheck("a", Status.WARNING, NS), ()),
        ("_sc|a|3|m:x|card:low", ServiceCheck("a", Status.UNKNOWN, NS, (), "x"), ()),
    ],
)  # fmt: skip
def test_service_checks(line: str, expected: ServiceCheck, words: tuple[str, ...]) -> None:
    assert service_check(line.encode(), NOW)[:2] == (expected, words)


@pytest.mark.parametrize("line", ["_sc|", "_sc|a", "_sc||1", "_sc|a|4", "_sc|a|x", "_sc|a|10"])
def test_service_checks_that_cannot_be_read(line: str) -> None:
    with pytest.raises(BadLineError):
        service_check(line.encode(), NOW)


PIECES = st.sampled_from(
    [b"a", b":", b"|", b"#", b"@", b"T", b"c", b"g", b"d", b"1", b"0.5", b",", b"-", b"e:", b"card:", b"_e{1,1}:",
     b"_sc|", b"m:", b"\\n", b"\xff", b"\xc3\xbc", b"{", b"}", b"ci-", b" ", b"\x00"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=12).map(b"".join) | st.binary(max_size=60))
def test_whatever_comes_is_read_or_refused(line: bytes) -> None:
    named, _, meta = line.partition(b"|")
    name, _, values = named.partition(b":")
    for work in (
        lambda: head(name, meta), lambda: numbers(values), lambda: event(line, NOW), lambda: service_check(line, NOW),
    ):  # fmt: skip
        try:
            work()
        except BadLineError as e:
            assert e.reason


class Written(Client):
    """The official client, which keeps what it would send."""

    def __init__(self, **more: Any) -> None:
        self.lines: list[str] = []
        super().__init__(disable_telemetry=True, disable_buffering=True, origin_detection_enabled=False, **more)

    def _send_to_server(self, packet: str, *_: object) -> None:
        self.lines += packet.splitlines()


CLIENT = Written()
TAG = st.text("abcdefghij0123456789_-./ü京", min_size=1)  # others the client rewrites
VALUE = st.floats(-1e15, 1e15)


@given(
    st.sampled_from(["increment", "gauge", "histogram", "timing", "distribution"]),
    VALUE, st.dictionaries(TAG, TAG, max_size=4), st.sampled_from([None, "none", "low", "orchestrator", "high"]),
)  # fmt: skip
def test_what_the_official_client_writes_is_understood(
    method: str, value: float, tags: dict[str, str], cardinality: str | None
) -> None:
    CLIENT.lines.clear()
    pairs = sorted((f"k{key}", one) for key, one in tags.items())  # a tag begins with a letter
    getattr(CLIENT, method)("a.b", value, tags=[f"{key}:{one}" for key, one in pairs], cardinality=cardinality)
    [line] = CLIENT.lines
    found, values = read(line)
    types = {"increment": "c", "gauge": "g", "histogram": "h", "timing": "ms", "distribution": "d"}
    assert (found.name, found.type, found.tags.pairs) == ("a.b", types[method], tuple(pairs))
    assert found.origin.cardinality == (cardinality or "")
    assert numbers(values) == pytest.approx([value])
