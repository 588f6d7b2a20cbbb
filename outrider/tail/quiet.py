"""Files that nobody reads until they are written to.

A reader that has had nothing for a while *arms* its files and goes away. Each is remembered twice: under a one-shot
inotify watch, if there is inotify, and with its size as it was, for whoever polls. Whichever notices first, the file
is then quiet no more. Several exporters may wait for one file; the size that counts is the one that the first of them
saw, so what was written between two armings wakes both.
"""

import os

from outrider.tail.files import StreamFiles
from outrider.tail.inotify import SHORT_OF, Inotify


class QuietFiles:
    """Armed from any thread, asked by the watching thread. `exhausted` is the reason why inotify refused a watch."""

    def __init__(self) -> None:
        self.exhausted: str | None = None
        self._by_watch: dict[int, tuple[StreamFiles, str]] = {}
        self._sizes: dict[str, tuple[StreamFiles, tuple[int, int] | None]] = {}

    def arm(self, files: StreamFiles, inotify: Inotify | None) -> None:
        for path in files.growing():
            status = _status(path)
            if status is None and path != files.path:
                continue
            if inotify is not None:
                try:
                    self._by_watch[inotify.once(path)] = files, path
                except FileNotFoundError:
                    continue  # no live log (a container that ended): its directory tells if one comes
                except OSError as e:
                    if e.errno in SHORT_OF:
                        self.exhausted = str(e)
            armed = self._sizes.get(path)
            if armed is None or armed[0] is not files:
                self._sizes[path] = files, status

    def fired(self, watch: int) -> tuple[StreamFiles, str] | None:
        """The stream and the file of a watch that fired; None if it was no file's."""
        found = self._by_watch.pop(watch, None)
        if found is not None:
            self._sizes.pop(found[1], None)
        return found

    def grown(self) -> list[StreamFiles]:
        """The streams with a file that is another, or of another size, than when it was armed."""
        found: dict[StreamFiles, None] = {}
        for path, (files, status) in list(self._sizes.items()):
            if files.gone:
                self._sizes.pop(path, None)
            elif _status(path) != status and self._sizes.pop(path, None) is not None:
                found[files] = None
        return list(found)


def _status(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size
