"""What is known of every pod of this node: a cache in memory, a snapshot on disk, and a source that feeds both.

Readers ask with `get`, which looks into a dict and never waits. One thread runs the source; it hands over whole lists
or single changes. A pod that is gone is kept for an hour, because its last lines are read after it has died. A second
thread writes what changed to the snapshot, at most once a second, so that a restart forgets nothing.
"""

import logging
import os
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import msgspec

from outrider.config.model import SERVICE_ACCOUNT
from outrider.config.problems import UnusableError
from outrider.kube.api import ApiSource
from outrider.kube.client import KubeClient, Token, TokenFile
from outrider.kube.kubelet import KubeletSource
from outrider.kube.snapshot import Known, Snapshot
from outrider.kube.source import NoSource, Source
from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.model.pod import Pod

SNAPSHOT = "pods.json"
LINGER = 3600.0
PATIENCE = 5.0

log = logging.getLogger(__name__)


class KubeConfig(Protocol):
    """The configuration's `kube` block."""

    @property
    def source(self) -> str: ...
    @property
    def url(self) -> str | None: ...
    @property
    def token(self) -> Token | None: ...
    @property
    def ca(self) -> str | os.PathLike[str] | None: ...


class KubeConfigError(UnusableError):
    """The `kube` block leaves out something that cannot be found either; the text names the key and the way out."""


