"""The three dialects in which a pod's annotations ask for checks.

    outrider.io/checks: '[{redis: {port: 6379}}]'                                    YAML or JSON, as metrics.checks
    ad.datadoghq.com/web.checks: '{"redisdb": {"instances": [{"host": "%%host%%", "port": "%%port%%"}]}}'
    ad.datadoghq.com/web.check_names: '["redisdb"]'                                  with .init_configs and .instances
    prometheus.io/scrape: "true"                                                     with port, path and scheme

Datadog's second form is read as its Agent does (datadog-agent, `comp/core/autodiscovery/common/utils`): where a
container has `.checks` the older keys do not count; `<container>.check.id` renames it; the older prefix
`service-discovery.datadoghq.com/` counts where the newer one is silent; a check goes by its `name`, if it has one, and
else by its key; `exclude` and `metrics_exclude`, of the pod or of a container, take it all back. Its entries of `logs`
are the affair of the exporter of logs.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from outrider.config.problems import nearest
from outrider.config.yaml_nodes import YamlError, read_nodes
from outrider.discovery.wish import Fault, FaultError, Wish
from outrider.model import injection

OUTRIDER = "outrider.io/checks"
OURS = ("checks", "route", *(name.partition("/")[2] for name in injection.ANNOTATIONS))
"""Annotations of `outrider.io/` that there are; routes are the pipeline's affair, sidecars that of admission."""
PREFIXES = ("ad.datadoghq.com/", "service-discovery.datadoghq.com/")
PROMETHEUS = "prometheus.io/"
_DATADOG = re.compile(r"(?:ad|service-discovery)\.datadoghq\.com/(.+)\.(checks|check_names|init_configs|instances)")
_OF_A_CHECK = frozenset({"name", "init_config", "instances", "logs"})
_OF_ITS_TAGS = frozenset({"ignore_autodiscovery_tags", "check_tag_cardinality"})
MAX_LENGTH = 32 << 10
"""Characters of an annotation. Kubernetes allows eight times as many for all of a pod together, which would take
seconds to understand, and every other pod would wait for it.
"""
_EXCLUDE = ("exclude", "metrics_exclude")
_ASKING = ("checks", "check_names", "init_configs", "instances")
_KNOWN = (*_ASKING, *_EXCLUDE, "logs_exclude", "logs", "tags", "tolerate-unready", "check.id")
"""The last parts of Datadog's annotations of pods."""
_TRUE = frozenset({"1", "t", "T", "true", "True", "TRUE"})


def wishes(annotations: Mapping[str, str], containers: Sequence[str]) -> Iterator[Wish | Fault]:
    """Everything that is asked for of a pod with these `containers`, and what cannot be understood."""
    for read in (_outrider, _datadog, _prometheus):
        yield from read(annotations, containers)


def _bounded(text: str) -> str:
    """`text`, if it is not too long. Raises FaultError."""
    if len(text) > MAX_LENGTH:
        raise FaultError(f"has {len(text):,} characters, and {MAX_LENGTH:,} are read at most")
    return text


def _outrider(annotations: Mapping[str, str], _containers: Sequence[str]) -> Iterator[Wish | Fault]:
    for key in annotations:
        domain, _, name = key.partition("/")
        if key == injection.LABEL:
            yield Fault(key, "is an annotation here; a pod asks for a sidecar by a label of this name")
        elif domain == "outrider.io" and name not in OURS and (hint := nearest(name, OURS)):
            yield Fault(key, f"there is no such annotation; {hint}")
    if OUTRIDER not in annotations:
        return
    try:
        node, faults = read_nodes(_bounded(annotations[OUTRIDER]))
    except FaultError as e:
        yield Fault(OUTRIDER, str(e))
        return
    except YamlError as e:
        hint = f"; {e.fault.hint}" if e.fault.hint else ""
        at = f"line {e.fault.line}: {e.fault.message}{hint}"
        yield Fault(OUTRIDER, at if e.fault.line else "is empty; [] asks for nothing")
        return
    for fault in faults:
        yield Fault(OUTRIDER, f"line {fault.line}: {fault.message}")
    entries = node.plain
    if isinstance(entries, dict):  # {redis: {...}} is one of a list in all but brackets
        entries = [{name: settings} for name, settings in entries.items()]
    if not isinstance(entries, list):
        yield Fault(OUTRIDER, "is no list of checks, such as [{redis: {port: 6379}}]")
        return
    for i, entry in enumerate(entries):
        if isinstance(entry, str):
            entry = {entry: {}}
        if not isinstance(entry, dict) or len(entry) != 1:
            yield Fault(OUTRIDER, f"[{i}]: is no check with its settings, such as {{redis: {{port: 6379}}}}")
            continue
        [(name, settings)] = entry.items()
        if not isinstance(settings, dict | None):
            yield Fault(OUTRIDER, f"[{i}].{name}: is no mapping of settings; {{}} takes the defaults")
            continue
        yield Wish(OUTRIDER, f"[{i}].{name}", "outrider", "", name, settings or {})


# -- Datadog ----------------------------------------------------------------------------------------------------------


def _datadog(annotations: Mapping[str, str], containers: Sequence[str]) -> Iterator[Wish | Fault]:
    renamed = {_get(annotations, f"{name}.check.id")[1] or name: name for name in containers}
    named = [m for key in sorted(annotations) if (m := _DATADOG.fullmatch(key))]
    yield from _misspelled(annotations)
    for identifier in dict.fromkeys(m[1] for m in named):
        keys = [m[0] for m in named if m[1] == identifier]
        container = renamed.get(identifier)
        if container is None:
            there = ", ".join(renamed) or "none"
            hint = nearest(identifier, renamed)
            yield Fault(keys[0], f'the pod has no container "{identifier}", it has {there}' + (hint and f"; {hint}"))
            continue
        if any(annotations.get(PREFIXES[0] + of + what) in _TRUE for of in ("", f"{container}.") for what in _EXCLUDE):
            continue
        try:
            yield from _of_container(annotations, identifier, container)
        except FaultError as e:
            yield Fault(keys[0], str(e), container)


