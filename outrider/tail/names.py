"""What kubelet's names say. `/var/log/pods/<namespace>_<pod>_<uid>/<container>/<restart>.log`
(pkg/kubelet/kuberuntime/helpers.go), and beside a log its rotations: `<restart>.log.<time>` and
`<restart>.log.<time>.gz`, with `.tmp` at the end while one is being written.
"""

import re
from typing import NamedTuple

_NAME = r"[!-.0-^`-~]+"  # ASCII that can be seen, without the separators `_` and `/`; Kubernetes allows much less
_POD = re.compile(f"({_NAME})_({_NAME})_({_NAME})")
_CONTAINER = re.compile(_NAME)
_LOG = re.compile(r"(0|[1-9][0-9]{0,8})\.log")


class PodDirectory(NamedTuple):
    """The three names in a pod's directory name."""

    namespace: str
    pod: str
    uid: str


def pod_directory(name: str) -> PodDirectory | None:
    """The parts of `<namespace>_<pod>_<uid>`; None if kubelet did not make this name."""
    m = _POD.fullmatch(name)
    return PodDirectory(*m.groups()) if m else None


def is_container(name: str) -> bool:
    """Whether kubelet could have named a container's directory so."""
    return _CONTAINER.fullmatch(name) is not None


def restart_of(name: str) -> int | None:
    """The restart number of a log or one of its rotations; None if the file is neither."""
    m = _LOG.match(name)
    return int(m[1]) if m and belongs(name, m[0]) else None


def belongs(name: str, log: str) -> bool:
    """Whether the file `name` is the log file `log` or a rotation of it that is complete."""
    if not name.startswith(log) or name.endswith(".tmp"):
        return False
    return len(name) == len(log) or name[len(log)] in ".-"
