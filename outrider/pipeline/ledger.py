"""The books: what became of every byte and every entry, per stream and exporter.

Two sums must come out, for each stream and at every moment:

    bytes      disk = skipped + acknowledged + in flight + lost + behind, and read = acknowledged + in flight
    entries    read = accepted + rejected + left out + in flight

`disk` is asked of the file system, `acknowledged` moves with the cursor, `in flight` is what was read and not answered
yet (or belongs to a record that is not whole yet), `behind` has not been read. `skipped` stood before the place where
the stream was taken up: delivered by an earlier run, or not wanted (`logs.start: end`). Entries are counted where they
are made and where they are answered, which are different threads and different code.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from outrider.model.counters import Family, Sample
from outrider.model.stream import Stream
from outrider.pipeline.followed import Followed
from outrider.tail.books import Balance


@dataclass(frozen=True, slots=True)
class Account:
    """One stream at one exporter. `bytes` are uncompressed bytes of log files. `behind_seconds` is the age of the
    oldest line that is not acknowledged, 0 if there is none.
    """

    stream: Stream
    bytes: Balance
    entries: int
    entries_in_flight: int
    accepted: int
    rejected: int
    left_out: int
    behind_seconds: float

    def plain(self) -> dict[str, Any]:
        """The form in which `/ledger` shows it."""
        s = self.stream
        return {
            "namespace": s.namespace,
            "pod": s.pod,
            "uid": s.uid,
            "container": s.container,
            "restart": s.file or s.restart,
            "bytes": self.bytes._asdict(),
            "records": {
                "read": self.entries,
                "in_flight": self.entries_in_flight,
                "accepted": self.accepted,
                "rejected": self.rejected,
                "left_out": self.left_out,
            },
            "behind_seconds": round(self.behind_seconds, 3),
        }


def account_of(followed: Followed, wall: float, now: float) -> Account:
    """The books of one stream at this moment (`wall` seconds since the epoch, `now` monotonic). For the thread that
    moves its reader.
    """
    reader = followed.reader
    b = reader.balance()
    return Account(
        reader.stream,
        b,
        followed.made + followed.left_out,
        followed.in_flight,
        followed.accepted,
        followed.rejected,
        followed.left_out,
        reader.lag(wall, now) if b.behind or b.in_flight else 0.0,
    )


def families(books: Mapping[str, list[Account]]) -> list[Family]:
    """The books of every exporter as samples for `/metrics`."""
    size: list[Sample] = []
    count: list[Sample] = []
    age: list[Sample] = []
    sums: list[Sample] = []
    ages: list[Sample] = []
    for exporter, accounts in books.items():
        for account in accounts:
            plain = account.plain()
            names = ("namespace", "pod", "uid", "container", "restart")  # a pod may come back under its name
            labels = {"exporter": exporter, **{name: str(plain[name]) for name in names}}
            lost = sum(account.bytes.lost.values())
            for state, n in {**plain["bytes"], "lost": lost}.items():
                size.append((_labels(labels, state=state), n))
            for state, n in plain["records"].items():
                count.append((_labels(labels, state=state), n))
            age.append((_labels(labels), account.behind_seconds))
        sums.append((_labels({"exporter": exporter}), sum(a.bytes.behind + a.bytes.in_flight for a in accounts)))
        ages.append((_labels({"exporter": exporter}), max((a.behind_seconds for a in accounts), default=0.0)))
    return [
        Family("outrider_stream_bytes", "gauge", "Bytes of a log, by what became of them.", size),
        Family("outrider_stream_entries", "gauge", "Entries of a log, by what became of them.", count),
        Family("outrider_stream_lag_seconds", "gauge", "Age of the oldest line that is not acknowledged.", age),
        Family("outrider_lag_bytes", "gauge", "Bytes on disk that are not acknowledged.", sums),
        Family("outrider_lag_seconds", "gauge", "The largest lag of any stream.", ages),
    ]


def _labels(labels: Mapping[str, str], **more: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted({**labels, **more}.items()))
