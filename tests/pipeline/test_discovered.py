"""Checks of pods at work: begun and ended with their pods, against real servers, and none in the way of another."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from outrider.checks.check import Reading
from outrider.checks.http import MODEST, HttpServer
from outrider.checks.redis.settings import RedisSettings
from outrider.checks.tls import TlsSettings
from outrider.discovery.targets import DEFAULT_CONTAINER
from outrider.model.clock import SystemClock
from outrider.model.counters import Counters
from outrider.model.pod import Pod
from outrider.model.points import Report, Status
from outrider.model.stream import Stream
from outrider.pipeline import discovered, target_runs
from outrider.pipeline.discovered import Discovered
from outrider.pipeline.pool import Pool
from tests.discovery.asking import OURS, asking
from tests.support.raw_server import answer, raw_server, silent
from tests.support.servers.nginx import nginx
from tests.support.servers.redis import redis
from tests.support.wait import until


class Kubelet:
    """The pods as a source tells of them."""

    def __init__(self) -> None:
        self.pods: dict[str, Pod] = {}
        self.hidden: set[str] = set()
        self.trouble: str | None = None

    def present(self) -> list[Pod]:
        return [pod for pod in list(self.pods.values()) if pod.uid not in self.hidden]

    def get(self, uid: str) -> Pod | None:
        return self.pods.get(uid)

    def health(self, now: float) -> str | None:
        del now
        return self.trouble


class Rig:
    def __init__(self, every: float = 0.05) -> None:
        self.kubelet, self.counters = Kubelet(), Counters()
        self.reports: list[tuple[Stream, Pod, Report]] = []
        self.told: list[tuple[Stream, str, str]] = []
        self.discovered = self.another(self.counters, every)

    def another(self, counters: Counters, every: float = 0.05) -> Discovered:
        return Discovered(
            self.kubelet, "node-1", every, lambda *one: self.reports.append(one),
            lambda stream, _, key, words: self.told.append((stream, key, words)), SystemClock(), counters,
        )  # fmt: skip

    def put(self, *pods: Pod) -> None:
        self.kubelet.pods |= {pod.uid: pod for pod in pods}
        self.discovered.wake()

    def remove(self, uid: str) -> None:
        del self.kubelet.pods[uid]
        self.discovered.wake()

    def of(self, uid: str, status: Status = Status.OK) -> list[Report]:
        return [r for _, pod, r in self.reports if pod.uid == uid and r.service_checks[0].status is status]

    def gauge(self, name: str) -> dict[str, float]:
        samples = [sample for family in self.counters.families(name) for sample in family.samples]
        return {dict(labels).get("pod", ""): value for labels, value in samples}

    def quiet(self, uid: str) -> bool:
        """Whether nothing more comes of a pod, while others go on."""
        mine, all_ = len(self.of(uid)), len(self.reports)
        until(lambda: len(self.reports) >= all_ + 4)
        return len(self.of(uid)) == mine


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovered, "FIRST_WITHIN", 0.05)
    monkeypatch.setattr(discovered, "LOOK", 0.1)


@pytest.fixture
def rig() -> Iterator[Rig]:
    rig = Rig()
    rig.discovered.start()
    yield rig
    rig.discovered.stop()


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("redis")
    with redis(folder, "--bind", "127.0.0.1", "127.0.0.2", "127.0.0.3") as server:
        yield server.port


def redis_pod(port: int, uid: str = "u1", ip: str = "127.0.0.2", ready: bool = True, more: str = "") -> Pod:
    return asking({OURS: f"[{{redis: {{port: {port}{more}}}}}]"}, ip=ip, ready=ready, uid=uid)


def test_a_pod_is_checked_from_its_readiness_to_its_deletion(rig: Rig, redis_port: int) -> None:
    rig.put(redis_pod(redis_port, "u1", ready=False), redis_pod(redis_port, "u2", "127.0.0.3"))
    assert rig.quiet("u1"), "it is not ready yet"
    rig.put(redis_pod(redis_port, "u1"))
    until(lambda: len(rig.of("u1")) >= 2)
    stream, pod, report = next(one for one in rig.reports if one[1].uid == "u1")
    assert (stream.namespace, stream.pod, stream.uid, stream.container) == ("shop", "pod-u1", "u1", "web")
    assert (report.subject.node, report.subject.pod, report.subject.container) == ("node-1", "pod-u1", "web")
    assert report.subject.details is pod
    assert ("redis_host", "127.0.0.2") in report.points[0].attributes
    rig.put(redis_pod(redis_port, "u1", ready=False))
    before = len(rig.of("u1"))
    until(lambda: len(rig.of("u1")) >= before + 3), "that is when its numbers are wanted"
    assert rig.gauge("outrider_pod_check_up") == {"pod-u1": 1.0, "pod-u2": 1.0}
    rig.remove("u1")
    until(lambda: rig.gauge("outrider_pod_checks")[""] == 1)
    assert rig.quiet("u1")
    assert rig.counters.value("outrider_checks_total", check="redis", result="ok") >= len(rig.reports)


@pytest.mark.parametrize("what", ["terminating", "without the annotation", "asking for another", "no list"])
def test_what_ends_a_check(rig: Rig, redis_port: int, what: str) -> None:
    rig.put(redis_pod(redis_port, "u1"), redis_pod(redis_port, "u2", "127.0.0.3"))
    until(lambda: rig.of("u1"))
    pod = redis_pod(redis_port, "u1")
    assert pod.endpoint is not None
    if what == "terminating":
        rig.put(replace(pod, endpoint=replace(pod.endpoint, over=True)))
    elif what == "without the annotation":
        rig.put(replace(pod, annotations={}, endpoint=None))
    elif what == "asking for another":
        rig.put(redis_pod(1, "u1"))
        until(lambda: rig.of("u1", Status.CRITICAL))
    else:  # the kubelet is not heard of any more: its pods' addresses may be others' by now
        rig.kubelet.trouble = "nothing heard for 60 s"
        until(lambda: rig.gauge("outrider_pod_checks")[""] == 0)
        rig.kubelet.trouble = None
        until(lambda: rig.gauge("outrider_pod_checks")[""] == 2)
        return
    until(lambda: rig.gauge("outrider_pod_checks")[""] == (2 if what == "asking for another" else 1))
    assert rig.quiet("u1")


def test_a_pod_that_comes_back_with_another_address_is_asked_there(rig: Rig, redis_port: int) -> None:
    rig.put(redis_pod(redis_port))
    until(lambda: rig.of("u1"))
    rig.put(redis_pod(redis_port, ip="127.0.0.3"))
    until(lambda: ("redis_host", "127.0.0.3") in rig.reports[-1][2].points[0].attributes)


def test_hung_servers_delay_nobody(redis_port: int) -> None:
    """More of them than there may be runs at a time, and each with a long timeout."""
    rig = Rig()
    with ExitStack() as stack:
        port, cut = (int(stack.enter_context(raw_server(how)).rpartition(":")[2]) for how in (silent, answer(b"")))
        rig.discovered.start()
        hung = [redis_pod(port, f"h{i}", "127.0.0.1", more=", timeout: 1s") for i in range(discovered.AT_ONCE + 6)]
        rig.put(redis_pod(redis_port, "good"), redis_pod(cut, "bad", "127.0.0.1"), *hung)
        until(lambda: rig.of("h0", Status.CRITICAL), timeout=15)
        began, runs = time.monotonic(), len(rig.of("good"))
        until(lambda: len(rig.of("good")) >= runs + 20, timeout=15)
        assert time.monotonic() - began < 5, "20 runs, one due every 50 ms, while all the others hang"
        assert rig.of("bad", Status.CRITICAL)
        assert rig.gauge("outrider_pod_check_up")["pod-bad"] == 0
        rig.put(redis_pod(redis_port, "new", "127.0.0.3"))
        until(lambda: rig.of("new"), timeout=5)
        began = time.monotonic()
        rig.discovered.stop()
        assert time.monotonic() - began < 5, "nobody waits for those that hang"


def test_a_namespace_whose_servers_hang_for_the_first_time_delays_no_other(redis_port: int) -> None:
    """More of them than there may be runs at a time, and not one has come back: nobody knows yet that they are slow."""
    rig = Rig()
    with raw_server(silent) as where:
        port = int(where.rpartition(":")[2])
        hung = [redis_pod(port, f"h{i}", "127.0.0.1", more=", timeout: 60s") for i in range(discovered.AT_ONCE + 6)]
        rig.put(*hung)
        rig.discovered.start()
        until(lambda: sum(one.active for one in rig.discovered._all()) == discovered.OF_A_NAMESPACE)
        rig.put(replace(redis_pod(redis_port, "good"), namespace="another"))
        until(lambda: len(rig.of("good")) >= 5, timeout=10)
        assert not any(rig.of(pod.uid, status) for pod in hung for status in Status)
    rig.discovered.stop()


def test_an_answer_that_is_no_modest_one_is_refused(rig: Rig) -> None:
    """A check that the node's owner wants may have all of it; there are few of those."""
    body = b'"' + b"x" * MODEST + b'"'
    said = answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
    with raw_server(said) as where:
        port = int(where.rpartition(":")[2])
        rig.put(asking({OURS: f"[{{elasticsearch: {{url: 'http://localhost:{port}'}}}}]"}, ip="127.0.0.1"))
        [report, *_] = until(lambda: rig.of("u1", Status.CRITICAL))
        assert "answers with more than 8 MiB" in report.service_checks[0].message
        server = HttpServer(f"http://127.0.0.1:{port}", 5.0, TlsSettings())
        assert len(server.ask(time.monotonic() + 20, 2 * MODEST).body) == len(body)


