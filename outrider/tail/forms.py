"""What the files of a stream look like: how they are cut into lines, told apart and named.

Two forms are known. Container runtimes write lines with a time and the name of a stream in front, into files that
kubelet names and rotates. Programs write lines as they please into files that they, or logrotate, rotate in a dozen
ways.
"""

from collections.abc import Callable
from dataclasses import dataclass

from outrider.tail import head, lines, names, plain
from outrider.tail.head import Head
from outrider.tail.lines import Lines, Scanned


@dataclass(frozen=True, slots=True)
class Form:
    """`cut` cuts a chunk of whole lines that begins at a position, with a screen (lines.py); `identify` tells the
    generation from a file's first bytes (None: they do not suffice yet); `belongs(name, log)`: is the file `name` the
    log file `log`, or a rotation of it? `by_time`: the files' modification times say which was begun first, for their
    first lines need not.
    """

    cut: Callable[[bytes, int, bytes | None], Lines | Scanned]
    identify: Callable[[bytes], Head | None]
    belongs: Callable[[str, str], bool]
    by_time: bool = False


RUNTIME = Form(lines.cut, head.identify, names.belongs)
PLAIN = Form(plain.cut, plain.identify, plain.belongs, by_time=True)
