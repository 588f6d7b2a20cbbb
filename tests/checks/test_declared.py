"""What a check declares is what real servers give: each metric, with values that can be, and no series twice."""

import math
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from outrider.checks.check import Reading
from outrider.model.points import Histogram, Point
from tests.checks.coverage import PAGE, coverage, page, row, spelled
from tests.checks.product import Product
from tests.checks.products import all_products


@pytest.fixture(scope="module", params=all_products().values(), ids=lambda product: product.name)
def observed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Product, list[Reading]]:
    product: Product = request.param
    return product, list(product.observe(tmp_path_factory.mktemp(product.name) / "servers"))


Observed = tuple[Product, Sequence[Reading]]


def _plausible(point: Point) -> bool:
    value = point.value
    if isinstance(value, Histogram):
        return sum(value.counts) == value.count >= 0
    unit = point.metric.datadog.unit if point.metric.datadog else ""
    if point.metric.kind == "gauge" and point.metric.datadog and point.metric.datadog.per_unit:
        return math.isfinite(value)  # how fast something grows or falls
    least, most = (0, math.inf) if point.metric.kind == "counter" else (0, 100) if unit == "percent" else (-1, math.inf)
    return math.isfinite(value) and least <= value <= most and (point.start is None or point.start <= point.time)


def test_every_declared_metric_that_needs_nothing_is_seen(observed: Observed) -> None:
    product, readings = observed
    declared = product.load()[1]
    seen = {point.metric.key for reading in readings for point in reading.points}
    assert declared.metrics.keys() - seen - declared.needs.keys() == set()


def test_every_value_can_be(observed: Observed) -> None:
    _, readings = observed
    assert [p for reading in readings for p in reading.points if not _plausible(p)] == []


def test_no_series_comes_twice_in_one_run(observed: Observed) -> None:
    _, readings = observed
    names: dict[str, Callable[[Point], str | None]] = {
        "datadog": lambda p: p.metric.datadog and p.metric.datadog.name,
        "google": lambda p: p.metric.google and p.metric.google.type,
    }
    for vendor, name in names.items():
        for reading in readings:
            series = Counter((name(p), *spelled(p, vendor)) for p in reading.points if name(p))
            assert [one for one, times in series.items() if times > 1] == [], vendor


def test_every_service_check_is_declared(observed: Observed) -> None:
    product, readings = observed
    declared = product.load()[1].service_checks.keys()
    assert {check.name for reading in readings for check in reading.service_checks} <= declared


def test_the_essential_metrics_are_seen_and_documented(
    observed: Observed, record_property: Callable[[str, object], None]
) -> None:
    product, readings = observed
    found = coverage(product.name, product.load()[1], readings)
    for one in found:
        record_property("coverage", one.told())
    assert [one.wrong for one in found if one.wrong] == []
    if found:
        assert row(product.name, found) in PAGE.read_text("utf-8"), "run: make docs"


def test_the_page_is_what_the_declarations_say() -> None:
    text = PAGE.read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| [")]
    assert text == page(rows), "run: make docs"
