"""The sidecar put into manifests: `... | outrider wire - | kubectl apply -f -`.

A stream is taken apart at its `---` lines. Every object with a pod template, of whatever kind, gets the pieces of
`outrider.wiring.pod` (by `outrider.wiring.splice`, so that the rest stays as it is), and its ConfigMap is added to the
end of the stream. Doing it again changes nothing; doing it with another configuration changes what follows from that,
and takes away what nothing needs any more. A pod that has an ordinary container of the sidecar's name, such as the
collector's own, is left alone. If one cannot be wired, none is: half of a stream is worse than nothing.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from yaml.nodes import MappingNode, Node, SequenceNode

from outrider.model.injection import SIDECAR
from outrider.wiring.pod import LOGS_VOLUME, PORT, SERVED, Object, Wiring
from outrider.wiring.splice import Splice, SpliceError
from outrider.wiring.styles import annotations, config_map
from outrider.wiring.text import dump

_SEPARATOR = re.compile(r"^(?:%.*\n(?:[ \t]*(?:#.*)?\r?\n)*)*---(?=\s|$)", re.MULTILINE)
"""With the directives above it, which are the next document's."""
_TEMPLATES = (("spec", "template"), ("spec", "jobTemplate", "spec", "template"), ("template",))
"""Where kinds have their pod template: all but two, CronJob, PodTemplate."""
MakeWiring = Callable[[str, str], Wiring]
"""From the name of a workload and of the first container of its pods."""


class ManifestError(Exception):
    """The stream cannot be wired; the text says where and why."""


@dataclass
class Wired:
    """The stream with its sidecars, and what was done: a line for each workload."""

    text: str
    done: list[str] = field(default_factory=list)


@dataclass
class _Target:
    """A pod template: its mapping, the key above it, and the object that it is part of."""

    splice: Splice
    workload: Node
    template: MappingNode
    key_line: int | None


def wire(text: str, make: MakeWiring, only: str = "") -> Wired:
    """Put a sidecar into every workload of the stream, or into those called `only`. Raises ManifestError."""
    chunks = _chunks(text)
    wired = Wired("")
    maps: dict[tuple[object, str], Object] = {}
    others: list[str] = []
    try:
        for i, (chunk, line) in enumerate(chunks):
            if "containers" not in chunk:
                continue
            splice = Splice(chunk, line)
            for target in _targets(splice, splice.root):
                name = _name(splice, target.workload)
                if only and name != only:
                    others.append(name)
                    continue
                namespace = splice.plain(splice.at(target.workload, "metadata", "namespace"))
                wiring = _add(target, name, make)
                what = f"{splice.plain(splice.child(target.workload, 'kind'))} {name}"
                if wiring is None:
                    wired.done.append(f"{what}: has a container {SIDECAR} of its own, and stays as it is")
                    continue
                maps[namespace, wiring.config_map] = config_map(wiring, namespace)
                wired.done.append(f"{what}: {SIDECAR} beside {wiring.container}{_on_the_node(target)}")
            chunks[i] = (splice.edited(), line)
        if not wired.done:
            missed = f"has no workload called {only}, but {', '.join(others)}"
            raise SpliceError(missed if others else "has nothing that makes pods")
        _put_maps(chunks, maps)
    except SpliceError as e:
        raise ManifestError(str(e)) from None
    wired.text = "".join(chunk for chunk, _ in chunks)
    return wired


def _chunks(text: str) -> list[tuple[str, int]]:
    """The documents, each with its `---` line, and the line on which it begins."""
    starts = [found.start() for found in _SEPARATOR.finditer(text)]
    bounds = sorted({0, *starts, len(text)})
    return [(text[a:b], text.count("\n", 0, a) + 1) for a, b in pairwise(bounds)]


def _targets(splice: Splice, node: Node | None) -> Iterator[_Target]:
    """Every pod and pod template of an object, or of the objects of a List."""
    if not isinstance(node, MappingNode):
        return
    if splice.plain(splice.child(node, "kind")) == "Pod":
        yield _Target(splice, node, node, None)
        return
    items = splice.child(node, "items")
    for one in items.value if isinstance(items, SequenceNode) else ():
        yield from _targets(splice, one)
    for path in _TEMPLATES:
        template = splice.at(node, *path)
        if isinstance(template, MappingNode) and isinstance(splice.at(template, "spec", "containers"), SequenceNode):
            parent = splice.at(node, *path[:-1]) or node
            key = next(name for name, value in parent.value if value is template)
            yield _Target(splice, node, template, int(key.end_mark.line))
            return


def _name(splice: Splice, workload: Node) -> str:
    metadata = splice.child(workload, "metadata")
    name = splice.plain(splice.at(metadata, "name")) or splice.plain(splice.at(metadata, "generateName"))
    if not isinstance(name, str):
        raise SpliceError(f"line {splice.line(workload)}: has no metadata.name")
    return name.rstrip("-")


