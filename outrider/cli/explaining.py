"""What will become of a pod: its streams, their route and who gets them, its checks, and what is wrong.

Everything is asked of the very parts that decide it in a collector; nothing here knows a rule of its own.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from outrider.cli.manifest import POD_IP
from outrider.config import Config, Console, Datadog, Stackdriver
from outrider.config.secrets import redacted
from outrider.discovery.targets import find
from outrider.discovery.wish import Target
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.pod import Container, Pod
from outrider.model.points import GoogleName, Subject
from outrider.model.stream import Stream
from outrider.pipeline.destinations import unrouted
from outrider.pipeline.routing import CHOICE, NOBODY, Routing

Shown = dict[str, Any]


class Explanation:
    """Explains pods under one configuration. What `config.cluster` leaves out is found in the cluster only, and stands
    in capitals here.
    """

    def __init__(self, config: Config) -> None:
        c = config.cluster
        self._config = config
        self._cluster = Cluster(c.project or "PROJECT", c.name or "CLUSTER", c.location or "LOCATION", c.node or "NODE")
        self._discovers = config.metrics.discover and config.kube.source != "none"
        select = config.logs.select
        self._routing = Routing(select.include, select.exclude, config.routes, Counters())

    def of(self, pod: Pod, problems: Sequence[str] = ()) -> Shown:
        """Everything about one pod. `problems` are those that are known of its manifest."""
        names = [one.name for one in pod.endpoint.containers] if pod.endpoint else []
        names += [name for name in pod.containers if name not in names]
        findings = [*problems]
        logging.disable(logging.WARNING)  # what routing has to say is among the findings
        try:
            streams = [self._stream(pod, name, findings) for name in names]
            found = find(pod)
            checks = [self._check(pod, target) for target in found.targets] if self._discovers else []
        finally:
            logging.disable(logging.NOTSET)
        if self._discovers:
            findings += map(str, found.faults)
        shown = {
            "namespace": pod.namespace,
            "pod": pod.name,
            "streams": streams,
            "checks": checks,
            "discover": self._discovers,
            "findings": list(dict.fromkeys(findings)),
        }
        return _with_placeholder(shown)

    def _stream(self, pod: Pod, container: str, findings: list[str]) -> Shown:
        stream = _stream(pod, container)
        decision = self._routing.decide(stream, pod)
        shown: Shown = {"container": container, "stream": stream.key, "selected": self._selected(stream)}
        route = self._routing.route(stream, pod)
        wish = pod.annotations.get(CHOICE)
        if route is NOBODY:
            findings.append(f"no route is for {pod.namespace}/{pod.name}/{container}: nobody gets anything of it")
        elif wish is not None and self._config.routes[route.tenant[1]].name != wish:
            findings.append(f"{CHOICE}: there is no route {wish!r} for this namespace: the first match is taken")
        shown["route"] = None if route is NOBODY else self._why(route.tenant[1], wish)
        shown["exporters"] = [self._logs(name, stream, pod, findings) for name in self._in_order(decision.exporters)]
        return shown

    def _selected(self, stream: Stream) -> Shown:
        """Whether its lines are read, and the entry of `logs.select` that says so."""
        select, routes = self._config.logs.select, [*self._config.routes]
        for i, entry in enumerate(select.exclude):
            if Routing([entry], [], routes).readers(stream):
                return {"read": False, "why": f"logs.select.exclude[{i}] matches"}
        for i, entry in enumerate(select.include):
            if Routing([entry], [], routes).readers(stream):
                return {"read": True, "why": f"logs.select.include[{i}] matches"}
        if select.include:
            return {"read": False, "why": "nothing in logs.select.include matches"}
        return {"read": True, "why": "nothing in logs.select excludes it"}

    def _why(self, index: int, wish: str | None) -> Shown:
        route = self._config.routes[index]
        asked = {
            "namespaces": [g for g in route.namespaces if g != "*"],
            "containers": [g for g in route.containers if g != "*"],
            "labels": route.labels,
            "annotations": route.annotations,
        }
        matched = {key: value for key, value in asked.items() if value}
        if wish is not None and wish == route.name:
            why = f"the pod asks for it ({CHOICE})"
        elif matched:
            why = "the first that matches: " + ", ".join(f"{key} {_globs(value)}" for key, value in matched.items())
        else:
            why = "the first that matches: it is for every pod"
        limits = {"share": route.share, "limit": route.limit, "sample": route.sample}
        return {"index": index, "name": route.name, "why": why, **{k: v for k, v in limits.items() if v}}

    def _logs(self, name: str, stream: Stream, pod: Pod, findings: list[str]) -> Shown:
        exporter = self._config.exporters[name]
        shown: Shown = {"name": name, "kind": exporter.kind}
        if isinstance(exporter, Datadog):
            from outrider.exporters.datadog.context import StreamContext as OfDatadog

            context = OfDatadog(stream, pod, self._cluster, exporter.tags)
            told = msgspec.json.decode(b'{"hostname":' + bytes(context.last) + b"}")
            findings += [f"{name}: {problem}" for problem in context.problems]
            shown |= {"excluded": context.excluded, **told, "ddtags": told["ddtags"].split(",")}
        elif isinstance(exporter, Stackdriver | Console):
            from outrider.exporters.stackdriver.context import StreamContext as OfGoogle
            from outrider.exporters.stackdriver.context import log_name

            project = self._project(exporter)
            common = OfGoogle(stream, pod, self._cluster, project).common
            shown |= {"logName": log_name(project, "stdout"), **msgspec.json.decode(b"{" + common + b"}")}
        return shown

    def _check(self, pod: Pod, target: Target) -> Shown:
        stream = _stream(pod, target.container)
        exporters = self._routing.route(stream, pod).exporters.union(unrouted(self._config))
        subject = Subject(self._cluster.node, pod.namespace, pod.name, pod.uid, target.container, pod)
        settings = redacted(msgspec.to_builtins(target.settings, enc_hook=redacted))
        default = redacted(msgspec.to_builtins(_default(target), enc_hook=redacted))
        where = {key: settings.get(key) for key in (*target.settings.addresses, "port")}
        return {
            "check": target.check,
            "container": target.container,
            "annotation": target.key,
            "settings": {key: value for key, value in where.items() if value} | _other(settings, default),
            "exporters": [self._metrics(name, subject, target) for name in self._in_order(exporters)],
        }

    def _metrics(self, name: str, subject: Subject, target: Target) -> Shown:
        exporter = self._config.exporters[name]
        shown: Shown = {"name": name, "kind": exporter.kind}
        if isinstance(exporter, Datadog):
            from outrider.exporters.datadog.tags import exported, subject_tags, whose

            own = subject_tags(subject, self._cluster)
            shown["tags"] = [*own, *exported(target.settings.tags, own, whose(own)), *exporter.tags]
        elif isinstance(exporter, Stackdriver | Console):
            from outrider.exporters.stackdriver.series import metric_labels, resource

            shown["resource"] = resource(subject, self._cluster, self._project(exporter))
            shown["labels"] = metric_labels(GoogleName(""), (), target.settings.tags).labels
        return shown

    def _project(self, exporter: object) -> str:
        return (exporter.project if isinstance(exporter, Stackdriver) else None) or self._cluster.project

    def _in_order(self, names: frozenset[str]) -> Iterator[str]:
        return (name for name in self._config.exporters if name in names)


def _stream(pod: Pod, container: str) -> Stream:
    restart = pod.containers.get(container, Container()).restart
    return Stream(pod.namespace, pod.name, pod.uid, container, max(restart, 0))


def _default(target: Target) -> object:
    """Settings with nothing said but what has to be."""
    fields = msgspec.structs.fields(target.settings)
    return type(target.settings)(**{f.name: getattr(target.settings, f.name) for f in fields if f.required})


def _other(settings: Shown, default: object) -> Shown:
    """What is not so by default."""
    usual = default if isinstance(default, dict) else {}
    said = {key: value for key, value in settings.items() if value != usual.get(key)}
    return {key: _other(value, usual.get(key)) if isinstance(value, dict) else value for key, value in said.items()}


def _globs(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={glob}" for key, glob in value.items())
    return " or ".join(map(str, value)) if isinstance(value, list) else str(value)


def _with_placeholder(shown: Shown) -> Shown:
    """With words for the address that only a pod which runs has."""
    text = msgspec.json.encode(shown).decode().replace(POD_IP, "POD_IP")
    plain: Shown = msgspec.json.decode(text)
    return plain
