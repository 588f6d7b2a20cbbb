"""A Lease: one object in the cluster's API, of which everybody who wants to lead something has to become the holder.

Nobody waits for a lock there. An update names the resource version that it goes by, and the server refuses it with 409
if the object has changed since: of several who reach for it at the same time, one gets it
(https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/).

Beside the holder an annotation carries what a successor has to know (`NOTE`). It is written with every renewal, and so
needs neither a right nor a request of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from outrider.config.model import SERVICE_ACCOUNT
from outrider.kube.client import LEASES, KubeClient, KubeError

NOTE = "outrider.io/told"
"""The annotation with what was told, to whom."""
_KIND = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}


def home_namespace(env: Mapping[str, str]) -> str:
    """The namespace of the pod that this is, where its Lease is; "" if it is none."""
    if env.get("POD_NAMESPACE"):
        return env["POD_NAMESPACE"]
    try:
        return Path(SERVICE_ACCOUNT, "namespace").read_text("utf-8").strip()
    except OSError:
        return ""


class _Spec(msgspec.Struct, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Meta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    annotations: dict[str, str] | None = None


class _Lease(msgspec.Struct):
    metadata: _Meta = msgspec.field(default_factory=_Meta)
    spec: _Spec = msgspec.field(default_factory=_Spec)


@dataclass(frozen=True, slots=True)
class Held:
    """What a Lease says: who holds it ("": nobody), for how many `seconds` after he renewed it, since when, and how
    often it has changed hands. Times are as they are written. `whole` is the object that it was read from.
    """

    holder: str
    seconds: int
    acquired: str
    renewed: str
    transitions: int
    note: str = ""
    version: str = ""
    whole: dict[str, Any] = field(default_factory=dict, compare=False)


class Lease:
    """The Lease `name` of `namespace`."""

    def __init__(self, client: KubeClient, namespace: str, name: str) -> None:
        self._client, self._namespace, self.name = client, namespace, name
        self._all = f"{LEASES}{namespace}/leases"

    def __str__(self) -> str:
        return f"{self._namespace}/{self.name}"

    def read(self, timeout: float) -> Held | None:
        """What it says; None if there is none yet. Raises KubeError."""
        try:
            return _read(self._client.get(f"{self._all}/{self.name}", {}, "application/json", timeout))
        except KubeError as e:
            if e.kind == "missing":
                return None
            raise

    def write(self, held: Held, timeout: float) -> Held:
        """Have it say that, if it is still as `held.version` has it ("": not there). Raises KubeError."""
        meta = held.whole.get("metadata") or {"name": self.name, "namespace": self._namespace}
        annotations = {**(meta.get("annotations") or {}), NOTE: held.note}
        spec = {
            "holderIdentity": held.holder,
            "leaseDurationSeconds": held.seconds,
            "acquireTime": held.acquired,
            "renewTime": held.renewed,
            "leaseTransitions": held.transitions,
        }
        told = {**_KIND, **held.whole, "metadata": {**meta, "annotations": annotations}}
        told["spec"] = {**(held.whole.get("spec") or {}), **spec}
        body = msgspec.json.encode(told)
        if held.version:
            return _read(self._client.write("PUT", f"{self._all}/{self.name}", body, timeout))
        return _read(self._client.write("POST", self._all, body, timeout))


def micro_time(now: float) -> str:
    """`now`, in seconds since 1970, as Kubernetes writes a MicroTime."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _read(body: bytes) -> Held:
    try:
        lease, whole = msgspec.json.decode(body, type=_Lease), msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise KubeError("garbage", f"what came is no Lease: {e}") from e
    spec, annotations = lease.spec, lease.metadata.annotations or {}
    return Held(
        spec.holder_identity or "",
        spec.lease_duration_seconds or 0,
        spec.acquire_time or "",
        spec.renew_time or "",
        spec.lease_transitions or 0,
        annotations.get(NOTE, ""),
        lease.metadata.resource_version,
        whole,
    )
