"""From nodes to the model: one walk along the shapes, which notes every problem and goes on.

A value that is wrong becomes `INVALID` and is left out of the struct above it, which then is `INVALID` itself; its
neighbours are still read, so all problems of a file come out of one pass. Names of exporters are collected on the way
and compared at the end, since a route may name an exporter that is itself in trouble.
"""

import os
from typing import Any

import msgspec

from outrider.config.findings import INVALID, Findings
from outrider.config.hidden import default_secret, read_hidden
from outrider.config.model import Check, Config
from outrider.config.problems import either, nearest
from outrider.config.scalars import BadValueError, found, read_scalar
from outrider.config.secrets import Secret
from outrider.config.shape import (
    CheckEntry,
    CheckTypes,
    Hidden,
    Key,
    Many,
    Nullable,
    Pairs,
    Record,
    Shape,
    Text,
    Variants,
    allowed,
    record_of,
)
from outrider.config.yaml_nodes import Entry, Node


def check(root: Node, findings: Findings, checks: CheckTypes | None = None) -> Config | None:
    """The configuration that `root` describes, or None if `findings` has errors after the walk. `checks` are those that
    are installed; None leaves their settings unread.
    """
    walk = _Walk(findings, checks)
    config = walk.read(record_of(Config), root, "")
    if isinstance(root.value, dict):
        _check_references(root, walk.references, findings)
    if isinstance(config, Config):
        _check_route_names(root, config, findings)
        _check_kubelet(root, config, findings)
    failed = any(p.severity == "error" for p in findings.problems)
    return None if failed or not isinstance(config, Config) else config


def check_settings(of: type[msgspec.Struct], root: Node, findings: Findings) -> Any:
    """The settings of one check that `root` describes, or None if `findings` has errors after the walk."""
    read = _Walk(findings).read(record_of(of), root, "")
    return None if any(p.severity == "error" for p in findings.problems) else read


class _Reference(msgspec.Struct, frozen=True):
    """An exporter that a route names, and where."""

    name: str
    node: Node
    path: str


