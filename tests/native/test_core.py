"""The native core at its edges: lines that it leaves to Python, arguments that it refuses, rows of any origin."""

import struct
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from outrider import native
from outrider.exporters import written
from outrider.exporters.stackdriver.context import StreamContext
from outrider.exporters.stackdriver.encode import Encoder
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.records import Records
from outrider.model.stream import Stream
from outrider.model.table import Table
from outrider.tail.lines import Lines, Scanned, cut, split
from outrider.tail.records import Assembler, Budget, Joining
from tests.support.tables import tabled

core: Any = native.core
pytestmark = pytest.mark.skipif(core is None, reason="the native core was not built")

TIME = b"2026-05-16T09:19:06.315692671Z"
NOW = 1_778_923_200.0  # 2026-05-16T09:20:00Z
LATEST = b"2026-05-17T09:20:00"
NAMES = b"\4INFO\4INFO"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def written_of(records: Records) -> list[bytes]:
    encoder = Encoder("acme", False, ManualClock(NOW), Counters(), "google")
    context = StreamContext(
        Stream("shop", "web-1", "uid-1", "app", 0), None, Cluster("acme", "c", "europe-north1", "n"), "acme"
    )
    return encoder.encode(records, context, lambda turn: (f"{turn:024x}", TIME)).entries()


def encoded(records: Records) -> list[Any]:
    return [orjson.loads(e) for e in written_of(records)]


