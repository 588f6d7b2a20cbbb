"""Lines in, reports out: what all series come to, every ten seconds.

The loop over lines is the hot path, and does next to nothing for each: cut it in two, look its head up, append its
values to the list of its series, as they are. A head is read once (`lines.py`). Now and then, before the
lists grow long, they are emptied: many values of one series become numbers, and add up, in a few calls into C.

    b"page.views:1|c|#env:dev"   ->  heads[b"page.views", b"c|#env:dev"].append(b"1")       0.5 µs
    fold                         ->  sum(map(float, [b"1", b"1", ...])) goes to the series   0.1 µs a value

An interval ends at a multiple of ten seconds, as the Agent's do. What it came to is put aside by exchanging one dict,
and reported in portions, between which lines of the next interval are taken: no socket waits for long.

Clients say in different words who they are (an id, a pod, nothing). What they mean decides what is one series: two
values of one series in an interval would overwrite each other at the vendors. It may become known only later, so it is
looked up again whenever an interval ends; if somebody turns out to be another one, all heads are read anew.

What can be told apart without end is bounded, in bytes: heads, series, and what is held within an interval. What is
beyond is dropped and counted, as is every line that cannot be read; and one sender leaves room to the others
(`room.py`). The log says whose it is, for it is mostly somebody's mistake.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from outrider.model.bins import Bins
from outrider.model.clock import Clock
from outrider.model.counters import Counter, Counters
from outrider.model.points import Event, Point, Recent, Report, ServiceCheck, Subject
from outrider.receivers.dogstatsd.lines import BadLineError, Head, Origin, event, head, numbers, service_check
from outrider.receivers.dogstatsd.room import Room
from outrider.receivers.dogstatsd.series import EXPIRES, Gathered, Series, Source

log = logging.getLogger(__name__)

INTERVAL = 10
"""Seconds that are added up: the Agent's, which it cannot be told to change either."""
SHORTEST = 5
"""Seconds of an interval that ends early, at least: Cloud Monitoring takes no two points of a series within less."""
AFTER = 10**6
"""Nanoseconds between the end of what a program has counted and the beginning of what the next one does, at least, for
Cloud Monitoring."""
HEADS_ROOM = 40_000_000
"""Bytes of the heads that are remembered; beyond, all are read anew."""
SERIES_ROOM = 200_000_000
"""Bytes of all series at a time."""
HELD_ROOM = 100_000_000
"""Bytes of members of sets and bins of sketches within an interval."""
TOLD_ROOM = 20_000_000
"""Bytes of events, service checks and values with times of their own within an interval."""
EACH_HEAD, EACH_SERIES, EACH_HELD, EACH_TOLD = 400, 2000, 100, 500
"""Bytes that one takes beside its text, about; a histogram has more, 3,500."""
MAX_ORIGINS = 1000
"""Origins in the heads that are remembered."""
FOLD_AT = 2 << 20
"""Bytes of lines after which lists are emptied."""
PORTION = 100
"""Series of one report."""

REASONS = ("form", "value", "rate", "time", "event", "service_check", "too_many_series", "too_many_values")
"""Why a line is dropped: no name or type; no number; a sample rate that is none; a time that is none, or of a type that
takes none; an event or a service check that cannot be read; no room."""
_SAID = 1000
"""Senders whose want of room is not said again; beyond, all of them may be said once more."""