class _Walk(msgspec.Struct):
    """One pass over a file; what it finds goes into `findings`."""

    findings: Findings
    checks: CheckTypes | None = None
    references: list[_Reference] = []

    def read(self, shape: Shape, node: Node, path: str) -> Any:
        match shape:
            case Nullable(item):
                return None if self.findings.expands_to_null(node) else self.read(item, node, path)
            case Record():
                return self._record(shape, node, path)
            case Variants():
                return self._variants(shape, node, path)
            case Many():
                return self._many(shape, node, path)
            case Pairs():
                return self._pairs(shape, node, path)
            case CheckEntry():
                return self._check_entry(shape, node, path)
            case Hidden():
                return read_hidden(shape, node, path, self.findings)
        return self._scalar(shape, node, path)

    def _scalar(self, shape: Shape, node: Node, path: str) -> Any:
        verbatim = isinstance(shape, Text) and shape.role == "verbatim"
        value = node.value if verbatim else self.findings.expanded(node, path, typed=not isinstance(shape, Text))
        if value is INVALID:
            return INVALID
        try:
            value = read_scalar(shape, value)
        except BadValueError as e:
            return self.findings.error(node, path, str(e) + _origin(node, value), e.hint)
        if isinstance(shape, Text) and shape.role == "exporter":
            self.references.append(_Reference(value, node, path))
        if isinstance(shape, Text) and shape.role == "file" and not os.path.exists(value):
            self.findings.warning(node, path, f"the file {value} does not exist")
        return value

    def _record(self, record: Record, node: Node, path: str, elsewhere: dict[str, str] | None = None) -> Any:
        if not isinstance(node.value, dict):
            return self._wrong_type(record, node, path)
        values: dict[str, Any] = {}
        for name, entry in node.value.items():
            key = record.key(name)
            if key is None:
                values[name] = self._unknown_key(record, name, entry, path, elsewhere or {})
            else:
                values[key.attribute] = self.read(key.shape, entry.node, _join(path, name))
        for key in record.keys:
            if key.name not in node.value:
                values |= self._missing(key, node, path)
        if len(node.value) < record.at_least:
            values[""] = self.findings.error(node, path, f"found an empty mapping, expected {allowed(record)}")
        if record.either:
            values[""] = self._one_of(record, node, path)
        if any(v is INVALID for v in values.values()):
            return INVALID
        values.pop("", None)
        try:
            return record.type(**values)
        except ValueError as e:
            return self.findings.error(node, path, str(e))

    def _one_of(self, record: Record, node: Node, path: str) -> Any:
        """Note keys of no group, of more than one, or of one whose first key is missing."""
        if not node.value:
            return self._wrong_type(record, node, path)
        used = [group for group in record.either if any(name in node.value for name in group)]
        if len(used) == 1 and used[0][0] not in node.value:
            key = record.key(used[0][0])
            assert key is not None
            return self.findings.error(node, _join(path, key.name), f"is missing, expected {allowed(key.shape)}")
        if len(used) > 1:
            first, second = (next(name for name in group if name in node.value) for group in used[:2])
            hint = "make two entries of it" if path.endswith("]") else "leave one out"
            return self.findings.error(node, path, f'"{first}" and "{second}" do not go together', hint)
        return None

    def _missing(self, key: Key, node: Node, path: str) -> dict[str, Any]:
        where = _join(path, key.name)
        if key.required:
            return {key.attribute: self.findings.error(node, where, f"is missing, expected {allowed(key.shape)}")}
        if isinstance(key.default, Secret):
            return {key.attribute: default_secret(key.default, node, where, self.findings)}
        return {}

    def _unknown_key(self, record: Record, name: str, entry: Entry, path: str, elsewhere: dict[str, str]) -> Any:
        known = [k.name for k in record.keys]
        hint = nearest(name, known)
        nested = next((f"{k.name}.{name}" for k in record.keys if _has_key(k.shape, name)), None)
        if nested:
            hint = f'did you mean "{nested}"?'
        elif name in elsewhere:
            hint = f"it is a key of kind {elsewhere[name]}"
        message = f'unknown key "{name}", allowed are {", ".join(known)}'
        return self.findings.error(entry, _join(path, name), message, hint)

    def _variants(self, shape: Variants, node: Node, path: str) -> Any:
        if not isinstance(node.value, dict) or not node.value:
            return self._wrong_type(shape, node, path)
        values = {}
        for name, entry in node.value.items():
            where = _join(path, name)
            try:
                read_scalar(shape.name, name)
            except BadValueError as e:
                values[name] = self.findings.error(entry, where, f"the name is wrong: {e}")
            else:
                values[name] = self._variant(shape, entry.node, where)
        return INVALID if any(v is INVALID for v in values.values()) else values

    def _pairs(self, shape: Pairs, node: Node, path: str) -> Any:
        if not isinstance(node.value, dict):
            return self._wrong_type(shape, node, path)
        values = {}
        for name, entry in node.value.items():
            where = _join(path, name)
            try:
                read_scalar(shape.key, name)
            except BadValueError as e:
                values[name] = self.findings.error(entry, where, f"the key is wrong: {e}", e.hint)
            else:
                values[name] = self.read(shape.item, entry.node, where)
        return INVALID if any(v is INVALID for v in values.values()) else values

    def _variant(self, shape: Variants, node: Node, path: str) -> Any:
        kind = shape.default
        if isinstance(node.value, dict) and "kind" in node.value:
            given = node.value["kind"].node
            kind = given.value
            if not isinstance(kind, str) or kind not in shape.records:
                kinds = either(shape.records)
                hint = nearest(kind, shape.records) if isinstance(kind, str) else ""
                return self.findings.error(given, _join(path, "kind"), f"found {found(kind)}, expected {kinds}", hint)
        others = {key.name: other for other, record in shape.records.items() for key in record.keys}
        return self._record(shape.records[kind], node, path, others)

    def _many(self, shape: Many, node: Node, path: str) -> Any:
        if isinstance(node.value, list):
            nodes = node.value
        elif shape.single:
            item = self.read(shape.item, node, path)
            return INVALID if item is INVALID else [item]
        else:
            return self._wrong_type(shape, node, path)
        if len(nodes) < shape.at_least:
            return self.findings.error(node, path, f"found an empty list, expected {allowed(shape.item)}")
        items = [self.read(shape.item, n, f"{path}[{i}]") for i, n in enumerate(nodes)]
        if shape.unique:
            self._check_unique(items, nodes, path)
        return INVALID if any(i is INVALID for i in items) else items

    def _check_unique(self, items: list[Any], nodes: list[Node], path: str) -> None:
        seen: dict[object, int] = {}
        for i, (item, node) in enumerate(zip(items, nodes, strict=True)):
            if item is INVALID:
                continue
            identity = item if isinstance(item, str) else msgspec.json.encode(node.plain, order="deterministic")
            first = seen.setdefault(identity, i)
            if first != i:
                what = f'"{item}"' if isinstance(item, str) else "the same entry"
                self.findings.error(node, f"{path}[{i}]", f"lists {what} again", f"it is {path}[{first}] already")

    def _check_entry(self, shape: CheckEntry, node: Node, path: str) -> Any:
        if not isinstance(node.value, dict) or len(node.value) != 1:
            hint = f"write {{{node.value}: {{}}}}" if isinstance(node.value, str) else ""
            return self._wrong_type(shape, node, path, hint)
        name, entry = next(iter(node.value.items()))
        try:
            read_scalar(shape.name, name)
        except BadValueError as e:
            return self.findings.error(entry, path, str(e))
        if not isinstance(entry.node.value, dict):
            message = f"found {found(entry.node.value)}, expected a mapping of settings"
            return self.findings.error(entry.node, _join(path, name), message, "{} takes the defaults")
        if self.checks is None:
            return Check(name)
        of = self._settings_type(name, entry, path, self.checks)
        settings = INVALID if of is INVALID else self._record(record_of(of), entry.node, _join(path, name))
        return INVALID if settings is INVALID else Check(name, settings)

    def _settings_type(self, name: str, entry: Entry, path: str, checks: CheckTypes) -> Any:
        try:
            return checks[name]
        except KeyError:
            message = f'there is no check "{name}" here, there are {", ".join(sorted(checks)) or "none"}'
            return self.findings.error(entry, path, message, nearest(name, checks))
        except ImportError as e:
            message = f'the check "{name}" cannot be loaded: {e}'
            return self.findings.error(entry, path, message, "install the library that it needs")

    def _wrong_type(self, shape: Shape, node: Node, path: str, hint: str = "") -> Any:
        what = "an empty mapping" if node.value == {} else found(node.value)
        if node.value is None:
            hint = "give it a value, or remove the key"
        return self.findings.error(node, path, f"found {what}, expected {allowed(shape)}", hint)


