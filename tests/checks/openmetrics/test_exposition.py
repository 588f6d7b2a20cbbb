"""The parser, against a table of what the formats say and against the parsers of prometheus_client."""

import math
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    StateSetMetricFamily,
    SummaryMetricFamily,
    UnknownMetricFamily,
)
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as judge_openmetrics
from prometheus_client.parser import text_string_to_metric_families as judge_text

from outrider.checks.openmetrics.exposition import Family, FormatError, samples

INF, NAN = math.inf, math.nan
SECOND = 1_000_000_000


def _read(text: str, openmetrics: bool = False) -> list[tuple[object, ...]]:
    """Family, type, name, labels, value, time of each sample."""
    return [
        (s.family.name, s.family.type, s.name, dict(s.labels), s.value, s.time)
        for s in samples(text.split("\n"), openmetrics)
    ]


TEXT: list[tuple[str, list[tuple[object, ...]]]] = [
    ("", []),
    ("up 1\n", [("up", "unknown", "up", {}, 1, None)]),
    ("# TYPE up untyped\nup 1", [("up", "unknown", "up", {}, 1, None)]),
    ("# TYPE t gauge\n\nt 1.5\n", [("t", "gauge", "t", {}, 1.5, None)]),
    ("# TYPE t gauge\nt -3 1395066363000\n", [("t", "gauge", "t", {}, -3, 1395066363 * SECOND)]),
    ("# TYPE t gauge\nt -3 -1000\n", [("t", "gauge", "t", {}, -3, -SECOND)]),
    ("# TYPE x_total counter\nx_total 3", [("x", "counter", "x_total", {}, 3, None)]),
    ("# TYPE x counter\nx 3", [("x", "counter", "x", {}, 3, None)]),
    ("t +Inf\nt -Inf\nt 1e-3\n", [("t", "unknown", "t", {}, v, None) for v in (INF, -INF, 0.001)]),
    ('t{a="b"} 1', [("t", "unknown", "t", {"a": "b"}, 1, None)]),
    ('t{a="b",} 1', [("t", "unknown", "t", {"a": "b"}, 1, None)]),
    ("t{} 1", [("t", "unknown", "t", {}, 1, None)]),
    (' \tt { a = "b" , c = "" } \t1\t5 ', [("t", "unknown", "t", {"a": "b", "c": ""}, 1, 5_000_000)]),
    (r't{a="q\"u\\o\nte}{,="} 1', [("t", "unknown", "t", {"a": 'q"u\\o\nte}{,='}, 1, None)]),
    ('t{a="ü😀#"} 1', [("t", "unknown", "t", {"a": "ü😀#"}, 1, None)]),
    ("# a remark\n#\n# HELP\n# EOF\nt 1", [("t", "unknown", "t", {}, 1, None)]),
    (
        '# TYPE h histogram\nh_bucket{le="1"} 1\nh_bucket{le="+Inf"} 2\nh_sum 9\nh_count 2\nhx 1',
        [
            ("h", "histogram", "h_bucket", {"le": "1"}, 1, None),
            ("h", "histogram", "h_bucket", {"le": "+Inf"}, 2, None),
            ("h", "histogram", "h_sum", {}, 9, None),
            ("h", "histogram", "h_count", {}, 2, None),
            ("hx", "unknown", "hx", {}, 1, None),
        ],
    ),
    (
        '# TYPE s summary\ns{quantile="0.5"} 4\ns_sum 9\ns_count 2',
        [
            ("s", "summary", "s", {"quantile": "0.5"}, 4, None),
            ("s", "summary", "s_sum", {}, 9, None),
            ("s", "summary", "s_count", {}, 2, None),
        ],
    ),
    (
        "# TYPE a gauge\na 1\n# TYPE a_count gauge\na_count 2\nb 3\na 4",
        [
            ("a", "gauge", "a", {}, 1, None),
            ("a_count", "gauge", "a_count", {}, 2, None),
            ("b", "unknown", "b", {}, 3, None),
            ("a", "unknown", "a", {}, 4, None),
        ],
    ),
]


@pytest.mark.parametrize(("text", "expected"), TEXT)
def test_the_text_format(text: str, expected: list[tuple[object, ...]]) -> None:
    assert _read(text) == expected


