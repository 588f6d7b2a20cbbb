"""From a file to a `Config`: bytes, text, nodes, model; each step may end in problems, never in a traceback."""

import os
from collections.abc import Mapping

import msgspec

from outrider.config.check import check
from outrider.config.expand import expand
from outrider.config.findings import Findings
from outrider.config.model import Config
from outrider.config.problems import ConfigError, Problem
from outrider.config.shape import CheckTypes
from outrider.config.yaml_nodes import YamlError, position, read_nodes

_KUBELET = "https://${NODE_IP:-127.0.0.1}:10250"
_API = "https://${KUBERNETES_SERVICE_HOST:-kubernetes.default.svc}:${KUBERNETES_SERVICE_PORT:-443}"
_HOSTS = ("NODE_IP", "KUBERNETES_SERVICE_HOST")  # an IPv6 address needs brackets in a URL


class Report(msgspec.Struct, frozen=True):
    """What came out of reading a file: the configuration (None if there are errors), and errors and warnings in
    the order of the file."""

    config: Config | None
    problems: list[Problem]


def load(path: str | os.PathLike[str], env: Mapping[str, str] = os.environ, checks: CheckTypes | None = None) -> Config:
    """The configuration in file `path`. Raises ConfigError with all that is wrong with it, or with opening it. `checks`
    are those that `metrics.checks` may name; None leaves their settings unread.
    """
    return _usable(examine(path, env, checks))


def parse(
    text: str | bytes,
    name: str = "<string>",
    env: Mapping[str, str] = os.environ,
    checks: CheckTypes | None = None,
) -> Config:
    """The configuration in `text`, which messages call `name`. Raises ConfigError with all that is wrong with it."""
    return _usable(examine_text(text, name, env, checks))


def examine(
    path: str | os.PathLike[str], env: Mapping[str, str] = os.environ, checks: CheckTypes | None = None
) -> Report:
    """Like `load`, but returns what it finds, warnings included, instead of raising."""
    name = os.fspath(path)
    try:
        with open(name, "rb") as f:
            data = f.read()
    except (OSError, ValueError) as e:
        reason = (e.strerror or str(e)) if isinstance(e, OSError) else str(e)
        hint = "give the path of a YAML file" if isinstance(e, FileNotFoundError | IsADirectoryError) else ""
        return Report(None, [Problem(name, 0, 0, "", f"cannot be read: {reason}", hint)])
    return examine_text(data, name, env, checks)


def examine_text(
    text: str | bytes,
    name: str = "<string>",
    env: Mapping[str, str] = os.environ,
    checks: CheckTypes | None = None,
) -> Report:
    """Like `parse`, but returns what it finds, warnings included, instead of raising."""
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text.removeprefix("\ufeff")
    except UnicodeDecodeError as e:
        before = e.object[: e.start].decode("utf-8")
        line, column = position(before, len(before))
        message = f"is not UTF-8 text: the byte 0x{e.object[e.start]:02x} cannot stand here"
        return Report(None, [Problem(name, line, column, "", message, "save the file as UTF-8")])
    findings = Findings(name, env)
    try:
        root, faults = read_nodes(decoded)
    except YamlError as e:
        fault = e.fault
        return Report(None, [Problem(name, fault.line, fault.column, "", fault.message, fault.hint)])
    for fault in faults:
        findings.problems.append(Problem(name, fault.line, fault.column, fault.path, fault.message, fault.hint))
    config = check(root, findings, checks)
    problems = sorted(findings.problems, key=lambda p: (p.line, p.column))
    return Report(config and _with_addresses(config, env), problems)


def _usable(report: Report) -> Config:
    if report.config is None:
        raise ConfigError(report.problems)
    return report.config


def _with_addresses(config: Config, env: Mapping[str, str]) -> Config:
    """Fill in where the kubelet or the API server is, which kubelet tells every container."""
    kube = config.kube
    if kube.url is not None or kube.source == "none":
        return config
    addresses = {k: f"[{v}]" if v.count(":") > 1 and v[0] != "[" else v for k, v in env.items() if k in _HOSTS}
    url = expand(_KUBELET if kube.source == "kubelet" else _API, {**env, **addresses}).text
    return msgspec.structs.replace(config, kube=msgspec.structs.replace(kube, url=url))
