"""What happened to the files of a stream? A state machine without I/O: observations in, commands out.

Whoever watches the directory describes every file of the stream it sees now (`Seen`), as often as something may have
changed. The machine knows generations (see `head.py`) and compares: a generation under a new path was renamed or
gzipped; one whose file now begins with another line was truncated, and goes on in its copy if there is one; one that
is nowhere was deleted (and can still be read as long as its descriptor is open). From that it says what to do, in an
order that never leaves a readable file unopened:

    Open    a generation seen for the first time            Close    nothing will be appended to it any more
    Rebind  the same generation, now in another file        Reopen   it will, after all: it is the live one again
    Gone    no file holds it any more (nor is it appended to)

How kubelet rotates (pkg/kubelet/logs/container_log_manager.go): rename `0.log` to `0.log.<time>`, ask the runtime to
reopen `0.log` (and rename back if that fails), gzip all rotated files but the newest through `<name>.tmp`, delete the
oldest. Between the rename and the reopen the renamed file is still written to, so a generation closes only when the
live path holds another one. A file that has no name of kubelet's any more, only the one that the hold (`hold.py`) gave
it, does not grow: it was deleted, compressed, or its pod is gone.
"""

import msgspec

from outrider.tail.head import Head


class Seen(msgspec.Struct, frozen=True):
    """One file of the stream as it is now. `head` is None while its first line is not complete; `held`: only our own
    link names it; `order`: which of two was written to later, where that is known.
    """

    path: str
    inode: int
    head: Head | None
    live: bool = False
    gz: bool = False
    held: bool = False
    order: int = 0

    def of(self, head: Head | None) -> "Seen":
        """The same file as one of another generation."""
        return msgspec.structs.replace(self, head=head)


class Open(msgspec.Struct, frozen=True):
    """A generation not known before is in this file."""

    seen: Seen


class Rebind(msgspec.Struct, frozen=True):
    """The generation `key` is now in this file (renamed, compressed, or the copy of a truncated one). One that was
    gone is as if opened: it may grow until it is closed.
    """

    key: str
    seen: Seen


class Close(msgspec.Struct, frozen=True):
    """Nothing will be appended to the generation `key` any more."""

    key: str


class Reopen(msgspec.Struct, frozen=True):
    """The generation `key`, closed before, may grow again."""

    key: str


class Gone(msgspec.Struct, frozen=True):
    """No file holds the generation `key` any more."""

    key: str


Command = Open | Rebind | Close | Reopen | Gone


class _State(msgspec.Struct):
    seen: Seen
    closed: bool = False
    gone: bool = False


class Rotation:
    """The generations of one stream, as far as the observations tell."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[str, _State] = {}

    def observe(self, files: list[Seen]) -> list[Command]:
        """Take in all files of the stream as they are now; what has to be done about it, in order."""
        commands: list[Command] = []
        best = _best(files)
        for key, seen in sorted(best.items(), key=lambda item: (item[0], item[1].path)):
            state = self._known.get(key)
            if state is None:
                self._known[key] = _State(seen)
                commands.append(Open(seen))
            elif state.gone or _moved(state.seen, seen):
                state.closed &= not state.gone
                state.seen, state.gone = seen, False
                commands.append(Rebind(key, seen))
        growing = self._which_grows(files, best)
        for key, state in self._known.items():
            if key not in best:
                if not state.gone:
                    state.gone = True
                    commands.append(Gone(key))
            elif state.closed != (key != growing):
                state.closed = not state.closed
                commands.append(Close(key) if state.closed else Reopen(key))
        return commands

    def take_over(self, key: str, other: "Rotation") -> None:
        """Know of the generation `key` what `other` knows."""
        if key in other._known:
            self._known[key] = other._known[key]

    def forget(self, key: str) -> None:
        """Drop a generation that is gone and read to its end."""
        self._known.pop(key, None)

    def _which_grows(self, files: list[Seen], best: dict[str, Seen]) -> str | None:
        """The one generation that may still grow: the live one. Where there is no live file, the newest that is
        neither closed nor compressed nor held: it was live a moment ago and has just been renamed, or outlived its
        container.
        A live file without a first line was just rotated or truncated: none.
        """
        for f in files:
            if f.live:
                return f.head.key if f.head else None
        growable = ((seen.order, k) for k, seen in best.items() if not (seen.gz or seen.held or self._known[k].closed))
        return max(growable, default=(0, None))[1]


def _best(files: list[Seen]) -> dict[str, Seen]:
    """One file for each generation: the live one before a copy, a plain one before a gzip, kubelet's before ours."""
    best: dict[str, Seen] = {}
    for f in files:
        if f.head is not None:
            other = best.get(f.head.key)
            if other is None or _rank(f) > _rank(other):
                best[f.head.key] = f
    return best


def _rank(f: Seen) -> tuple[bool, bool, bool]:
    return f.live, not f.gz, not f.held


def _moved(old: Seen, new: Seen) -> bool:
    return old.path != new.path or old.inode != new.inode or old.gz != new.gz
