"""From a pod to its targets: every wish is understood, filled in, confined to the pod, and checked like a file.

    annotation -> wish -> templates filled in -> our words -> confined to the pod -> settings of the check

Wherever it fails the rest of the pod's wishes go on. What comes out is a function of the pod alone, so that
`outrider explain` says on a laptop what the node will do.

A pod in the node's network has the node's address, where the kubelet and other pods listen too. There an annotation
reaches the ports that the pod's containers declare: they are in its specification, which whoever may only annotate it
cannot change.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from outrider.checks.check import CheckSettings
from outrider.checks.found import INSTALLED
from outrider.config.check import check_settings
from outrider.config.findings import Findings
from outrider.config.problems import nearest
from outrider.config.shape import Choice, Hidden, Many, Nullable, Pairs, Record, Shape, Text, record_of
from outrider.config.yaml_nodes import Entry, Node, resolve
from outrider.discovery.annotations import wishes
from outrider.discovery.confined import confined
from outrider.discovery.datadog import translated
from outrider.discovery.templates import Templates
from outrider.discovery.wish import Fault, FaultError, Found, Target, Wish
from outrider.model.pod import Endpoint, Inside, Pod

log = logging.getLogger(__name__)

MAX_PER_POD = 10
"""Checks of one pod: more are an accident, or meant to keep the node from the others."""
MAX_WISHES = 50
"""What is looked at of all that a pod asks for."""
MAX_FAULTS, MAX_WORDS = 20, 1000
"""Faults of one pod that are told, and characters of each."""
MAX_BUDGET = 10_000
"""What `max_series` and its like may be: whatever a check reports is in the node's memory, and on somebody's bill."""
_PORTS = {"http": 80, "https": 443}
DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


def find(pod: Pod) -> Found:
    """The targets of a pod whose `endpoint` is known and has an address, and all that is wrong with its annotations."""
    endpoint = pod.endpoint
    if endpoint is None:
        return Found()
    targets: dict[tuple[object, ...], Target] = {}
    faults: list[Fault] = []
    asked = wishes(pod.annotations, [one.name for one in endpoint.containers])
    for wish in islice(asked, MAX_WISHES):
        if isinstance(wish, Fault):
            faults.append(wish)
            continue
        try:
            target, left_out = _granted(wish, pod, endpoint)
        except FaultError as e:
            faults.append(wish.fault(str(e)))
            continue
        except Exception as e:  # nesting without end, a number of 5,000 digits, or a defect
            log.debug("%s/%s: %s", pod.namespace, pod.name, wish.key, exc_info=True)
            faults.append(wish.fault(f"it cannot be understood ({type(e).__name__}: {e})"))
            continue
        faults += [wish.fault(words, stops=False) for words in left_out]
        where = target.check, target.port, *(repr(getattr(target.settings, a, "")) for a in target.settings.addresses)
        if (known := targets.get(where)) is not None:
            if known.key == target.key and known.settings != target.settings:
                faults.append(wish.fault(f"{target.check} is asked for there already, by what stands before"))
            continue  # else it is the same place in two dialects, for two collectors
        if len(targets) == MAX_PER_POD:
            faults.append(wish.fault(f"a pod has {MAX_PER_POD} checks at most, and this one is beyond"))
            continue
        targets[where] = target
    if (beyond := next(asked, None)) is not None:
        faults.insert(0, Fault(beyond.key, f"asks for more than {MAX_WISHES} things; the rest is not looked at"))
    return Found(tuple(targets.values()), tuple(_told(faults)))


def _told(faults: list[Fault]) -> Iterator[Fault]:
    """Each once, and no more than can be read."""
    different = list(dict.fromkeys(faults))
    for fault in different[:MAX_FAULTS]:
        words, half = fault.words, MAX_WORDS // 2 - 2
        yield replace(fault, words=words if len(words) <= MAX_WORDS else f"{words[:half]} … {words[-half:]}")
    if more := different[MAX_FAULTS:]:
        yield Fault(more[0].key, f"and {len(more)} more of what is wrong with this pod's annotations")


def _granted(wish: Wish, pod: Pod, endpoint: Endpoint) -> tuple[Target, list[str]]:
    """The target, and words about what is left out. Raises FaultError."""
    scope = [one for one in endpoint.containers if wish.container in ("", one.name)]
    if wish.dialect == "prometheus" and "%%port%%" in wish.settings["url"]:
        _must_be_one(scope)
    templates = Templates(pod, endpoint, scope)
    name, settings, left_out = wish.check, templates.filled(wish.settings), list[str]()
    if wish.dialect == "datadog":
        name, settings, left_out = translated(name, settings, templates.filled(wish.init))
    of = _installed(name)
    record = record_of(of)
    if wish.dialect == "datadog":
        unknown = [key for key in settings if record.key(key) is None]
        left_out += [f"no counterpart here: {', '.join(unknown)}"] if unknown else []
        settings = {key: value for key, value in settings.items() if key not in unknown}
    settings, port = confined(settings, record, of.addresses, endpoint.ip)
    read = _read(of, settings, lenient=wish.dialect == "datadog")
    if read.leads_on:
        raise FaultError(
            f"{read.leads_on}: this would have the check go on to addresses that the server names, and an annotation "
            "reaches its own pod alone: leave it out if it can be, or say it in metrics.checks"
        )
    _must_be_modest(read)
    if endpoint.host_network:
        _must_be_declared(read, endpoint)
    return Target(name, read, wish.container or container_of(pod, endpoint, port), wish.key, port), left_out


def _must_be_modest(settings: CheckSettings) -> None:
    for name in settings.__struct_fields__:
        if (name.startswith("max_") or name in ("top", "top_queries")) and getattr(settings, name) > MAX_BUDGET:
            raise FaultError(f"{name}: an annotation may ask for {MAX_BUDGET:,} at most, and metrics.checks for more")


def _must_be_declared(settings: CheckSettings, endpoint: Endpoint) -> None:
    declared = {port.number for one in endpoint.containers for port in one.ports}
    for port in _ports(settings, endpoint.ip):
        if port not in declared:
            raise FaultError(
                f"the pod is in the node's network, where port {port or '(which?)'} may be anybody's: declare the port "
                "among the ports of its container"
            )


def _ports(settings: CheckSettings, ip: str) -> Iterator[int]:
    """The port at each of its addresses, which are the pod's by now; 0 where it is left to the check."""
    for name in settings.addresses:
        value = getattr(settings, name, None)
        for one in value if isinstance(value, list) else [value]:
            if one == ip:
                yield getattr(settings, "port", 0)
            elif isinstance(one, str) and one != "none":
                parts = urlsplit(one if "://" in one else f"//{one}")
                yield parts.port or _PORTS.get(parts.scheme, 0)