OPENMETRICS: list[tuple[str, list[tuple[object, ...]]]] = [
    ("# EOF", []),
    (
        "# TYPE x counter\nx_total 3\nx_created 1.5\n# EOF\n",
        [("x", "counter", "x_total", {}, 3, None), ("x", "counter", "x_created", {}, 1.5, None)],
    ),
    ("# TYPE x gauge\nx 3 1.5\n# EOF", [("x", "gauge", "x", {}, 3, 1_500_000_000)]),
    (
        '# TYPE x counter\nx_total{a="#"} 3 1.5e1 # {trace_id="a b#"} 0.5 12.3\n# EOF',
        [("x", "counter", "x_total", {"a": "#"}, 3, 15 * SECOND)],
    ),
    ('# TYPE x counter\nx_total 3 # {trace_id="t"} 0.5\n# EOF', [("x", "counter", "x_total", {}, 3, None)]),
    ('# TYPE b info\nb_info{v="1"} 1\n# EOF', [("b", "info", "b_info", {"v": "1"}, 1, None)]),
    ('# TYPE s stateset\ns{s="on"} 1\n# EOF', [("s", "stateset", "s", {"s": "on"}, 1, None)]),
    (
        '# TYPE g gaugehistogram\ng_bucket{le="+Inf"} 2\ng_gsum 9\ng_gcount 2\n# EOF',
        [
            ("g", "gaugehistogram", "g_bucket", {"le": "+Inf"}, 2, None),
            ("g", "gaugehistogram", "g_gsum", {}, 9, None),
            ("g", "gaugehistogram", "g_gcount", {}, 2, None),
        ],
    ),
]


@pytest.mark.parametrize(("text", "expected"), OPENMETRICS)
def test_openmetrics(text: str, expected: list[tuple[object, ...]]) -> None:
    assert _read(text, openmetrics=True) == expected


def test_what_is_said_about_a_family() -> None:
    text = "# HELP x_seconds a\\nb \\\\ c\n# TYPE x_seconds gauge\n# UNIT x_seconds seconds\nx_seconds 1\n# EOF"
    [sample] = samples(text.split("\n"), openmetrics=True)
    assert (sample.family.help, sample.family.type, sample.family.unit) == ("a\nb \\ c", "gauge", "seconds")


def test_nothing_is_a_number_too() -> None:
    [sample] = samples(["t NaN"])
    assert math.isnan(sample.value)


@pytest.mark.parametrize(
    ("line", "openmetrics"),
    [
        ("<html>", False),
        ("up", False),
        ("up{", False),
        ('up{a="b} 1', False),
        ("up{a=b} 1", False),
        ('up{a="b" c="d"} 1', False),
        ('up{1a="b"} 1', False),
        ("up one", False),
        ("up 1_000", False),
        ("up 1 soon", False),
        ("up 1 1 1", False),
        ("1up 1", False),
        ("# TYPE up speedometer", False),
        ('up 1 # {a="b"} 1', False),
        ("up 1 2 3", True),
        ("up 1 1.2.3", True),
    ],
)
def test_a_line_that_is_wrong_is_named(line: str, openmetrics: bool) -> None:
    with pytest.raises(FormatError, match="line 2 ") as e:
        _read(f"fine 1\n{line}\n# EOF", openmetrics)
    assert line in str(e.value)


def test_openmetrics_without_its_end_was_cut() -> None:
    with pytest.raises(FormatError, match="# EOF"):
        _read("up 1\n", openmetrics=True)


def test_what_is_not_wanted_is_passed_over_family_by_family() -> None:
    text = ["# TYPE a gauge", "a 1", "a 2", "# TYPE b gauge", "b 1", "b 2", "c 1"]
    judged: list[str] = []

    def wanted(family: Family) -> bool:
        judged.append(f"{family.name} {family.type}")
        return family.name == "b"

    assert [s.name for s in samples(text, wanted=wanted)] == ["b", "b"]
    assert judged == ["a gauge", "b gauge", "c unknown"]


