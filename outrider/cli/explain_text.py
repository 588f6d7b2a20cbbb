"""What `outrider explain` prints for people."""

import json
from collections.abc import Iterator
from typing import Any

Shown = dict[str, Any]


def text(pods: list[Shown]) -> str:
    """The pods, one after the other."""
    return "\n".join(line for pod in pods for line in _pod(pod)) + "\n"


def _pod(pod: Shown) -> Iterator[str]:
    yield f"{pod['namespace']}/{pod['pod']}"
    for stream in pod["streams"]:
        selected, route = stream["selected"], stream["route"]
        yield f"  log of {stream['container']}: {'read' if selected['read'] else 'not read'} ({selected['why']})"
        if route is not None:
            name = f" {route['name']!r}" if route["name"] else ""
            yield f"    route     routes[{route['index']}]{name}: {route['why']}"
        for exporter in stream["exporters"]:
            yield from _exporter(exporter)
    for check in pod["checks"]:
        settings = ", ".join(f"{key}: {_plain(value)}" for key, value in check["settings"].items())
        whose = check["container"] or "the pod"
        yield f"  check {check['check']} of {whose} ({check['annotation']}): {settings}"
        for exporter in check["exporters"]:
            yield from _exporter(exporter)
    if not pod["checks"]:
        yield "  no checks" if pod["discover"] else "  no checks: metrics.discover is off, or kube.source is none"
    for finding in pod["findings"]:
        yield f"  WRONG: {finding}"
    yield ""


def _exporter(exporter: Shown) -> Iterator[str]:
    yield f"    to {exporter['name']} ({exporter['kind']})"
    if exporter.get("excluded"):
        yield "      left out: the pod's annotations say so"
    for key in ("logName", "service", "ddsource", "hostname"):
        if key in exporter:
            yield f"      {key:<9} {exporter[key]}"
    if "resource" in exporter:
        resource = exporter["resource"]
        yield f"      resource  {resource['type']} {_pairs(resource['labels'])}"
    if exporter.get("labels"):
        yield f"      labels    {_pairs(exporter['labels'])}"
    tags = exporter.get("ddtags") or exporter.get("tags")
    if tags:
        yield f"      tags      {' '.join(tags)}"


def _pairs(labels: dict[str, str]) -> str:
    return " ".join(f"{key}={value}" for key, value in labels.items())


def _plain(value: object) -> str:
    """As it could stand in an annotation."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {_plain(one)}" for key, one in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_plain, value)) + "]"
        case bool() | None:
            return json.dumps(value)
    return str(value)
