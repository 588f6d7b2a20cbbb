"""The top-level workload of a pod, told from the pod alone.

A pod names its direct owner: a ReplicaSet, a Job. People know the Deployment or CronJob above it. Nothing above the
direct owner is looked up (that would take a watch on four more kinds in every namespace); the names are taken apart
the way their controllers put them together:

- a Deployment names its ReplicaSet `<deployment>-<pod-template-hash>`, and the hash is a label of the pod;
- a CronJob names its Job `<cronjob>-<minutes since the epoch>`, eight digits from 20000000 (2008) to 59999999 (2084);
- a JobSet labels its pods with its own name.

The rule, row by row, is the one of GKE's event exporter (GoogleCloudPlatform/k8s-stackdriver,
`event-exporter/kubernetes/podlabels`), which writes the same two labels, `logging.gke.io/top_level_controller_type`
and `..._name`. Its two extra JobSet labels (restart attempt, uid) are not part of a `Controller`: they are pod labels
already, and reach the entry as `k8s-pod/*`.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from outrider.model.pod import Controller, Owner

TEMPLATE_HASH = "pod-template-hash"
JOBSET_NAME = "jobset.sigs.k8s.io/jobset-name"

_CRON_JOB = re.compile(r"(.+)-[2-5][0-9]{7}", re.DOTALL)


class OwnerReference(msgspec.Struct, frozen=True):
    """What is read of `metadata.ownerReferences[*]`; at most one of a pod's owners is its managing `controller`."""

    kind: str = ""
    name: str = ""
    controller: Any = None  # a boolean, but nothing is lost if it is not


def owner_of(owners: Iterable[OwnerReference]) -> Owner | None:
    """The owner that manages the pod, by its own kind and name; None for a bare pod."""
    return next((Owner(o.kind, o.name) for o in owners if o.controller is True and o.kind and o.name), None)


def controller_of(owners: Iterable[OwnerReference], labels: Mapping[str, str]) -> Controller | None:
    """The top-level controller of a pod with these owners and labels; the last owner that names one wins.

    None for a bare pod, a static pod (owned by its Node), a ReplicaSet that stands alone, and custom owners.
    """
    found = None
    for owner in owners:
        found = _controller(owner, labels) or found
    return found


def _controller(owner: OwnerReference, labels: Mapping[str, str]) -> Controller | None:
    if not owner.name:
        return None
    if owner.kind in ("DaemonSet", "StatefulSet"):
        return Controller(owner.kind, owner.name)
    if owner.kind == "ReplicaSet":
        return _deployment(owner.name, labels.get(TEMPLATE_HASH, ""))
    if owner.kind == "Job":
        return _job(owner.name, labels.get(JOBSET_NAME, ""))
    return None


def _deployment(replica_set: str, template_hash: str) -> Controller | None:
    name = replica_set.removesuffix(f"-{template_hash}")
    return Controller("Deployment", name) if template_hash and name and name != replica_set else None


def _job(job: str, jobset: str) -> Controller:
    if cron := _CRON_JOB.fullmatch(job):
        return Controller("CronJob", cron[1])
    return Controller("JobSet", jobset) if jobset else Controller("Job", job)
