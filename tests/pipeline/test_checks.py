"""Checks at work: each on its own thread and beat, against a server that answers, refuses, hangs and comes back."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outrider.checks import found
from outrider.checks.check import CheckSettings
from outrider.checks.hadoop.settings import HadoopSettings
from outrider.checks.haproxy.settings import HaproxySettings
from outrider.checks.kafka.settings import KafkaSettings
from outrider.checks.mongodb.settings import MongodbSettings
from outrider.checks.nginx.settings import NginxSettings
from outrider.checks.redis.settings import RedisSettings
from outrider.config import Check, Secret
from outrider.config.problems import UnusableError
from outrider.model.clock import ManualClock, SystemClock
from outrider.model.counters import Counters
from outrider.model.points import Report, Status, Subject
from outrider.pipeline.checks import CheckRuns, Checks, beat, told_apart
from tests.support.ticker import Ticker, install
from tests.support.ticker.check import TickerCheck, TickerSettings
from tests.support.wait import until

SUBJECT = Subject("node-1", "shop", "web-1", "uid-1", "web")


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    install(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    found._points.cache_clear()
    yield
    found._points.cache_clear()


class Rig:
    def __init__(self, *settings: TickerSettings, every: float = 0.05) -> None:
        self.counters = Counters()
        self.reports: list[Report] = []
        self.checks = Checks(
            [Check("ticker", one) for one in settings], every, lambda: SUBJECT, self.reports.append,
            SystemClock(), self.counters,
        )  # fmt: skip

    def __enter__(self) -> "Rig":
        self.checks.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.checks.stop()

    def runs(self, **labels: str) -> int:
        return self.counters.value("outrider_checks_total", **labels)

    def gauge(self, name: str, check: str = "ticker") -> float:
        samples = {labels: value for family in self.counters.families(name) for labels, value in family.samples}
        return samples[(("check", check),)]


def statuses(reports: list[Report]) -> list[Status]:
    return [check.status for report in reports for check in report.service_checks]


@pytest.fixture
def ticker() -> Iterator[Ticker]:
    with Ticker() as ticker:
        yield ticker


def test_a_check_is_found_by_its_entry_point() -> None:
    assert "ticker" in found.names()
    check, declared = found.load("ticker")
    assert (check, declared.product) == (TickerCheck, "ticker")


def test_a_check_is_run_again_and_again_and_its_reports_are_handed_on(ticker: Ticker) -> None:
    with Rig(TickerSettings(port=ticker.port, tags=["team:a"])) as rig:
        until(lambda: len(rig.reports) >= 3)
        assert rig.runs(check="ticker", result="ok") >= 3
        assert rig.gauge("outrider_check_points") == 2
        assert rig.gauge("outrider_check_duration_seconds") > 0
    first, second = rig.reports[:2]
    assert (first.source, first.subject, first.tags) == ("ticker", SUBJECT, ("team:a",))
    assert [(p.metric.key, p.value, p.attributes) for p in first.points] == [
        ("ticks", 17, (("port", str(ticker.port)),)),
        ("hands", 3, (("port", str(ticker.port)),)),
    ]
    assert second.points[0].value == 27
    assert statuses(rig.reports[:2]) == [Status.OK, Status.OK]


def test_after_the_end_nothing_is_asked(ticker: Ticker) -> None:
    with Rig(TickerSettings(port=ticker.port)) as rig:
        until(lambda: rig.reports)
    asked = ticker.asked
    threads = [t for t in threading.enumerate() if t.name.startswith("outrider-check")]
    assert (threads, ticker.asked) == ([], asked)


def test_a_server_that_hangs_costs_its_own_check_only(ticker: Ticker) -> None:
    with Ticker() as hung:
        hung.mood = "hang"
        settings = [TickerSettings(port=hung.port, timeout=0.5), TickerSettings(port=ticker.port)]
        with Rig(*settings) as rig:
            until(lambda: hung.asked and rig.gauge("outrider_check_running_seconds") > 0)
            before = rig.runs(check="ticker-2", result="ok")
            until(lambda: rig.runs(check="ticker-2", result="ok") >= before + 2)
            until(lambda: rig.runs(check="ticker", result="silent") >= 2)
            assert hung.asked <= rig.runs(check="ticker") + 1, "never started while it runs"
            assert rig.counters.value("outrider_checks_skipped_total", check="ticker") >= 5
            assert rig.counters.value("outrider_checks_skipped_total", check="ticker-2") < 5


@pytest.mark.parametrize(
    ("does", "result", "words"),
    [
        (lambda ticker, _: ticker.close(), "refused", "Connection refused"),
        (lambda ticker, _: setattr(ticker, "mood", "hang"), "silent", "no answer in time (timed out)"),
        (lambda ticker, _: setattr(ticker, "mood", "deny"), "denied", "wrong password: give it the right one"),
        (lambda ticker, _: setattr(ticker, "says", {"beats": 0, "swings": 1}), "failed",
         "unexpected failure: ZeroDivisionError: division by zero"),
        (lambda _, more: more.update(password=Secret.from_file("/nowhere/key")), "denied",
         "the secret file /nowhere/key cannot be read: No such file or directory"),
    ],
)  # fmt: skip
def test_every_trouble_is_counted_told_and_said_once(
    does: Any, result: str, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Ticker() as ticker:
        more: dict[str, Any] = {}
        does(ticker, more)
        with Rig(TickerSettings(port=ticker.port, timeout=0.1, **more)) as rig:
            until(lambda: rig.runs(check="ticker", result=result) >= 3)
        assert set(statuses(rig.reports)) == {Status.CRITICAL}
        [check] = rig.reports[0].service_checks
        assert (check.name, check.message) == ("ticker.can_connect", words)
        assert caplog.text.count(f"check ticker: {words}") == 1
        assert ("Traceback" in caplog.text) is (result == "failed"), "a defect is shown where it is"


def test_the_end_of_a_trouble_is_said_once(ticker: Ticker, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ticker.mood = "deny"
    with Rig(TickerSettings(port=ticker.port)) as rig:
        until(lambda: len(rig.reports) >= 2)
        ticker.mood = None
        until(lambda: rig.runs(check="ticker", result="ok") >= 3)
    assert caplog.text.count("check ticker: it can be read again") == 1
    assert caplog.text.count("check ticker: not read: springs (the server has none)") == 1


def test_a_check_that_cannot_be_made_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("the certificate is none")

    monkeypatch.setattr(TickerCheck, "__init__", broken)
    with pytest.raises(UnusableError, match=r"metrics.checks\[0\].ticker: the certificate is none"):
        Rig(TickerSettings())


@pytest.mark.parametrize(
    ("index", "of", "every", "first", "latest"),
    [
        (0, 1, 15.0, 0.0, 1.0),
        (0, 3, 15.0, 0.0, 1.0),
        (1, 3, 15.0, 5.0, 1.0),
        (2, 3, 15.0, 10.0, 1.0),
        (1, 2, 0.5, 0.25, 0.25),
        (1, 2, 3600.0, 7.5, 1.0),
    ],
)
def test_first_runs_are_spread_and_later_ones_jittered(
    index: int, of: int, every: float, first: float, latest: float
) -> None:
    firsts, late = zip(*(beat(index, of, every) for _ in range(200)), strict=True)
    assert set(firsts) == {first}
    assert 0 <= min(late) < max(late) <= latest
    assert max(late) - min(late) > latest / 2


def test_a_beat_is_late_once_and_for_good(ticker: Ticker) -> None:
    clock, counters, stop = ManualClock(), Counters(), threading.Event()
    reports: list[Report] = []

    def hand_on(report: Report) -> None:
        reports.append(report)
        if len(reports) == 4:
            stop.set()

    check = TickerCheck(TickerSettings(port=ticker.port))
    declared = found.load("ticker")[1]
    began = int(clock.now() * 1e9)
    CheckRuns("ticker", check, declared, (), lambda: SUBJECT, hand_on, clock, counters).keep(15.0, 0.0, 0.75, stop)
    assert [round((one.points[0].time - began) / 1e9, 3) for one in reports] == [0, 15.75, 30.75, 45.75]


@pytest.mark.parametrize(
    ("entries", "tags"),
    [
        ([("redis", RedisSettings())], [()]),
        ([("redis", RedisSettings()), ("nginx", NginxSettings())], [(), ()]),
        (
            [("redis", RedisSettings(port=1)), ("redis", RedisSettings(unix_socket_path="/s", tags=["a"]))],
            [(), ("a",)],
        ),
        (
            [("redis", RedisSettings(port=1, tags=["a"])), ("redis", RedisSettings(unix_socket_path="/s", tags=["a"]))],
            [("a", "instance:127.0.0.1:1"), ("a", "instance:/s")],
        ),
        (
            [("nginx", NginxSettings(url="http://a:b@n/x")), ("nginx", NginxSettings(url="http://m/x"))],
            [("instance:http://a:***@n/x",), ("instance:http://m/x",)],
        ),
        (
            [("haproxy", HaproxySettings(prometheus_url="http://m/x")), ("haproxy", HaproxySettings(url="unix:///s"))],
            [("instance:http://m/x",), ("instance:unix:///s",)],
        ),
        (
            [("mongodb", MongodbSettings(hosts=["a:1", "b:2"])), ("mongodb", MongodbSettings())],
            [("instance:a:1,b:2",), ("instance:127.0.0.1:27017",)],
        ),
        (
            [("kafka", KafkaSettings(bootstrap_servers=["a:1", "b:2"])), ("kafka", KafkaSettings())],
            [("instance:a:1,b:2",), ("instance:127.0.0.1:9092",)],
        ),
        (
            [("hadoop", HadoopSettings(namenode_url="http://n")), ("hadoop", HadoopSettings(datanode_url="http://d"))],
            [("instance:http://n",), ("instance:http://d",)],
        ),
    ],
)
def test_two_of_one_product_are_told_apart(
    entries: list[tuple[str, CheckSettings]], tags: list[tuple[str, ...]]
) -> None:
    assert told_apart([Check(name, settings) for name, settings in entries]) == tags
