"""The Datadog Agent's tags of a container, from what is known of its stream and pod.

Dashboards, monitors and the correlation with traces and metrics select by these names, so they are the Agent's own,
made from the same sources (its `comp/core/tagger/collectors/workloadmeta_extract.go`), at the cardinality it uses for
logs: all of them. A stream whose pod is not known still has the tags that its path gives.

Where this differs from the Agent, on purpose:

- The order is fixed: unified service tags, then from the pod's surroundings to the container, then what the pod's
  annotations add, then the configuration's. The Agent's order is random.
- `env`, `service` and `version` have one value each, of the most specific source: the container's label, the pod's
  label, `DD_*`, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`. The Agent reports every value where they contradict
  each other, and takes any of them as the service of the log.
- `container_id` is the one of the run that wrote the line: the last lines of a crashed container are not put down to
  its successor. If it is not known for sure, there is none.
- Only the owner that manages the pod counts; the Agent also takes owners that do not.
- Numbers in an annotation are written as they stand there (the Agent makes `1e+06` of 1000000), and template variables
  (`%%env_X%%`) are left as they are.

What is not reported, because this program cannot know it: `kube_service` (it is told by the endpoints of the cluster,
which are not read; `tags.datadoghq.com/disable: kube_service` therefore changes nothing), `git.commit.sha` and
`git.repository_url` (labels of the image, held by the container runtime) and `kube_distribution` (a property of the
nodes). Labels and annotations become tags only as named here: the Agent's settings for others have no counterpart.

`ddtags` is one string with a comma between two tags, and there is no escape: a comma within a tag becomes `_`, which is
what Datadog makes of characters that it does not allow. Nothing else is changed; Datadog normalises the rest itself.
"""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from outrider.model.cluster import Cluster
from outrider.model.pod import Container, Owner, Pod
from outrider.model.points import Cardinality, Subject
from outrider.model.stream import Stream

MAX_TAGS = 100
"""Tags that Datadog takes with one log."""

MAX_TAG = 256
"""Characters that it takes of one tag."""

TREE = "/var/log/pods"
"""Where kubelet keeps the logs on the node, whatever path they are mounted at here."""

_UNIFIED = "tags.datadoghq.com/"
_ANNOTATION = "ad.datadoghq.com/"
_ROLLOUT_HASH = "rollouts-pod-template-hash"

_APP_LABELS = {
    "kube_app_name": "app.kubernetes.io/name",
    "kube_app_instance": "app.kubernetes.io/instance",
    "kube_app_version": "app.kubernetes.io/version",
    "kube_app_component": "app.kubernetes.io/component",
    "kube_app_part_of": "app.kubernetes.io/part-of",
    "kube_app_managed_by": "app.kubernetes.io/managed-by",
}

_OTEL_ATTRIBUTES = {
    "env": ("deployment.environment.name", "deployment.environment"),  # the newer name first
    "service": ("service.name",),
    "version": ("service.version",),
}

_OWNER_TAGS = {
    "Deployment": "kube_deployment",
    "DaemonSet": "kube_daemon_set",
    "ReplicationController": "kube_replication_controller",
    "StatefulSet": "kube_stateful_set",
}

_OF_FILES = frozenset({"filename", "dirname"})
_OF_RUNS_AND_FILES = frozenset({"container_id", "container_name", "display_container_name"}) | _OF_FILES
"""Tags that are others for every run of a container, or for every file."""
_OF_PODS = frozenset({"pod_name", "kube_ownerref_name", "kube_job"})
"""Tags that are others for every pod of a workload: the Agent's orchestrator cardinality (docs.datadoghq.com,
containers/kubernetes/tag)."""

_NOT_IN_TAG = re.compile(r"[^a-z0-9_./-]")
"""Becomes an underscore (docs.datadoghq.com/getting_started/tagging)."""
_REPLICA_SET = re.compile(r"(.*)-(?:[0-9]{3,}|[bcdfghjklmnpqrstvwxz2456789]{3,})", re.DOTALL)
_CRON_JOB = re.compile(r"(.*)-[0-9]{3,}", re.DOTALL)


class Standard(NamedTuple):
    """Unified service tagging of one container; "" where nothing names it."""

    env: str
    service: str
    version: str


class Image(NamedTuple):
    """An image reference taken apart; "" where it has no such part."""

    name: str  # with registry and path, without tag and digest
    short: str  # the last part of the path
    tag: str


class Tags(NamedTuple):
    """`tags` in order, each `key:value` or bare, none with a comma in it. `shed` counts the tags that were left out or
    cut to keep the limits; `problems` are words about annotations that could not be used, one for each."""

    tags: list[str]
    shed: int
    problems: list[str]


