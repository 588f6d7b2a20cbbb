"""Values as TypedValue, judged by the API's own message where there is one."""

import math
from itertools import accumulate
from typing import Any

import pytest
from google.cloud.monitoring_v3 import TypedValue
from google.protobuf import json_format

from outrider.exporters.stackdriver.typed import NoValueError, typed_value
from outrider.model.points import GoogleName, Histogram, Value

INT, DOUBLE = GoogleName("x", value_type="INT64"), GoogleName("x", value_type="DOUBLE")
HISTOGRAM = GoogleName("x", value_type="DISTRIBUTION")

NUMBERS: list[tuple[Value, GoogleName, dict[str, Any]]] = [
    (7, INT, {"int64Value": "7"}),
    (7.4, INT, {"int64Value": "7"}),
    (7.6, INT, {"int64Value": "8"}),
    (-0.2, INT, {"int64Value": "0"}),
    ((1 << 63) - 1, INT, {"int64Value": "9223372036854775807"}),
    (-(1 << 63), INT, {"int64Value": "-9223372036854775808"}),
    (7, DOUBLE, {"doubleValue": 7.0}),
    (True, DOUBLE, {"doubleValue": 1.0}),
    (0.5, DOUBLE, {"doubleValue": 0.5}),
    (1500, GoogleName("x", value_type="DOUBLE", scale=0.001), {"doubleValue": 1.5}),
    (3, GoogleName("x", value_type="INT64", scale=1024), {"int64Value": "3072"}),
]


@pytest.mark.parametrize(("value", "name", "want"), NUMBERS)
def test_numbers(value: Value, name: GoogleName, want: dict[str, Any]) -> None:
    assert typed_value(value, name) == want
    json_format.ParseDict(want, TypedValue.pb(TypedValue()))


SOME = Histogram((1.0, 5.0), (1, 2, 3), 6, 30.0)

NONE: list[tuple[Value, GoogleName, str]] = [
    (math.nan, DOUBLE, "not_finite"),
    (math.inf, DOUBLE, "not_finite"),
    (-math.inf, INT, "not_finite"),
    (math.nan, INT, "not_finite"),
    (1 << 63, INT, "not_finite"),
    (10**400, INT, "not_finite"),
    (10**400, DOUBLE, "not_finite"),
    (10**400, GoogleName("x", value_type="INT64", scale=0.5), "not_finite"),
    (1, HISTOGRAM, "value_type"),
    (SOME, INT, "value_type"),
    (SOME, DOUBLE, "value_type"),
    (Histogram((1.0,), (1, 1), 2, math.inf), HISTOGRAM, "not_finite"),
    (Histogram((1.0, math.nan), (1, 1, 1), 3, 3.0), HISTOGRAM, "not_finite"),
    (Histogram((5.0, 1.0), (1, 1, 1), 3, 3.0), HISTOGRAM, "buckets"),
    (Histogram((1.0, 1.0), (1, 1, 1), 3, 3.0), HISTOGRAM, "buckets"),
    (Histogram((1.0,), (1,), 1, 3.0), HISTOGRAM, "buckets"),
    (Histogram((1.0,), (-1, 3), 2, 3.0), HISTOGRAM, "buckets"),
    (Histogram((), (), 0, 0.0), HISTOGRAM, "buckets"),
]


@pytest.mark.parametrize(("value", "name", "reason"), NONE)
def test_what_is_no_value(value: Value, name: GoogleName, reason: str) -> None:
    with pytest.raises(NoValueError) as caught:
        typed_value(value, name)
    assert caught.value.reason == reason


def distribution(value: Histogram, scale: float = 1) -> Any:
    made = typed_value(value, GoogleName("x", value_type="DISTRIBUTION", scale=scale))
    return json_format.ParseDict(made, TypedValue.pb(TypedValue())).distribution_value


def test_a_histogram() -> None:
    d = distribution(SOME)
    assert (d.count, d.mean, d.sum_of_squared_deviation) == (6, 5.0, 0)
    assert list(d.bucket_options.explicit_buckets.bounds) == [1.0, 5.0]
    assert list(d.bucket_counts) == [1, 2, 3]


def test_a_histogram_in_another_unit() -> None:
    d = distribution(SOME, 1000)
    assert d.mean == 5000
    assert list(d.bucket_options.explicit_buckets.bounds) == [1000.0, 5000.0]


def test_a_histogram_without_values_has_the_mean_0() -> None:
    d = distribution(Histogram((1.0,), (0, 0), 0, 0.0))
    assert (d.count, d.mean) == (0, 0)


def test_the_counts_add_up_even_if_the_server_says_otherwise() -> None:
    assert distribution(Histogram((1.0,), (1, 2), 7, 9.0)).count == 3


def test_a_last_bound_of_infinity_is_none() -> None:
    d = distribution(Histogram((1.0, math.inf), (1, 2, 3), 6, 6.0))
    assert list(d.bucket_options.explicit_buckets.bounds) == [1.0]
    assert list(d.bucket_counts) == [1, 5]


def test_a_histogram_without_bounds_is_count_and_mean() -> None:
    d = distribution(Histogram((), (4,), 4, 8.0))
    assert (d.count, d.mean) == (4, 2.0)
    assert not d.HasField("bucket_options")
    assert not d.bucket_counts


@pytest.mark.parametrize("n", [198, 199, 200, 201, 400, 401, 999])
def test_no_more_than_200_buckets_and_every_value_is_in_one_that_it_belongs_to(n: int) -> None:
    bounds, counts = tuple(float(i) for i in range(n)), tuple(i % 7 + 1 for i in range(n + 1))
    d = distribution(Histogram(bounds, counts, sum(counts), 0.0))
    kept = list(d.bucket_options.explicit_buckets.bounds)
    assert len(d.bucket_counts) == len(kept) + 1 <= 200
    assert len(d.bucket_counts) > 99
    assert d.count == sum(counts) == sum(d.bucket_counts)
    up_to = dict(zip(bounds, accumulate(counts), strict=False))
    assert list(accumulate(d.bucket_counts))[:-1] == [up_to[bound] for bound in kept]