class Aggregation:
    """Adds up. Used by one thread."""

    def __init__(self, subject: Callable[[Origin], Subject], clock: Clock, counters: Counters) -> None:
        self.subject = subject
        """Who an origin is."""
        self._clock = clock
        self._adds: dict[tuple[bytes, bytes], Callable[[bytes], None]] = {}
        self._heads = 0  # bytes
        self._pending: dict[tuple[Series, float], list[bytes]] = {}  # values by series and rate
        self._unread = 0  # bytes of the lines that are in them
        self._who: dict[Origin, Origin] = {}
        self._series: dict[tuple[object, ...], Series] = {}
        self._gathered: dict[Series, Gathered] = {}
        self._series_room, self._held_room, self._told_room = Room(SERIES_ROOM), Room(HELD_ROOM), Room(TOLD_ROOM)
        self._said: set[tuple[str, str]] = set()
        self._told: list[tuple[Source, Point | Recent | Event | ServiceCheck]] = []
        self._end = self._next_end()
        # the program before this one may have ended its interval early, and this is the same one
        least = (self._end - INTERVAL + SHORTEST) * 10**9 + AFTER
        self._first_start = max(int(clock.now() * 1e9), least)

        def counter(name: str, text: str, **labels: str) -> Counter:
            return counters.counter(name, text, **labels)

        taken = "Lines that the DogStatsD server could read, by what they are."
        self._taken = {
            what: counter("outrider_dogstatsd_lines_total", taken, what=what)
            for what in ("values", "events", "service_checks")
        }
        dropped = "Lines that the DogStatsD server could not read, or had no room for, by reason."
        self._dropped = {
            reason: counter("outrider_dogstatsd_dropped_total", dropped, reason=reason) for reason in REASONS
        }

    @property
    def series(self) -> int:
        """How many are added up."""
        return len(self._series)

    # -- lines --------------------------------------------------------------------------------------------------------

    def take(self, data: bytes) -> None:
        """Add up the lines of `data`."""
        get = self._adds.get
        for line in data.split(b"\n"):
            named, _, meta = line.partition(b"|")
            name, _, values = named.partition(b":")
            add = get((name, meta))
            if add is not None:
                add(values)
            elif line:
                self._take_new(line, name, values, meta)
        self._unread += len(data)
        if self._unread >= FOLD_AT:
            self._fold()

    def _take_new(self, line: bytes, name: bytes, values: bytes, meta: bytes) -> None:
        """A line whose head was not met before, or which has none."""
        bare = line.removesuffix(b"\r")
        try:
            if bare.startswith(b"_e{"):
                self._tell(len(line), *event(bare, self._clock.now()))
                self._taken["events"].add()
            elif bare.startswith(b"_sc|"):
                self._tell(len(line), *service_check(bare, self._clock.now()))
                self._taken["service_checks"].add()
            elif bare:
                found = head(name, meta.removesuffix(b"\r"))
                series = self._series_of(found, len(line))
                if found.time:
                    self._take_timed(series, found, values)
                else:
                    self._take_first(series, found, name, values, meta)
        except BadLineError as e:
            self._dropped[e.reason].add()

    def _take_first(self, series: Series, found: Head, name: bytes, values: bytes, meta: bytes) -> None:
        if self._heads >= HEADS_ROOM:
            self._forget_heads()
        series.timed = False
        # gauges and sets have no rate: one list, or the last value would be the last of one head
        pending = self._pending.setdefault((series, 1.0 if found.type in ("g", "s") else found.rate), [])
        pending.append(values)
        self._adds[name, meta] = pending.append
        self._heads += len(name) + len(meta) + EACH_HEAD

    def _take_timed(self, series: Series, found: Head, values: bytes) -> None:
        series.last = self._end
        for value in numbers(values):
            told = series.at(value, 1 / found.rate, found.time, INTERVAL)
            self._keep_told(series.source, told, found.name, 0)
        self._taken["values"].add()

    def _series_of(self, found: Head, size: int) -> Series:
        """The series of a head, which stands in a line of `size` bytes."""
        origin = self._meant(found.origin)
        key = (found.name, found.type, found.tags, origin)
        series = self._series.get(key)
        if series is None:
            if not self._series_room.open_to(origin.pod):
                self._say_full(origin, found.name, "too_many_series")
                raise BadLineError("too_many_series")
            size += EACH_SERIES
            self._series_room.take(origin.pod, size)
            started = max((self._end - INTERVAL) * 10**9, self._first_start)
            series = self._series[key] = Series(found, origin, started, size)
        return series

    def _meant(self, origin: Origin) -> Origin:
        """The one origin that stands for all who are the same pod and container."""
        known = self._who.get(origin)
        if known is None:
            if len(self._who) >= MAX_ORIGINS:
                self._forget_heads()
            known = self._who[origin] = self._look_up(origin)
        return known

    def _look_up(self, origin: Origin) -> Origin:
        subject = self.subject(origin)
        return origin._replace(container_id="", pod=subject.uid, container=subject.container)

    def _tell(self, size: int, what: Event | ServiceCheck, words: tuple[str, ...], origin: Origin) -> None:
        name = what.title if isinstance(what, Event) else what.name
        self._keep_told((self._meant(origin), words), what, name, size)

    def _keep_told(self, source: Source, what: Point | Recent | Event | ServiceCheck, name: str, size: int) -> None:
        who = source[0].pod
        if not self._told_room.open_to(who):
            self._say_full(source[0], name, "too_many_values")
            raise BadLineError("too_many_values")
        self._told_room.take(who, size + EACH_TOLD)
        self._told.append((source, what))

    def _say_full(self, origin: Origin, name: str, reason: str) -> None:
        """Say, once, who has no more room."""
        if (origin.pod, reason) in self._said:
            return
        if len(self._said) >= _SAID:
            self._said.clear()
        self._said.add((origin.pod, reason))
        whose = self.subject(origin)
        log.warning(
            "dogstatsd: %s: no room for all that %s sends, such as %.200r (said once; outrider_dogstatsd_dropped_total "
            "counts)",
            *(reason, f"{whose.namespace}/{whose.pod}" if whose.pod else f"the node {whose.node}", name),
        )

    # -- folding ------------------------------------------------------------------------------------------------------

    def _fold(self) -> None:
        """Empty the lists."""
        self._unread = 0
        for (series, rate), values in self._pending.items():
            if values:
                self._add(series, values, rate)
                values.clear()

    def _add(self, series: Series, given: list[bytes], rate: float) -> None:
        series.last = self._end
        kind = series.type
        if kind == "s":
            self._add_members(series, given)
            return
        found = self._numbers(given)
        if not found:
            return
        before = self._gathered.get(series)
        if kind == "g":
            self._gathered[series] = found[-1]
        elif kind == "c":
            self._gathered[series] = (before if isinstance(before, float) else 0.0) + sum(found) / rate
        else:
            who = series.source[0].pod
            if not self._held_room.open_to(who):
                self._say_full(series.source[0], series.name, "too_many_values")
                self._dropped["too_many_values"].add(len(found))
                return
            bins = before if isinstance(before, Bins) else Bins()
            held = len(bins)
            # A whole number of times, as the Agent does: so no average is above all values.
            bins.add(found, int(1 / rate))
            self._held_room.take(who, (len(bins) - held) * EACH_HELD)
            self._gathered[series] = bins

    def _add_members(self, series: Series, given: list[bytes]) -> None:
        before = self._gathered.get(series)
        members = before if isinstance(before, set) else set()
        who = series.source[0].pod
        for member in given:
            if not member:
                self._dropped["value"].add()
            elif member not in members:
                if self._held_room.open_to(who):
                    self._held_room.take(who, len(member) + EACH_HELD)
                    members.add(member)
                else:
                    self._say_full(series.source[0], series.name, "too_many_values")
                    self._dropped["too_many_values"].add()
        if members:
            self._gathered[series] = members
        self._taken["values"].add(len(given) - given.count(b""))

    def _numbers(self, given: list[bytes]) -> list[float]:
        """The values of many lines; those of lines that cannot be read are left out."""
        try:
            found = numbers(b":".join(given)) if all(given) else None
        except BadLineError:
            found = None
        if found is None:  # at least one is bad
            found = []
            bad = 0
            for values in given:
                try:
                    found += numbers(values)
                except BadLineError:
                    bad += 1
            self._dropped["value"].add(bad)
            self._taken["values"].add(len(given) - bad)
        else:
            self._taken["values"].add(len(given))
        return found

    def _forget_heads(self) -> None:
        self._fold()
        self._pending.clear()
        self._adds.clear()
        self._who.clear()
        self._heads = 0

    # -- reports ------------------------------------------------------------------------------------------------------

    def due(self) -> float:
        """Seconds until the interval ends; not above zero if it has ended, or the clock was set back."""
        left = self._end - self._clock.now()
        return left if left <= 2 * INTERVAL else 0.0

    def close(self) -> Iterator[Report]:
        """End the interval: what it came to, in portions. Lines may be taken between two of them. One that is ended
        early, with the program, says so: the next program may well have values of its own for the proper end, and those
        would overwrite these, or fall behind them.
        """
        self._fold()
        if any(self._look_up(origin) != known for origin, known in self._who.items()):
            self._forget_heads()
        gathered, self._gathered = self._gathered, {}
        told, self._told = self._told, []
        self._held_room.clear()
        self._told_room.clear()
        end, self._end = self._ended(), self._next_end()
        alive = list(self._series.values())
        return chain(self._of_series(alive, gathered, end), self._of_told(told), self._expired(end))

    def _ended(self) -> int:
        """The end of the interval: now, if that is earlier, but for SHORTEST."""
        now = int(self._clock.now())
        early = max(now, self._end - INTERVAL + SHORTEST)
        return min(self._end, early if early - now < INTERVAL else now + 1)  # else the clock was set back

    def _next_end(self) -> int:
        return (int(self._clock.now()) // INTERVAL + 1) * INTERVAL

    def _of_series(self, alive: Sequence[Series], gathered: dict[Series, Gathered], end: int) -> Iterator[Report]:
        for i in range(0, len(alive), PORTION):
            by_source: dict[Source, list[Point | Recent]] = {}
            for series in alive[i : i + PORTION]:
                found = by_source.setdefault(series.source, [])
                found += series.report(gathered.get(series), end, INTERVAL)
            yield from (self._report(source, found) for source, found in by_source.items() if found)

    def _of_told(self, told: Sequence[tuple[Source, Point | Recent | Event | ServiceCheck]]) -> Iterator[Report]:
        by_source: dict[Source, list[Point | Recent | Event | ServiceCheck]] = {}
        for source, what in told:
            by_source.setdefault(source, []).append(what)
        yield from (self._report(source, found) for source, found in by_source.items())

    def _report(self, source: Source, found: Sequence[Point | Recent | Event | ServiceCheck]) -> Report:
        origin, words = source
        return Report(
            "dogstatsd",
            self.subject(origin),
            tuple(one for one in found if isinstance(one, Point)),
            tuple(one for one in found if isinstance(one, ServiceCheck)),
            tuple(one for one in found if isinstance(one, Event)),
            words,
            tuple(one for one in found if isinstance(one, Recent)),
            origin.cardinality,
        )

    def _expired(self, end: int) -> Iterator[Report]:
        """Forget series of which nothing came for long; nothing is said of that."""
        self._fold()  # something may have come since the interval ended
        old = [(key, series) for key, series in self._series.items() if end - series.last >= EXPIRES]
        if old:
            self._forget_heads()  # some are of series that are gone
        for key, series in old:
            self._series_room.give_back(series.source[0].pod, series.size)
            del self._series[key]
        yield from ()