class Stubborn:
    """A check that does not keep its time."""

    Settings: ClassVar = RedisSettings
    can_connect = "redis.can_connect"
    release = threading.Event()
    runs = 0

    def __init__(self, settings: RedisSettings) -> None:
        del settings

    def read(self, reading: Reading) -> None:
        reading.add("info.connected_clients", 1)
        Stubborn.runs += 1
        Stubborn.release.wait(30)

    def close(self) -> None:
        """Nothing is kept."""


@pytest.fixture
def stubborn(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Stubborn]]:
    declared = target_runs.found.load("redis")[1]  # before any time runs
    monkeypatch.setattr(target_runs.found, "load", lambda _: (Stubborn, declared))
    monkeypatch.setattr(target_runs, "SLACK", 0.1)
    Stubborn.release.clear()
    Stubborn.runs = 0
    yield Stubborn
    Stubborn.release.set()


def test_a_run_that_does_not_come_back_is_written_off_until_it_does(rig: Rig, stubborn: type[Stubborn]) -> None:
    rig.put(redis_pod(6379, more=", timeout: 100ms"))
    [report] = until(lambda: rig.of("u1", Status.CRITICAL))
    assert report.service_checks[0].message == "the check has not come back after 0.2 s"
    assert rig.counters.value("outrider_checks_total", check="redis", result="hung") == 1
    assert rig.gauge("outrider_pod_check_up") == {"pod-u1": 0.0}
    assert stubborn.runs == 1, "never started while it runs"
    stubborn.release.set()
    until(lambda: rig.of("u1"))
    assert len(rig.of("u1", Status.CRITICAL)) == 1
    assert stubborn.runs >= 2
    assert len(rig.of("u1")) < stubborn.runs, "what came back late is not wanted"


