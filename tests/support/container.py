"""A process as a container runtime starts it: another user, few capabilities, and maybe a file system of its own.

`entering(...)` is a command that becomes its arguments. It does what runc does, in runc's order, which decides what an
unprivileged process has in the end: the bounding set is cut down, the user changes, what the container adds is put into
the permitted and effective sets, no_new_privs is set, and the program is executed, which leaves of those sets what its
file allows. Nothing is inheritable or ambient, as with containerd.

With `root` the process sees that directory as its file system, read-only but for `volumes` (path inside -> directory
outside), with /proc and /dev of this machine. This takes root, and the right to mount.
"""

import ctypes
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

USER = 65532
CAPABILITIES = {"DAC_READ_SEARCH": 2, "FOWNER": 3}
"""By their names in Kubernetes: the numbers of linux/capability.h."""
_OF_ROOT = (0, 6, 7, 8, 18, 31)  # CHOWN, SETGID, SETUID, SETPCAP, SYS_CHROOT, SETFCAP
_DROP_BOUNDING, _KEEP, _NO_NEW_PRIVILEGES = 24, 8, 38  # prctl(2)
_VERSION_3 = 0x20080522

_MOUNTS = """
root=$1; shift
mount --bind "$root" "$root"
while [ "$1" != -- ]; do
  mkdir -p "$root$1"; mount --bind "$2" "$root$1"; shift 2
done
shift
mkdir -p "$root/proc" "$root/dev"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -o remount,bind,ro "$root"
exec "$@"
"""


def entering(
    root: Path | None = None,
    volumes: Mapping[str, Path] | None = None,
    env: Mapping[str, str] | None = None,
    add: Sequence[str] = (),
    no_new_privileges: bool = True,
) -> tuple[str, ...]:
    """`add` names capabilities; all others are dropped. `env` is the whole environment; not given: this one's."""
    how = {"root": str(root or "/"), "env": env and dict(env), "add": list(add), "no_new_privileges": no_new_privileges}
    enter = (sys.executable, "-I", __file__, json.dumps(how))
    if root is None:
        return enter
    mounts = [part for inside, outside in (volumes or {}).items() for part in (inside, str(outside))]
    return ("unshare", "--mount", "sh", "-ec", _MOUNTS, "sh", str(root), *mounts, "--", *enter)


def able() -> bool:
    """Whether this process has what it would grant, and may set the place up: root has, but not in every container."""
    with open("/proc/self/status") as f:
        effective = int(re.findall(r"^CapEff:\s*(\w+)", f.read(), re.MULTILINE)[0], 16)
    needed = [*CAPABILITIES.values(), *_OF_ROOT]
    return os.geteuid() == 0 and all(effective >> number & 1 for number in needed)


def _enter(command: list[str], root: str, env: dict[str, str] | None, add: list[str], no_new_privileges: bool) -> None:
    libc = ctypes.CDLL(None, use_errno=True)

    def must(result: int) -> None:
        if result != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    granted = [CAPABILITIES[name] for name in add]
    with open("/proc/sys/kernel/cap_last_cap") as f:
        last = int(f.read())
    os.chroot(root)
    os.chdir("/")
    for number in set(range(last + 1)) - set(granted):
        must(libc.prctl(_DROP_BOUNDING, number, 0, 0, 0))
    must(libc.prctl(_KEEP, 1, 0, 0, 0))
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    must(libc.prctl(_KEEP, 0, 0, 0, 0))
    bits = sum(1 << number for number in granted)
    must(libc.capset((ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)(bits, bits, 0, 0, 0, 0)))
    if no_new_privileges:
        must(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0))
    os.execvpe(command[0], command, os.environ if env is None else env)


if __name__ == "__main__":
    _enter(sys.argv[2:], **json.loads(sys.argv[1]))
