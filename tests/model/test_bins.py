"""Sketches: the Agent's bins, percentiles within their error, and sums of them."""

import random
from bisect import bisect_left
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.model.bins import MAX_BINS, Bins, Growing, bin_of, ranked, spread, value_of
from outrider.model.points import Sketch

ERROR = 1 / 128 * 1.001
VALUES = st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=200)


def sketch(*values: float) -> Sketch:
    bins = Bins()
    bins.add(values)
    return bins.sketch()


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0.0, 0),
        (1e-10, 0),
        (-1e-10, 0),
        (1e-9, 1),
        (1.0, 1338),
        (-1.0, -1338),
        (1 + 2 / 128, 1339),
        (1000.0, 1784),
        (1e300, 32767),
        (-1e300, -32767),
    ],
)
def test_bins_are_numbered_as_the_agent_does(value: float, number: int) -> None:
    """From its formula (pkg/util/quantile/config.go): gamma 1 + 2/128, least value 1e-9 with the number 1."""
    assert bin_of(value) == number


@given(
    st.lists(st.floats(1e-12, 1e300), min_size=1, max_size=20) | VALUES,
    st.sampled_from([[], [0.0], [-1.0], [1e-12], [1e-9], [1e300], [4.2e211]]),
)
def test_many_at_once_are_counted_as_each_by_itself(values: list[float], more: list[float]) -> None:
    """What is usual goes another way than zero, what is below it, and what is very large."""
    made = sketch(*values, *more)
    assert dict(made.bins) == Counter(map(bin_of, [*values, *more]))


@given(st.floats(1e-8, 1e200))
def test_a_bin_stands_for_its_values(value: float) -> None:
    assert abs(value_of(bin_of(value)) - value) <= value * ERROR
    assert value_of(bin_of(-value)) == -value_of(bin_of(value))


@given(VALUES)
def test_values_at_a_rank_are_near_the_true_ones(values: list[float]) -> None:
    made = sketch(*values)
    in_order = sorted(values)
    for found, true in zip(ranked(made, range(len(values))), in_order, strict=True):
        assert abs(found - true) <= abs(true) * ERROR + 1e-9
    assert (made.count, made.low, made.high) == (len(values), in_order[0], in_order[-1])
    assert made.total == sum(values)


@given(VALUES, VALUES)
def test_it_is_of_no_matter_when_a_value_is_counted(some: list[float], others: list[float]) -> None:
    bins = Bins()
    for values in (some, others):
        bins.add(values)
    together, apart = sketch(*some, *others), bins.sketch()
    assert apart.bins == together.bins
    assert (apart.count, apart.low, apart.high) == (together.count, together.low, together.high)
    assert apart.total == pytest.approx(together.total)


def test_a_sampled_value_counts_for_those_that_were_left_out() -> None:
    bins = Bins()
    bins.add([2.0, 8.0], times=10)
    made = bins.sketch()
    assert (made.count, made.total, [n for _, n in made.bins]) == (20, 100.0, [10, 10])


def test_beyond_the_limit_the_lowest_bins_are_one() -> None:
    bins = Bins()
    bins.add([value_of(number) for number in range(1, MAX_BINS + 101)])
    made = bins.sketch()
    assert len(made.bins) == MAX_BINS
    assert made.bins[0] == (101, 101)
    assert sum(n for _, n in made.bins) == made.count == MAX_BINS + 100


def test_values_that_a_sketch_may_be_of() -> None:
    made = sketch(*[1.0] * 90, *[100.0] * 10)
    assert spread(made, 1000) == pytest.approx((1.0,) * 90 + (100.0,) * 10, rel=ERROR)
    some = spread(made, 20)
    assert len(some) == 20
    assert some.count(max(some)) == 2, "each stands for five"


def test_all_that_was_ever_counted_is_a_histogram_whose_counts_only_grow() -> None:
    rng = random.Random(7)
    growing, seen = Growing(), []
    assert growing.histogram().counts == (0, 0)
    for _ in range(5):
        values = [rng.lognormvariate(3, 2) for _ in range(200)] + [0.0, -4.0]
        seen += values
        growing.add(sketch(*values))
        found = growing.histogram()
        assert (found.count, sum(found.counts)) == (len(seen), len(seen))
        assert found.total == pytest.approx(sum(seen))
        assert found.counts[0] == sum(value <= 0 for value in seen)
        assert list(found.bounds) == sorted(set(found.bounds))
        for bound, below in zip(found.bounds[1:], _below(found.counts)[1:], strict=False):
            low, high = (bisect_left(sorted(seen), bound * (1 + sign * 0.02)) for sign in (-1, 1))
            assert low <= below <= high


def _below(counts: tuple[int, ...]) -> list[int]:
    return [sum(counts[: i + 1]) for i in range(len(counts))]


def test_values_out_of_all_bounds_are_in_the_outermost_buckets() -> None:
    growing = Growing()
    growing.add(sketch(1e-15 * 1e7, 1e100, 1.0))
    found = growing.histogram()
    assert sum(found.counts) == 3
    assert len(found.counts) <= 200, "as many as Cloud Monitoring takes"