class Pods:
    """The pods of this node, thread safe. `on_change(uid)` is called, from the source's thread, for every pod that is
    new or whose metadata has changed (not for deletions: a deleted pod keeps its metadata)."""

    def __init__(
        self,
        source: Source,
        snapshot_path: Path | None,
        clock: Clock,
        counters: Counters,
        on_change: Callable[[str], None],
    ) -> None:
        self._source, self._clock, self._counters, self._on_change = source, clock, counters, on_change
        self._snapshot = Snapshot(snapshot_path, counters) if snapshot_path is not None else None
        self._pods: dict[str, Pod] = {}
        self._gone: dict[str, float] = {}  # uid -> monotonic time of the deletion
        self._wanted: dict[str, float] = {}  # uid -> monotonic time until which the source is hurried
        self._lock = threading.Lock()
        self._dirty = threading.Event()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        counters.gauge("outrider_kube_pods", "Pods whose metadata is known.", lambda: len(self._pods))

    def start(self) -> None:
        """Load the snapshot, then let the source run in the background. Never raises, never waits for the network."""
        self._load()
        jobs = {"outrider-pods": self._feed}
        if self._snapshot is not None:
            jobs["outrider-pods-snapshot"] = self._keep
        self._threads = [threading.Thread(target=job, name=name, daemon=True) for name, job in jobs.items()]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the source (waiting at most 2 s for it) and write the snapshot a last time."""
        self._stopping.set()
        self._source.stop()
        self._dirty.set()
        for thread in self._threads:
            thread.join(timeout=2.0)
        self._threads = []
        self._save()

    def get(self, uid: str) -> Pod | None:
        """The pod whose log directory carries `uid`, or None if it is not known (yet, or no longer)."""
        pod = self._pods.get(uid)
        gone = self._gone.get(uid)
        if gone is not None and self._clock.monotonic() - gone > LINGER:
            return None
        return pod

    def want(self, uid: str) -> None:
        """Ask the source to look for `uid` soon; hurries it for 5 s at the first call, later calls are free."""
        if isinstance(self._source, NoSource) or uid in self._pods or uid in self._wanted:
            return
        with self._lock:
            self._wanted.setdefault(uid, self._clock.monotonic() + PATIENCE)
        self._source.wake()

    def present(self) -> list[Pod]:
        """The pods that the source said are there, when it was heard last: not those that are gone."""
        with self._lock:
            return [pod for uid, pod in self._pods.items() if uid not in self._gone]

    def settled(self, uid: str, since: float, bound: float = PATIENCE) -> bool:
        """May the lines of `uid` go out now? Yes if the pod is known, if nobody could know it (`source: none`), or if
        `bound` seconds have passed since `since` (monotonic seconds)."""
        return (
            self.get(uid) is not None or isinstance(self._source, NoSource) or self._clock.monotonic() - since >= bound
        )

    def forget(self, uid: str) -> None:
        """The last log file of `uid` has been dealt with: drop it if the pod is deleted."""
        with self._lock:
            self._wanted.pop(uid, None)
            if self._gone.pop(uid, None) is not None:
                self._drop(uid)

    def health(self, now: float) -> str | None:
        """None if the source is alive at `now` (monotonic seconds), else the reason."""
        return self._source.health(now)

    # What the source calls (see `outrider.kube.source.Sink`).

    def replace(self, pods: Iterable[Pod]) -> None:
        """`pods` are all pods of the node; every other known pod has been deleted."""
        listed = {pod.uid: pod for pod in pods}
        with self._lock:
            now = self._clock.monotonic()
            for uid in self._pods.keys() - listed.keys():
                self._bury(uid, now)
            changed = [uid for uid, pod in listed.items() if self._learn(pod)]
            self._purge(now)
        self._tell(changed)

    def put(self, pod: Pod) -> None:
        """`pod` is new or has changed."""
        with self._lock:
            changed = self._learn(pod)
            self._purge(self._clock.monotonic())
        self._tell([pod.uid] if changed else [])

    def remove(self, uid: str) -> None:
        """The pod is deleted; what is known of it stays for an hour, or until `forget`."""
        with self._lock:
            if uid in self._pods:
                self._bury(uid, self._clock.monotonic())

    def pressing(self) -> bool:
        """Is somebody waiting, not longer than 5 s, for a pod that is not known?"""
        now = self._clock.monotonic()
        with self._lock:
            return any(until > now for until in self._wanted.values())

    def _learn(self, pod: Pod) -> bool:
        self._wanted.pop(pod.uid, None)
        revived = self._gone.pop(pod.uid, None) is not None
        if self._pods.get(pod.uid) == pod:
            if revived:
                self._dirty.set()
            return False
        self._pods[pod.uid] = pod
        self._dirty.set()
        return True

    def _bury(self, uid: str, now: float) -> None:
        if uid not in self._gone:
            self._gone[uid] = now
            self._dirty.set()

    def _purge(self, now: float) -> None:
        for uid in [uid for uid, since in self._gone.items() if now - since > LINGER]:
            del self._gone[uid]
            self._drop(uid)

    def _drop(self, uid: str) -> None:
        self._pods.pop(uid, None)
        self._dirty.set()

    def _tell(self, uids: Iterable[str]) -> None:
        for uid in uids:
            try:
                self._on_change(uid)
            except Exception:  # a reader's fault must not end the source's thread
                log.exception("telling of a change of pod %s failed", uid)

    # The two threads.

    def _feed(self) -> None:
        while not self._stopping.is_set():
            try:
                self._source.run(self)
                return
            except Exception:
                self._counters.counter(
                    "outrider_kube_errors_total", "Failed or broken-off requests for pod metadata.", kind="internal"
                ).add()
                log.exception("the source of pod metadata broke; it starts again in 30 s")
                self._clock.wait(self._stopping, 30.0)

    def _keep(self) -> None:
        while not self._stopping.is_set():
            self._dirty.wait()
            if not self._stopping.is_set():
                self._clock.wait(self._stopping, 1.0 if self._save() else 10.0)

    def _load(self) -> None:
        if self._snapshot is None:
            return
        known = self._snapshot.load()
        now = self._clock.monotonic()
        with self._lock:
            self._pods = {pod.uid: pod for pod in known.pods}
            self._gone = {uid: now - age for uid, age in known.gone.items() if uid in self._pods}
            self._purge(now)

    def _save(self) -> bool:
        if self._snapshot is None or not self._dirty.is_set():
            return True
        self._dirty.clear()
        with self._lock:
            now = self._clock.monotonic()
            known = Known(
                [_remembered(pod) for pod in self._pods.values()],
                {uid: now - since for uid, since in self._gone.items()},
            )
        saved = self._snapshot.save(known)
        if not saved:
            self._dirty.set()
        return saved


def from_config(
    config: KubeConfig,
    node: str,
    state_dir: Path,
    clock: Clock,
    counters: Counters,
    on_change: Callable[[str], None],
    env: Mapping[str, str] = os.environ,
    *,
    details: bool = False,
    every: float = 30.0,
) -> Pods:
    """The pods of `node` as the configuration's `kube` block wants them; nothing is read or asked before `start`.

    `details`: does anybody need more of a pod than its metadata, such as images and container ids (see `Pod`)? The API
    server is asked for whole objects only then, and a change of phase or of a container's run is a change only then.
    `every`: seconds between two looks at the kubelet's list.

    How the server is reached, and what is raised for it, is told by `access`.
    """
    if config.source == "none":
        return Pods(NoSource(), None, clock, counters, on_change)
    url, token, ca, verify = access(config, env)
    client = KubeClient(url, token, ca, clock, verify=verify)
    source: Source
    if config.source == "api":
        source = ApiSource(client, node, clock, counters, details=details)
    else:
        source = KubeletSource(client, clock, counters, every=every, details=details)
    return Pods(source, Path(state_dir) / SNAPSHOT, clock, counters, on_change)


class Access(NamedTuple):
    """How a server is reached. Its certificate is verified against `ca`, or against the system's authorities."""

    url: str
    token: Token | None
    ca: Path | None
    verify: bool


