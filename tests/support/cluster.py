"""`outrider cluster` as a child process: a `NodeProcess` that is a replica, with an API server to lean on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.fake_api import LEASES, FakeApi
from tests.support.node import NodeProcess

NAMESPACE, LEASE = "outrider", "outrider-cluster"


class ClusterProcess(NodeProcess):
    """One replica, called `name`."""

    def __init__(self, root: Path, api: FakeApi, exporters: dict[str, Any], name: str = "a", **config: Any) -> None:
        kube = {"source": "api", "url": api.url, "ca": None, "token": "t"}
        super().__init__(root / name, exporters, **{"kube": kube, **config})
        self.command = "cluster"
        self.env = {"POD_NAMESPACE": NAMESPACE, "POD_NAME": name, "POD_UID": f"uid-{name}"}

    @property
    def leads(self) -> bool:
        return self.metric("outrider_leader") == 1


def lease(api: FakeApi) -> dict[str, Any]:
    """The Lease's spec; empty while there is none."""
    found = api.get(LEASES, NAMESPACE, LEASE)
    return found["spec"] if found else {}


def told(api: FakeApi) -> str:
    """What the Lease says of events that were told."""
    found = api.get(LEASES, NAMESPACE, LEASE)
    return found["metadata"]["annotations"]["outrider.io/told"] if found else ""


@contextmanager
def cluster_process(
    root: Path, api: FakeApi, exporters: dict[str, Any], name: str = "a", **config: Any
) -> Iterator[ClusterProcess]:
    """A replica that is not started yet and that does not outlive the test."""
    replica = ClusterProcess(root, api, exporters, name, **config)
    try:
        yield replica
    finally:
        replica.kill()
