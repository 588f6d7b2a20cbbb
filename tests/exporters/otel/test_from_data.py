"""What a real MeterProvider measures, as reports; and back."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk import metrics as instruments
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics import export as sdk
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogramDataPoint,
    InMemoryMetricReader,
)
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from outrider.exporters.datadog.conversion import Conversion as DatadogConversion
from outrider.exporters.otel import from_data, to_data
from outrider.exporters.otel.from_data import Conversion, explicit
from outrider.model.clock import ManualClock, SystemClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.points import DatadogName, Histogram, Point, Report, Subject

DELTA, CUMULATIVE = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE
ABOUT = {
    "service.name": "cart",
    "service.version": "1.2",
    "service.instance.id": "i-1",
    "deployment.environment.name": "prod",
    "k8s.pod.name": "cart-1",
    "k8s.pod.uid": "u-1",
    "k8s.namespace.name": "shop",
    "k8s.container.name": "app",
    "k8s.node.name": "node-7",
}


class Program:
    """A program that measures itself, and whoever reads it."""

    def __init__(self, temporality: AggregationTemporality = CUMULATIVE, about: dict[str, str] = ABOUT) -> None:
        kinds = (instruments.Counter, instruments.UpDownCounter, instruments.Histogram)
        self.reader = InMemoryMetricReader(preferred_temporality=dict.fromkeys(kinds, temporality))
        views = [
            View(instrument_name="exponential", aggregation=ExponentialBucketHistogramAggregation()),
            View(instrument_name="explicit", aggregation=ExplicitBucketHistogramAggregation([1, 5])),
        ]
        self.provider = MeterProvider([self.reader], Resource(about), views=views, shutdown_on_exit=False)
        self.meter = self.provider.get_meter("cart")
        self.conversion = Conversion()

    def reports(self) -> list[Report]:
        data = self.reader.get_metrics_data()
        return [] if data is None else self.conversion.reports(data)

    def point(self) -> Point:
        [report] = self.reports()
        [point] = report.points
        return point


def datadog_name(report: Report) -> DatadogName:
    """Of the metric that is in `report`, as a total or as what came."""
    [name] = {p.metric.datadog.name: p.metric.datadog for p in report.points if p.metric.datadog}.values() or (
        recent.name for recent in report.recent
    )
    return name


@pytest.fixture(params=[CUMULATIVE, DELTA], ids=["cumulative", "delta"])
def program(request: pytest.FixtureRequest) -> Iterator[Program]:
    program = Program(request.param)
    yield program
    program.provider.shutdown()


def test_who_measures_is_the_subject_and_the_service(program: Program) -> None:
    program.meter.create_counter("requests", "By", "Requests.").add(3, {"code": 200, "ok": True, "who": ("a", "b")})
    [report] = program.reports()
    assert report.subject == Subject("node-7", "shop", "cart-1", "u-1", "app")
    assert report.source == "cart"
    [point] = report.points
    given = dict(point.attributes)
    assert (given["code"], given["ok"], given["who"]) == ("200", "true", '["a", "b"]')
    assert point.metric.description == "Requests."
    datadog, google = datadog_name(report), point.metric.google
    assert google is not None
    assert (datadog.name, datadog.unit, datadog.submit, datadog.type) == (
        "requests",
        "byte",
        "monotonic_count",
        "count",
    )
    assert (google.type, google.unit, google.kind, google.value_type) == (
        "workload.googleapis.com/requests", "By", "CUMULATIVE", "INT64",
    )  # fmt: skip
    spelled = {datadog.spelling.get(k, k): v for k, v in given.items()}
    assert spelled.items() >= {("service", "cart"), ("version", "1.2"), ("env", "prod")}
    spelled = {google.spelling.get(k, k): v for k, v in given.items()}
    assert spelled.items() >= {("service_name", "cart"), ("service_instance_id", "i-1")}
    assert "k8s.pod.name" not in given


def test_counters_are_totals_since_a_start(program: Program) -> None:
    counter = program.meter.create_counter("requests")
    found = []
    for n in (3, 4, 0, 5):
        counter.add(n)
        found.append(program.point())
    assert [p.value for p in found] == [3, 7, 7, 12]
    assert {p.metric.kind for p in found} == {"counter"}
    starts = {p.start for p in found}
    assert len(starts) == 1
    assert 0 < (starts.pop() or 0) <= found[0].time


def test_series_are_added_up_by_themselves(program: Program) -> None:
    counter = program.meter.create_counter("requests")
    for _ in range(3):
        counter.add(1, {"a": "1"})
        counter.add(10, {"a": "2"})
        [report] = program.reports()
    assert sorted(p.value for p in report.points) == [3, 30]


def test_what_goes_up_and_down_is_a_gauge(program: Program) -> None:
    counter = program.meter.create_up_down_counter("open")
    values = []
    for n in (3, -2, 5):
        counter.add(n)
        point = program.point()
        values.append(point.value)
        assert (point.metric.kind, point.start) == ("gauge", None)
        assert point.metric.google is not None
        assert point.metric.google.kind == "GAUGE"
    assert values == [3, 1, 6]


def test_gauges(program: Program) -> None:
    def read(_: CallbackOptions) -> Iterator[Observation]:
        yield Observation(0.5)

    program.meter.create_observable_gauge("load", [read])
    point = program.point()
    assert (point.value, point.metric.kind, point.start) == (0.5, "gauge", None)
    assert point.metric.google is not None
    assert point.metric.google.value_type == "DOUBLE"


def test_histograms(program: Program) -> None:
    histogram = program.meter.create_histogram("explicit", "ms")
    for value in (0.5, 1, 3, 100):
        histogram.record(value)
        [report] = program.reports()
        [point] = report.points
    assert point.value == Histogram((1, 5), (2, 1, 1), 4, 104.5)
    assert point.metric.kind == "histogram"
    assert datadog_name(report).unit == "millisecond"


def test_exponential_histograms_keep_every_value_between_its_bounds(program: Program) -> None:
    histogram = program.meter.create_histogram("exponential")
    values = [0, 0.001, 0.3, 1, 1, 7, 12.5, 1000]
    for value in values:
        histogram.record(value)
    found = program.point().value
    assert isinstance(found, Histogram)
    assert (found.count, found.total) == (len(values), pytest.approx(sum(values)))
    assert sum(found.counts) == len(values)
    assert len(found.counts) == len(found.bounds) + 1
    for bound in found.bounds:
        below = sum(n for upper, n in zip(found.bounds, found.counts, strict=False) if upper <= bound)
        near = sum(v <= bound * (1 - 1e-9) for v in values), sum(v <= bound * (1 + 1e-9) for v in values)
        assert near[0] <= below <= near[1]


def exponential(scale: int, positive: Buckets, negative: Buckets, zeros: int = 0) -> Histogram:
    count = sum(positive.bucket_counts) + sum(negative.bucket_counts) + zeros
    return explicit(ExponentialHistogramDataPoint({}, 1, 2, count, 0.0, scale, zeros, positive, negative, 0, 0.0, 0.0))


NONE = Buckets(0, [0])
EXPONENTIAL: list[tuple[Histogram, tuple[float, ...], tuple[int, ...]]] = [
    (exponential(0, Buckets(0, [1, 2]), NONE), (1, 2, 4), (0, 1, 2, 0)),
    (exponential(0, Buckets(-1, [1, 0, 2]), NONE), (0.5, 1, 2, 4), (0, 1, 0, 2, 0)),
    (exponential(1, Buckets(2, [5]), NONE), (2, 2**1.5), (0, 5, 0)),
    (exponential(-1, Buckets(0, [1, 1]), NONE), (1, 4, 16), (0, 1, 1, 0)),
    (exponential(0, Buckets(0, [1]), NONE, zeros=3), (0, 1, 2), (3, 0, 1, 0)),
    (exponential(0, NONE, NONE, zeros=3), (0,), (3, 0)),
    (exponential(0, NONE, Buckets(0, [1, 2])), (-4, -2, -1, 0), (0, 2, 1, 0, 0)),
    (exponential(0, Buckets(0, [5]), Buckets(0, [1]), zeros=3), (-2, -1, 0, 1, 2), (0, 1, 3, 0, 5, 0)),
    (exponential(0, NONE, NONE), (), (0,)),
]


@pytest.mark.parametrize(("found", "bounds", "counts"), EXPONENTIAL)
def test_exponential_buckets(found: Histogram, bounds: tuple[float, ...], counts: tuple[int, ...]) -> None:
    assert found.bounds == pytest.approx(bounds)
    assert found.counts == counts


def test_exponential_buckets_of_the_largest_values() -> None:
    found = exponential(-10, Buckets(0, [1, 1]), NONE)
    assert sum(found.counts) == 2


def test_buckets_that_cannot_be_added_begin_anew(program: Program) -> None:
    """The scale of an exponential histogram changes with its values."""
    histogram = program.meter.create_histogram("exponential")
    totals, starts = [], []
    for value in (1, 1, 1e9):
        histogram.record(value)
        point = program.point()
        assert isinstance(point.value, Histogram)
        totals.append(point.value.count)
        starts.append(point.start)
    cumulative = totals == [1, 2, 3]
    assert cumulative or (totals == [1, 2, 1] and starts[2] > starts[0])


def test_datadog_counts_increases_whose_buckets_change_as_what_they_are() -> None:
    clock = SystemClock()
    datadog = DatadogConversion("dd", Cluster("acme", "c", "l", "n"), (), clock, Counters())
    program = Program(DELTA)
    histogram = program.meter.create_histogram("exponential")
    counted = []
    for values in ([1], [1, 1e9, 1, 1], [1e-9], [1e-9, 1e-9]):
        for value in values:
            histogram.record(value)
        found = {one.name: one.value for one in datadog.series(program.reports())}
        counted.append(found["exponential.count"])
    program.provider.shutdown()
    assert counted == [1, 4, 1, 2]


def test_two_libraries_that_measure_the_same_are_two_series(program: Program) -> None:
    """As of a client of HTTP and of what it is built upon."""
    counters = [program.provider.get_meter(name).create_counter("calls") for name in ("requests", "urllib3")]
    clock = SystemClock()
    datadog = DatadogConversion("dd", Cluster("acme", "c", "l", "n"), (), clock, Counters())
    found: dict[str, float] = {}
    for _ in range(3):
        for counter, by in zip(counters, (100, 5), strict=True):
            counter.add(by)
        reports = program.reports()
        for one in datadog.series(reports):
            assert isinstance(one.value, float)
            [scope] = [tag for tag in one.tags if tag.startswith("instrumentation_scope:")]
            found[scope] = found.get(scope, 0) + one.value
    assert found == {"instrumentation_scope:requests": 300, "instrumentation_scope:urllib3": 15}
    googles = [point.metric.google for report in reports for point in report.points]
    assert {name.spelling["otel.scope.name"] for name in googles if name} == {"instrumentation_source"}
    totals = {dict(point.attributes)["otel.scope.name"]: point.value for r in reports for point in r.points}
    assert totals == {"requests": 300, "urllib3": 15}


@pytest.mark.parametrize("late", [0, 120])
def test_increases_from_before_we_began_are_counted(late: int) -> None:
    """A program counts on while nobody listens: what it tells then is no total that somebody may have told before."""
    program, clock = Program(DELTA), ManualClock(SystemClock().now() + late)
    program.meter.create_counter("jobs").add(5)
    program.meter.create_histogram("explicit").record(3)
    reports = program.reports()
    program.provider.shutdown()
    datadog = DatadogConversion("dd", Cluster("acme", "c", "l", "n"), (), clock, Counters())
    found = {
        (one.name, *(tag for tag in one.tags if tag.startswith("upper_bound:"))): one.value
        for one in datadog.series(reports)
        if one.type == "count"
    }
    assert found == {
        ("jobs",): 5.0,
        ("explicit.count",): 1.0,
        ("explicit.sum",): 3.0,
        ("explicit.bucket", "upper_bound:1.0"): 0.0,
        ("explicit.bucket", "upper_bound:5.0"): 1.0,
    }


def test_a_sum_begins_after_what_was_told_before() -> None:
    """One process of ours wrote a sum up to 1,000 s; the next one is told what came since then."""
    told = 1_780_000_000 * 10**9
    point = sdk.NumberDataPoint({}, told, told + 10**10, 5)
    [report] = Conversion().reports(metrics_data(sdk.Sum([point], DELTA, True)))
    assert [(p.value, p.start, p.exact) for p in report.points] == [(5, told + 10**6, True)]


def test_one_name_of_two_kinds_is_two_sums() -> None:
    conversion, found = Conversion(), []
    for t in (1, 2):
        number = sdk.NumberDataPoint({}, t, t + 1, 5)
        histogram = sdk.HistogramDataPoint({}, t, t + 1, 1, 3.0, [1, 0], [5.0], 3.0, 3.0)
        both = sdk.Sum([number], DELTA, True), sdk.Histogram([histogram], DELTA)
        found += [conversion.reports(metrics_data(data))[0].points[0].value for data in both]
    assert found == [5, Histogram((5.0,), (1, 0), 1, 3.0), 10, Histogram((5.0,), (2, 0), 2, 6.0)]


def test_an_increase_that_comes_again_is_counted_once() -> None:
    """A client that has heard no answer cannot know that its request was taken."""
    conversion, found = Conversion(), []
    for since, until in ((10, 20), (20, 30), (20, 30), (30, 40), (30, 40), (40, 50)):
        data = sdk.Sum([sdk.NumberDataPoint({}, since, until, 5)], DELTA, True)
        [report] = conversion.reports(metrics_data(data))
        found.append(([p.value for p in report.points], [r.value.by for r in report.recent]))  # type: ignore[union-attr]
    assert found == [([5], [5]), ([10], [5]), ([], []), ([15], [5]), ([], []), ([20], [5])]


def test_a_sum_that_no_number_holds_begins_anew() -> None:
    conversion = Conversion()
    values = [
        conversion.reports(metrics_data(sdk.Sum([sdk.NumberDataPoint({}, t, t + 1, 1e308)], DELTA, True)))[0].points[0]
        for t in range(1, 4)
    ]
    assert [point.value for point in values] == [1e308, 1e308, 1e308]
    assert len({point.start for point in values}) == 3


def metrics_data(data: Any) -> Any:
    """One metric `x`."""
    scope = sdk.ScopeMetrics(InstrumentationScope("s"), [sdk.Metric("x", "", "", data)], "")
    return sdk.MetricsData([sdk.ResourceMetrics(Resource({}), [scope], "")])


def test_the_type_in_google_is_that_of_the_first_value(program: Program) -> None:
    counter = program.meter.create_counter("mixed")
    types = []
    for n in (1, 0.5):
        counter.add(n)
        google = program.point().metric.google
        assert google is not None
        types.append(google.value_type)
    assert types == ["INT64", "INT64"]


def test_there_and_back() -> None:
    """What a check reports, as MetricsData, and as a report again: under the same name in Google, with the values."""
    program = Program()
    program.meter.create_counter("requests", "{request}").add(3, {"code": "200"})
    program.meter.create_histogram("explicit", "s").record(0.5)
    program.meter.create_gauge("load").set(0.5)
    first = program.reports()
    cluster = Cluster("acme", "prod", "europe-north1", "node-7")
    second = from_data.Conversion().reports(to_data.Conversion(cluster, 0).data(first))

    def told(reports: list[Report]) -> list[Any]:
        found = []
        for report in reports:
            for p in report.points:
                assert p.metric.google is not None
                found.append(
                    (
                        report.subject,
                        p.metric.google.type,
                        p.metric.google.unit,
                        p.metric.kind,
                        p.value,
                        p.time,
                        p.start,
                    )
                )
        return found

    assert told(second) == told(first)
    assert len(told(first)) == 3
    program.provider.shutdown()


def test_a_program_outside_kubernetes_is_nobody_in_particular() -> None:
    program = Program(about={})
    program.meter.create_counter("requests").add(1)
    [report] = program.reports()
    assert report.subject == Subject()
    assert report.points[0].attributes == (("otel.scope.name", "cart"),)
    program.provider.shutdown()