def test_thousands_of_series_are_never_held() -> None:
    def lines() -> Iterator[str]:
        yield "# TYPE requests_total counter"
        for i in range(20_000):
            yield f'requests_total{{path="/items/{i}",code="200"}} {i}'

    tracemalloc.start()
    try:
        count = sum(1 for _ in samples(lines()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 20_000
    assert peak < 2 << 20


_names = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)
_labels = st.dictionaries(
    st.from_regex(r"[a-d][a-z]?", fullmatch=True),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\0"), max_size=12),
    max_size=3,
)
_values = st.one_of(st.floats(), st.integers(-(2**60), 2**60).map(float))
_totals = st.floats(min_value=0, allow_nan=False, allow_infinity=False)
_words = st.text(st.characters(exclude_categories=("Cs", "Zl", "Zp", "Cc")), max_size=12).map(str.strip)


@st.composite
def _family(draw: st.DrawFn, index: int) -> Metric:
    name, help_ = f"{draw(_names)}_{index}", draw(_words)
    keys = sorted(draw(_labels))
    rows = draw(st.dictionaries(st.tuples(*(st.text('aé"\\\n {},=#', max_size=6) for _ in keys)), _totals, max_size=4))
    kind = draw(st.sampled_from(["counter", "gauge", "unknown", "histogram", "summary", "info", "stateset"]))
    made: Metric
    if kind == "counter":
        made = CounterMetricFamily(name, help_, labels=keys)
    elif kind == "gauge":
        made = GaugeMetricFamily(name, help_, labels=keys)
    elif kind == "unknown":
        made = UnknownMetricFamily(name, help_, labels=keys)
    elif kind == "histogram":
        made = HistogramMetricFamily(name, help_, labels=keys)
    elif kind == "summary":
        made = SummaryMetricFamily(name, help_, labels=keys)
    elif kind == "info":
        made = InfoMetricFamily(name, help_, labels=keys)
    else:
        made = StateSetMetricFamily(name, help_, labels=keys)
    for labels, value in rows.items():
        if isinstance(made, HistogramMetricFamily):
            count = draw(st.integers(1, 1000))
            made.add_metric(labels, [("0.5", count // 2), ("1e3", count), ("+Inf", count)], value)
        elif isinstance(made, SummaryMetricFamily):
            made.add_metric(labels, draw(st.integers(0, 1000)), value)
        elif isinstance(made, InfoMetricFamily):
            made.add_metric(labels, {"version": draw(_words)})
        elif isinstance(made, StateSetMetricFamily):
            made.add_metric(labels, {"on": True, "off": False})
        elif isinstance(made, CounterMetricFamily):
            made.add_metric(labels, value, created=draw(st.sampled_from([None, 1_780_000_000.5])))
        else:
            made.add_metric(labels, draw(_values))
    return made


_endpoints = st.integers(0, 4).flatmap(lambda n: st.tuples(*(_family(i) for i in range(n))))


class _Endpoint:
    def __init__(self, families: tuple[Metric, ...]) -> None:
        self._families = families

    def collect(self) -> tuple[Metric, ...]:
        return self._families


def _rendered(families: tuple[Metric, ...], render: Callable[[CollectorRegistry], bytes]) -> str:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Endpoint(families))  # type: ignore[arg-type]
    return render(registry).decode()


def _plain(found: list[tuple[str, str, dict[str, str], float]]) -> list[str]:
    """In an order of their own, since what belongs to a family may come apart; as text, in which NaN is itself."""
    return sorted(repr((kind, name, sorted(labels.items()), float(value))) for kind, name, labels, value in found)


@settings(max_examples=50)
@given(_endpoints)
def test_the_text_of_prometheus_client_is_read_as_by_its_own_parser(families: tuple[Metric, ...]) -> None:
    text = _rendered(families, generate_latest)
    theirs = [(f.type, s.name, s.labels, s.value) for f in judge_text(text) for s in f.samples]
    ours = [(s.family.type, s.name, dict(s.labels), s.value) for s in samples(text.split("\n"))]
    assert _plain(ours) == _plain(theirs)


@settings(max_examples=50)
@given(_endpoints)
def test_its_openmetrics_is_read_as_by_its_own_parser(families: tuple[Metric, ...]) -> None:
    text = _rendered(families, generate_openmetrics)
    theirs = [(f.type, f.name, s.name, s.labels, s.value) for f in judge_openmetrics(text) for s in f.samples]
    ours = [(s.family.type, s.family.name, s.name, dict(s.labels), s.value) for s in samples(text.split("\n"), True)]
    assert _plain([(f"{k} {f}", n, ls, v) for k, f, n, ls, v in ours]) == _plain(
        [(f"{k} {f}", n, ls, v) for k, f, n, ls, v in theirs]
    )


@given(st.lists(st.text(st.sampled_from('ab_{}="\\ \t#,.1eE+-NnIifTYPE'), max_size=40), max_size=5), st.booleans())
def test_any_text_is_read_or_refused(lines: list[str], openmetrics: bool) -> None:
    try:
        for sample in samples(lines, openmetrics):
            assert isinstance(sample.value, float)
    except FormatError as e:
        assert str(e)
