"""What the kubelet says in Prometheus' format: `/metrics/resource`, and `/metrics/cadvisor`.

    container_oom_events_total{container="web",id="/kubepods/.../4f2...",image="...",name="4f2...",namespace="shop",
                               pod="web-0"} 1

A line belongs to a container, to a pod (no `container`; its sandbox holds the network) or to a control group above,
which is nobody's. Pods are told by namespace and name. cAdvisor goes on for minutes to tell of runs that are over; only
the run of the kubelet's list, by the id of its container, counts. Lines that differ in nothing else than a device or an
interface are added up, as the Datadog Agent does it.

Of `/metrics/resource` only that is taken which `/stats/summary` has too, under the same keys: it stands in for that
where a service account may read nothing but metrics.
"""

from collections.abc import Callable, Iterable, Mapping

from outrider.checks.check import Reading
from outrider.checks.kubelet.pods import Container, Pod
from outrider.checks.kubelet.rows import Row
from outrider.checks.openmetrics.exposition import Family, Sample
from outrider.model.points import Attributes

Names = Mapping[str, tuple[str, float]]

RESOURCE: Names = {
    "container_cpu_usage_seconds_total": ("container.cpu.usageCoreNanoSeconds", 1e9),
    "container_memory_working_set_bytes": ("container.memory.workingSetBytes", 1),
    "container_swap_usage_bytes": ("container.swap.swapUsageBytes", 1),
    "node_cpu_usage_seconds_total": ("node.cpu.usageCoreNanoSeconds", 1e9),
    "node_memory_working_set_bytes": ("node.memory.workingSetBytes", 1),
}
"""Keys and factors by the name of a line of `/metrics/resource` (kubernetes.io/docs/reference/instrumentation)."""
CADVISOR: Names = {
    "container_cpu_cfs_periods_total": ("container.cfs.periods", 1),
    "container_cpu_cfs_throttled_periods_total": ("container.cfs.throttled_periods", 1),
    "container_cpu_cfs_throttled_seconds_total": ("container.cfs.throttled_seconds", 1),
    "container_cpu_system_seconds_total": ("container.cpu.system_seconds", 1),
    "container_cpu_user_seconds_total": ("container.cpu.user_seconds", 1),
    "container_fs_reads_bytes_total": ("container.fs.reads_bytes", 1),
    "container_fs_writes_bytes_total": ("container.fs.writes_bytes", 1),
    "container_memory_cache": ("container.memory.cache", 1),
    "container_network_receive_packets_dropped_total": ("pod.network.receive_packets_dropped", 1),
    "container_network_transmit_packets_dropped_total": ("pod.network.transmit_packets_dropped", 1),
    "container_oom_events_total": ("container.oom_events", 1),
    "machine_cpu_cores": ("node.machine_cpu_cores", 1),
    "machine_memory_bytes": ("node.machine_memory_bytes", 1),
}
"""The same of `/metrics/cadvisor` (github.com/google/cadvisor, docs/storage/prometheus.md)."""

_Whose = tuple[Attributes, int | None]


def wanted(names: Names) -> Callable[[Family], bool]:
    """Which families have lines of these names."""
    families = {name.removesuffix("_total") for name in names} | names.keys()
    return lambda family: family.name in families


def report(samples: Iterable[Sample], names: Names, pods: Mapping[str, Pod], reading: Reading) -> None:
    """Add what of `samples` belongs to the node or to one of `pods`, which are by uid."""
    by_name = {(dict(pod.attributes)["namespace"], dict(pod.attributes)["pod"]): pod for pod in pods.values()}
    sums: dict[tuple[str, Attributes, int | None], float] = {}
    for sample in samples:
        known = names.get(sample.name)
        whose = None if known is None else _whose(known[0], dict(sample.labels), by_name)
        if known is not None and whose is not None:
            row = (known[0], *whose)
            sums[row] = sums.get(row, 0.0) + sample.value * known[1]
    for (key, attributes, start), value in sums.items():
        Row(reading, attributes, start).add(key, value)


def _whose(key: str, labels: dict[str, str], pods: Mapping[tuple[str, str], Pod]) -> _Whose | None:
    """Who has it, and since when it is counted; None if it is nobody's who is reported."""
    if key.startswith("node."):
        return (), None
    pod = pods.get((labels.get("namespace", ""), labels.get("pod", "")))
    if pod is None:
        return None
    if key.startswith("pod."):
        return (pod.attributes, pod.start) if pod.own_network and not labels.get("container") else None
    container = pod.containers.get(labels.get("container", ""))
    return None if container is None or not _runs(container, labels) else (container.attributes, container.start)


def _runs(container: Container, labels: Mapping[str, str]) -> bool:
    """Whether it is about the run that is under way; `/metrics/resource` has no other."""
    name = labels.get("name")
    return container.start is not None and name in (None, container.id)
