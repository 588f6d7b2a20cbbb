"""Records become Cloud Logging entries, in the format that GKE writes.

    {"insertId":…,"timestamp":…,"severity":…,"textPayload":…,"logName":… + the stream's constant part (context.py)

Where the native core was built it writes the entries of a table (google.c), and what it leaves out is encoded here and
put between them (written.py). Otherwise a slice of records is gone through by columns: the times (times.py), the
identities (identity.py), by a look at two bytes of each whether a line is text, a JSON object (json_lines.py), klog's
(klog.py) or something else. What comes out are entries (entries.py) that msgspec writes in one call.

Everything unusual (no UTF-8, a long line, a time the server would refuse) leaves the straight path to `odd.py`, line by
line, and no line leaves without becoming an entry.

Costs 0.2 µs for a line of text and 0.8 µs for one of JSON with httpRequest and trace, or in Python 1.2 and 2.7 µs
(`python -m bench stages`).
"""

from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from outrider import native
from outrider.exporters.block import Block, block, chained
from outrider.exporters.columns import Rows
from outrider.exporters.identity import by_turn, ids
from outrider.exporters.stackdriver import klog, severity
from outrider.exporters.stackdriver.context import StreamContext
from outrider.exporters.stackdriver.entries import texts
from outrider.exporters.stackdriver.json_lines import JsonLines
from outrider.exporters.stackdriver.odd import LONG, OddLines
from outrider.exporters.stackdriver.times import Timestamps
from outrider.exporters.written import Generation, written
from outrider.model.clock import Clock
from outrider.model.counters import Counter, Counters
from outrider.model.records import Records

if TYPE_CHECKING:
    from outrider.native._core import Entries

_TEXT, _JSON, _KLOG, _ODD = None, 1, 2, 3
_ANY = [bytes([c]) for c in range(256)] + [b""]
_SPACE = b" \t\r\n"
_KINDS = {
    **{b"{" + c: _JSON for c in _ANY},
    **{bytes([letter, digit]): _KLOG for letter in b"IWEFD" for digit in b"0123456789"},
    **{bytes([space]) + c: _ODD for space in _SPACE for c in (b"{", b" ", b"\t", b"\r", b"\n")},
}
"""What a line is, by its first two bytes. Odd ones may be JSON behind white space."""
_first_two = itemgetter(slice(0, 2))
_NAMES = b"".join(bytes([len(part)]) + part.encode() for pair in severity.NAMES.items() for part in pair)
"""As the native core takes them: a byte for the length of each name, and of what it stands for."""


class Encoder:
    """Makes the entries of one exporter. `strict`: oversize JSON is dropped and text truncated, as GKE does."""

    def __init__(self, project: str, strict: bool, clock: Clock, counters: Counters, exporter: str) -> None:
        self._clock = clock
        self._times = Timestamps(clock.now())

        def counter(name: str, text: str) -> Counter:
            return counters.counter(name, text, exporter=exporter)

        self.labels_shed = counter("outrider_labels_shed_total", "Times that labels beyond 64 were left out.")
        self._timeless = counter(
            "outrider_timestamps_refused_total", "Records whose time was missing, invalid or over a day ahead."
        )
        self._json_lines = JsonLines(project, self._times)
        self._odd = OddLines(project, strict, self._times, counter)

    def encode(self, records: Records, context: StreamContext, generation: Generation) -> Block:
        """The entries of `records`, in their order.

        `generation(turn)` tells the key of the generation that the upper bits of a position name, and the time of its
        first line.
        """
        self._times.move(self._clock.now())
        if not records:
            return Block(b"", 0)
        if native.core is not None and (table := records.table) is not None:
            by_python = partial(self._by_python, context=context, generation=generation)
            return written(records, table, context, generation, self._by_core, by_python, context.common)[0]
        return self._by_python(records, context, generation)

    def _by_core(self, chunk: bytes, rows: bytes, begin: int, end: int, strings: bytes, begun: bytes) -> "Entries":
        assert native.core is not None
        latest = self._times.latest
        made: Entries = native.core.google(chunk, rows, begin, end, strings, latest, _NAMES, not begun)
        return made

    def _by_python(self, records: Records, context: StreamContext, generation: Generation) -> Block:
        return chained([self._one_turn(some, context, *generation(turn)) for turn, some in by_turn(records)])

    def _one_turn(self, records: Records, context: StreamContext, generation: str, begun: bytes) -> Block:
        kinds = self._kinds(records.contents)
        times = self._times.column(records.times)
        if times is None:
            times = [self._time(time, std, begun) for time, std in zip(records.times, records.stds, strict=True)]
            kinds = [kind if time else _ODD for kind, time in zip(kinds, times, strict=True)]
        rows = Rows(ids(context.prefix(generation), records.at), times, records.stds, records.contents)
        entries = self._entries(kinds, rows, context)
        odd = [i for i, entry in enumerate(entries) if entry is None]
        for i in reversed(odd):
            entries[i : i + 1] = self._odd.entries(*rows.row(i), context)
        made = block(entries, context.common)
        return made.spelled() if odd and context.tight else made

    def _entries(self, kinds: list[Any], rows: Rows, context: StreamContext) -> list[Any]:
        """What is to be encoded for each line; None for odd ones."""
        present = set(kinds)
        if len(present) == 1:
            return self._alike(kinds[0], rows, context)
        if present == {_TEXT, _KLOG}:
            return klog.entries(rows, context, [i for i, kind in enumerate(kinds) if kind == _KLOG])
        made = {kind: iter(self._alike(kind, rows.where([k is kind for k in kinds]), context)) for kind in present}
        return [next(made[kind]) for kind in kinds]

    def _alike(self, kind: int | None, rows: Rows, context: StreamContext) -> list[Any]:
        if kind is _TEXT:
            return texts(rows, context)
        if kind == _JSON:
            return self._json_lines.entries(rows, context)
        if kind == _KLOG:
            return klog.entries(rows, context, range(len(rows.contents)))
        return [None] * len(rows.contents)

    def _kinds(self, contents: list[bytes]) -> list[Any]:
        kinds = list(map(_KINDS.get, map(_first_two, contents)))
        if max(map(len, contents)) > LONG:
            kinds = [_ODD if len(c) > LONG else k for k, c in zip(kinds, contents, strict=True)]
        return kinds

    def _time(self, time: bytes, std: bytes, begun: bytes) -> str:
        """A line without a usable time gets that of its file's first line; without that the server sets one."""
        good = self._times.good(time)
        if good is None:
            if time or not std:  # a program's own file need not have times
                self._timeless.add()
            good = self._times.good(begun)
        return good or ""
