"""Where this program runs: project, cluster, location and node, from the configuration or found on the spot.

What the configuration gives is taken as it is; if it gives all, nobody is asked. The rest comes from the environment
and, on GKE, from the metadata server of the node. Off Google Cloud that server's name may not resolve, may resolve to
something that never answers, or to a captive portal. Start-up must not hang on any of that (fluent/fluent-bit#7117,
fluent-plugin-google-cloud#156), so all look-ups together run in a thread of their own, which is given two seconds
and then left to itself: resolving a name cannot be broken off from outside.

Paths: https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys and the instance attributes that GKE
sets on its nodes (`cluster-name`, `cluster-location`).
"""

import http.client
import json
import os
import socket
import threading
from collections.abc import Mapping
from typing import Protocol

from outrider.model.clock import Clock, SystemClock
from outrider.model.cluster import Cluster

LOOKUP_SECONDS = 2.0
METADATA_HOST = "metadata.google.internal"

_PATHS = {
    "project": ("project/project-id",),
    "name": ("instance/attributes/cluster-name",),
    "location": ("instance/attributes/cluster-location", "instance/zone"),
    "node": ("instance/name",),
}


class ClusterConfig(Protocol):
    """The configuration's `cluster` block; what is None or empty is looked for."""

    @property
    def project(self) -> str | None: ...
    @property
    def name(self) -> str | None: ...
    @property
    def location(self) -> str | None: ...
    @property
    def node(self) -> str | None: ...


class PlatformError(Exception):
    """Some of the four names are neither given nor to be found.

    `missing` holds their keys (`cluster.project`, …); the text has a line for each, with the reason and the way out.
    """

    def __init__(self, missing: Mapping[str, str]) -> None:
        self.missing = tuple(missing)
        lines = "".join(f"\n  {key}: {text}" for key, text in missing.items())
        super().__init__(f"it is not clear where this program runs:{lines}")


def resolve(
    config: ClusterConfig,
    env: Mapping[str, str] = os.environ,
    *,
    credentials: str | os.PathLike[str] = "adc",
    clock: Clock | None = None,
    within: float = LOOKUP_SECONDS,
) -> Cluster:
    """The four names. Takes `within` seconds at most, whatever the network does. Raises PlatformError.

    Project: configuration, `GOOGLE_CLOUD_PROJECT`, the key file (`credentials` if it is a path, for `adc` the one of
    `GOOGLE_APPLICATION_CREDENTIALS`), metadata server. Cluster name and location: configuration, metadata server.
    Node: configuration, `NODE_NAME`, metadata server if it had to be asked anyway, host name.
    """
    found = {
        "project": config.project or env.get("GOOGLE_CLOUD_PROJECT") or _key_file_project(credentials, env),
        "name": config.name,
        "location": config.location,
        "node": config.node or env.get("NODE_NAME"),
    }
    reasons: dict[str, str] = {}
    if not (found["project"] and found["name"] and found["location"]):
        lookup = _Lookup([key for key, value in found.items() if not value], env)
        answers, reasons = lookup.run(clock or SystemClock(), within)
        found |= answers
    found["node"] = found["node"] or socket.gethostname()
    missing = {f"cluster.{key}": _way_out(key, reasons) for key, value in found.items() if not value}
    if missing:
        raise PlatformError(missing)
    return Cluster(**{key: str(value) for key, value in found.items()})


class _Lookup:
    """One round of questions to the metadata server, in a thread of its own."""

    def __init__(self, keys: list[str], env: Mapping[str, str]) -> None:
        self._keys = keys
        self._host = env.get("GCE_METADATA_HOST") or METADATA_HOST
        self._off = env.get("NO_GCE_CHECK") == "true"
        self._answers: dict[str, str] = {}
        self._reasons: dict[str, str] = {}
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._over = threading.Event()

    def run(self, clock: Clock, within: float) -> tuple[dict[str, str], dict[str, str]]:
        """(answers, reasons) by key: what has come within so many seconds, and why the rest has not."""
        if self._off:
            return {}, dict.fromkeys(self._keys, "the metadata server is not asked, as NO_GCE_CHECK is set")
        threading.Thread(target=self._ask_all, args=(within,), name="outrider-metadata", daemon=True).start()
        clock.wait(self._done, within)
        self._over.set()
        with self._lock:
            late = f"the metadata server ({self._host}) did not answer within {within:g} s"
            return dict(self._answers), {key: self._reasons.get(key, late) for key in self._keys}

    def _ask_all(self, within: float) -> None:
        for key in self._keys:
            for path in _PATHS[key]:
                if self._over.is_set() or self._ask(key, path, within):
                    break
        self._done.set()

    def _ask(self, key: str, path: str, within: float) -> bool:
        value = reason = ""
        try:
            value = _get(self._host, path, within)
        except (OSError, http.client.HTTPException, ValueError) as e:
            reason = f"the metadata server ({self._host}) is out of reach: {e}"
        with self._lock:
            if value:
                self._answers[key] = value.rsplit("/", 1)[-1] if path == "instance/zone" else value
            else:
                self._reasons[key] = reason or f"the metadata server ({self._host}) has no {path} (is this a GKE node?)"
        return bool(value)


def _get(host: str, path: str, timeout: float) -> str:
    """The value at `path`, "" if the server has none. Raises OSError, HTTPException or ValueError."""
    connection = http.client.HTTPConnection(host, timeout=timeout)
    try:
        connection.request("GET", f"/computeMetadata/v1/{path}", headers={"Metadata-Flavor": "Google"})
        response = connection.getresponse()
        if response.getheader("Metadata-Flavor") != "Google":
            raise ValueError("what answers there is not a metadata server")
        body = response.read(4096)
        return body.decode("utf-8").strip() if response.status == 200 else ""
    finally:
        connection.close()


def _key_file_project(credentials: str | os.PathLike[str], env: Mapping[str, str]) -> str | None:
    """`project_id` of the service account key file, if there is one that can be read."""
    if credentials == "none":
        return None
    path = env.get("GOOGLE_APPLICATION_CREDENTIALS") if credentials == "adc" else credentials
    if not path:
        return None
    try:
        with open(path, "rb") as f:
            project = json.load(f).get("project_id")
    except (OSError, ValueError, AttributeError, RecursionError):
        return None  # what is wrong with the file is told by the part that has to sign in with it
    return project if isinstance(project, str) else None


def _way_out(key: str, reasons: Mapping[str, str]) -> str:
    way = f"set cluster.{key} in the configuration file"
    if key == "project":
        way += ", or GOOGLE_CLOUD_PROJECT in the environment"
    return f"not given, and {reasons.get(key, 'not to be found')}; {way}"
