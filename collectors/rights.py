"""What this process may do, put into effect.

Log files of pods belong to root, and the node collector does not have to be root to read them: one capability will do,
CAP_DAC_READ_SEARCH, and CAP_FOWNER besides to keep files by hard links (`logs.hold`). Kubernetes leads capabilities to
the processes of other users by one way only, that of a file which may have them, as the interpreter in the node image
does (`.ci/image/rights.py`). There they are *permitted*, not *effective*: a file that has them effective does not start
at all in a pod that grants less, be it root's. So a process that was granted something has to put it into effect
itself, before it has threads, which inherit what it has.

Whoever was granted nothing has nothing to do here. What cannot be read then is told by the streams, file by file.
"""

import ctypes

VERSION_3 = 0x20080522
"""_LINUX_CAPABILITY_VERSION_3 of linux/capability.h: 64 bits of each kind."""
_EFFECTIVE, _PERMITTED, _KINDS = 0, 1, 3


def use() -> None:
    """Make effective what is permitted. Does nothing where that cannot be: not Linux, or a system that refuses."""
    try:
        libc = ctypes.CDLL(None)
        get, put = libc.capget, libc.capset
    except (OSError, AttributeError):
        return
    header, sets = (ctypes.c_uint32 * 2)(VERSION_3, 0), (ctypes.c_uint32 * (2 * _KINDS))()
    if get(header, sets) != 0:
        return
    for low_or_high in (0, _KINDS):
        sets[low_or_high + _EFFECTIVE] = sets[low_or_high + _PERMITTED]
    put(header, sets)