def container_tags(
    stream: Stream, pod: Pod | None, cluster: Cluster, configured: Iterable[str] = (), annotated: Iterable[str] = ()
) -> Tags:
    """All tags of a stream: `",".join(result.tags)` is its `ddtags`.

    `configured` are the exporter's own, `annotated` those of the container's log annotation
    (`ad.datadoghq.com/<container>.logs`). If there are too many, those that the pod's annotations ask for give way,
    the last first, and only then others.
    """
    problems: list[str] = []
    own = [*_known(stream, pod, cluster)]
    asked = [*_asked(stream, pod, problems), *annotated]
    kept, shed = _limited([*own, *configured, *asked])
    # The limit is applied in order of weight, the result is in order of reading: the configuration's come last.
    last = set(_limited(configured)[0]) - set(_limited(own)[0])
    kept.sort(key=lambda tag: tag in last)
    return Tags(kept, shed, problems)


def subject_tags(subject: Subject, cluster: Cluster, cardinality: Cardinality = "") -> list[str]:
    """The tags of what was measured: those of its logs, so that one leads to the other, but without those that are
    another one's for every run of a container (the Agent's high cardinality): each would start every series anew.
    Whoever asks for another `cardinality` gets more or less of them.
    """
    if cardinality == "none":
        return []
    stream = Stream(subject.namespace, subject.pod, subject.uid, subject.container, 0)
    found = [*_known(stream, subject.details, cluster), *_asked(stream, subject.details, [])]
    left_out = {"": _OF_RUNS_AND_FILES, "high": _OF_FILES, "low": _OF_RUNS_AND_FILES | _OF_PODS}
    return [tag for tag in found if tag.partition(":")[0] not in left_out.get(cardinality, _OF_RUNS_AND_FILES)]


def whose(tags: Iterable[str]) -> frozenset[str]:
    """The keys of those among `tags` that say whose something is."""
    keys = {tag.partition(":")[0] for tag in tags}
    return frozenset(key for key in keys if key == "pod_name" or key.startswith("kube_"))


def exported(tags: Iterable[str], own: Collection[str], keys: Collection[str]) -> Iterator[str]:
    """`tags`, under another name where they have another value than `own` for one of `keys`: what a pod's server says
    must not pass for another pod's.
    """
    for tag in tags:
        taken = _stored(tag.partition(":")[0]) in keys and tag not in own
        yield f"exported_{tag}" if taken else tag


@lru_cache(maxsize=1000)  # labels are called the same all over again
def _stored(key: str) -> str:
    """A key as Datadog has it: in small letters, without odd signs, and beginning with a letter."""
    return _NOT_IN_TAG.sub("_", key.lower()).lstrip("_0123456789-./")


def _limited(tags: Iterable[str]) -> tuple[list[str], int]:
    """`tags` as Datadog takes them, and how many were shed for it: at most MAX_TAGS of at most MAX_TAG characters, each
    once, without commas. Empty ones and repeats are no loss."""
    clean = [tag.replace(",", "_") for tag in tags if tag]
    cut = dict.fromkeys(tag[:MAX_TAG] for tag in clean)
    shed = sum(len(tag) > MAX_TAG for tag in dict.fromkeys(clean)) + max(0, len(cut) - MAX_TAGS)
    return list(cut)[:MAX_TAGS], shed


def standard(pod: Pod | None, container: str) -> Standard:
    """env, service and version of a container, each from the most specific source that names it.

    A value that refers to another variable, `$(X)`, is known to the container only and does not count.
    """
    if pod is None:
        return Standard("", "", "")
    env = pod.containers.get(container, Container()).env
    attributes = _otel_attributes(env.get("OTEL_RESOURCE_ATTRIBUTES", ""))

    def value(name: str) -> str:
        candidates = [
            pod.labels.get(f"{_UNIFIED}{container}.{name}"),
            pod.labels.get(f"{_UNIFIED}{name}"),
            env.get(f"DD_{name.upper()}"),
            env.get("OTEL_SERVICE_NAME") if name == "service" else None,
            *(attributes.get(key) for key in _OTEL_ATTRIBUTES[name]),
        ]
        return next((found for found in candidates if found and "$(" not in found), "")

    return Standard(value("env"), value("service"), value("version"))


def image_of(pod: Pod | None, container: str) -> Image:
    """The image of a container of a pod; all empty if it is not known."""
    known = pod.containers.get(container) if pod is not None else None
    return parse_image(known.image if known is not None else "")


def parse_image(reference: str) -> Image:
    """An image reference taken apart as the Agent does it: the digest is cut off, no tag is `latest`.

    `registry:5000/a/nginx:1.27@sha256:…` has the name `registry:5000/a/nginx`, short `nginx`, tag `1.27`. A bare image
    id (`sha256:…`) is a name without parts.
    """
    if not reference or reference.startswith("sha256:"):
        return Image(reference, "", "")
    name, at, _ = reference.rpartition("@sha")
    name = name if at and name else reference
    head, slash, last = name.rpartition("/")
    short, _, tag = last.rpartition(":") if ":" in last else (last, "", "")
    return Image(f"{head}{slash}{short}", short, tag or "latest")


