"""Any history of a log: whatever is done to its files, and whenever the collector is killed, every line comes out, and
what comes out again is what it was.

Hypothesis plays writer, kubelet, logrotate, operator and `kill -9`; the files and the reader are the real ones. Only
lines that existed nowhere but in a file that was truncated without a copy, or deleted before this process opened it,
may be missing.
"""

import gzip
import os
import re
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from outrider.tail.records import Joining
from tests.support.following import Following, Identity

STD = st.sampled_from([b"stdout", b"stderr"])
_NUMBER = re.compile(rb"#(\d+)#")


class History(RuleBasedStateMachine):
    """Lines are numbered; `where` says in which file each lies, `excused` which may be missing."""

    pauses = False
    joining = Joining(wait=1e9)  # time never cuts a record, so a repeat must be equal

    @initialize(exists=st.booleans())
    def begin(self, exists: bool) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.live = self.directory / "0.log"
        self.ns = 1_700_000_000_000
        self.count = self.named = 0
        self.rotations: list[Path] = []
        self.where: dict[int, Path] = {}
        self.excused: set[int] = set()
        self.out: set[int] = set()
        self.orphans: set[int] = set()
        self.emitted: dict[Identity, tuple[bytes, bytes, bytes]] = {}
        self.rest = b""
        self.open_parts: set[bytes] = set()
        self.fd = self._open() if exists else -1
        self.following = Following(self.directory, joining=self.joining)
        self.seen = 0

    def teardown(self) -> None:
        if hasattr(self, "fd"):
            try:
                self._end()
            finally:
                self.following.close()
                if self.fd >= 0:
                    os.close(self.fd)
                shutil.rmtree(self.directory)

    # -- the writer ---------------------------------------------------------------------------------------------------

    @rule(std=STD, n=st.integers(1, 3), cut=st.one_of(st.none(), st.integers(0, 60)))
    def write(self, std: bytes, n: int, cut: int | None) -> None:
        self._write([self._line(std, b"F", b"2026 #%d#") for _ in range(n)], cut)
        self.open_parts.discard(std)

    @rule(std=STD, n=st.integers(1, 3), end=st.booleans())
    def write_parts(self, std: bytes, n: int, end: bool) -> None:
        self._write([self._line(std, b"P", b"part #%d#") for _ in range(n)])
        self.open_parts.add(std)
        if end:
            self._write([self._line(std, b"F", b"end #%d#")])
            self.open_parts.discard(std)

    @rule(std=STD, n=st.integers(0, 3))
    def write_trace(self, std: bytes, n: int) -> None:
        self._write([self._line(std, b"F", b"java.lang.IllegalStateException: #%d#")])
        self._write([self._line(std, b"F", b"\tat com.acme.C#%d#.m(C.java:1)") for _ in range(n)])
        self.open_parts.discard(std)

    @rule(n=st.integers(20, 200))
    def write_much(self, n: int) -> None:
        self._write([self._line(b"stdout", b"F", b"2026 #%d# " + b"x" * 5000) for _ in range(n)])
        self.open_parts.discard(b"stdout")

    @precondition(lambda self: self.pauses)  # files that were begun in another order may be joined in that order
    @rule(seconds=st.integers(1, 100))
    def the_clock_goes_back(self, seconds: int) -> None:
        self.ns -= seconds * 1_000_000_000

    # -- kubelet, logrotate, operators --------------------------------------------------------------------------------

    @precondition(lambda self: self.fd >= 0 and self.live.exists())
    @rule(late=st.booleans(), look=st.booleans(), first=st.booleans())
    def rotate(self, late: bool, look: bool, first: bool) -> None:
        self.following.look() if look else None
        self._move_live(self._next_name())
        if look:
            self.following.look()
            self._read(5)
        self._complete()
        if late:
            self._write([self._line(b"stdout", b"F", b"2026 late #%d#")])
        os.close(self.fd)
        self.fd = self._open()
        if first:
            self.write(b"stdout", 1, None)

    @precondition(lambda self: any(p.suffix != ".gz" for p in self.rotations))
    @rule(steps=st.integers(0, 2))
    def compress(self, steps: int) -> None:
        plain = next(p for p in self.rotations if p.suffix != ".gz")
        temporary, packed = plain.with_name(plain.name + ".tmp"), plain.with_name(plain.name + ".gz")
        temporary.write_bytes(gzip.compress(plain.read_bytes()))
        if steps > 0:
            self.following.look()
        temporary.rename(packed)
        if steps > 1:
            self.following.look()
        plain.unlink()
        self.rotations[self.rotations.index(plain)] = packed
        self._moved(plain, packed)

    @precondition(lambda self: self.fd >= 0 and self.live.exists())
    @rule(look=st.booleans())
    def copytruncate(self, look: bool) -> None:
        self._complete()
        copy = self._next_name()
        shutil.copyfile(self.live, copy)
        self.rotations.append(copy)
        self.following.look() if look else None
        os.truncate(self.live, 0)
        self._moved(self.live, copy)

    @precondition(lambda self: self.fd >= 0 and self.live.exists())
    @rule()
    def truncate_without_a_copy(self) -> None:
        self._complete()
        os.truncate(self.live, 0)
        self.excused |= {n for n, path in self.where.items() if path == self.live}

    @precondition(lambda self: self.rotations)
    @rule(opened=st.booleans())
    def delete_the_oldest(self, opened: bool) -> None:
        if opened:
            self.following.look()
        path = self.rotations.pop(0)
        path.unlink()
        lines = {n for n, where in self.where.items() if where == path}
        if opened:
            self.orphans |= lines
        else:
            self.excused |= lines

    @precondition(lambda self: self.live.exists() and self.rotations)  # a stream without files ends
    @rule(looks=st.integers(0, 3), more=st.booleans())
    def away_and_back(self, looks: int, more: bool) -> None:
        away = self.directory / "away"
        self._move_live(away)
        for _ in range(looks):
            self.following.look()
            self._read(3)
            self.following.clock.advance(0.3)
        if more:
            self.write(b"stdout", 1, None)
        away.rename(self.live)
        self.rotations.remove(away)
        self._moved(away, self.live)

    # -- the collector ------------------------------------------------------------------------------------------------

    @rule()
    def look(self) -> None:
        self.following.look()

    @rule(turns=st.integers(1, 30))
    def read(self, turns: int) -> None:
        self._read(turns)

    @rule(which=st.lists(st.integers(0, 5), min_size=1))
    def acknowledge(self, which: list[int]) -> None:
        self.following.ack(*which)

    @rule(seconds=st.sampled_from([0.1, 0.25, 1.0, 5.0]))
    def time_passes(self, seconds: float) -> None:
        self._complete()  # a runtime does not stop in the middle of a line
        self.following.clock.advance(seconds)

    @rule(acked=st.booleans())
    def kill_and_restart(self, acked: bool) -> None:
        if acked:
            self.following.ack()
        self.excused |= self.orphans
        self.orphans.clear()
        self.following.close()
        places = self.following.places
        self.following = Following(self.directory, self.following.clock, places=places, joining=self.joining)
        self.seen = 0

    # -- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def what_comes_again_is_what_it_was(self) -> None:
        for identity, (_, timestamp, std, content) in self.following.emitted[self.seen :]:
            first = self.emitted.setdefault(identity, (timestamp, std, content))
            if not self.pauses:
                assert (timestamp, std, content) == first, identity
            numbers = set(map(int, _NUMBER.findall(content)))
            self.out |= numbers
            self.orphans -= numbers
        self.seen = len(self.following.emitted)

    @invariant()
    def no_cursor_passes_what_is_not_acknowledged(self) -> None:
        for key, offset in self.following.unacknowledged():
            assert self.following.places.get(key, (0, ""))[0] <= offset

    # -- parts --------------------------------------------------------------------------------------------------------

    def _read(self, turns: int) -> None:
        for _ in range(turns):
            if not self.following.take():
                break

    def _line(self, std: bytes, tag: bytes, content: bytes) -> bytes:
        self.count += 1
        self.ns += 1_000
        seconds, ns = divmod(self.ns, 1_000_000_000)
        stamp = b"2026-05-16T09:%02d:%02d.%09dZ" % (seconds // 60 % 60, seconds % 60, ns + self.count)
        return b"%b %b %b " % (stamp, std, tag) + content.replace(b"%d", b"%d" % self.count) + b"\n"

    def _write(self, lines: list[bytes], cut: int | None = None) -> None:
        if self.fd < 0:
            self.fd = self._open()
        data = self.rest + b"".join(lines)
        end = len(data) if cut is None else len(data) - min(cut, len(lines[-1]) if lines else 0)
        os.write(self.fd, data[:end])
        self.rest = data[end:]
        path = self.live if self.live.exists() else self.rotations[-1]
        for line in lines:
            for number in map(int, _NUMBER.findall(line)):
                self.where[number] = path

    def _complete(self) -> None:
        if self.rest:
            self._write([])

    def _open(self) -> int:
        return os.open(self.live, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def _next_name(self) -> Path:
        self.named += 1
        return self.directory / f"0.log.{self.named:03}"

    def _move_live(self, to: Path) -> None:
        self.live.rename(to)
        self.rotations.append(to)
        self._moved(self.live, to)

    def _moved(self, old: Path, new: Path) -> None:
        for number, path in self.where.items():
            if path == old:
                self.where[number] = new

    def _end(self) -> None:
        """Everything unfinished gets its end, and then all that is not excused must have come out."""
        self._complete()
        for std in (b"stdout", b"stderr"):
            self._write([self._line(std, b"F", b"2026 end #%d#") for _ in range(2)])
        self.following.read_over(6)
        self.what_comes_again_is_what_it_was()
        missing = set(range(1, self.count + 1)) - self.out - self.excused
        assert not missing, f"lost: {sorted(missing)}"
        lines = self.following.counters.value("outrider_lines_read_total")
        joined = self.following.counters.value("outrider_lines_joined_total")
        assert lines == joined + len(self.following.emitted)


class HistoryWithPauses(History):
    """The same where records may be cut by time: a repeat may then be cut elsewhere, but nothing is lost."""

    pauses = True
    joining = Joining(wait=0.5)


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestHistoryWithPauses = HistoryWithPauses.TestCase
TestHistoryWithPauses.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
