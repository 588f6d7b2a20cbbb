"""The kubelet's `/stats/summary`: what the node, its pods and their containers use.

The form is that of k8s.io/kubelet, pkg/apis/stats/v1alpha1. It has the same numbers as `/metrics/resource`, and
network, file systems and volumes besides. Nearly everything in it may be missing, depending on the runtime and on how
long a container has been running; what is missing is not reported.

Counters begin anew with each run of a container, which is why they have its `startTime` as their start. Only pods of
the list that was read just before are reported: of others it is not known whether they have a network of their own, and
the numbers of pods on the node's network are the node's.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from outrider.checks.check import Reading
from outrider.checks.kubelet.pods import UNREADABLE, Container, Pod
from outrider.checks.kubelet.rows import Row, nanoseconds

PROGRAMS = ("kubelet", "runtime")
"""System containers that are reported; the others (`pods`, `misc`) are sums."""


class _Cpu(msgspec.Struct, rename="camel"):
    usage_core_nano_seconds: int | None = None
    usage_nano_cores: int | None = None


class _Memory(msgspec.Struct, rename="camel"):
    usage_bytes: int | None = None
    working_set_bytes: int | None = None
    rss_bytes: int | None = None


class _Network(msgspec.Struct, rename="camel"):
    rx_bytes: int | None = None
    rx_errors: int | None = None
    tx_bytes: int | None = None
    tx_errors: int | None = None


class _Fs(msgspec.Struct, rename="camel"):
    used_bytes: int | None = None
    capacity_bytes: int | None = None
    available_bytes: int | None = None
    inodes: int | None = None
    inodes_free: int | None = None
    inodes_used: int | None = None


class _Swap(msgspec.Struct, rename="camel"):
    swap_usage_bytes: int | None = None


class _Claim(msgspec.Struct):
    name: str = ""


class _Volume(_Fs, rename="camel"):
    name: str = ""
    pvc_ref: _Claim | None = None


class _Container(msgspec.Struct, rename="camel"):
    name: str = ""
    start_time: datetime | None = None
    cpu: _Cpu | None = None
    memory: _Memory | None = None
    rootfs: _Fs | None = None
    logs: _Fs | None = None
    swap: _Swap | None = None


class _Reference(msgspec.Struct):
    uid: str = ""


class _Pod(msgspec.Struct, rename={"pod_ref": "podRef", "ephemeral_storage": "ephemeral-storage"}):
    pod_ref: _Reference
    containers: list[_Container] | None = None
    network: _Network | None = None
    volume: list[_Volume] | None = None
    ephemeral_storage: _Fs | None = None


class _Runtime(msgspec.Struct, rename="camel"):
    image_fs: _Fs | None = None


class _Processes(msgspec.Struct):
    maxpid: int | None = None
    curproc: int | None = None


class _Node(msgspec.Struct, rename="camel"):
    start_time: datetime | None = None
    cpu: _Cpu | None = None
    memory: _Memory | None = None
    network: _Network | None = None
    fs: _Fs | None = None
    runtime: _Runtime | None = None
    rlimit: _Processes | None = None
    system_containers: list[_Container] | None = None


class _Summary(msgspec.Struct):
    node: _Node
    pods: list[msgspec.Raw] | None = None


_summary = msgspec.json.Decoder(_Summary)
_pod = msgspec.json.Decoder(_Pod)
_NONE = _Fs()


def read_summary(body: bytes, pods: Mapping[str, Pod], reading: Reading) -> int:
    """Add its numbers to `reading`; how many pods could not be read. Raises ValueError if `body` is no summary."""
    try:
        summary = _summary.decode(body)
    except UNREADABLE as e:
        raise ValueError(f"no summary: {e}") from None
    bad = 0
    _node(summary.node, reading)
    for item in summary.pods or ():
        try:
            found = _pod.decode(item)
        except UNREADABLE:
            bad += 1
            continue
        pod = pods.get(found.pod_ref.uid)
        if pod is not None:
            _report(found, pod, reading)
    return bad


def _report(found: _Pod, pod: Pod, reading: Reading) -> None:
    row = Row(reading, pod.attributes, pod.start)
    if found.network is not None and pod.own_network:
        _network("pod", found.network, row)
        row.add("pod.network.rxErrors", found.network.rx_errors)
        row.add("pod.network.txErrors", found.network.tx_errors)
    if found.ephemeral_storage is not None and pod.alive:
        row.add("pod.ephemeral-storage.usedBytes", found.ephemeral_storage.used_bytes)
    for volume in found.volume or ():
        if volume.pvc_ref is not None and volume.pvc_ref.name:
            named = (("claim", volume.pvc_ref.name), *pod.attributes, ("volume", volume.name))
            _volume(volume, Row(reading, named))
    for one in found.containers or ():
        known = pod.containers.get(one.name)
        if known is not None:
            _container(one, known, reading)


def _container(found: _Container, known: Container, reading: Reading) -> None:
    start = nanoseconds(found.start_time) or known.start
    row = Row(reading, known.attributes, start)
    if known.start is not None and start is not None:
        row.add("container.uptime", max(reading.time - start, 0) / 1e9)
    if found.cpu is not None:
        row.add("container.cpu.usageCoreNanoSeconds", found.cpu.usage_core_nano_seconds)
    if found.memory is not None:
        _memory("container", found.memory, row)
        row.add("container.memory.rssBytes", found.memory.rss_bytes)
        row.add("container.memory.usage_pct", _share(found.memory.usage_bytes, known.memory))
        row.add("container.memory.limit_utilization", _share(found.memory.working_set_bytes, known.memory))
    if found.swap is not None:
        row.add("container.swap.swapUsageBytes", found.swap.swap_usage_bytes)
    rootfs, logs = found.rootfs or _NONE, found.logs or _NONE
    row.add("container.rootfs.usedBytes", rootfs.used_bytes)
    row.add("container.rootfs.usage_pct", _share(rootfs.used_bytes, rootfs.capacity_bytes))
    row.add("container.logs.usedBytes", logs.used_bytes)
    if rootfs.used_bytes is not None:
        row.add("container.ephemeral_storage.used", rootfs.used_bytes + (logs.used_bytes or 0))


def _node(node: _Node, reading: Reading) -> None:
    row = Row(reading, (), nanoseconds(node.start_time))
    if node.cpu is not None:
        row.add("node.cpu.usageCoreNanoSeconds", node.cpu.usage_core_nano_seconds)
    if node.memory is not None:
        _memory("node", node.memory, row)
    if node.network is not None:
        _network("node", node.network, row)
    if node.rlimit is not None:
        row.add("node.rlimit.maxpid", node.rlimit.maxpid)
        row.add("node.rlimit.curproc", node.rlimit.curproc)
    fs = node.fs or _NONE
    images = (node.runtime.image_fs if node.runtime is not None else None) or _NONE
    for name, one in (("node.fs", fs), ("node.imageFs", images)):
        row.add(f"{name}.usedBytes", one.used_bytes)
        row.add(f"{name}.usage_pct", _share(one.used_bytes, one.capacity_bytes))
    row.add("node.fs.capacityBytes", fs.capacity_bytes)
    row.add("node.fs.inodesFree", fs.inodes_free)
    row.add("node.fs.inodes", fs.inodes)
    for program in node.system_containers or ():
        if program.name in PROGRAMS:
            _program(program, Row(reading, (), nanoseconds(program.start_time)))


def _program(found: _Container, row: Row) -> None:
    if found.cpu is not None:
        row.add(f"{found.name}.cpu.usageNanoCores", found.cpu.usage_nano_cores)
        row.add(f"{found.name}.cpu.usageCoreNanoSeconds", found.cpu.usage_core_nano_seconds)
    if found.memory is not None:
        _memory(found.name, found.memory, row)
        row.add(f"{found.name}.memory.rssBytes", found.memory.rss_bytes)


def _memory(whose: str, memory: _Memory, row: Row) -> None:
    """Usage, and the two parts that it has for Google: what could be evicted, and the rest, which is the working set
    (cloud.google.com/monitoring/api/metrics_kubernetes, `memory_type`).
    """
    used, kept = memory.usage_bytes, memory.working_set_bytes
    row.add(f"{whose}.memory.usageBytes", used)
    row.add(f"{whose}.memory.workingSetBytes", kept)
    if used is not None and kept is not None:
        row.add(f"{whose}.memory.evictable", max(used - kept, 0))


def _network(whose: str, network: _Network, row: Row) -> None:
    row.add(f"{whose}.network.rxBytes", network.rx_bytes)
    row.add(f"{whose}.network.txBytes", network.tx_bytes)


def _volume(volume: _Volume, row: Row) -> None:
    row.add("volume.usedBytes", volume.used_bytes)
    row.add("volume.capacityBytes", volume.capacity_bytes)
    row.add("volume.availableBytes", volume.available_bytes)
    row.add("volume.utilization", _share(volume.used_bytes, volume.capacity_bytes))
    row.add("volume.inodes", volume.inodes)
    row.add("volume.inodesFree", volume.inodes_free)
    row.add("volume.inodesUsed", volume.inodes_used)


def _share(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None
