"""A report about a node in parts: whose is what, and who has to be waited for."""

import pytest

from outrider.model.clock import ManualClock
from outrider.model.pod import Pod
from outrider.model.points import Attributes, Metric, Point, Report, ServiceCheck, Status, Subject
from outrider.pipeline.parting import PATIENCE, Parting

NODE = Subject("node-1")
WEB: Attributes = (("namespace", "shop"), ("pod", "web-0"), ("pod_uid", "u-1"))
APP: Attributes = (("container", "app"), *WEB)
CLAIM: Attributes = (("claim", "data"), *WEB, ("volume", "v"))
UP = ServiceCheck("kubernetes.kubelet.check", Status.OK, 1)


class Known:
    """The pod list. It learns of a pod when it has been asked for it so many times."""

    def __init__(self, *pods: Pod, after: int = 0) -> None:
        self.pods, self.after, self.wanted = {pod.uid: pod for pod in pods}, after, list[str]()
        self._looks = 0

    def get(self, uid: str) -> Pod | None:
        self._looks += 1
        return self.pods.get(uid) if self._looks > self.after else None

    def want(self, uid: str) -> None:
        self.wanted.append(uid)

    def present(self) -> list[Pod]:
        return list(self.pods.values())


def report(*rows: Attributes) -> Report:
    points = tuple(Point(Metric("m"), i, 1, attributes, 7) for i, attributes in enumerate(rows))
    return Report("kubelet", NODE, points, (UP,), tags=("team:a",))


def test_everybody_gets_their_own() -> None:
    pod = Pod("u-1", "web-0", "shop", {"app": "web"})
    parts = list(Parting(Known(pod), ManualClock()).parts(report(APP, (), WEB, CLAIM, APP)))
    assert [part.subject for part in parts] == [
        NODE,
        Subject("node-1", "shop", "web-0", "u-1", "app", pod),
        Subject("node-1", "shop", "web-0", "u-1", "", pod),
    ]
    told = [[(point.value, point.attributes, point.start) for point in part.points] for part in parts]
    assert told == [
        [(1, (), 7)],
        [(0, (), 7), (4, (), 7)],
        [(2, (), 7), (3, (("claim", "data"), ("volume", "v")), 7)],
    ]
    assert [part.service_checks for part in parts] == [(UP,), (), ()]
    assert {part.tags for part in parts} == {("team:a",)}


def test_a_node_of_which_nothing_is_known_still_says_so() -> None:
    [part] = Parting(Known(), ManualClock()).parts(report())
    assert (part.subject, part.service_checks) == (NODE, (UP,))


def test_another_checks_report_stays_as_it_is() -> None:
    other = Report("redis", NODE, report(APP).points)
    assert list(Parting(Known(), ManualClock()).parts(other)) == [other]


def test_a_pod_that_is_not_known_yet_is_asked_for_and_waited_for() -> None:
    known, clock = Known(Pod("u-1", "web-0", "shop"), after=10), ManualClock()
    began = clock.monotonic()
    parts = list(Parting(known, clock).parts(report(APP)))
    assert parts[1].subject.details == Pod("u-1", "web-0", "shop")
    assert known.wanted == ["u-1"]
    assert 0 < clock.monotonic() - began < PATIENCE


@pytest.mark.parametrize("runs", [1, 3])
def test_one_that_nobody_knows_is_waited_for_once(runs: int) -> None:
    known, clock = Known(), ManualClock()
    parting, began = Parting(known, clock), clock.monotonic()
    for _ in range(runs):
        parts = list(parting.parts(report(APP)))
        assert parts[1].subject == Subject("node-1", "shop", "web-0", "u-1", "app", None)
    assert PATIENCE <= clock.monotonic() - began < PATIENCE + 1
    list(parting.parts(report()))
    list(parting.parts(report(APP)))
    assert clock.monotonic() - began >= 2 * PATIENCE, "it has been away: it may be known now"
