"""Metric descriptors on their way, over real HTTP."""

import logging
import threading
from collections.abc import Iterator

import pytest
from google.api.metric_pb2 import MetricDescriptor

from outrider.exporters.stackdriver.auth import AuthError, NoToken
from outrider.exporters.stackdriver.descriptors import LONGEST_PAUSE, PACE, Descriptors
from outrider.model.clock import ManualClock
from outrider.model.counters import Counters
from outrider.model.points import GoogleName
from tests.support.monitoring_api import MonitoringApi, Request, monitoring_api
from tests.support.wait import until

COMMANDS = GoogleName("workload.googleapis.com/redis.commands", "CUMULATIVE", "INT64", "{command}")
FORM_CONFLICT = {"error": {"code": 400, "message": "the metric is there as GAUGE", "status": "INVALID_ARGUMENT"}}


@pytest.fixture
def api() -> Iterator[MonitoringApi]:
    with monitoring_api() as api:
        yield api


class Creating:
    def __init__(self, api: MonitoringApi, tokens: NoToken | None = None) -> None:
        self.api, self.clock, self.counters, self._settled = api, ManualClock(), Counters(), 0
        url = f"{api.url}/v3/projects/acme/metricDescriptors"
        self.descriptors = Descriptors("google", url, tokens or NoToken(), self.clock, self.counters)

    def want(self, type_: str = COMMANDS.type, labels: tuple[str, ...] = ()) -> None:
        self.descriptors.want(type_, COMMANDS, "Commands processed.", labels)

    def settle(self) -> None:
        """Wait until everything is there that was wanted so far: they are created in order."""
        self._settled += 1
        last = f"workload.googleapis.com/last{self._settled}"
        self.want(last)
        until(lambda: last in {d.type for d in self.api.descriptors()})

    def count(self, result: str) -> int:
        return self.counters.value("outrider_metric_descriptors_total", result=result)


@pytest.fixture
def creating(api: MonitoringApi) -> Iterator[Creating]:
    creating = Creating(api)
    yield creating
    creating.descriptors.close()


def test_a_descriptor_says_what_points_cannot(api: MonitoringApi, creating: Creating) -> None:
    creating.want(labels=("state", "db"))
    until(lambda: creating.count("created"))
    [d] = api.descriptors()
    assert d.type == COMMANDS.type
    assert (d.metric_kind, d.value_type) == (MetricDescriptor.CUMULATIVE, MetricDescriptor.INT64)
    assert (d.unit, d.description) == ("{command}", "Commands processed.")
    assert [label.key for label in d.labels] == ["db", "state"]
    assert api.requests[0].path == "/v3/projects/acme/metricDescriptors"


def test_once_per_metric_and_again_for_a_label_more(api: MonitoringApi, creating: Creating) -> None:
    for labels in (("db",), ("db",), (), ("db", "state"), ("state",)):
        creating.want(labels=labels)
        creating.settle()
    assert [[label.key for label in d.labels] for d in api.descriptors() if d.type == COMMANDS.type] == [
        ["db"],
        ["db", "state"],
    ]


def test_a_descriptor_has_no_more_than_thirty_labels(api: MonitoringApi, creating: Creating) -> None:
    creating.want(labels=tuple(f"a{i}" for i in range(20)))
    creating.want(labels=tuple(f"b{i}" for i in range(20)))
    creating.want(labels=("another",))
    creating.settle()
    assert [len(d.labels) for d in api.descriptors() if d.type == COMMANDS.type][-1] == 30


def test_no_more_than_ten_in_a_second(api: MonitoringApi, creating: Creating) -> None:
    began = creating.clock.monotonic()
    for i in range(30):
        creating.want(f"workload.googleapis.com/m{i}")
    until(lambda: creating.count("created") == 30)
    assert creating.clock.monotonic() - began >= 29 * PACE
    assert len(api.descriptors()) == 30


@pytest.mark.parametrize("status", [403, 404, 429, 500, 503])
def test_what_passes_is_tried_again_and_said_once(
    api: MonitoringApi, creating: Creating, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    api.answer = lambda _: (status, {"error": {"message": "not now"}}) if len(api.requests) < 9 else None
    began = creating.clock.monotonic()
    creating.want()
    until(lambda: creating.count("created"))
    assert len(api.descriptors()) == 9
    waited = creating.clock.monotonic() - began
    assert 5 + 10 + 20 + 40 + 80 + 160 + 300 <= waited <= 9 * LONGEST_PAUSE
    assert [r.getMessage() for r in caplog.records] == [
        f"google: no metric descriptors for now, points go without: HTTP {status}: not now"
    ]


@pytest.mark.parametrize("status", [400, 409])
def test_a_metric_that_is_there_in_another_form_is_said_once_and_others_go_on(
    api: MonitoringApi, creating: Creating, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    api.answer = lambda r: (status, FORM_CONFLICT) if r.body["type"] == COMMANDS.type else None
    creating.want()
    creating.want("workload.googleapis.com/other")
    creating.want()
    until(lambda: creating.count("created"))
    assert creating.count("refused") == 1
    assert len(api.descriptors()) == 2
    [said] = [r.getMessage() for r in caplog.records]
    for part in (COMMANDS.type, "CUMULATIVE INT64", "{command}", "the metric is there as GAUGE", "deleted"):
        assert part in said


def test_a_token_that_is_refused_is_not_used_again(api: MonitoringApi) -> None:
    class Tokens(NoToken):
        given = 0

        def headers(self) -> dict[str, str]:
            return {"Authorization": f"Bearer {self.given}"}

        def invalidate(self) -> None:
            self.given += 1

    api.answer = lambda r: (401, {}) if r.headers["Authorization"] == "Bearer 0" else None
    creating = Creating(api, Tokens())
    creating.want()
    until(lambda: creating.count("created"))
    assert len(api.requests) == 2
    creating.descriptors.close()


def test_credentials_that_are_missing_are_tried_again(api: MonitoringApi, caplog: pytest.LogCaptureFixture) -> None:
    class Tokens(NoToken):
        left = 3

        def headers(self) -> dict[str, str]:
            self.left -= 1
            if self.left >= 0:
                raise AuthError("the key file is gone", False)
            return {}

    caplog.set_level(logging.WARNING)
    late = Creating(api, Tokens())
    late.want()
    until(lambda: late.count("created"))
    assert "the key file is gone" in caplog.text
    late.descriptors.close()


def test_whoever_wants_a_descriptor_does_not_wait_for_a_server_that_hangs(api: MonitoringApi) -> None:
    asked, over = threading.Event(), threading.Event()

    def hang(_: Request) -> None:
        asked.set()
        over.wait(30)

    api.answer = hang
    creating = Creating(api)
    try:
        creating.want()
        assert asked.wait(10)
        for i in range(1000):
            creating.want(f"workload.googleapis.com/m{i}")
        creating.descriptors.close()
        assert len(api.requests) == 1
    finally:
        over.set()
