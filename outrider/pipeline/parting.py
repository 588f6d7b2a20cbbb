"""One report about a node becomes a report for everybody it is about: each container, each pod, and the node.

    kubelet of node-1     web-0's container "app"   memory 10 MB         namespace shop, pod web-0, container app
                          web-0                     received 446 bytes   namespace shop, pod web-0
                          the node                  used 26 GB           none of these

The points say by their attributes whose they are. In the reports that come of it that is the subject, with what is
known of the pod: so it is the monitored resource at Google, it has the pod's tags at Datadog, and it goes where the
pod's logs go.

A pod that the check has seen and the pod list has not is waited for, a few seconds once: without its owner the first
points would be other series than all later ones. The check has a thread of its own, so nobody else waits.
"""

import threading
from collections.abc import Iterator
from dataclasses import replace

from outrider.checks.kubelet.rows import OWNERS
from outrider.model.clock import Clock
from outrider.model.points import Attributes, Point, Report, Subject
from outrider.pipeline.origins import PodList

SOURCE = "kubelet"
"""The check whose reports are parted."""
PATIENCE, LOOK = 5.0, 0.05
"""Seconds that pods are waited for, and between two looks."""

_Whose = tuple[str, str, str, str]
"""Namespace, pod, uid and container."""
_NODE: _Whose = ("", "", "", "")


class Parting:
    """Used by the thread of one check."""

    def __init__(self, pods: PodList, clock: Clock) -> None:
        self._pods, self._clock = pods, clock
        self._given_up: frozenset[str] = frozenset()

    def parts(self, report: Report) -> Iterator[Report]:
        """`report` in parts, the first of which is about the node itself; as it is if it is of another check."""
        if report.source != SOURCE:
            yield report
            return
        whole: dict[_Whose, list[Point]] = {_NODE: []}
        last: Attributes | None = None
        for point in report.points:
            if point.attributes is not last:  # most points come in rows, which share them
                last = point.attributes
                whose, rest = _parted(last)
                points = whole.setdefault(whose, [])
            points.append(Point(point.metric, point.value, point.time, rest, point.start))
        self._await({uid for _, _, uid, _ in whole if uid})
        yield replace(report, points=tuple(whole.pop(_NODE)))
        for (namespace, pod, uid, container), points in whole.items():
            subject = Subject(report.subject.node, namespace, pod, uid, container, self._pods.get(uid))
            yield Report(report.source, subject, tuple(points), tags=report.tags)

    def _await(self, uids: set[str]) -> None:
        """Wait until all of them are known, unless that was in vain before."""
        unknown = {uid for uid in uids if self._pods.get(uid) is None}
        self._given_up &= unknown
        unknown -= self._given_up
        for uid in unknown:
            self._pods.want(uid)
        patience, until = threading.Event(), self._clock.monotonic() + PATIENCE
        while unknown and self._clock.monotonic() < until:
            self._clock.wait(patience, LOOK)
            unknown = {uid for uid in unknown if self._pods.get(uid) is None}
        self._given_up |= unknown


def _parted(attributes: Attributes) -> tuple[_Whose, Attributes]:
    """Whose it is, and the other attributes."""
    named = dict(attributes)
    whose = named.get("namespace", ""), named.get("pod", ""), named.get("pod_uid", ""), named.get("container", "")
    return whose, tuple(pair for pair in attributes if pair[0] not in OWNERS)