def _add(target: _Target, name: str, make: MakeWiring) -> Wiring | None:
    """What was added; None if the pod has an `outrider` of another kind."""
    splice = target.splice
    spec = splice.child(target.template, "spec")
    containers = splice.at(spec, "containers")
    listed = containers.value if isinstance(containers, SequenceNode) else ()
    by_name = {splice.plain(splice.child(one, "name")): one for one in listed if isinstance(one, MappingNode)}
    if not isinstance(spec, MappingNode) or not by_name:
        raise SpliceError(f"line {splice.line(containers or target.workload)}: {name} has no containers")
    if None in by_name:
        raise SpliceError(f"line {splice.line(by_name[None])}: {name} has a container without a name: give it one")
    if SIDECAR in by_name:
        return None
    wiring = make(name, str(next(iter(by_name))))
    served = by_name.get(wiring.container)
    if served is None:
        there = ", ".join(map(str, by_name))
        where = splice.line(containers or spec)
        raise SpliceError(f"line {where}: {name} has no container {wiring.container}, but {there}")
    spec_line = _key_line(target.template, spec)
    splice.put_items(spec, "initContainers", [wiring.init_container()], spec_line)
    splice.put_items(spec, "volumes", wiring.volumes(), spec_line)
    _take_away(splice, spec, wiring)
    if wiring.logs:
        _refuse_other_mounts(splice, served, wiring)
        splice.put_items(served, "volumeMounts", wiring.mounts())
    metadata = splice.child(target.template, "metadata")
    if isinstance(metadata, MappingNode):
        splice.put_mapping(metadata, "annotations", annotations(wiring), _key_line(target.template, metadata))
    else:
        splice.put_mapping(target.template, "metadata", {"annotations": annotations(wiring)}, target.key_line)
    return wiring


def _take_away(splice: Splice, spec: MappingNode, wiring: Wiring) -> None:
    """What a sidecar that is there already had of the volume of logs, and the new one has not."""
    pods = [splice.child(spec, key) for key in ("initContainers", "containers")]
    there = {
        splice.plain(splice.child(one, "name")): one
        for listed in pods
        if isinstance(listed, SequenceNode)
        for one in listed.value
        if isinstance(one, MappingNode)
    }
    sidecar = there.pop(SIDECAR, None)
    if sidecar is None:
        return
    environment = splice.plain(splice.child(sidecar, "env")) or ()
    served = next((one.get("value") for one in environment if one.get("name") == SERVED), None)
    for name, container in there.items():
        if not wiring.logs or served == name != wiring.container:
            splice.drop_items(container, "volumeMounts", [LOGS_VOLUME])
    if not wiring.logs:
        splice.drop_items(spec, "volumes", [LOGS_VOLUME])


def _on_the_node(target: _Target) -> str:
    """What to mind of a pod on its node's network: its sidecar's port is the node's."""
    on_it = target.splice.plain(target.splice.at(target.template, "spec", "hostNetwork")) is True
    return f"; it is on its node's network, where nothing else may listen at {PORT}" if on_it else ""


def _key_line(parent: MappingNode, child: Node) -> int:
    return int(next(name for name, value in parent.value if value is child).end_mark.line)


def _refuse_other_mounts(splice: Splice, served: MappingNode, wiring: Wiring) -> None:
    mounts = splice.child(served, "volumeMounts")
    for one in splice.plain(mounts) or ():
        if isinstance(one, dict) and one.get("mountPath") == wiring.logs and one.get("name") != LOGS_VOLUME:
            assert mounts is not None
            raise SpliceError(
                f"line {splice.line(mounts)}: {wiring.container} mounts {one.get('name')} at {wiring.logs} already:"
                " take that out, or choose another directory"
            )


def _put_maps(chunks: list[tuple[str, int]], maps: dict[tuple[object, str], Object]) -> None:
    """Each ConfigMap in its place if the stream has it, else behind everything."""
    for i, (chunk, line) in enumerate(chunks):
        if "ConfigMap" not in chunk:
            continue
        splice = Splice(chunk, line)
        there = splice.plain(splice.root)
        if isinstance(there, dict) and there.get("kind") == "ConfigMap" and isinstance(there.get("metadata"), dict):
            wanted = maps.pop((there["metadata"].get("namespace"), there["metadata"].get("name")), None)
            if wanted is not None and wanted != there:
                lead = "---\n" if _SEPARATOR.match(chunk) else ""
                chunks[i] = (lead + dump(wanted), line)
    if maps and chunks[0][0].lstrip().startswith("{"):  # else kubectl takes all of it for JSON, which ends here
        chunks[0] = ("---\n" + chunks[0][0], 1)
    for one in maps.values():
        last = chunks[-1][0]
        lead = "" if last.endswith("\n") or not last else "\n"
        separator = "" if last.strip() in ("", "---") else "---\n"
        chunks.append((lead + separator + dump(one), 0))