def _check_references(root: Node, references: list[_Reference], findings: Findings) -> None:
    """Routes have to name exporters that exist; an exporter that no route names gets nothing."""
    entry = root.value.get("exporters")
    if entry is not None and not isinstance(entry.node.value, dict):
        return
    names = entry.node.value if entry else Config().exporters
    metrics_alone = {name for name in names if entry and _kind(entry.node.value[name].node) == "opentelemetry"}
    for reference in references:
        if reference.name in metrics_alone:
            hint = "it gets the metrics without a route"
            message = f'the exporter "{reference.name}" takes no logs (kind: opentelemetry)'
            findings.error(reference.node, reference.path, message, hint)
        if reference.name not in names:
            message = f'there is no exporter "{reference.name}", there are {", ".join(names)}'
            findings.error(reference.node, reference.path, message, nearest(reference.name, names))
    routed = {r.name for r in references}
    if entry is not None and "routes" in root.value:
        for name, exporter in entry.node.value.items():
            if name not in routed | metrics_alone:
                findings.warning(exporter, f"exporters.{name}", "no route leads to this exporter")


def _kind(exporter: Node) -> Any:
    return exporter.value["kind"].node.value if isinstance(exporter.value, dict) and "kind" in exporter.value else None


def _check_route_names(root: Node, config: Config, findings: Findings) -> None:
    """A pod that chooses a name gets the first route of it that is for its namespace: two are rarely meant."""
    first: dict[str, int] = {}
    for i, route in enumerate(config.routes):
        if route.name is not None and first.setdefault(route.name, i) != i:
            node = root.value["routes"].node.value[i].value["name"].node
            hint = f"routes[{first[route.name]}] has it already, and comes first where both are for the namespace"
            findings.warning(node, f"routes[{i}].name", f'the name "{route.name}" is taken', hint)


def _check_kubelet(root: Node, config: Config, findings: Findings) -> None:
    """The kubelet's metrics are read at the kubelet that `kube` names."""
    if config.metrics.kubelet.enabled and config.kube.source != "kubelet":
        node = root.value["metrics"].node.value["kubelet"].node.value["enabled"].node
        message = f"the kubelet is asked, and kube.source is {config.kube.source}"
        findings.error(node, "metrics.kubelet.enabled", message, "set kube.source: kubelet")


def _has_key(shape: Shape, name: str) -> bool:
    return isinstance(shape, Record) and shape.key(name) is not None


def _origin(node: Node, value: Any) -> str:
    return f" (from {found(node.value)})" if isinstance(node.value, str) and node.value != value else ""


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