def _misspelled(annotations: Mapping[str, str]) -> Iterator[Fault]:
    """Keys of Datadog's that are nearly those which ask for a check."""
    for key in sorted(annotations):
        domain, _, of = key.partition("/")
        if not key.startswith(PREFIXES) or _DATADOG.fullmatch(key) or key.endswith(".check.id"):
            continue
        name = of.rpartition(".")[2]
        if name in _ASKING:  # without a container
            yield Fault(key, f"is of no container: it is called {domain}/<container>.{name}")
        elif name not in _KNOWN and (hint := nearest(name, _KNOWN)):
            yield Fault(key, f"there is no such annotation; {hint}")


def _of_container(annotations: Mapping[str, str], identifier: str, container: str) -> Iterator[Wish | Fault]:
    """Raises FaultError."""
    key, text = _get(annotations, f"{identifier}.checks")
    if key in annotations:
        checks = _decoded(text)
        if not isinstance(checks, dict):
            raise FaultError('is no object of checks, such as {"redisdb": {"instances": [{"host": "%%host%%"}]}}')
        for check, config in checks.items():
            yield from _second_form(key, container, check, config)
        return
    key, text = _get(annotations, f"{identifier}.check_names")
    if not text:
        raise FaultError(f"without {PREFIXES[0]}{identifier}.check_names, or with an empty one, nothing is asked for")
    names = _list_of(text, f"{identifier}.check_names")
    instances = _list_of(_get(annotations, f"{identifier}.instances")[1], f"{identifier}.instances")
    given = _get(annotations, f"{identifier}.init_configs")[1]
    inits = _list_of(given, f"{identifier}.init_configs") if given else [{}] * len(names)
    if not len(names) == len(instances) == len(inits):
        counts = f"{len(names)}, {len(inits)} and {len(instances)}"
        raise FaultError(
            f"check_names, init_configs and instances have {counts} entries, and each check has one of all"
        )
    for name, init, some in zip(names, inits, instances, strict=True):
        yield from _instances(key, container, str(name), init, some if isinstance(some, list) else [some])


def _second_form(key: str, container: str, check: str, config: Any) -> Iterator[Wish | Fault]:
    if not isinstance(config, dict):
        yield Fault(key, f'{check}: is no object, such as {{"instances": [{{"host": "%%host%%"}}]}}', container)
        return
    some, odd = config.get("instances", []), [key for key, value in config.items() if key not in _OF_A_CHECK and value]
    if "instances" not in config and (set(odd) - _OF_ITS_TAGS or "logs" not in config):
        yield Fault(key, f"{check}: has no instances" + (f", but {', '.join(odd)}" if odd else ""), container)
    elif odd and some:
        yield Fault(key, f"{check}: no counterpart here: {', '.join(odd)}", container, stops=False)
    name = str(config.get("name") or check)
    yield from _instances(key, container, name, config.get("init_config"), some if isinstance(some, list) else [some])


def _instances(key: str, container: str, check: str, init: Any, instances: list[Any]) -> Iterator[Wish | Fault]:
    for i, instance in enumerate(instances):
        where = check if len(instances) == 1 else f"{check}.instances[{i}]"
        if not isinstance(instance, dict) or not isinstance(init or {}, dict):
            yield Fault(key, f"{where}: an instance and an init_config are objects", container)
            continue
        yield Wish(key, where, "datadog", container, check, instance, init or {})


def _list_of(text: str, name: str) -> list[Any]:
    if not text:
        raise FaultError(f"{name} is missing, or empty")
    found = _decoded(text)
    if not isinstance(found, list):
        raise FaultError(f"{name} is no list")
    return found


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(_bounded(text))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as e:
        raise FaultError(f"is no JSON: {e}") from None


def _get(annotations: Mapping[str, str], key: str) -> tuple[str, str]:
    """(name, value) of the annotation, "" if there is none."""
    for prefix in PREFIXES:
        if prefix + key in annotations:
            return prefix + key, annotations[prefix + key]
    return PREFIXES[0] + key, ""


# -- Prometheus -------------------------------------------------------------------------------------------------------


def _prometheus(annotations: Mapping[str, str], _containers: Sequence[str]) -> Iterator[Wish | Fault]:
    """By convention alone: the annotations that everybody's configuration of Prometheus goes by."""
    key = f"{PROMETHEUS}scrape"
    scrape = annotations.get(key, "false")
    if scrape not in _TRUE:
        if scrape.lower() not in ("false", "f", "0", "no", ""):
            yield Fault(key, f'is "{scrape[:40]}", expected "true" or "false"')
        return
    # What is empty is not said: templates write an annotation with nothing in it, and Prometheus' configurations ask
    # for something in it.
    port = annotations.get(f"{PROMETHEUS}port") or "%%port%%"
    path = annotations.get(f"{PROMETHEUS}path") or "/metrics"
    scheme = annotations.get(f"{PROMETHEUS}scheme") or "http"
    if port != "%%port%%" and not (port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536):
        yield Fault(f"{PROMETHEUS}port", f'is "{port[:40]}", expected a number from 1 to 65535')
    elif scheme not in ("http", "https"):
        yield Fault(f"{PROMETHEUS}scheme", f'is "{scheme[:40]}", expected http or https')
    else:
        url = f"{scheme}://%%host%%:{port}/{path.removeprefix('/')}"
        yield Wish(key, "", "prometheus", "", "openmetrics", {"url": url})