def _known(stream: Stream, pod: Pod | None, cluster: Cluster) -> Iterator[str]:
    """The tags that make themselves, without those of annotations."""
    yield from _pairs(standard(pod, stream.container)._asdict())
    yield from _pairs({"kube_cluster_name": cluster.name, "kube_namespace": stream.namespace})
    if pod is not None:
        yield from _pairs(
            {
                "kube_qos": pod.qos,
                "kube_priority_class": pod.priority_class,
                "kube_runtime_class": pod.runtime_class,
                "pod_phase": pod.phase.lower(),
            }
        )
        yield from _pairs({tag: pod.labels.get(label, "") for tag, label in _APP_LABELS.items()})
        if pod.owner is not None:
            yield from _owner_tags(pod.owner, pod)
    yield from _pairs(
        {
            "pod_name": stream.pod,
            "kube_container_name": stream.container,
            "container_name": stream.container,
            "display_container_name": f"{stream.container}_{stream.pod}",
        }
    )
    if pod is not None:
        yield from _run_tags(stream, pod.containers.get(stream.container, Container()))
    directory = f"{TREE}/{stream.namespace}_{stream.pod}_{stream.uid}/{stream.container}"
    directory, name = os.path.split(stream.file) if stream.file else (directory, f"{stream.restart}.log")
    yield from _pairs({"filename": name, "dirname": directory})


def _owner_tags(owner: Owner, pod: Pod) -> Iterator[str]:
    """The workload: the owner by its kind, and the Deployment or CronJob that its name tells of.

    The names are taken apart by the Agent's rule, which is not the one of GKE (`outrider.kube.owners`): a suffix of
    three or more characters, all digits or all of the letters that Kubernetes makes random names of.
    """
    yield from _pairs({"kube_ownerref_kind": owner.kind.lower(), "kube_ownerref_name": owner.name})
    if owner.kind == "ReplicaSet":
        if found := _REPLICA_SET.fullmatch(owner.name):
            rollout = found[1] if pod.labels.get(_ROLLOUT_HASH) else ""
            yield from _pairs({"kube_deployment": found[1], "kube_argo_rollout": rollout})
        yield f"kube_replica_set:{owner.name}"
    elif owner.kind == "Job":
        cron = _CRON_JOB.fullmatch(owner.name)
        yield from _pairs({"kube_job": owner.name, "kube_cronjob": cron[1] if cron else ""})
    elif owner.kind in _OWNER_TAGS:
        yield f"{_OWNER_TAGS[owner.kind]}:{owner.name}"
        if owner.kind == "StatefulSet":
            yield from (f"persistentvolumeclaim:{claim}" for claim in pod.claims)


def _run_tags(stream: Stream, container: Container) -> Iterator[str]:
    image = parse_image(container.image)
    yield from _pairs(
        {
            "container_id": _run_id(stream, container).rpartition("://")[2],
            "image_name": image.name,
            "short_image": image.short,
            "image_tag": image.tag,
            "image_id": container.image_id.removeprefix("docker-pullable://"),
        }
    )
    if container.id.startswith("docker://") and image.tag:
        yield f"docker_image:{image.name}:{image.tag}"


def _run_id(stream: Stream, container: Container) -> str:
    """The id of the run that wrote the stream, with the runtime's prefix; "" if it may be another one's."""
    if container.restart in (-1, stream.restart):
        return container.id
    return container.previous_id if container.restart == stream.restart + 1 else ""


def _asked(stream: Stream, pod: Pod | None, problems: list[str]) -> Iterator[str]:
    """The tags that annotations ask for, `ad.datadoghq.com/tags` for the pod and `…/<container>.tags` for a container:
    objects whose values are strings or lists of them. What cannot be read becomes a problem."""
    for key in (f"{_ANNOTATION}tags", f"{_ANNOTATION}{stream.container}.tags"):
        text = pod.annotations.get(key) if pod is not None else None
        if text is None:
            continue
        try:
            found = orjson.loads(text)
        except ValueError as e:
            problems.append(f"annotation {key}: not JSON ({e})")
            continue
        if not isinstance(found, dict):
            problems.append(f'annotation {key}: must be an object of tags, such as {{"team": "web"}}')
            continue
        yield from _annotated(key, found, problems)


def _annotated(key: str, found: Mapping[str, Any], problems: list[str]) -> Iterator[str]:
    odd = []
    for name, value in found.items():
        name = name.removeprefix("+")  # a high-cardinality tag: all are, here
        for one in value if isinstance(value, list) else [value]:
            if not isinstance(one, str | int | float):
                odd.append(name)
            elif name and (text := _text(one)):
                yield f"{name}:{text}"
    if odd:
        names = ", ".join(dict.fromkeys(odd))[:MAX_TAG]
        problems.append(f"annotation {key}: not a string, a number, a boolean or a list of them: {names}")


def _text(value: str | float) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _otel_attributes(text: str) -> dict[str, str]:
    """`OTEL_RESOURCE_ATTRIBUTES`: `key=value` with commas between; what has another form is skipped."""
    pairs = (pair.partition("=") for pair in text.split(","))
    return {key.strip(): value.strip() for key, equals, value in pairs if equals}


def _pairs(values: Mapping[str, str]) -> Iterator[str]:
    return (f"{name}:{value}" for name, value in values.items() if value)
