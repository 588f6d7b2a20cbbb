"""What is measured: one value of one metric, as the server reports it.

A metric is declared once and has two names (`Metric`): what Datadog's dashboards ask for and what Google's do. They
differ in more than spelling. So a point holds what was read and nothing else: counters stay cumulative, and what tells
values apart are attributes under the check's own words. Each exporter makes of it what its vendor expects, a rate or an
increase where there is a total, a tag or a label where there is an attribute.

    server says   total_commands_processed:1234                       a counter
    point         Point(<Metric redis commands>, 1234, ())            the same
    Datadog       redis.net.commands 17.3                             per second, since the point before
    Google        workload.googleapis.com/redis.commands.processed 1234   CUMULATIVE, since the server's start

Everything that one run of a check found is a `Report`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from outrider.model.pod import Pod

Attributes = tuple[tuple[str, str], ...]
"""What tells the values of one metric apart, sorted by key."""

Kind = Literal["gauge", "counter", "histogram"]
"""What the server reports: a value of now, a total that only grows, or a growing `Histogram`."""

Cardinality = Literal["", "none", "low", "orchestrator", "high"]
"""How much of its pod a program wants to see in the tags of what it measured, in the Agent's terms: nothing, what all
replicas have in common, the pod too, the run of the container too. "": as for checks, which is the pod too."""

Submission = Literal["gauge", "rate", "monotonic_count", "distribution"]
"""What Datadog gets, in the Agent's terms: the value; its growth per second since the last point; its growth since the
last point. A histogram is always the growth of its counts, or, as a distribution, the values that were counted."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """`counts[i]` values are at most `bounds[i]` and above the bound before; the last one of `counts`, which has one
    more, is of those above all bounds. `count` values with the sum `total` altogether, ever since the start.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    count: int
    total: float


Value = int | float | Histogram


@dataclass(frozen=True, slots=True)
class Increase:
    """`by` how much something grew, or fell, within the last `seconds`: from programs that keep no total. Or what was
    counted in them, as a histogram.
    """

    by: float | Histogram
    seconds: float


@dataclass(frozen=True, slots=True)
class Sketch:
    """The `count` values of one interval, with the sum `total`, from `low` to `high`: so many of each of the `bins`,
    in order, which are numbered as `outrider.model.bins` has it. Sketches can be added up without a loss.
    """

    bins: tuple[tuple[int, int], ...]
    count: int
    total: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class DatadogName:
    """What Datadog calls a metric. `type` is that of the series (api/v2/series); `unit` and `per_unit` are Datadog's
    names of units. `spelling` has the tag key for an attribute where they differ, None for an attribute that is no tag;
    `tags` are constant. The value is multiplied by `scale`.
    """

    name: str
    submit: Submission = "gauge"
    type: Literal["gauge", "count", "rate"] = "gauge"
    unit: str = ""
    per_unit: str = ""
    tags: Attributes = ()
    spelling: Mapping[str, str | None] = field(default_factory=dict)
    scale: float = 1


@dataclass(frozen=True, slots=True)
class GoogleName:
    """What Cloud Monitoring calls a metric: the whole type (`workload.googleapis.com/redis.uptime`), kind and value
    type as metric.proto has them, the unit in UCUM. `spelling`, `labels` and `scale` as for Datadog.
    """

    type: str
    kind: Literal["GAUGE", "CUMULATIVE"] = "GAUGE"
    value_type: Literal["INT64", "DOUBLE", "DISTRIBUTION"] = "DOUBLE"
    unit: str = "1"
    labels: Attributes = ()
    spelling: Mapping[str, str | None] = field(default_factory=dict)
    scale: float = 1


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric, under one or both names. `key` is the check's own name for it."""

    key: str
    kind: Kind = "gauge"
    description: str = ""
    datadog: DatadogName | None = None
    google: GoogleName | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One value. `time`, and `start` of what a counter or histogram counts (None: not known), are nanoseconds since
    1970. `exact`: it is this process that has counted, so nobody before has ever told a total since then.
    """

    metric: Metric
    value: Value
    time: int
    attributes: Attributes = ()
    start: int | None = None
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Recent:
    """What came within one interval that ended at `time`, for Datadog, which stores just that. For those who store
    totals, the total is a `Point` of its own.
    """

    name: DatadogName
    value: Increase | Sketch
    time: int
    attributes: Attributes = ()


class Status(IntEnum):
    """Of a service check, with Datadog's numbers (api/v1/check_run)."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class ServiceCheck:
    """Whether something is as it should be. `time` is nanoseconds since 1970; `tags` are spelled as Datadog's. `host`
    is another one than the subject's, if any.
    """

    name: str
    status: Status
    time: int
    tags: Attributes = ()
    message: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened (api/v1/events). `alert` is one of error, warning, info, success; `priority` normal or
    low. `host` is another one than the subject's, if any; `source_type` says what kind of program it comes from.
    """

    title: str
    text: str
    time: int
    tags: Attributes = ()
    alert: str = "info"
    aggregation_key: str = ""
    priority: str = "normal"
    source_type: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """Who was measured: a container, a pod (no `container`), a node (no `pod`). `details` is what is known of the pod
    beside its names.
    """

    node: str = ""
    namespace: str = ""
    pod: str = ""
    uid: str = ""
    container: str = ""
    details: Pod | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of the check `source` found. `tags` (`key:value` or just a word) are the user's own, of everything
    in it.
    """

    source: str
    subject: Subject
    points: tuple[Point, ...] = ()
    service_checks: tuple[ServiceCheck, ...] = ()
    events: tuple[Event, ...] = ()
    tags: tuple[str, ...] = ()
    recent: tuple[Recent, ...] = ()
    cardinality: Cardinality = ""
