"""The pod that this program is part of, as kubelet tells every pod that asks for it: by the downward API.

Names come in environment variables, which cannot change while a container runs; labels and annotations in two files of
a volume, which kubelet replaces when they do
(https://kubernetes.io/docs/concepts/workloads/pods/downward-api/). Nobody is asked over the network, and no right is
needed.

A file of that volume has a line for each entry, `key="value"`, the value quoted as Go quotes strings
(pkg/fieldpath/fieldpath.go: FormatMap).
"""

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from outrider.config.problems import UnusableError
from outrider.model.clock import Clock
from outrider.model.pod import Pod

log = logging.getLogger(__name__)

LOOK = 10.0
"""Seconds between two looks at the volume; kubelet takes a minute or so to bring a change there."""
FIELDS = {"POD_NAMESPACE": "metadata.namespace", "POD_NAME": "metadata.name", "POD_UID": "metadata.uid"}
"""The variables that must be there, and the fields of the pod that they get."""


class OwnPod:
    """What is known of this pod; a `PodBook` with one page. `info` is the directory of labels and annotations, or None.
    `measured` is the container that the sidecar serves, "" if nobody says which; log files need a name all the same
    (`container`).

    Raises UnusableError, which names every variable of FIELDS that is missing.
    """

    def __init__(self, clock: Clock, env: Mapping[str, str] = os.environ) -> None:
        missing = [f"{name} (fieldPath: {field})" for name, field in FIELDS.items() if not env.get(name)]
        if missing:
            raise UnusableError(
                f"not set: {', '.join(missing)}. The sidecar has to know which pod it is part of: give its container "
                "these variables by the downward API (env, valueFrom, fieldRef)"
            )
        self.namespace, self.name, self.uid = (env[name] for name in FIELDS)
        self.measured = env.get("OUTRIDER_CONTAINER") or ""
        self.container = self.measured or "outrider"
        self.info = env.get("OUTRIDER_POD_INFO") or None
        self._clock = clock
        self._pod = Pod(self.uid, self.name, self.namespace)
        self._mtimes: list[int] = []
        self._look()  # now, while nobody else can ask: a stream is routed once, by the labels that are known then

    def get(self, uid: str) -> Pod | None:
        """This pod, whichever is meant. From any thread."""
        del uid
        if self.info is not None and self._clock.monotonic() >= self._look_at:
            self._look()
        return self._pod

    def _look(self) -> None:
        self._look_at = self._clock.monotonic() + LOOK
        if self.info is None:
            return
        paths = [os.path.join(self.info, name) for name in ("labels", "annotations")]
        mtimes = list(map(_mtime, paths))
        if mtimes != self._mtimes:
            self._mtimes = mtimes
            labels, annotations = map(_entries, paths)
            pod = Pod(self.uid, self.name, self.namespace, labels, annotations)
            self._pod = pod if pod != self._pod else self._pod

    def want(self, uid: str) -> None:
        """Everything is here already."""

    def settled(self, uid: str, since: float, bound: float = 0.0) -> bool:
        del uid, since, bound
        return True


def _mtime(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return -1


def _entries(path: str) -> dict[str, str]:
    """The labels or annotations in a file; none if it cannot be read."""
    try:
        lines = Path(path).read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as e:
        log.warning("OUTRIDER_POD_INFO: cannot read %s: %s", path, e.strerror)
        return {}
    return {key: _unquoted(value) for key, is_, value in (line.partition("=") for line in lines) if is_}


def _unquoted(value: str) -> str:
    try:
        found = json.loads(value)
    except ValueError:  # an escape that Go has and JSON has not
        return value.strip('"')
    return found if isinstance(found, str) else value
