"""Whatever an endpoint says, no more of it is kept than its limits are for, and what is left out is told."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from outrider.checks import found
from outrider.checks.check import MAX_KEY, MAX_MISSING, Reading, run
from outrider.checks.openmetrics.check import OpenmetricsCheck
from outrider.checks.openmetrics.limits import LABEL, MAX_PARTS, ROOM
from outrider.checks.openmetrics.settings import OpenmetricsSettings
from outrider.model.clock import ManualClock
from outrider.model.counters import Counters
from outrider.model.points import Histogram, Point, Report, Subject
from outrider.pipeline.checks import LISTED, CheckRuns
from tests.support.pages import Page, Pages, pages

MAX_SERIES = 100


@pytest.fixture
def endpoint() -> Iterator[Pages]:
    with pages() as served:
        yield served


def _check(endpoint: Pages, **settings: Any) -> OpenmetricsCheck:
    return OpenmetricsCheck(OpenmetricsSettings(url=f"{endpoint.url}/metrics", timeout=20.0, **settings))


def _run(check: OpenmetricsCheck) -> tuple[Report, Reading]:
    report, reading, trouble = run(check, found.load("openmetrics")[1], Subject(), ManualClock())
    assert trouble is None, trouble
    return report, reading


def _own(report: Report) -> list[Point]:
    """The endpoint's points, without the one about what was left out."""
    return [point for point in report.points if point.metric.key != "series_left_out"]


def test_a_histogram_with_more_buckets_than_anybody_reads_is_a_coarser_one(endpoint: Pages) -> None:
    many = MAX_PARTS * 20
    rows = "".join(f'h_bucket{{le="{i}"}} {i}\n' for i in range(1, many))
    endpoint.at["/metrics"] = Page(f"# TYPE h histogram\n{rows}h_sum 7\nh_count {many}\n")
    check = _check(endpoint, max_series=5)
    for _ in range(2):  # what was reported before has no more room than what is new
        report, reading = _run(check)
        [histogram] = [point.value for point in report.points if isinstance(point.value, Histogram)]
        assert len(histogram.counts) == MAX_PARTS + 1
        assert (histogram.count, sum(histogram.counts), histogram.total) == (many, many, 7)
        assert len(_own(report)) == MAX_PARTS + len(["sum", "count", "the histogram"])
        assert reading.missing["h"].startswith(f"{many - 1 - MAX_PARTS} of its ")


def test_histograms_that_grow_have_no_more_room_than_new_ones(endpoint: Pages) -> None:
    def page(buckets: int) -> Page:
        rows = (f'h_bucket{{m="{m}",le="{le}"}} 1' for m in range(20) for le in range(buckets))
        return Page("# TYPE h histogram\n" + "\n".join(rows) + "\n")

    check = _check(endpoint, max_series=20)
    endpoint.at["/metrics"] = page(1)
    assert len(_own(_run(check)[0])) == 20
    endpoint.at["/metrics"] = page(MAX_PARTS)
    assert len(_own(_run(check)[0])) == 20 + MAX_PARTS


@pytest.mark.parametrize(
    "line",
    [
        'g{n="%d",long="' + "x" * 20 * ROOM + '"} 1\n',
        'g{n="%d",' + ",".join(f'l{i}="1"' for i in range(20 * ROOM // LABEL)) + "} 1\n",
        f"# TYPE g%d_{'x' * 20 * ROOM} gauge\ng%d_{'x' * 20 * ROOM} 1\n",
    ],
    ids=["long labels", "many labels", "long names"],
)
def test_series_have_room_for_so_many_characters(endpoint: Pages, line: str) -> None:
    rows = "".join(line.replace("%d", str(n)) for n in range(50))
    endpoint.at["/metrics"] = Page(f"# TYPE g gauge\n{rows}# TYPE small gauge\nsmall 7\n")
    report, reading = _run(_check(endpoint, max_series=MAX_SERIES))
    taken = len(_own(report))
    assert 2 <= taken <= MAX_SERIES // 20 + 1
    assert [p.value for p in report.points if p.metric.key == "small"] == [7], "what is small has room after all"
    assert [p.value for p in report.points if p.metric.key == "series_left_out"] == [50 + 1 - taken]
    assert all(len(key) <= MAX_KEY for key in reading.missing)


def test_an_endpoint_that_makes_up_names_fills_no_memory(endpoint: Pages, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    declared = found.load("openmetrics")[1]
    runs = CheckRuns("odd", _check(endpoint), declared, (), Subject, lambda _: None, ManualClock(), Counters())
    for i in range(4):
        endpoint.at["/metrics"] = Page("".join(f"no_type_{i}_{n} 1\n" for n in range(2 * MAX_MISSING)))
        runs.once()
    assert len(runs._missing) <= 2 * MAX_MISSING
    said = [record.getMessage() for record in caplog.records if "not read" in record.getMessage()]
    assert len(said) == 4
    assert all(f"and {MAX_MISSING - LISTED} more (" in one for one in said)