def test_what_comes_back_after_its_pod_is_gone_is_not_wanted(rig: Rig, stubborn: type[Stubborn]) -> None:
    rig.put(redis_pod(6379))
    until(lambda: stubborn.runs)
    rig.remove("u1")
    until(lambda: rig.gauge("outrider_pod_checks")[""] == 0)
    stubborn.release.set()
    until(lambda: rig.counters.value("outrider_checks_total", check="redis", result="ok") == 1)
    assert rig.reports == []


def test_a_pod_that_changes_its_mind_takes_no_more_threads(rig: Rig, stubborn: type[Stubborn]) -> None:
    """Each change of an annotation ends a check whose run is still under way, and asks for another."""
    for port in range(1, 6):
        rig.put(redis_pod(port))
        [target] = until(lambda port=port: [t for t in rig.discovered._all() if t.target.port == port])  # type: ignore[misc]
        if port <= discovered.OF_A_POD:
            until(lambda port=port: stubborn.runs == port)  # type: ignore[misc]
        else:
            until(lambda due=target.due: time.monotonic() > due + discovered.LOOK)  # type: ignore[misc]
            assert stubborn.runs == discovered.OF_A_POD, "though it is due"
    stubborn.release.set()
    until(lambda: rig.of("u1"))


WRONG = "[{redi: {}}]"


