"""The machine: the directory of the state, the disk, the log files and whether they can be followed and kept.

Rights are not reckoned but tried, by this very process: open a log, write a file, make a link. So the doctor has to run
as the collector does, in its container or as its user. What it makes it takes away again.
"""

import errno
import glob
import os
from collections.abc import Iterator
from pathlib import Path

from outrider import native
from outrider.config import Config
from outrider.doctor.finding import Finding, fail, ok, warn
from outrider.tail.inotify import Inotify

TRIED = 64 << 10
"""Bytes that are written to see whether there is room."""
FREE = 64 << 20
"""Bytes below which a disk is as good as full."""
LOOKED_AT = 5000
"""Log files that are opened, at most."""
WATCHES = "/proc/sys/fs/inotify/max_user_watches"
CAPABILITY = (
    "the collector needs root, or the capability DAC_READ_SEARCH (securityContext.capabilities.add) in the image "
    "`node`, whose interpreter may have it: docs/images.md"
)
TREE = "mount /var/log/pods of the node, and set logs.pods to where it is mounted"


def core() -> Iterator[Finding]:
    """Is the hot path compiled?"""
    if native.core is not None:
        yield ok("native core", "is there")
        return
    cure = "with a C compiler and Python's headers: pip install --force-reinstall --no-cache-dir; unset OUTRIDER_NATIVE"
    words = f"{native.trouble or 'was not built'}, so a log line takes about twice the processor time"
    yield warn("native core", f"{words}; nothing else is different", cure)


# -- state and disk ----------------------------------------------------------------------------------------------------


def state(config: Config) -> Iterator[Finding]:
    """Can it be written, and is there room?"""
    place = _nearest(config.state)
    words = config.state if place == config.state else f"{config.state}, which will be made in {place}"
    try:
        _write(place)
    except OSError as e:
        yield _unwritable("state", config.state, e)
        return
    yield ok("state", f"{words}, can be written")
    yield from _room("disk", place, FREE)


def _nearest(path: str) -> str:
    """`path`, or the nearest of its parents that is there."""
    place = Path(path)
    while not place.exists() and place != place.parent:
        place = place.parent
    return str(place)


def _write(directory: str) -> None:
    """Write a file and take it away again. Raises OSError."""
    path = os.path.join(directory, f".outrider-doctor-{os.getpid()}-state")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        left = TRIED
        while left:
            left -= os.write(descriptor, bytes(left))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
        os.unlink(path)


def _unwritable(subject: str, path: str, error: OSError) -> Finding:
    words = f"{path} cannot be written: {error.strerror}; a restart will repeat lines"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return fail(subject, words, "make room there, or give it a larger volume")
    if error.errno == errno.EROFS:
        return fail(subject, words, "mount a volume there that is not read-only")
    user = f"user {os.geteuid()}, group {os.getegid()}"
    return fail(
        subject, words, f"let {user} write it: a hostPath of its own (DirectoryOrCreate), or fsGroup for an emptyDir"
    )


def _room(subject: str, path: str, least: int) -> Iterator[Finding]:
    found = os.statvfs(path)
    free = found.f_bavail * found.f_frsize
    if found.f_files and not found.f_favail:
        yield fail(subject, f"no inode is free on the file system of {path}", "remove files there")
    elif free < least:
        cure = "make room: what cannot be written is forgotten at a restart"
        yield fail(subject, f"{_size(free)} are free on the file system of {path}", cure)
    else:
        yield ok(subject, f"{_size(free)} are free on the file system of {path}")


def _size(n: int) -> str:
    return f"{n / 2**30:.1f} GiB" if n >= 2**30 else f"{n / 2**20:.0f} MiB"


# -- what kubelet writes -----------------------------------------------------------------------------------------------


def pod_logs(config: Config) -> Iterator[Finding]:
    """Can the logs of the pods be read?"""
    root = config.logs.pods
    if not os.path.isdir(root):
        yield fail("log files", f"{root} is not there: it has to be kubelet's tree of container logs", TREE)
        return
    hidden: list[str] = []
    files = [
        os.path.join(directory, name)
        for directory, _, names in os.walk(root, onerror=lambda e: hidden.append(str(e.filename)))
        for name in names
        if ".log" in name
    ]
    if files or hidden:
        yield _readable(files, hidden, f"of {root}", CAPABILITY)
    else:
        yield warn("log files", f"there is no log below {root}", "does a pod run on this node? Else: " + TREE)


