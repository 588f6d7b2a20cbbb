"""Sampling: the severity is the one that the entry gets, and the same records are kept whenever they are read."""

import json
import subprocess
import sys

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.exporters.stackdriver.context import StreamContext
from outrider.exporters.stackdriver.encode import Encoder
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.records import Record, Records
from outrider.model.stream import Stream
from outrider.pipeline.sampling import Sampler, severity_of
from tests.support.tables import tabled

TIME = b"2024-05-01T10:00:00.000000001Z"
STREAM = Stream("ns", "pod", "uid", "app", 0)
KLOG = b"I0501 10:00:00.123456       1 main.go:10] started"


def generation(turn: int) -> tuple[str, bytes]:
    return f"g{turn}", TIME


def lines(contents: list[bytes], std: bytes = b"stdout", first: int = 0) -> list[Record]:
    return [(first + 100 * i, TIME, std, content) for i, content in enumerate(contents)]


def severity_at_google(std: bytes, content: bytes) -> str:
    context = StreamContext(STREAM, None, Cluster("p", "l", "c", "n"), "p")
    encoder = Encoder("p", False, ManualClock(), Counters(), "google")
    [entry] = encoder.encode(Records.of([(0, TIME, std, content)]), context, generation).entries()
    return str(orjson.loads(entry)["severity"])


@pytest.mark.parametrize(
    ("std", "content", "severity"),
    [
        (b"stdout", b"plain", "INFO"),
        (b"stderr", b"plain", "ERROR"),
        (b"", b'{"severity":"DEBUG"}', "INFO"),
        (b"stdout", b"", "INFO"),
        (b"stdout", b'{"severity":"debug"}', "DEBUG"),
        (b"stdout", b' {"severity":"warn"}', "WARNING"),
        (b"stdout", b'{"level":"trace","a":1}', "DEBUG"),
        (b"stderr", b'{"level":30}', "DEFAULT"),
        (b"stdout", b'{"severity":null,"level":"error"}', "ERROR"),
        (b"stdout", b'{"logging.googleapis.com/severity":"NOTICE"}', "NOTICE"),
        (b"stdout", b'{"severity":"whatever"}', "DEFAULT"),
        (b"stdout", b'{"\\u0073everity":"ERROR"}', "ERROR"),
        (b"stderr", b'{"a":{"level":"debug"}}', "ERROR"),
        (b"stdout", b'{"level":"debug"', "INFO"),
        (b"stdout", b'{"level":"debug","x":"\xff"}', "DEBUG"),
        (b"stderr", KLOG, "INFO"),
        (b"stdout", b"W" + KLOG[1:], "WARNING"),
        (b"stdout", b"F" + KLOG[1:], "CRITICAL"),
        (b"stderr", KLOG[:10], "ERROR"),
        (b"stdout", b"Every line", "INFO"),
    ],
)
def test_the_severity_of_a_line(std: bytes, content: bytes, severity: str) -> None:
    assert severity_of(std, content) == severity
    assert severity_at_google(std, content) == severity


_VALUES = st.one_of(st.sampled_from(["debug", "W", "x", 100, 400, None, True, "300", {}, [1]]), st.text(max_size=8))
_OBJECTS = st.dictionaries(
    st.sampled_from(["severity", "level", "logging.googleapis.com/severity", "message", "Level"]), _VALUES, max_size=4
)


@given(
    st.sampled_from([b"stdout", b"stderr", b""]),
    st.one_of(st.binary(max_size=40), _OBJECTS.map(orjson.dumps), _OBJECTS.map(lambda o: json.dumps(o).encode())),
)
def test_the_severity_is_the_one_that_the_exporter_finds(std: bytes, content: bytes) -> None:
    assert severity_of(std, content) == severity_at_google(std, content)


def test_only_named_severities_are_thinned_out_and_every_loss_is_counted() -> None:
    counters = Counters()
    sampler = Sampler({"DEBUG": 0.25, "ERROR": 1, "INFO": 0}, counters, "google")
    debug = lines([b'{"level":"debug"}'] * 4000)
    error = lines([b"x"] * 50, b"stderr", 1 << 20)
    info = lines([b"x"] * 70, b"stdout", 1 << 21)
    kept = list(sampler.apply(Records.of(debug + error + info), STREAM.key, generation))
    assert [r for r in kept if r not in debug] == error
    thinned = len(kept) - len(error)
    assert 800 < thinned < 1200
    assert kept == sorted(kept)
    value = counters.value
    assert value("outrider_entries_sampled_total", exporter="google", severity="DEBUG") == 4000 - thinned
    assert value("outrider_entries_sampled_total", exporter="google", severity="INFO") == 70
    assert value("outrider_entries_sampled_total") == 4070 - thinned


@given(st.lists(st.integers(0, (3 << 48) - 1), unique=True, max_size=60).map(sorted), st.integers(0, 60))
def test_what_is_read_again_is_decided_again_in_the_same_way(positions: list[int], cut: int) -> None:
    records = tabled((at, TIME, b"stdout", b"x") for at in positions)
    whole = Sampler({"INFO": 0.5}, Counters(), "a").apply(records, STREAM.key, generation)
    again = Sampler({"INFO": 0.5}, Counters(), "b")
    parts = records.part(0, cut), records.part(cut, len(records))
    assert [r for part in parts for r in again.apply(part, STREAM.key, generation)] == list(whole)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_fraction_keeps_what_a_smaller_one_keeps(a: float, b: float) -> None:
    less, more = sorted((a, b))
    records = Records.of(lines([b"x"] * 100))
    kept = [Sampler({"INFO": f}, Counters(), "a").apply(records, STREAM.key, generation) for f in (less, more)]
    assert set(kept[0]) <= set(kept[1])


def test_streams_and_generations_are_decided_apart() -> None:
    records = lines([b"x"] * 200)

    def kept(key: str, turn: int) -> list[int]:
        moved = Records.of([((turn << 48) + at, *rest) for at, *rest in records])  # type: ignore[misc]
        out = Sampler({"INFO": 0.5}, Counters(), "a").apply(moved, key, generation)
        return [r[0] & ((1 << 48) - 1) for r in out]

    assert kept("a", 0) == kept("a", 0)
    assert kept("a", 0) != kept("a", 1)
    assert kept("a", 0) != kept("b", 0)


def test_another_process_decides_alike() -> None:
    program = (
        "from outrider.pipeline.sampling import Sampler; from outrider.model.counters import Counters;"
        "from outrider.model.records import Records;"
        "r = Records.of((100 * i, b't', b'stdout', b'x') for i in range(60));"
        "print([x[0] for x in Sampler({'INFO': 0.5}, Counters(), 'a').apply(r, 'k', lambda t: ('g', b''))])"
    )
    runs = {subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(runs) == 1


def test_nothing_to_sample() -> None:
    assert not Sampler({}, Counters(), "a")
    assert not Sampler({"DEBUG": 1.0}, Counters(), "a")
    assert Sampler({"DEBUG": 0.0}, Counters(), "a")
