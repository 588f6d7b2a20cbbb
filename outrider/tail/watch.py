"""Which streams are there, and which of them have something new?

One thread watches directories. Which ones, and which of the files in them are logs, a finder knows (`finder.py`). A
directory that changes is listed again, and only that one; a log that turns up becomes a `StreamFiles`; a rotation makes
the stream look at its files again. What is being read is read by polling its descriptor (the readers do that
themselves), so a busy file costs no events; a reader that has had nothing for a while *arms* its file, and is called
back when it is written to.

Where inotify is not to be had (no instance or watches left) or stays silent though files grow (network file systems),
the same questions are asked by polling: modification times of directories, sizes of quiet files. A slow poll runs
beside inotify anyway: it is what finds out.
"""

import contextlib
import logging
import os
import queue
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.model.stream import Stream
from outrider.tail.directories import Directories, Directory, inode_of, mtime_of
from outrider.tail.files import StreamFiles
from outrider.tail.finder import Finder
from outrider.tail.inotify import Event, Inotify, drain
from outrider.tail.quiet import QuietFiles
from outrider.tail.tree import Tree

if TYPE_CHECKING:
    from outrider.tail.hold import Hold

log = logging.getLogger(__name__)

Streams = list[StreamFiles]
POLL_FILES = 1.0
"""Seconds between looks at the sizes of quiet files when inotify is not used."""
POLL_DIRECTORIES = 3.0
"""The same for directories that have been there for a while; the root and young ones are looked at with every tick.
Whatever could not be read is tried again as often."""
CHECK_HOLD = 1.0
"""Seconds between looks at what unread files take of the disk."""
POLL_BESIDE_INOTIFY = 30.0
"""Seconds between looks at everything when inotify does the work."""
TICK = 0.25
STUCK_AFTER = 300.0
"""Seconds without a sign of life after which watching counts as stuck: a disk that hangs, mostly."""
_YOUNG = 30.0


