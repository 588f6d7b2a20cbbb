"""Pods as a manifest has them: what `kubectl apply` takes, or what `kubectl get -o yaml` gives.

A workload (Deployment, StatefulSet, ...) stands for one of its pods, with `x` where Kubernetes makes up a name. What
only a pod that runs has is made up too: a uid, and an address from the block for documentation (RFC 5737).
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from outrider.kube.endpoint import asks
from outrider.kube.wire import read_list
from outrider.model.pod import Pod

UID = "UID"
POD_IP = "192.0.2.1"
MEANT_FOR_PODS = ("outrider.io/", "ad.datadoghq.com/")
_RANDOM, _HASH = "xxxxx", "xxxxxxxxxx"


class ManifestError(Exception):
    """There is no pod in it that could be explained; the text says why."""


def pods_in(text: str) -> tuple[list[Pod], list[str]]:
    """The pods, and words about what Kubernetes would not take. Raises ManifestError."""
    import yaml

    try:
        documents = list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except yaml.YAMLError as e:
        hint = "; render the template first, such as with helm template" if "{{" in text else ""
        raise ManifestError(f"is not YAML: {' '.join(str(e).split())}{hint}") from None
    except RecursionError:
        raise ManifestError("is nested too deeply") from None
    problems: list[str] = []
    objects = [_completed(one, problems) for document in documents for one in _pods(document, problems)]
    if not objects:
        kinds = ", ".join(str(d.get("kind")) for d in documents if isinstance(d, dict)) or "no objects"
        raise ManifestError(f"has no pod, nor anything that makes pods (it has {kinds})")
    return [_read(one) for one in objects], problems


def _read(pod: dict[str, Any]) -> Pod:
    try:
        page = read_list(msgspec.json.encode({"items": [pod]}), details=True)
    except (ValueError, TypeError) as e:
        raise ManifestError(f"cannot be read: {e}") from None
    if page.bad or page.partial:
        name = pod["metadata"]["name"]
        raise ManifestError(f"has a pod, {name}, whose metadata, spec or status Kubernetes would not take")
    return page.pods[0]


def _pods(document: Any, problems: list[str]) -> Iterator[dict[str, Any]]:
    """Every pod of a document, as an object with metadata."""
    if not isinstance(document, dict):
        return
    kind, meta, spec = document.get("kind"), _mapping(document, "metadata"), _mapping(document, "spec")
    if kind == "Pod":
        yield document
    elif isinstance(document.get("items"), list):
        for one in document["items"]:
            yield from _pods(one, problems)
    elif kind == "CronJob":
        job = _mapping(spec, "jobTemplate")
        of_job = {**meta, "name": f"{_name(meta)}-1"}
        yield from _pods({"kind": "Job", "metadata": of_job, "spec": job.get("spec")}, problems)
    elif isinstance(spec.get("template"), dict):
        problems += _misplaced(str(kind), meta)
        yield _of_template(str(kind), meta, spec["template"])


def _misplaced(kind: str, meta: dict[str, Any]) -> Iterator[str]:
    """What stands on a workload, where nobody reads it, and is meant for its pods."""
    for key in map(str, _mapping(meta, "annotations")):
        if asks({key: ""}) or key.startswith(MEANT_FOR_PODS):
            yield f"metadata.annotations: {key} is the {kind}'s, not its pods': put it into the template's metadata"


def _of_template(kind: str, meta: dict[str, Any], template: dict[str, Any]) -> dict[str, Any]:
    name, own = _name(meta), _mapping(template, "metadata")
    labels = dict(_mapping(own, "labels"))
    if kind == "Deployment":
        kind, name = "ReplicaSet", f"{name}-{_HASH}"
        labels["pod-template-hash"] = _HASH
    owner = {"apiVersion": "", "kind": kind, "name": name, "uid": UID, "controller": True}
    pod = f"{name}-0" if kind == "StatefulSet" else f"{name}-{_RANDOM}"
    made = {"name": pod, "namespace": meta.get("namespace"), "labels": labels, "ownerReferences": [owner]}
    return {"metadata": {**own, **{k: v for k, v in made.items() if v}}, "spec": template.get("spec") or {}}


def _completed(pod: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    meta = dict(_mapping(pod, "metadata"))
    meta.setdefault("name", _name(meta))
    meta["uid"] = str(meta.get("uid") or UID)
    meta["namespace"] = str(meta.get("namespace") or "default")
    for what in ("labels", "annotations"):
        values = _mapping(meta, what)
        odd = [key for key, value in values.items() if not isinstance(value, str)]
        problems += [f"metadata.{what}: {key} is no string, which Kubernetes refuses: put it in quotes" for key in odd]
        meta[what] = {str(key): _text(value) for key, value in values.items()}
    if not _mapping(pod, "spec").get("containers"):
        problems.append(f"{meta['name']} has no containers, which Kubernetes refuses")
    status = {**_mapping(pod, "status")}
    status["podIP"] = status.get("podIP") or POD_IP
    kept = ("name", "uid", "namespace", "labels", "annotations", "ownerReferences")
    return {"metadata": {k: meta[k] for k in kept if k in meta}, "spec": pod.get("spec") or {}, "status": status}


def _name(meta: dict[str, Any]) -> str:
    generated = meta.get("generateName")
    return str(meta.get("name") or (f"{generated}{_RANDOM}" if generated else "unnamed"))


def _mapping(of: dict[str, Any], key: str) -> dict[str, Any]:
    found = of.get(key)
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