def _must_be_one(scope: list[Inside]) -> None:
    ports = sorted({port.number for one in scope for port in one.ports})
    if len(ports) != 1:
        declared = ", ".join(map(str, ports)) or "none"
        raise FaultError(f"prometheus.io/port is missing, and the pod declares not one port but {declared}: name one")


def _installed(name: str) -> type[CheckSettings]:
    try:
        return INSTALLED[name]
    except KeyError:
        hint = nearest(name, INSTALLED)
        raise FaultError(f'there is no check "{name}", there are {", ".join(INSTALLED)}; {hint}'.rstrip("; ")) from None
    except ImportError as e:
        raise FaultError(f'the check "{name}" cannot be loaded on the node: {e}') from None


def _read(of: type[CheckSettings], settings: dict[str, Any], lenient: bool) -> CheckSettings:
    findings = Findings("", {})
    read = check_settings(of, _node(settings, record_of(of), lenient), findings)
    if isinstance(read, CheckSettings):
        return read
    errors = [p for p in findings.problems if p.severity == "error"]
    words = [f"{p.path}: {p.message}{f'; {p.hint}' if p.hint else ''}".removeprefix(": ") for p in errors]
    raise FaultError("; ".join(words[:5]))


def container_of(pod: Pod, endpoint: Endpoint, port: int = 0) -> str:
    """Whose something is that a pod as a whole asks for: the container's which declares the port, else that of the one
    which the pod calls its default, else of the first.
    """
    declaring = [one.name for one in endpoint.containers if port in {declared.number for declared in one.ports}]
    names = [one.name for one in endpoint.containers]
    default = pod.annotations.get(DEFAULT_CONTAINER, "")
    candidates = [*declaring[:1], *([default] if default in names else []), *names[:1], ""]
    return candidates[0]


def _node(value: Any, shape: Shape | None, lenient: bool) -> Node:
    """`value` as the configuration's walk takes it. `lenient`: a number may be a text and the other way round, as for
    the Agent. No `$` is a variable's.
    """
    if isinstance(shape, Nullable):
        shape = shape.item
    if isinstance(value, dict):
        of = {name: _below(shape, name) for name in value}
        return Node({name: Entry(0, 0, _node(one, of[name], lenient)) for name, one in value.items()}, 0, 0)
    if isinstance(value, list):
        item = shape.item if isinstance(shape, Many) else None
        return Node([_node(one, item, lenient) for one in value], 0, 0)
    text = isinstance(shape, Text | Hidden | Choice)
    if lenient:
        if isinstance(shape, Many) and shape.single:
            text = isinstance(shape.item, Text)
        if text and isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        elif not text and isinstance(value, str):
            value = resolve(value)
    verbatim = isinstance(shape, Text) and shape.role == "verbatim"
    return Node(value.replace("$", "$$") if isinstance(value, str) and not verbatim else value, 0, 0)


def _below(shape: Shape | None, name: str) -> Shape | None:
    if isinstance(shape, Record):
        key = shape.key(name)
        return None if key is None else key.shape
    return shape.item if isinstance(shape, Pairs) else None