class Watcher:
    """Follows what a finder finds; kubelet's tree (`outrider.tail.tree`) if `root` is its path.

    `admit(stream)` says which exporters read a stream found (none: it is left alone); `found(files)` hands it over.
    Both are called from the watching thread, as are the streams' own `changed` callbacks.
    """

    def __init__(
        self,
        root: str | Finder,
        admit: Callable[[Stream], frozenset[str]],
        found: Callable[[StreamFiles], None],
        clock: Clock,
        counters: Counters,
        inotify: bool = True,
        hold: "Hold | None" = None,
    ) -> None:
        self._finder = Tree(root) if isinstance(root, str) else root
        self.scanned = threading.Event()
        self._admit, self._found = admit, found
        self._clock, self._counters = clock, counters
        self._hold = hold
        self._streams: dict[str, StreamFiles] = {}
        self._refused: set[str] = set()
        self._adopted: dict[str, StreamFiles] = {}
        self._directories = Directories(clock)
        self._by_directory: dict[str, set[str]] = {}
        self._quiet = QuietFiles()
        self._asked: queue.SimpleQueue[StreamFiles] = queue.SimpleQueue()
        self._wake_lock = threading.Lock()
        self._wake_out, self._wake_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._stop = threading.Event()
        self._beat = clock.monotonic()
        self._thread = threading.Thread(target=self._run, name="outrider-watch", daemon=True)
        self._odd_names = counters.counter(
            "outrider_odd_names_total", "Names under the pod log tree that kubelet did not make."
        )
        self._spoke, self._silent = False, 0
        self._inotify: Inotify | None = None
        self._polled_files = self._polled_directories = self._retried = self._checked = clock.monotonic()
        counters.gauge("outrider_streams", "Container logs being followed.", lambda: len(self._streams))
        if inotify:
            try:
                self._inotify = Inotify()
            except OSError as e:
                self._fall_back(str(e))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the watching thread and wait for it. `arm` and `look_again` do nothing from then on."""
        self._stop.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join()
        with self._wake_lock:
            if self._wake_in >= 0:
                os.close(self._wake_in)
                os.close(self._wake_out)
                self._wake_in = -1
        inotify, self._inotify = self._inotify, None
        if inotify is not None:
            inotify.close()

    def bequest(self) -> Streams:
        """Every stream with open files, for the watcher that comes after this one has stopped."""
        return [*self._streams.values(), *(self._hold.left() if self._hold is not None else ())]

    def known(self) -> frozenset[str]:
        """The logs found so far, whether somebody reads them or not."""
        return frozenset(self._streams) | self._refused

    def adopt(self, streams: Iterable[StreamFiles]) -> None:
        """Take over, at the start, what another watcher of the same tree left: files without a name live only there."""
        for files in streams:  # two of one path, if a pod came back under its uid
            if (first := self._adopted.setdefault(files.path, files)) is not files:
                first.absorb(files)

    def health(self) -> str | None:
        """None, or why the tree is not watched any more."""
        still = self._clock.monotonic() - self._beat
        if not self._thread.is_alive() or still > STUCK_AFTER:
            return f"the thread that watches {self._finder.name} has ended, or stood still for {still:.0f} s"
        return None

    def streams(self) -> Streams:
        """Everything followed now."""
        return list(self._streams.values())

    def arm(self, files: StreamFiles) -> None:
        """Call `files.changed` when its log is written to. From any thread; look once more for data after it
        returns.
        """
        self._quiet.arm(files, self._inotify)

    def look_again(self, files: StreamFiles) -> None:
        """Ask for a fresh look at the files of a stream (a reader found one truncated or missing). From any thread."""
        self._asked.put(files)
        self._wake()

    def _wake(self) -> None:
        with self._wake_lock, contextlib.suppress(BlockingIOError):  # the pipe is full of wake-ups already
            if self._wake_in >= 0:
                os.write(self._wake_in, b"!")

    def look_a_last_time(self) -> None:
        """Find what was written or came up since the last look. After `stop`, for who will read to the end."""
        self._scan()
        self._rescan(self._directories.all())
        for files in self.streams():
            self.guarded(partial(self._refresh, files))

    # -- the watching thread ------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._scan()
        self.guarded(self._take_up_held)
        self.scanned.set()
        while not self._stop.is_set():
            self._beat = self._clock.monotonic()
            if not self.guarded(self._turn):
                self._stop.wait(TICK)

    def _turn(self) -> None:
        if self._inotify is None:
            self._stop.wait(TICK)
        else:
            self._take_in(self._inotify.read(TICK, self._wake_out))
        drain(self._wake_out)
        while not self._asked.empty():
            self._refresh(self._asked.get_nowait())
        exhausted = self._directories.exhausted or self._quiet.exhausted
        if exhausted and self._inotify is not None:
            self._fall_back(exhausted)
        self._poll()

    def _take_in(self, events: Iterable[Event]) -> None:
        """Each directory that changed is listed once, after the last of the events."""
        changed: dict[Directory, None] = {}
        for event in events:
            if event.overflow:
                changed |= dict.fromkeys(self._directories.all())
                self._poll_files()
            for directory in self._directories.of_watch(event.watch):
                if event.ended:
                    self._drop_directory(directory.path)
                    # Another one may have its name already, and that news may have come before this.
                    if parent := self._directories.get(os.path.dirname(directory.path)):
                        changed[parent] = None
                else:
                    changed[directory] = None
            if quiet := self._quiet.fired(event.watch):
                self._spoke = True
                self._stirred(*quiet)
        self._rescan(changed)

    def _rescan(self, directories: Iterable[Directory]) -> None:
        for directory in directories:
            if self._directories.get(directory.path) is directory:
                self.guarded(directory.rescan)

    def _stirred(self, files: StreamFiles, path: str) -> None:
        if path in files.unidentified:
            self._refresh(files)
        else:
            for notify in files.changed:
                notify()

    # -- polling ------------------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        now = self._clock.monotonic()
        polling = self._inotify is None
        for root in self._finder.roots:
            known = self._directories.get(root)
            if known is None or known.entry != inode_of(root):
                self._finder.scan(self, root)
        directories = self._directories.all()
        if now - self._polled_directories >= (POLL_DIRECTORIES if polling else POLL_BESIDE_INOTIFY):
            self._polled_directories = now
            self._poll_directories(directories)
        elif polling:
            self._poll_directories(d for d in directories if d.path in self._finder.roots or now - d.since <= _YOUNG)
        if now - self._retried >= POLL_DIRECTORIES:
            self._retried = now
            self._rescan(d for d in directories if d.unreadable)
            for files in [f for f in self._streams.values() if f.troubled]:
                self._refresh(files)
        if now - self._polled_files >= (POLL_FILES if polling else POLL_BESIDE_INOTIFY):
            self._polled_files = now
            self._listen_for_silence(self._poll_files())
        if self._finder.form.by_time:
            for files in self.streams():
                files.look_back()
        if self._hold is not None and now - self._checked >= CHECK_HOLD:
            self._checked = now
            for files in self._hold.check(self.streams()):
                self._refresh(files)

    def _listen_for_silence(self, grown: bool) -> None:
        """Files that grew while inotify said nothing of any file, three times in a row: it does not work here."""
        self._silent = self._silent + grown if not self._spoke else 0
        self._spoke = False
        if self._silent >= 3 and self._inotify is not None:
            self._fall_back("files grow without an event, as on network file systems")

    def _poll_directories(self, directories: Iterable[Directory]) -> None:
        self._rescan(d for d in directories if not d.unreadable and mtime_of(d.path) != d.mtime)

    def _poll_files(self) -> bool:
        grown = self._quiet.grown()
        for files in grown:
            self._refresh(files)
        return bool(grown)

    def _fall_back(self, reason: str) -> None:
        inotify, self._inotify = self._inotify, None
        if inotify is not None:
            inotify.close()
        self._directories.without_inotify()
        log.warning(
            "inotify is not used (%s): files are polled. The limits are fs.inotify.max_user_{watches,instances}", reason
        )
        self._counters.counter("outrider_inotify_fallbacks_total", "Changes from inotify to polling.").add()

    # -- what finders ask for -----------------------------------------------------------------------------------------

    def list(self, path: str, entry: int, rescan: Callable[[], None]) -> dict[str, int] | None:
        """The names in `path` with their inode numbers; None if it is gone or cannot be read now. `rescan` is called
        whenever they change; `entry` is the inode number that its name has.
        """
        try:
            return self._directories.names(path, entry, rescan, self._inotify)
        except (FileNotFoundError, NotADirectoryError):
            self._drop_directory(path)
        except OSError:
            pass  # said, and tried again
        return None

    def is_new(self, path: str, entry: int) -> bool:
        """Whether the directory is not followed yet; another one may have been followed under its name."""
        known = self._directories.get(path)
        if known is not None and known.entry != entry:
            self._drop_directory(path)
            known = None
        return known is None

    def guarded(self, step: Callable[[], None]) -> bool:
        """Whether `step` came to its end."""
        try:
            step()
        except Exception:
            # Whatever a stranger's file system answers, the other streams go on.
            log.exception("watching %s", self._finder.name)
            self._counters.counter("outrider_watch_errors_total", "Unexpected failures while watching the tree.").add()
            return False
        return True

    def followed_in(self, directory: str) -> set[str]:
        """The logs in `directory` that are followed."""
        return self._by_directory.get(directory, set()) & self._streams.keys()

    def look(self, path: str) -> None:
        """The files of the log `path`, which is followed, may have changed."""
        if (files := self._streams.get(path)) is not None:
            self._refresh(files)

    def take_up(self, path: str, stream: Stream) -> None:
        """There is a log at `path`: follow it, if somebody wants to read it."""
        if path in self._refused or path in self._streams:
            return
        readers = self._admit(stream)
        before = self._adopted.pop(path, None)
        if not readers:
            self._refused.add(path)
            if before is not None:
                before.close()
            return
        links = None if self._hold is None else self._hold.links
        form = self._finder.form
        files = StreamFiles(stream, path, readers, self._clock, self._counters, links, before, form)
        self._streams[path] = files
        self._refresh(files)
        for reader in files.through if files.gone else ():  # it has forgotten where it was, and would begin again
            files.leave(reader)
        if not files.gone or any(g.waiting for g in files.generations):
            self._found(files)

    def odd(self, path: str, why: str) -> None:
        """`path` is none of what is looked for."""
        if path not in self._refused:
            self._refused.add(path)
            self._odd_names.add()
            log.warning("%s is left alone: %s", path, why)

    # -- directories and streams --------------------------------------------------------------------------------------

    def _scan(self) -> None:
        for root in self._finder.roots:
            self.guarded(partial(self._finder.scan, self, root))

    def _drop_directory(self, directory: str) -> None:
        """It is gone, with everything inside."""
        self._refused = {path for path in self._refused if not path.startswith(directory + os.sep)}
        removed = self._directories.remove(directory)
        streams = {path for d in removed for path in self._by_directory.pop(d, ())}
        for path in streams & self._streams.keys():
            self._refresh(self._streams[path])

    def _take_up_held(self) -> None:
        """Streams of which kubelet has nothing any more, but the hold has, or a watcher before this one had. What
        nobody reads needs no hold.
        """
        for stream in self._hold.links.streams() if self._hold is not None else ():
            live = self._finder.path_of(stream)
            if live not in self._streams:
                self.guarded(partial(self.take_up, live, stream))
            if self._hold is not None and live in self._refused:
                self._hold.links.keep(stream, (), identified=None)
        for files in [*self._adopted.values()]:
            self.guarded(partial(self.take_up, files.path, files.stream))

    def _refresh_beside(self, directory: str) -> None:
        self.list(directory, 0, partial(self._refresh_beside, directory))
        for path in self.followed_in(directory):
            self._refresh(self._streams[path])

    def _refresh(self, files: StreamFiles) -> None:
        here, *elsewhere = files.directories()
        self._by_directory.setdefault(here, set()).add(files.path)
        for beside in elsewhere:  # docker: the log is a link, its rotations lie beside the target
            if beside in self._directories or self.list(beside, 0, partial(self._refresh_beside, beside)) is not None:
                self._by_directory.setdefault(beside, set()).add(files.path)
        files.refresh()
        armed: frozenset[str] = frozenset()
        while not files.unidentified <= armed:  # looked at once more, for what was written before they were armed
            armed |= files.unidentified
            self.arm(files)
            files.refresh()
        if files.gone and self._streams.get(files.path) is files:
            del self._streams[files.path]
            if self._hold is not None:
                self._hold.gone(files)
            self._by_directory = {d: rest for d, all_ in self._by_directory.items() if (rest := all_ - {files.path})}
