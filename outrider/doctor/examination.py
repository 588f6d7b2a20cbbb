"""Which probes there are, given a configuration and the program that it is for."""

import os
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from outrider.checks.found import INSTALLED
from outrider.config import Config, Problem, examine
from outrider.config.problems import UnusableError
from outrider.doctor import collector, injection, kubernetes, machine, vendors
from outrider.doctor.finding import Finding, Probe, Status, fail, ok
from outrider.doctor.finding import examine as ask
from outrider.doctor.look import Clocks
from outrider.kube.own import FIELDS, OwnPod
from outrider.kube.platform import PlatformError, resolve
from outrider.model.clock import Clock, SystemClock
from outrider.model.cluster import Cluster
from outrider.pipeline.destinations import key_file, unrouted, used

Program = Literal["node", "sidecar", "cluster"]
PROGRAMS: tuple[Program, ...] = ("node", "sidecar", "cluster")
WITHIN = 15.0
"""Seconds that all probes together may take."""


def findings(
    path: str,
    program: Program | None = None,
    env: Mapping[str, str] = os.environ,
    clock: Clock | None = None,
    within: float = WITHIN,
) -> tuple[bool, list[Finding]]:
    """Whether the configuration at `path` can be used, and all that was found. `program` is whom it is for, found out
    by what it asks for if it is None.
    """
    clock = clock or SystemClock()
    report = examine(path, env, checks=INSTALLED)
    found = [_problem(problem) for problem in report.problems]
    config = report.config
    if config is None:
        return False, found
    program = program or ("sidecar" if config.logs.files or any(map(env.get, FIELDS)) else "node")
    found.append(ok("configuration", f"{path}, for outrider {program}"))
    cluster, where = _place(config, env)
    clocks = Clocks()
    found += [where, *ask(list(_probes(config, program, cluster, clock, clocks, env)), within)]
    return True, [*found, *clocks.findings(), *vendors.proxy(env)]


def _problem(problem: Problem) -> Finding:
    status: Status = "fail" if problem.severity == "error" else "warn"
    words = str(msgspec.structs.replace(problem, hint="", severity="error"))
    return Finding(status, "configuration", words, problem.hint or "every key is in docs/configuration.md")


def _place(config: Config, env: Mapping[str, str]) -> tuple[Cluster, Finding]:
    """Where this is. What is not known has no name in what the vendors are asked."""
    key_files = [f for f in map(key_file, config.exporters.values()) if f is not None]
    try:
        cluster = resolve(config.cluster, env, credentials=key_files[0] if key_files else "adc")
    except PlatformError as e:
        given = config.cluster
        half = Cluster(given.project or "unknown", given.name or "", given.location or "", given.node or "")
        return half, fail("cluster", " ".join(str(e).split()), f"set {' and '.join(e.missing)} in the configuration")
    words = f"{cluster.name} in {cluster.location}, project {cluster.project}, node {cluster.node}"
    return cluster, ok("cluster", words)


def _probes(
    config: Config, program: Program, cluster: Cluster, clock: Clock, clocks: Clocks, env: Mapping[str, str]
) -> Iterator[Probe]:
    yield from _of_machine(config, program, clock, env)
    metrics = program == "cluster" or bool(
        config.metrics.checks
        or config.dogstatsd.listen
        or config.otlp.listen
        or config.metrics.kubelet.enabled
        or (program == "node" and config.metrics.discover and config.kube.source != "none")
    )
    for name in [*used(config), *unrouted(config)]:
        yield from vendors.probes(config, name, metrics, cluster, clock, clocks, env)
    if program == "node" and config.kube.source == "kubelet":
        yield Probe("kubelet", lambda: kubernetes.kubelet(config, clock, clocks, env))
    if program == "node" and config.kube.source == "api":
        rights = kubernetes.WATCHING_PODS
        yield Probe("API server", lambda: kubernetes.api_server(config, rights, clock, clocks, env))
    if program == "cluster":
        wanted = kubernetes.of_cluster(config, env)
        yield Probe("API server", lambda: kubernetes.api_server(config, wanted, clock, clocks, env))
        yield Probe("injection", lambda: injection.injection(config, clock, env))
    yield Probe("collector", lambda: collector.running(config, clock))


def _of_machine(config: Config, program: Program, clock: Clock, env: Mapping[str, str]) -> Iterator[Probe]:
    if program == "node" or config.logs.files:
        yield Probe("native core", machine.core)
    if program == "node":
        yield Probe("state", lambda: machine.state(config))
        yield Probe("log files", lambda: machine.pod_logs(config))
        yield Probe("inotify", lambda: machine.inotify(config))
        if config.logs.hold.budget:
            yield Probe("hold", lambda: machine.hold(config))
    elif program == "sidecar":
        yield Probe("downward API", lambda: _own_pod(clock, env))
        if config.logs.files:
            yield Probe("state", lambda: machine.state(config))
            yield Probe("log files", lambda: machine.shared_logs(config))


def _own_pod(clock: Clock, env: Mapping[str, str]) -> Iterator[Finding]:
    try:
        own = OwnPod(clock, env)
    except UnusableError as e:
        yield fail("downward API", str(e), "the library chart does so: docs/sidecar.md")
    else:
        yield ok("downward API", f"this is the pod {own.namespace}/{own.name}, container {own.container}")
