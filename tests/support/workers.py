"""A collector of several processes: its workers from outside, and pods that are known to be read by one of them."""

import os
import signal
from pathlib import Path

from outrider.demo.kubelet import PodLog
from outrider.model.clock import SystemClock
from outrider.model.shard import owner
from tests.support.node import NodeProcess
from tests.support.tree import Numbered
from tests.support.wait import until


def workers(node: NodeProcess) -> dict[int, int]:
    """The process ids of its workers that run, by their number."""
    assert node.process is not None
    return {i: pid for i, (pid, parent) in all_workers(node).items() if parent == node.process.pid}


def all_workers(node: NodeProcess) -> dict[int, tuple[int, int]]:
    """(process id, parent) of every worker for its configuration, whoever is its parent."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdecimal():
            continue
        try:
            words = Path(f"/proc/{entry}/cmdline").read_bytes().decode().split("\0")
            fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if "worker" in words and str(node.root / "outrider.yaml") in words and fields[0] != "Z":
            index = int(words[words.index("worker") + 3].partition("/")[0])
            found[index] = (int(entry), int(fields[1]))
    return found


def kill_worker(node: NodeProcess, index: int) -> None:
    """`kill -9`, and wait until another one runs in its place and is at work."""
    before = workers(node)[index]
    os.kill(before, signal.SIGKILL)
    until(lambda: workers(node).get(index, before) != before, timeout=20)
    until(node.is_ready, timeout=20)


def pod_of(node: NodeProcess, worker: int, of: int, name: str, namespace: str = "shop", **more: int) -> PodLog:
    """A new pod whose container `main` is read by `worker`."""
    uid = next(uid for uid in (f"{name}-{i}" for i in range(10_000)) if owner(uid, "main", of) == worker)
    return PodLog(node.pods, namespace, name, uid, SystemClock(), **more)


def writers(node: NodeProcess, count: int, of: int = 2, lines: int = 0) -> list[Numbered]:
    """`count` pods, in turn one for each worker, with some lines."""
    found = [Numbered(f"pod-{i}", pod_of(node, i % of, of, f"pod-{i}").container("main")) for i in range(count)]
    for writer in found:
        writer.write(lines)
    return found
