"""Who sent what a receiver got: from what a program says of itself to the subject of what it measured.

A sidecar's subject is its own pod, whatever the program says; only the container may be another one. On a node, the
pod is looked up by its uid or by the id of the container. Nothing proves what is said, as with the Agent: who can send
can also lie, about its tags as much as about its pod.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from outrider.model.pod import Pod
from outrider.model.points import Subject
from outrider.receivers.dogstatsd.lines import Origin


class PodList(Protocol):
    """The pods of a node (`outrider.kube.pods.Pods`)."""

    def get(self, uid: str) -> Pod | None: ...

    def present(self) -> Iterable[Pod]: ...

    def want(self, uid: str) -> None: ...


class Origins:
    """Finds subjects. `own` is who we are; `pods` those that others may be."""

    def __init__(self, own: Callable[[], Subject], pods: PodList | None) -> None:
        self._own, self._pods = own, pods

    def subject(self, origin: Origin) -> Subject:
        """Whom `origin` means; we ourselves if that cannot be told."""
        own = self._own()
        found = own if self._pods is None else self._found(own, origin, self._pods)
        if found is own and origin.container and origin.pod in ("", own.uid) and own.pod:
            found = replace(own, container=origin.container)
        return replace(found, node=origin.host) if origin.host else found

    def _found(self, own: Subject, origin: Origin, pods: PodList) -> Subject:
        pod = pods.get(origin.pod) if origin.pod else None
        if pod is not None:
            container = origin.container or _container(pod, origin.container_id)
            return Subject(own.node, pod.namespace, pod.name, pod.uid, container, pod)
        for pod in pods.present() if origin.container_id else ():
            container = _container(pod, origin.container_id)
            if container:
                return Subject(own.node, pod.namespace, pod.name, pod.uid, container, pod)
        return own


def _container(pod: Pod, identity: str) -> str:
    """The name of the container of `pod` with this id, "" if it has none."""
    ids = ((name, _bare(one.id), _bare(one.previous_id)) for name, one in pod.containers.items())
    return next((name for name, *those in ids if identity and identity in those), "")


def _bare(identity: str) -> str:
    """A container's id without the runtime's prefix."""
    return identity.rpartition("://")[2]