def test_a_fault_is_told_once_to_the_pod_that_has_it(rig: Rig) -> None:
    """Ready or not, whatever else of the pod changes, and by the next collector in the same process too."""
    rig.put(asking({OURS: WRONG}, ready=False))
    until(lambda: rig.told)
    rig.put(asking({OURS: WRONG, "other": "1"}))
    rig.put(asking({"ad.datadoghq.com/cache.checks": "{", OURS: WRONG}))
    until(lambda: len(rig.told) == 2)
    assert [(s.pod, s.uid, s.container, key) for s, key, _ in rig.told] == [
        ("pod-u1", "u1", "web", OURS),
        ("pod-u1", "u1", "cache", "ad.datadoghq.com/cache.checks"),
    ]
    assert rig.told[0][2].startswith(f'{OURS}: [0].redi: there is no check "redi"')
    assert rig.gauge("outrider_pod_annotation_faults") == {"pod-u1": 2}
    assert rig.counters.value("outrider_pod_annotation_faults_total") == 2
    heir = rig.another(Counters())
    heir.inherit(rig.discovered)
    heir.start()
    until(lambda: list(heir._asking))
    heir.stop()
    assert len(rig.told) == 2
    rig.put(asking({OURS: "[]"}))
    until(lambda: rig.gauge("outrider_pod_annotation_faults") == {})


def test_a_fault_of_a_pod_is_told_where_people_look(rig: Rig) -> None:
    rig.put(asking({OURS: WRONG, DEFAULT_CONTAINER: "cache"}))
    until(lambda: rig.told)
    assert rig.told[0][0].container == "cache"


def test_what_a_kubelet_leaves_out_for_a_moment_is_not_told_again(rig: Rig) -> None:
    """When it has been restarted it tells of static pods first."""
    rig.put(asking({OURS: WRONG}), asking({OURS: WRONG}, uid="u2"))
    until(lambda: len(rig.told) == 2)
    rig.kubelet.hidden.add("u1")
    until(lambda: rig.gauge("outrider_pod_annotation_faults") == {"pod-u2": 1})
    rig.kubelet.hidden.clear()
    until(lambda: rig.gauge("outrider_pod_annotation_faults") == {"pod-u1": 1, "pod-u2": 1})
    assert len(rig.told) == 2
    rig.remove("u1")
    until(lambda: "u1" not in rig.discovered._told)