@pytest.fixture
def misfits_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the core writes is kept however many misfits there are."""
    monkeypatch.setattr(written, "FEW", 0)


@pytest.mark.usefixtures("misfits_apart")
@pytest.mark.parametrize(
    ("given", "trace"),
    [
        (TRACE, f"projects/acme/traces/{TRACE}"),
        (rf"\u0034{TRACE[1:]}", f"projects/acme/traces/{TRACE}"),
        (rf"\u0034{TRACE[6:]}", f"4{TRACE[6:]}"),  # 32 characters as it is written
        (r"projects\/x\/traces\/1", "projects/x/traces/1"),
    ],
)
def test_a_trace_with_escapes_is_what_they_stand_for(given: str, trace: str) -> None:
    line = f'{{"message":"m","n":1,"logging.googleapis.com/trace":"{given}"}}'.encode()
    [entry] = encoded(tabled([(0, TIME, b"stdout", line)]))
    assert entry["trace"] == trace


@pytest.mark.usefixtures("misfits_apart")
@pytest.mark.parametrize("number", ["0." + "1" * 31, "0." + "0" * 400 + "1", "-1." + "9" * 5000])
def test_no_number_is_longer_than_a_parser_takes(number: str) -> None:
    [entry] = written_of(tabled([(0, TIME, b"stdout", b'{"a":[%b]}' % number.encode())]))
    assert orjson.loads(entry)["jsonPayload"] == {"a": [float(number)]}
    assert number.encode() not in entry


@pytest.mark.usefixtures("misfits_apart")
@pytest.mark.parametrize("places", ["X", "XX", "X..", "..X", ".X.", ".XX.X", "XXX...XXX", "X.X.X"])
def test_misfits_have_their_places(places: str) -> None:
    lines = [b"\xff%d" % i if place == "X" else b"%d" % i for i, place in enumerate(places)]
    entries = encoded(tabled([(i, TIME, b"stdout", line) for i, line in enumerate(lines)]))
    assert [e["textPayload"] for e in entries] == [line.decode("utf-8", "replace") for line in lines]


@pytest.mark.usefixtures("misfits_apart")
def test_turns_that_change_and_lines_that_grow_sixfold() -> None:
    turns = [i // 50 << 48 | i for i in range(400)]
    records = [(at, TIME, b"stderr", b"\x01" * 4000) for at in turns]
    entries = encoded(tabled(records))
    assert entries == encoded(Records.of(records))
    assert [e["insertId"][-35:] for e in entries] == [f"{at >> 48:024x}-{at & 0xFFFF:010x}" for at in turns]


# -- positions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", [65535, 65536, 1 << 20])
def test_a_stream_of_any_number_of_turns(turn: int) -> None:
    at = turn << 48 | 500
    assembler = Assembler(Joining(), Budget())
    lines = cut(TIME + b" stdout F one\n" + TIME + b" stdout F two\n", at, assembler.screen)
    records = list(assembler.feed(lines, at, 0.0))
    assert records == [(at, TIME, b"stdout", b"one"), (at + len(TIME) + 14, TIME, b"stdout", b"two")]


@pytest.mark.parametrize("at", [-1, 1 << 64])
def test_a_position_that_has_no_room_is_refused(at: int) -> None:
    with pytest.raises(OverflowError):
        core.scan(b"", at)


# -- arguments --------------------------------------------------------------------------------------------------------


def strings(level: bytes = b"INFO", last: bytes = b'"l"') -> bytes:
    return native.strings(b"id-", *[level, last] * 3, b"t/")


def google(chunk: bytes, rows: Any, said: bytes = strings(), latest: bytes = LATEST, names: bytes = NAMES) -> Any:
    return core.google(chunk, rows, 0, len(rows) // 24, said, latest, names, False)


def datadog(chunk: bytes, rows: Any, said: bytes = strings()) -> Any:
    return core.datadog(chunk, rows, 0, len(rows) // 24, said, 0, 1 << 62, -1)


def row(time: int = 0, content: int = 30, length: int = 1, time_length: int = 30, std: int = 1) -> bytes:
    return struct.pack("=QIIIBBBx", 0, time, content, length, time_length, std, 0)


both = pytest.mark.parametrize("encode", [google, datadog])


@both
@pytest.mark.parametrize(
    "bad",
    [
        row(std=3),
        row(content=31),
        row(length=2),
        row(content=0xFFFFFFFF, length=0xFFFFFFFF),
        row(time=2),
        row(time=0xFFFFFFFF),
        row(time_length=32),
        row()[:-1],
    ],
)
def test_rows_outside_of_their_chunk_are_refused(encode: Callable[..., Any], bad: bytes) -> None:
    assert encode(TIME + b"x", row())[1] == 1
    with pytest.raises(ValueError):
        core.google(TIME + b"x", row() + bad, 0, 2, strings(), LATEST, NAMES, False)
    with pytest.raises(ValueError):
        core.datadog(TIME + b"x", row() + bad, 0, 2, strings(), 0, 1 << 62, -1)


@both
def test_rows_that_may_stand_askew_are_refused(encode: Callable[..., Any]) -> None:
    with pytest.raises(TypeError):
        encode(TIME + b"x", memoryview(b"_" + row())[1:])


@both
def test_strings_of_any_length_have_room(encode: Callable[..., Any]) -> None:
    for said in (strings(level=b"L" * 100_000), strings(last=b'"%b"' % (b"l" * 100_000))):
        written, count, _, _, done, misfits = encode(TIME + b"x", row() * 40, said)
        assert (count, done, misfits) == (40, 40, [])
        assert len(written) > 40 * 100_000


@both
def test_strings_that_are_missing_are_refused(encode: Callable[..., Any]) -> None:
    for n in range(len(strings()) - len(b"t/") - 4):
        with pytest.raises(ValueError):
            encode(TIME + b"x", row(), strings()[:n])


@pytest.mark.parametrize("names", [b"\4INFO", b"\4INFO\5INFO", b"\xff", b"\0"])
def test_names_that_do_not_come_in_pairs_are_refused(names: bytes) -> None:
    with pytest.raises(ValueError):
        google(TIME + b"x", row(), names=names)


@pytest.mark.parametrize("latest", [b"", LATEST[:-1], LATEST + b"Z"])
def test_a_bound_for_times_of_another_length_is_refused(latest: bytes) -> None:
    with pytest.raises(ValueError):
        google(TIME + b"x", row(), latest=latest)


def test_a_screen_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError):
        core.scan(b"", 0, b"\0" * 8191)


# -- tables -----------------------------------------------------------------------------------------------------------


def test_a_table_without_rows_gives_one_of_its_own() -> None:
    empty = Records(table=Table(b"", b""))
    empty.none().add((0, TIME, b"stdout", b"x"))
    assert len(empty) == 0


def test_what_stands_behind_a_chunk_is_read_like_the_rest() -> None:
    chunk = TIME + b" stdout F one\n"
    records = cut(chunk, 0)
    assert isinstance(records, Scanned)
    added = [
        (9, b"", b"", b""),
        (10, b"", b"", b"x"),
        (11, TIME, b"stderr", b""),
        (12, b"", b"stdout", b""),
        (13, TIME, b"", b"y"),
    ]
    made = records.records
    for record in added:
        made.add(record)
    assert [made.row(i) for i in range(6)] == [(0, TIME, b"stdout", b"one"), *added]
    assert [made.content(i) for i in range(6)] == [b"one", b"", b"x", b"", b"", b"y"]
    assert [made.last(std) for std in (b"stdout", b"stderr", b"")] == [4, 3, 5]
    assert [made.find(b"stdout", i, 6) for i in range(6)] == [0, 4, 4, 4, 4, 6]
    assert list(made.part(1, 5)) == added[:4]
    assert list(made.chosen([5, 0])) == [added[4], (0, TIME, b"stdout", b"one")]


@pytest.mark.parametrize(
    "unit",
    [
        (b"P a", b"F b", b"F \tat a.B(C.java:1)"),
        (b"F java.lang.RuntimeException: x", b"F \tat a.B(C.java:1)", b"F x"),
        (b"F \tat a.B(C.java:1)",),
    ],
)
def test_traces_and_parts_are_put_together_alike(unit: tuple[bytes, ...]) -> None:
    chunk = b"".join(TIME + b" stdout " + line + b"\n" for line in unit) * 300
    whole = Assembler(Joining(), Budget())
    ways: list[Lines | Scanned] = [split(chunk), cut(chunk, 0, whole.screen)]
    assert isinstance(ways[1], Scanned)
    columns, rows = [list(Assembler(Joining(), Budget()).feed(lines, 0, 0.0)) for lines in ways]
    assert rows == columns
