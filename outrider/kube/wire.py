"""Pods as the kubelet and the API server send them, decoded to the few fields that are needed.

Both answer with a list of pod objects of 5 to 30 KB each, of which `metadata` matters here, and the rest only to those
who ask for details (`outrider.kube.details`, `outrider.kube.endpoint`). msgspec walks the JSON and builds nothing for
what is not named. Every item is decoded by itself, so that one odd pod costs itself and not the list.
"""

from typing import NamedTuple

import msgspec

from outrider.kube.details import UNREADABLE, Details, read_details
from outrider.kube.endpoint import asks, read_endpoint
from outrider.kube.listwatch import Line
from outrider.kube.owners import OwnerReference, controller_of, owner_of
from outrider.model.pod import Pod

CONFIG_HASH = "kubernetes.io/config.hash"
CONFIG_MIRROR = "kubernetes.io/config.mirror"
CONFIG_SOURCE = "kubernetes.io/config.source"


class _PodMeta(msgspec.Struct, rename="camel"):
    name: str
    uid: str
    namespace: str = "default"
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None
    deletion_timestamp: str | None = None


class _PodObject(msgspec.Struct):
    metadata: _PodMeta
    spec: msgspec.Raw = msgspec.Raw()
    status: msgspec.Raw = msgspec.Raw()


class _ListMeta(msgspec.Struct, rename={"resource_version": "resourceVersion", "token": "continue"}):
    resource_version: str = ""
    token: str = ""


class _List(msgspec.Struct):
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)
    items: list[msgspec.Raw] | None = None


class _Versioned(msgspec.Struct):
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)


class _Failure(msgspec.Struct):
    code: int = 0
    reason: str = ""
    message: str = ""


class _WatchEvent(msgspec.Struct):
    type: str
    object: msgspec.Raw = msgspec.Raw(b"{}")


class PodPage(NamedTuple):
    """One page of a pod list. `next` is the token of the next page ("" on the last), `bad` counts unreadable items,
    `partial` counts pods whose details could not all be read."""

    pods: list[Pod]
    resource_version: str
    next: str
    bad: int
    partial: int = 0


class Change(NamedTuple):
    """One line of a watch: ADDED, MODIFIED, DELETED (with the pod), BOOKMARK, or ERROR (with the Status' code).
    `partial`: not all of the pod's details could be read."""

    type: str
    resource_version: str = ""
    pod: Pod | None = None
    code: int = 0
    message: str = ""
    partial: bool = False


class Items(NamedTuple):
    """One page of a list of any kind, each item as it came."""

    items: list[bytes]
    resource_version: str
    next: str


_list = msgspec.json.Decoder(_List)
_pod_object = msgspec.json.Decoder(_PodObject)
_watch_event = msgspec.json.Decoder(_WatchEvent)
_versioned = msgspec.json.Decoder(_Versioned)
_failure = msgspec.json.Decoder(_Failure)


def read_list(body: bytes, details: bool = False) -> PodPage:
    """The pods of a PodList (or PartialObjectMetadataList, or the kubelet's `/pods`), with their details if wanted.

    Raises ValueError if the body as a whole is not such a list; unreadable items are left out and counted.
    """
    try:
        page = _list.decode(body)
    except UNREADABLE as e:
        raise ValueError(f"not a pod list: {e}") from e
    pods, bad, partial = [], 0, 0
    for item in page.items or ():
        try:
            pod, whole = _pod(item, details)
        except ValueError:
            bad += 1
            continue
        pods.append(pod)
        partial += not whole
    return PodPage(pods, page.metadata.resource_version, page.metadata.token, bad, partial)


def read_change(line: bytes, details: bool = False) -> Change:
    """One line of a watch, its pod with details if wanted.

    Raises ValueError if it is not a watch event of a known type.
    """
    said, item = read_line(line)
    if said.type in ("ERROR", "BOOKMARK"):
        return Change(*said[:2], code=said.code, message=said.message)
    pod, whole = _pod(item, details)
    return Change(said.type, said.resource_version, pod, partial=not whole)


def read_items(body: bytes) -> Items:
    """A page of a list of any kind. Raises ValueError if it is none."""
    try:
        page = _list.decode(body)
    except UNREADABLE as e:
        raise ValueError(f"not a list: {e}") from e
    return Items([bytes(item) for item in page.items or ()], page.metadata.resource_version, page.metadata.token)


def read_line(line: bytes) -> tuple[Line, bytes]:
    """One line of a watch of any kind, and the object in it. Raises ValueError if it is none of a known type."""
    try:
        event = _watch_event.decode(line)
        if event.type == "ERROR":
            status = _failure.decode(event.object)
            code = 410 if status.reason in ("Expired", "Gone") else status.code
            return Line("ERROR", code=code, message=status.message or status.reason), b""
        version = _versioned.decode(event.object).metadata.resource_version
    except UNREADABLE as e:
        raise ValueError(f"not a watch event: {e}") from e
    if event.type not in ("BOOKMARK", "ADDED", "MODIFIED", "DELETED"):
        raise ValueError(f"not a watch event of a known type: {event.type!r}")
    return Line(event.type, version), bytes(event.object)


def log_uid(uid: str, annotations: dict[str, str]) -> str:
    """The uid that the pod's log directory carries.

    Kubelet knows a static pod by the hash of its manifest (annotation `kubernetes.io/config.hash`) and names the log
    directory after it. The API server has a mirror of it under a uid of its own, with the hash in that annotation
    and in `kubernetes.io/config.mirror`. In the kubelet's own list, a pod that came from the API server says so in
    `kubernetes.io/config.source`, and keeps its uid even if a copied manifest left the other annotations on it.
    """
    if annotations.get(CONFIG_SOURCE) == "api":
        return uid
    return annotations.get(CONFIG_HASH) or annotations.get(CONFIG_MIRROR) or uid


def _pod(raw: bytes, details: bool) -> tuple[Pod, bool]:
    """The pod, and whether all that was wanted of it could be read. Raises ValueError if its metadata cannot be."""
    try:
        item = _pod_object.decode(raw)
    except UNREADABLE as e:
        raise ValueError(f"not a pod: {e}") from e
    meta = item.metadata
    labels, annotations, owners = meta.labels or {}, meta.annotations or {}, meta.owner_references or ()
    more = read_details(item.spec, item.status) if details else Details({}, True)
    endpoint, whole = None, more.whole
    if details and asks(annotations):
        endpoint = read_endpoint(annotations, meta.deletion_timestamp is not None, item.spec, item.status)
        whole = whole and endpoint is not None
    pod = Pod(
        log_uid(meta.uid, annotations),
        meta.name,
        meta.namespace,
        labels,
        annotations,
        controller_of(owners, labels),
        owner_of(owners),
        **more.fields,
        endpoint=endpoint,
    )
    return pod, whole