def test_whoever_goes_on_changing_an_annotation_fills_no_memory(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(discovered, "REMEMBERED", 3)
    for i in range(6):
        rig.put(asking({OURS: f"[{{no{i}: {{}}}}]"}))
        until(lambda i=i: len(rig.told) == i + 1)  # type: ignore[misc]
    assert len(rig.discovered._told["u1"]) == 3


def test_a_pod_that_has_ended_has_no_faults(rig: Rig) -> None:
    pod = asking({OURS: WRONG})
    rig.put(pod)
    until(lambda: rig.gauge("outrider_pod_annotation_faults") == {"pod-u1": 1})
    assert pod.endpoint is not None
    rig.put(replace(pod, endpoint=replace(pod.endpoint, over=True)))
    until(lambda: rig.gauge("outrider_pod_annotation_faults") == {})


@pytest.mark.parametrize("meanwhile", ["a reload", "a silent kubelet"])
def test_a_pod_that_was_ready_once_goes_on_being_checked(rig: Rig, redis_port: int, meanwhile: str) -> None:
    rig.put(redis_pod(redis_port))
    until(lambda: rig.of("u1"))
    rig.put(redis_pod(redis_port, ready=False))
    if meanwhile == "a reload":
        rig.discovered.stop()
        heir = rig.another(Counters())
        heir.inherit(rig.discovered)
        rig.discovered = heir
        before = len(rig.of("u1"))
        heir.start()
    else:
        rig.kubelet.trouble = "nothing heard for 60 s"
        until(lambda: rig.gauge("outrider_pod_checks")[""] == 0)
        before = len(rig.of("u1"))
        rig.kubelet.trouble = None
    until(lambda: len(rig.of("u1")) >= before + 2)


def test_a_check_that_cannot_be_made_is_told_and_tried_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[object] = []

    def broken(*settings: object) -> None:
        tries.append(settings)
        raise OSError("no more of it")

    with monkeypatch.context() as patch:
        patch.setattr("outrider.checks.redis.check.RedisCheck.__init__", broken)
        rig.put(redis_pod(1))
        until(lambda: len(tries) > 2)
        assert [words for _, _, words in rig.told] == [f"{OURS}: redis cannot be run: no more of it"]
        assert rig.gauge("outrider_pod_check_up") == {"pod-u1": 0.0}
    until(lambda: rig.of("u1", Status.CRITICAL)), "there is more of it, and nobody listens at port 1"


@pytest.mark.parametrize("limit", ["MAX_TARGETS", "MAX_OF_A_NAMESPACE"])
def test_a_node_has_only_so_many_checks(rig: Rig, redis_port: int, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(discovered, limit, 1)
    rig.put(redis_pod(redis_port, "u1"))
    until(lambda: rig.of("u1"))
    rig.put(redis_pod(redis_port, "u2", "127.0.0.3"))
    until(lambda: rig.told)
    assert rig.told[0][2].startswith(f"{OURS}: redis: this node runs ")
    others = replace(redis_pod(redis_port, "u3", "127.0.0.3"), namespace="another")
    rig.put(others)
    until(lambda: len(rig.told) == 2 if limit == "MAX_TARGETS" else rig.of("u3"))
    rig.remove("u3")
    rig.remove("u1")
    until(lambda: rig.of("u2"))
    assert rig.gauge("outrider_pod_annotation_faults") == {}


def test_another_product_on_the_same_pod(rig: Rig, redis_port: int, tmp_path: Path) -> None:
    with nginx(tmp_path) as server:
        url = f"http://localhost:{server.port}/nginx_status"
        checks = f"[{{nginx: {{url: '{url}'}}}}, {{redis: {{port: {redis_port}}}}}]"
        rig.put(asking({OURS: checks}, ip="127.0.0.1"))
        until(lambda: {r.source for r in rig.of("u1")} == {"nginx", "redis"})


def test_an_unexpected_failure_does_not_end_it(rig: Rig, redis_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    find: Callable[..., Any] = discovered.find
    failures = iter([True])

    def once(pod: Pod) -> Any:
        if next(failures, False):
            raise RuntimeError("a defect")
        return find(pod)

    monkeypatch.setattr(discovered, "find", once)
    rig.put(redis_pod(redis_port), redis_pod(redis_port, "u2", "127.0.0.3"))
    until(lambda: rig.of("u2"))
    assert rig.counters.value("outrider_discovery_errors_total") == 1
    assert not rig.of("u1"), "it costs one pod, until that changes"
    rig.put(redis_pod(redis_port))
    until(lambda: rig.of("u1"))


def test_a_pool_never_has_more_threads_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outrider.pipeline.pool.IDLE", 0.1)
    pool, release, done = Pool("outrider-test-pool", 3), threading.Event(), threading.Semaphore(0)

    def job() -> None:
        release.wait(10)
        done.release()
        raise RuntimeError("its own affair")

    def threads() -> int:
        return sum(t.name == "outrider-test-pool" for t in threading.enumerate())

    for _ in range(5):
        pool.run(job)
    assert threads() == 3
    release.set()
    assert all(done.acquire(timeout=5) for _ in range(5))
    until(lambda: threads() == 0)
    pool.run(job)
    assert done.acquire(timeout=5)
    pool.end()