def access(config: KubeConfig, env: Mapping[str, str] = os.environ) -> Access:
    """How the server of the configuration's `kube` block is reached, the kubelet or (`source: api`) the API server.

    What the block leaves out is found as a pod finds it: the kubelet at `NODE_IP` (else on the loopback address), the
    API server at `KUBERNETES_SERVICE_HOST`, token and CA of the service account if there are such files.

    One exception: the kubelet of this very node (loopback or `NODE_IP`) is verified only against a CA of its own. The
    service account's CA vouches for the API server alone
    (https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#kubernetes-signers), the
    kubelet's certificate is self-signed in most clusters, and the way there does not leave the machine. Without such a
    `ca` it goes unverified. Any other server is verified, always.

    Raises KubeConfigError when `source: api` is used outside a cluster and no `url` is given.
    """
    api = config.source == "api"
    url = config.url or (_api_url(env) if api else _kubelet_url(env))
    own_node = not api and _is_own_node(url, env)
    ca = _ca(config, own_node)
    return Access(url, _token(config), ca, ca is not None or not own_node)


def _remembered(pod: Pod) -> Pod:
    """What of it is of use after a restart."""
    return pod if pod.endpoint is None else msgspec.structs.replace(pod, endpoint=None)


def _api_url(env: Mapping[str, str]) -> str:
    host = env.get("KUBERNETES_SERVICE_HOST")
    if not host:
        raise KubeConfigError(
            "kube.url is not set, and KUBERNETES_SERVICE_HOST neither, so this is no pod: "
            "give the API server's address as kube.url, or use kube.source: kubelet or none"
        )
    return f"https://{_bracketed(host)}:{env.get('KUBERNETES_SERVICE_PORT') or '443'}"


def _kubelet_url(env: Mapping[str, str]) -> str:
    return f"https://{_bracketed(env.get('NODE_IP') or '127.0.0.1')}:10250"


def _is_own_node(url: str, env: Mapping[str, str]) -> bool:
    host = urlsplit(url).hostname or ""
    loopback = host in ("localhost", "::1") or re.fullmatch(r"127(\.\d+){3}", host) is not None
    return loopback or host == env.get("NODE_IP")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _token(config: KubeConfig) -> Token | None:
    path = Path(SERVICE_ACCOUNT, "token")
    if config.token is not None and getattr(config.token, "file", None) != str(path):
        return config.token
    return TokenFile(path) if path.exists() else None


def _ca(config: KubeConfig, own_node: bool) -> Path | None:
    path = Path(SERVICE_ACCOUNT, "ca.crt")
    if config.ca and Path(config.ca) != path:
        return Path(config.ca)
    return path if path.exists() and not own_node else None
