"""The pod cache on disk: `pods.json` beside the cursors.

After a restart, the log files of pods that were deleted in the meantime are still there to be read; the kubelet's and
the API server's memory of those pods is not. The snapshot is what their labels come from.

A snapshot that cannot be read or written costs that comfort and nothing else: it is counted, and logged once a cause.
How long a pod has been gone is kept as a duration, so neither a jumping wall clock nor the time this program was down
makes it expire early.
"""

import logging
from pathlib import Path

import msgspec

from outrider.model.counters import Counters
from outrider.model.files import CorruptStateError, read_state, write_state
from outrider.model.pod import Pod

log = logging.getLogger(__name__)


class Known(msgspec.Struct):
    """The content: all pods, and for each deleted one the seconds since its deletion was noticed."""

    pods: list[Pod] = []
    gone: dict[str, float] = {}


class Snapshot:
    """One snapshot file; no method raises."""

    def __init__(self, path: Path, counters: Counters) -> None:
        self._path, self._counters = path, counters
        self._logged = ""

    def load(self) -> Known:
        """What was saved last; empty if there is no such file or it cannot be used (a corrupt one is set aside)."""
        try:
            body = read_state(self._path)
            return Known() if body is None else msgspec.convert(body, Known)
        except (CorruptStateError, msgspec.ValidationError) as e:
            self._trouble("corrupt", e)
        except OSError as e:
            self._trouble("unreadable", e)
        return Known()

    def save(self, known: Known) -> bool:
        """Replace the file; False if that failed, and the old one is untouched."""
        try:
            write_state(self._path, known)
        except OSError as e:
            self._trouble("unwritable", e)
            return False
        self._logged = ""
        return True

    def _trouble(self, cause: str, error: Exception) -> None:
        self._counters.counter(
            "outrider_pod_snapshot_errors_total", "Times the pod snapshot could not be read or written.", cause=cause
        ).add()
        if self._logged != f"{cause} {error}":
            self._logged = f"{cause} {error}"
            log.warning("pod snapshot %s is %s (%s); pods deleted while down may lack labels", self._path, cause, error)
