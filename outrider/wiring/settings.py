"""From what is asked for to the configuration of a sidecar, as it will stand in a ConfigMap.

A file is read as any configuration is, but with the variables that the container will have, not with those of here: the
pod's own, and one for each secret. Where the state is, and the port of the telemetry, is decided by the wiring.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import yaml
from msgspec.structs import fields

from outrider.config import Check, examine_text
from outrider.config.load import Report
from outrider.config.problems import ConfigError, Problem
from outrider.config.secrets import Secret
from outrider.config.shape import CheckTypes
from outrider.wiring.pod import PORT, STATE, variables

_DECIDED = {
    "state": f"a sidecar in a pod keeps it in {STATE}",
    "telemetry": f"the liveness probe of a sidecar in a pod asks at port {PORT}",
}
_IN_THE_POD = {"POD_NAMESPACE": "n", "POD_NAME": "n", "POD_UID": "n", "NODE_NAME": "n"}


def configuration(path: str | None, checks: Sequence[str], logs: str, installed: CheckTypes | None) -> dict[str, Any]:
    """The file at `path` (None: nothing but an exporter to Google), with these `checks` and the files of the directory
    `logs`. Raises ConfigError if the result could not be used, or would show a secret.
    """
    name, text = "the options", "{}"
    if path is not None:
        name, text = path, _read(path)
    given = _mapping(text)
    _usable(text if given else "{}", name, given, installed)
    for key, why in _DECIDED.items():
        if given.get(key, STATE) != STATE:
            raise ConfigError([Problem(name, 0, 0, key, why, "leave it out")])
    config = _completed(given, checks, logs)
    try:
        report = _usable(written(config), name, config, installed)
    except ConfigError as e:  # of what the options have added: it stands in no line of a file
        hint = "settings of a check stand in the file of --config"
        raise ConfigError([Problem(name, 0, 0, p.path, p.message, p.hint or hint) for p in e.problems]) from None
    for where, value in _secrets(report.config, ""):
        if value.env is None and value.file is None:
            hint = "write {env: NAME}, and put it into the Secret outrider-sidecar under that name"
            raise ConfigError([Problem(name, 0, 0, where, "would stand in a ConfigMap for everybody to read", hint)])
    return config


def written(config: Mapping[str, Any]) -> str:
    """The text of the file."""
    return yaml.safe_dump(dict(config), sort_keys=True, width=120, allow_unicode=True)


def checksum(config: Mapping[str, Any]) -> str:
    """Of the text, in hexadecimal."""
    return hashlib.sha256(written(config).encode()).hexdigest()


def _completed(given: Mapping[str, Any], checks: Sequence[str], logs: str) -> dict[str, Any]:
    config = {**given, "state": STATE}
    exporters = config.get("exporters") or {"google": {"kind": "stackdriver"}}
    config["exporters"] = {name: _with_key(one) for name, one in exporters.items()}
    if logs:
        config["logs"] = {"files": [f"{logs}/**/*.log"], **(config.get("logs") or {})}
    if checks:
        metrics = config.get("metrics") or {}
        there = metrics.get("checks") or []
        named = {name for one in there for name in one}
        config["metrics"] = {**metrics, "checks": [*there, *({name: {}} for name in checks if name not in named)]}
    return config


def _with_key(exporter: Mapping[str, Any]) -> Mapping[str, Any]:
    """Datadog's key is a variable unless something else is said, which the ConfigMap says aloud."""
    needs = exporter.get("kind") == "datadog" and "api_key" not in exporter
    return {**exporter, "api_key": {"env": "DD_API_KEY"}} if needs else exporter


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8-sig") as f:
            return f.read()
    except (OSError, UnicodeDecodeError) as e:
        reason = e.strerror if isinstance(e, OSError) else "it is not UTF-8 text"
        raise ConfigError([Problem(path, 0, 0, "", f"cannot be read: {reason}", "")]) from None


def _mapping(text: str) -> dict[str, Any]:
    """What is in it, if that is YAML at all; what is wrong with it is told by `examine_text`."""
    try:
        given = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return {"": ""}
    return given if isinstance(given, dict) else {"": ""} if given is not None else {}


def _usable(text: str, name: str, config: Mapping[str, Any], installed: CheckTypes | None) -> Report:
    known = dict.fromkeys((*variables(config), "DD_API_KEY"), "x")
    report = examine_text(text, name, {**_IN_THE_POD, **known}, installed)
    if report.config is None:
        raise ConfigError([p for p in report.problems if p.severity == "error"])
    return report


def _secrets(value: Any, path: str) -> list[tuple[str, Secret]]:
    """Every secret of a configuration that is not what everybody has by default, with its path."""
    if isinstance(value, Secret):
        return [(path, value)]
    if isinstance(value, Mapping):
        return [found for key, one in value.items() for found in _secrets(one, f"{path}.{key}".lstrip("."))]
    if isinstance(value, list | tuple):
        return [found for i, one in enumerate(value) for found in _secrets(one, f"{path}[{i}]")]
    if isinstance(value, Check):
        return _secrets(value.settings, f"{path}.{value.name}")
    if isinstance(value, msgspec.Struct):
        said = [field for field in fields(value) if getattr(value, field.name) != field.default]
        return [found for f in said for found in _secrets(getattr(value, f.name), f"{path}.{f.name}".lstrip("."))]
    return []