def shared_logs(config: Config) -> Iterator[Finding]:
    """Can the files that `logs.files` names be read?"""
    for pattern in config.logs.files:
        files = [path for path in glob.glob(pattern, recursive=True) if os.path.isfile(path)]
        if files:
            cure = "give the sidecar the user or group that writes them (securityContext.runAsUser, fsGroup)"
            yield _readable(files, [], f"of {pattern}", cure)
        else:
            cure = "mount the volume in this container, too; if nothing was written yet, all is well"
            yield warn("log files", f"nothing matches {pattern}", cure)


def _readable(files: list[str], hidden: list[str], which: str, cure: str) -> Finding:
    refused = dict.fromkeys(hidden, "Permission denied")
    astray = [path for path in files if os.path.islink(path) and not os.path.exists(path)]
    for path in files[:LOOKED_AT]:
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except FileNotFoundError:
            continue  # it is gone, or a link that leads astray
        except OSError as e:
            refused[path] = e.strerror or str(e)
    if refused:
        path, why = next(iter(refused.items()))
        return fail("log files", f"{len(refused)} {which} cannot be read, one is {path}: {why}", cure)
    if astray:
        words = f"{len(astray)} {which} are links that lead nowhere here, one is {astray[0]}"
        return fail("log files", words, f"mount where they lead to, too: {os.path.dirname(os.readlink(astray[0]))}")
    return ok("log files", f"{len(files)} {which} can be read")


def inotify(config: Config) -> Iterator[Finding]:
    """Will the kernel tell of changes? Without it the collector looks for itself, which costs it more."""
    directories = 1 + sum(len(names) for _, names, _ in os.walk(config.logs.pods))
    try:
        Inotify().close()
    except OSError as e:
        cure = "raise fs.inotify.max_user_instances on the node (sysctl); until then files are polled"
        yield warn("inotify", f"the kernel gives no instance: {e.strerror or e}", cure)
        return
    most = _number(WATCHES)
    many = "1 directory" if directories == 1 else f"{directories} directories"
    if most is not None and directories > most * 0.8:
        cure = "raise fs.inotify.max_user_watches on the node (sysctl); beyond it files are polled"
        yield warn("inotify", f"{many}, and fs.inotify.max_user_watches is {most}", cure)
    else:
        yield ok("inotify", many + ("" if most is None else f", of {most} that can be watched"))


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return None


# -- hold --------------------------------------------------------------------------------------------------------------


def hold(config: Config) -> Iterator[Finding]:
    """Can files be kept by hard links, and is there room for what they keep?"""
    pods, place, budget = config.logs.pods, _nearest(config.logs.hold.path), config.logs.hold.budget
    one = next(_files(pods), None)
    if one is None:
        return  # there is nothing to try it with, and `pod_logs` has said so
    link = os.path.join(place, f".outrider-doctor-{os.getpid()}-hold")
    try:
        os.link(one, link)
        os.unlink(link)
    except OSError as e:
        yield fail("hold", f"no hard link of {one} can be made in {place}: {e.strerror}", _linking(e, pods, place))
        return
    found = os.statvfs(place)
    free = found.f_bavail * found.f_frsize
    if free < budget:
        words = f"the budget is {_size(budget)}, and {_size(free)} are free on the file system of {place}"
        yield warn("hold", words, "make room, or lower logs.hold.budget: kubelet evicts pods from a disk that is full")
    else:
        yield ok("hold", f"hard links can be made in {place}; {_size(free)} are free, for a budget of {_size(budget)}")


def _files(root: str) -> Iterator[str]:
    for directory, _, names in os.walk(root):
        for name in names:
            path = os.path.join(directory, name)
            if not os.path.islink(path):
                yield path


def _linking(error: OSError, pods: str, place: str) -> str:
    if error.errno == errno.EXDEV:
        return f"{pods} and {place} have to be on one mount: mount /var/log once, and read-write"
    if error.errno == errno.EROFS:
        return "mount /var/log read-write"
    if error.errno == errno.EPERM:
        return "add the capability FOWNER to DAC_READ_SEARCH: the kernel links files of others for nobody else"
    return f"let user {os.geteuid()} write {place}"
