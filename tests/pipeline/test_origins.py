"""Whom a program means that says where it runs."""

import pytest

from outrider.model.pod import Container, Pod
from outrider.model.points import Subject
from outrider.pipeline.origins import Origins
from outrider.receivers.dogstatsd.lines import Origin

SIDECAR = Subject("node-1", "shop", "web-1", "u-1", "web")
NODE = Subject("node-1")
CONTAINERS = {
    "app": Container(id="containerd://c-2", previous_id="containerd://c-1"),
    "db": Container(id="docker://d-1"),
}
POD = Pod("u-7", "cart-0", "shop", containers=CONTAINERS)


class Pods:
    def get(self, uid: str) -> Pod | None:
        return POD if uid == POD.uid else None

    def present(self) -> list[Pod]:
        return [Pod("u-6", "other", "shop"), POD]


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (Origin(), SIDECAR),
        (Origin(container_id="c-2"), SIDECAR),
        (Origin(pod="u-7", container="app"), SIDECAR),
        (Origin(pod="u-1", container="worker"), Subject("node-1", "shop", "web-1", "u-1", "worker")),
        (Origin(container="worker"), Subject("node-1", "shop", "web-1", "u-1", "worker")),
        (Origin(host="db-1"), Subject("db-1", "shop", "web-1", "u-1", "web")),
    ],
)
def test_in_a_sidecar_it_is_our_own_pod(origin: Origin, expected: Subject) -> None:
    assert Origins(lambda: SIDECAR, None).subject(origin) == expected


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (Origin(), NODE),
        (Origin(pod="u-8"), NODE),
        (Origin(container="app"), NODE),
        (Origin(container_id="nobody"), NODE),
        (Origin(pod="u-7", container="app"), Subject("node-1", "shop", "cart-0", "u-7", "app", POD)),
        (Origin(pod="u-7"), Subject("node-1", "shop", "cart-0", "u-7", "", POD)),
        (Origin(pod="u-7", container_id="c-2"), Subject("node-1", "shop", "cart-0", "u-7", "app", POD)),
        (Origin(pod="u-7", container_id="nobody"), Subject("node-1", "shop", "cart-0", "u-7", "", POD)),
        (Origin(container_id="c-2"), Subject("node-1", "shop", "cart-0", "u-7", "app", POD)),
        (Origin(container_id="c-1"), Subject("node-1", "shop", "cart-0", "u-7", "app", POD)),
        (Origin(container_id="d-1", pod="u-8"), Subject("node-1", "shop", "cart-0", "u-7", "db", POD)),
        (Origin(host="db-1"), Subject("db-1")),
    ],
)
def test_on_a_node_it_is_the_pod_that_is_found(origin: Origin, expected: Subject) -> None:
    assert Origins(lambda: NODE, Pods()).subject(origin) == expected
