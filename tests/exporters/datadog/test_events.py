"""Kubernetes events as Datadog's: title, tags, host and the rest as its Cluster Agent has them."""

from typing import Any

import orjson
import pytest

from outrider.config.secrets import Secret
from outrider.exporters.answer import Verdict
from outrider.exporters.datadog.conversion import Conversion
from outrider.exporters.datadog.events import DatadogEvents
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.happening import Happening, read_happening
from tests.support.datadog_api import DatadogApi
from tests.support.fake_api import event
from tests.support.sink import Fault

CLUSTER = Cluster("acme", "prod", "europe-north1", "")


def happening(**changed: Any) -> Happening:
    namespace = changed.pop("namespace", "shop")
    made = event(namespace, "web-1.17a", "BackOff", **{"lastTimestamp": "2026-05-28T20:00:00Z", **changed})
    made["metadata"] |= {"uid": "u-1", "resourceVersion": "8123"}
    return read_happening(orjson.dumps(made))


def destination(url: str = "http://127.0.0.1:1", counters: Counters | None = None) -> DatadogEvents:
    clock = ManualClock()
    conversion = Conversion("dd", CLUSTER, ["env:prod"], clock, counters or Counters())
    return DatadogEvents(conversion, url, Secret("a-key"), clock, connections=1, ca=None)


def made(some: Happening) -> dict[str, Any]:
    entry = destination().entry(some)
    assert entry is not None
    found: dict[str, Any] = orjson.loads(entry)
    return found


def test_an_event_in_full() -> None:
    about = {"kind": "Pod", "namespace": "shop", "name": "web-1", "uid": "p-1", "fieldPath": "spec.containers{web}"}
    assert made(happening(type_="Warning", message="Back-off", involvedObject=about)) == {
        "title": "Pod shop/web-1: BackOff",
        "text": "Back-off",
        "date_happened": 1779998400,
        "alert_type": "warning",
        "host": "node-1",
        "source_type_name": "kubernetes",
        "aggregation_key": "kubernetes_apiserver:p-1",
        "tags": [
            "kube_cluster_name:prod",
            "kube_namespace:shop",
            "pod_name:web-1",
            "kube_container_name:web",
            "env:prod",
            "orchestrator:kubernetes",
            "source_component:kubelet",
            "reporting_controller:kubelet",
            "event_reason:BackOff",
            "kube_kind:Pod",
            "kube_name:web-1",
        ],
    }


KINDS = [  # kind, namespace, title, host, the tag that names it
    ("Node", "default", "Node it: BackOff", "it", "kube_name:it"),
    ("Deployment", "shop", "Deployment shop/it: BackOff", None, "kube_deployment:it"),
    ("CronJob", "shop", "CronJob shop/it: BackOff", None, "kube_cronjob:it"),
    ("Gateway", "shop", "Gateway shop/it: BackOff", None, "kube_name:it"),
]


@pytest.mark.parametrize(("kind", "namespace", "title", "host", "tag"), KINDS)
def test_what_it_is_about(kind: str, namespace: str, title: str, host: str | None, tag: str) -> None:
    found = made(happening(kind=kind, namespace=namespace, about="it"))
    assert (found["title"], found.get("host")) == (title, host)
    assert tag in found["tags"]
    assert not any(tag.startswith("pod_name:") for tag in found["tags"])


def test_an_event_without_words_has_its_title() -> None:
    assert made(happening(message=""))["text"] == "Pod shop/web-1: BackOff"


def test_what_is_too_old_for_the_api_is_counted() -> None:
    counters = Counters()
    assert destination(counters=counters).entry(happening(lastTimestamp="2026-05-28T02:00:00Z")) is None
    assert counters.value("outrider_points_left_out_total", reason="too_old") == 1


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        (Fault(202), Verdict.ACCEPTED),
        (Fault(400), Verdict.SPLIT),
        (Fault(403), Verdict.HOLD),
        (Fault(429), Verdict.RETRY),
        (Fault(503), Verdict.RETRY),
    ],
)
def test_what_the_api_says(fault: Fault, verdict: Verdict) -> None:
    with DatadogApi() as api:
        api.next(fault)
        to = destination(api.url)
        entry = to.entry(happening())
        assert entry is not None
        assert to.send([entry]).verdict is verdict
        assert api.complaints == []
        assert len(api.events) == (verdict is Verdict.ACCEPTED)
        to.close()
