"""Sidecars that were asked for and are not there.

A MutatingAdmissionPolicy puts the sidecar into pods that have the label `outrider.io/inject: "true"`, in namespaces
that have the ConfigMap `outrider-sidecar`. It never keeps a pod from being made, so a pod that went without looks like
any other, and nobody is told. Here every pod that has asked is looked at, and every workload that may have meant to
ask: a label or annotation on a Deployment is not one of its pods, which get theirs from `spec.template.metadata`.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from outrider.config import Config
from outrider.doctor.finding import Finding, fail, ok, warn
from outrider.doctor.kubernetes import Server, items, to_api_server
from outrider.doctor.look import UnseenError
from outrider.kube.pods import KubeConfigError
from outrider.model.clock import Clock
from outrider.model.injection import CONFIG, LABEL, PARAMETERS, SIDECAR

OURS = "outrider.io/"
KEY = "outrider.yaml"
"""Which key of the ConfigMap is the configuration, unless the annotation CONFIG says another."""
POLICIES = "/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicies"
WORKLOADS = {
    "/apis/apps/v1/deployments": "Deployment",
    "/apis/apps/v1/statefulsets": "StatefulSet",
    "/apis/apps/v1/daemonsets": "DaemonSet",
    "/apis/batch/v1/jobs": "Job",
    "/apis/batch/v1/cronjobs": "CronJob",
}
SHOWN = 20
"""Pods and workloads that are named, at most."""
_AGAIN = "have its pods made anew: kubectl rollout restart"


class _Reason(NamedTuple):
    """Why a pod has no sidecar, and the way out."""

    why: str
    cure: str


def injection(config: Config, clock: Clock, env: Mapping[str, str]) -> Iterator[Finding]:
    """Was it asked for, and did it happen?"""
    try:
        server = to_api_server(config, clock, env)
        asked = [pod for pod in items(server, f"/api/v1/pods?labelSelector={LABEL}%3Dtrue") if not _over(pod)]
        without = [pod for pod in asked if not _has_sidecar(pod)]
        reasons = _Reasons(server) if without else None
        missing = [_missing(pod, reasons.of(pod)) for pod in without[:SHOWN] if reasons is not None]
        astray = list(_astray(server))
    except UnseenError as e:
        yield warn("injection", f"cannot be looked at: {e}", e.cure)
        return
    except KubeConfigError:
        return  # the probe of the API server says so
    yield from missing
    yield from astray[:SHOWN]
    more = max(len(without) - SHOWN, 0) + max(len(astray) - SHOWN, 0)
    if more:
        yield warn("injection", f"{more} more like these", "mend these first, and look again")
    if not without and not astray:
        words = (
            f"{len(asked)} pods have asked for a sidecar, and all have one" if asked else "no pod asks for a sidecar"
        )
        yield ok("injection", words)


def _over(pod: Any) -> bool:
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _has_sidecar(pod: Any) -> bool:
    spec = pod.get("spec", {})
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return any(one.get("name") == SIDECAR for one in containers)


def _missing(pod: Any, reason: _Reason) -> Finding:
    meta = pod["metadata"]
    words = f"the pod {meta['namespace']}/{meta['name']} has asked for a sidecar and has none: {reason.why}"
    return fail("injection", words, reason.cure)


class _Reasons:
    """Knows the policy, and the ConfigMap of each namespace that was looked at. Raises UnseenError."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._maps: dict[str, Any] = {}
        self._nobody: _Reason | None = None
        self._since = ""
        try:
            policies = [policy for policy in items(server, POLICIES) if _asked_by_label(policy)]
        except UnseenError as e:
            if not e.nobody:
                raise
            cure = "have the sidecar in the manifest (outrider wire), or the cluster upgraded"
            self._nobody = _Reason("this cluster has no MutatingAdmissionPolicy (Kubernetes 1.36)", cure)
            return
        if policies:
            self._since = min(_born(policy) for policy in policies)
        else:
            self._nobody = _Reason("the policy is not installed", "switch the injection of the chart `outrider` on")

    def of(self, pod: Any) -> _Reason:
        """The first that holds."""
        if self._nobody is not None:
            return self._nobody
        meta = pod["metadata"]
        place = meta["namespace"]
        key = (meta.get("annotations") or {}).get(CONFIG, KEY)
        found = self._map(place)
        if found is None:
            cure = f"make one in {place}, and {_AGAIN}"
            return _Reason(f"the namespace has no ConfigMap {PARAMETERS}, by which it would take part", cure)
        if key not in (found.get("data") or {}):
            return _Reason(f"the ConfigMap {PARAMETERS} has no key {key}", f"add it, or mend the annotation {CONFIG}")
        if _born(pod) < max(self._since, _born(found)):  # all are UTC, in one form
            return _Reason("it is older than the policy, or than the ConfigMap", _AGAIN)
        return _Reason("the policy has not taken it", "see in docs/wiring.md which pods stay as they are, and why")

    def _map(self, namespace: str) -> Any:
        """None: there is none."""
        if namespace not in self._maps:
            path = f"/api/v1/namespaces/{namespace}/configmaps/{PARAMETERS}"
            seen = self._server.ask(path)
            if seen.status not in (200, 404):
                raise UnseenError(f"GET {path} answers {seen.status}", "it takes `get` on configmaps")
            self._maps[namespace] = json.loads(seen.body) if seen.status == 200 else None
        return self._maps[namespace]


def _asked_by_label(policy: Any) -> bool:
    """Whether it is the policy of sidecars; its own name and labels are the release's, and may be any."""
    selector = policy.get("spec", {}).get("matchConstraints", {}).get("objectSelector") or {}
    return LABEL in (selector.get("matchLabels") or {})


def _born(what: Any) -> str:
    return str(what["metadata"].get("creationTimestamp", ""))


def _astray(server: Server) -> Iterator[Finding]:
    """One for each workload with labels or annotations that its pods should have. Raises UnseenError."""
    for path, kind in WORKLOADS.items():
        for workload in items(server, path):
            spec = workload.get("spec", {})
            template = (spec.get("jobTemplate", {}).get("spec", {}) if kind == "CronJob" else spec).get("template", {})
            of_pods = template.get("metadata") or {}
            meta = workload["metadata"]
            for what in ("labels", "annotations"):
                lost = sorted(_ours(meta, what) - _ours(of_pods, what))
                if lost:
                    where = f"{kind} {meta['namespace']}/{meta['name']}"
                    below = "spec.jobTemplate.spec.template" if kind == "CronJob" else "spec.template"
                    words = f"{', '.join(lost)} stands on the {where}, and not on its pods"
                    yield warn("injection", words, f"move it to {below}.metadata.{what}")


def _ours(meta: Any, what: str) -> set[str]:
    return {key for key in meta.get(what) or () if key.startswith(OURS)}
