"""What a pod's annotations ask of Datadog's logs, in the Agent's own words.

    ad.datadoghq.com/web.logs: '[{"source":"nginx","service":"shop","tags":["team:a"],"log_processing_rules":[…]}]'
    ad.datadoghq.com/web.checks: '{"nginx":{"instances":[…],"logs":[{"source":"nginx"}]}}'
    ad.datadoghq.com/web.check.id: "other"          then it is `ad.datadoghq.com/other.logs` that counts for `web`
    ad.datadoghq.com/web.logs_exclude: "true"       also `web.exclude`; without `web.` for the whole pod

The older prefix `service-discovery.datadoghq.com/` counts where the newer one is silent. What cannot be read is left
out, with words about it; the lines go out all the same (datadog-agent,
`comp/core/autodiscovery/common/utils/pod_annotations.go`).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

PREFIXES = ("ad.datadoghq.com/", "service-discovery.datadoghq.com/")
MAX_RULES = 20
"""Rules that the annotation of a container may have: every line goes through all of them."""
_TRUE = frozenset({"1", "t", "T", "true", "True", "TRUE"})  # Go's strconv.ParseBool
_OWN = frozenset({"", "docker", "containerd"})  # types of a log that is the container's output


class AnnotatedRule(msgspec.Struct, frozen=True):
    """One of `log_processing_rules`."""

    type: str = ""
    name: str = ""
    pattern: str = ""
    replace_placeholder: str = ""


class LogConfig(msgspec.Struct, frozen=True):
    """One log of a container."""

    type: str = ""
    service: str = ""
    source: str = ""
    sourcecategory: str = ""
    tags: list[str] | str | None = None
    log_processing_rules: list[Any] | None = None

    def tag_list(self) -> list[str]:
        """Its tags; a string has them separated by commas."""
        tags = self.tags.split(",") if isinstance(self.tags, str) else self.tags or []
        return [tag.strip() for tag in tags if tag.strip()]


class Asked(msgspec.Struct, frozen=True):
    """What the annotations of a pod ask for one container. `problems` has words about what could not be read."""

    excluded: bool = False
    config: LogConfig = LogConfig()
    rules: list[AnnotatedRule] = []
    problems: list[str] = []


def asked(annotations: Mapping[str, str], container: str) -> Asked:
    """What `annotations` ask for `container`."""
    excluded = any(
        _get(annotations, key)[1] in _TRUE
        for key in (f"{container}.logs_exclude", f"{container}.exclude", "logs_exclude", "exclude")
    )
    problems: list[str] = []
    name = _get(annotations, f"{container}.check.id")[1] or container
    configs = _logs(annotations, name, problems)
    own = [c for c in configs if c.type in _OWN]
    problems += [f"logs of type {c.type!r} are not supported" for c in configs if c.type not in _OWN]
    if len(own) > 1:
        problems.append(f"{name}.logs: of {len(own)} configurations the first holds")
    config = own[0] if own else LogConfig()
    return Asked(excluded, config, _rules(config, problems), problems)


def _logs(annotations: Mapping[str, str], name: str, problems: list[str]) -> list[LogConfig]:
    """The configurations of `<name>.logs`, else those within `<name>.checks`."""
    key, text = _get(annotations, f"{name}.logs")
    if text:
        found = _decoded(key, text, problems)
        return [] if found is None else _configs(key, found, problems)
    key, text = _get(annotations, f"{name}.checks")
    checks = _decoded(key, text, problems) if '"logs"' in text else None
    if not isinstance(checks, dict):
        return []
    return [
        config
        for check, settings in checks.items()
        if isinstance(settings, dict) and settings.get("logs") is not None
        for config in _configs(f"{key}: {check}.logs", settings["logs"], problems)
    ]


def _decoded(key: str, text: str, problems: list[str]) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as e:
        problems.append(f"{key}: no JSON: {e}")
        return None


def _configs(where: str, found: Any, problems: list[str]) -> list[LogConfig]:
    if not isinstance(found, list):
        problems.append(f"{where}: invalid format, expected an array")
        return []
    try:
        return msgspec.convert([_without_nulls(one) for one in found], list[LogConfig])
    except msgspec.ValidationError as e:
        problems.append(f"{where}: {e}")
        return []


def _rules(config: LogConfig, problems: list[str]) -> list[AnnotatedRule]:
    rules: list[AnnotatedRule] = []
    for n, rule in enumerate(config.log_processing_rules or []):
        if n >= MAX_RULES:
            problems.append(f"log_processing_rules: only the first {MAX_RULES} count")
            break
        try:
            rules.append(msgspec.convert(_without_nulls(rule), AnnotatedRule))
        except msgspec.ValidationError as e:
            problems.append(f"log_processing_rules[{n}]: {e}")
    return rules


def _without_nulls(found: Any) -> Any:
    """Go leaves a field as it is for a null."""
    return {k: v for k, v in found.items() if v is not None} if isinstance(found, dict) else found


def _get(annotations: Mapping[str, str], key: str) -> tuple[str, str]:
    """(name, value) of the annotation, "" if there is none."""
    for prefix in PREFIXES:
        if prefix + key in annotations:
            return prefix + key, annotations[prefix + key]
    return PREFIXES[0] + key, ""
