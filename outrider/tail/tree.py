"""Kubelet's tree of container logs: `<root>/<namespace>_<pod>_<uid>/<container>/<restart>.log` (see `names.py`).

Three levels of directories, each of which is listed again when it changes. What kubelet did not make is left alone.
Directories of containers that belong to another process's `shard` are not looked into.
"""

import os
from functools import partial

from outrider.model.shard import ALONE, Shard
from outrider.model.stream import Stream
from outrider.tail.directories import inode_of
from outrider.tail.finder import Watching
from outrider.tail.forms import RUNTIME
from outrider.tail.names import PodDirectory, is_container, pod_directory, restart_of

_NOT_KUBELETS = "kubelet's tree is <namespace>_<pod>_<uid>/<container>/<restart>.log"


class Tree:
    """A `Finder` of the streams under `root`."""

    form = RUNTIME

    def __init__(self, root: str, shard: Shard = ALONE) -> None:
        self.name, self._shard = root, shard
        self.roots = (root,)

    def path_of(self, stream: Stream) -> str:
        return os.path.join(self.name, stream.key + ".log")

    def scan(self, watching: Watching, root: str) -> None:
        names = watching.list(root, inode_of(root), partial(self.scan, watching, root)) or {}
        for name, inode in names.items():
            path, pod = os.path.join(root, name), pod_directory(name)
            if pod is None:
                if self._shard.owns(name, ""):  # one of the processes says it
                    watching.odd(path, _NOT_KUBELETS)
            elif watching.is_new(path, inode):
                watching.guarded(partial(self._scan_pod, watching, path, pod, inode))

    def _scan_pod(self, watching: Watching, path: str, pod: PodDirectory, entry: int) -> None:
        names = watching.list(path, entry, partial(self._scan_pod, watching, path, pod, entry)) or {}
        for name, inode in names.items():
            if not self._shard.owns(pod.uid, name):
                continue
            container = os.path.join(path, name)
            if watching.is_new(container, inode) and os.path.isdir(container):
                if is_container(name):
                    watching.guarded(partial(self._scan_container, watching, container, pod, inode))
                else:
                    watching.odd(container, _NOT_KUBELETS)

    def _scan_container(self, watching: Watching, path: str, pod: PodDirectory, entry: int) -> None:
        names = watching.list(path, entry, partial(self._scan_container, watching, path, pod, entry)) or ()
        restarts = {restart for name in names if (restart := restart_of(name)) is not None}
        found = {os.path.join(path, f"{restart}.log"): restart for restart in sorted(restarts)}
        followed = watching.followed_in(path)
        for live in followed:
            watching.look(live)
        for live, restart in found.items():
            if live not in followed:
                watching.take_up(live, Stream(*pod, os.path.basename(path), restart))
