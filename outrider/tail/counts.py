"""What a reader counts of all its streams together, for `/metrics`."""

from outrider.model.counters import Counters


class Counts:
    """The counters of the readers of one exporter."""

    __slots__ = ("cut", "half", "joined", "lines", "read_errors")

    def __init__(self, counters: Counters, exporter: str) -> None:
        self.lines = counters.counter("outrider_lines_read_total", "Physical lines read.", exporter=exporter)
        self.joined = counters.counter(
            "outrider_lines_joined_total",
            "Lines that became part of a record begun by another line.",
            exporter=exporter,
        )
        self.half = counters.counter(
            "outrider_half_lines_total", "Last lines without a newline, delivered as they were.", exporter=exporter
        )
        self.cut = counters.counter(
            "outrider_cut_lines_total",
            "Lines longer than a record may be, delivered in pieces.",
            exporter=exporter,
        )
        self.read_errors = counters.counter(
            "outrider_read_errors_total", "Failed reads of log files.", exporter=exporter
        )
