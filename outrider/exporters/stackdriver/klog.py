"""Lines of Kubernetes' own programs, whose head says what other programs put into fields.

    I0516 09:19:06.315692       1 authorize.go:42] "Authorized payment" took="17ms"
    severity, date and time, process, source: then the message (k8s.io/klog, `formatHeader`)

The time has no year and no zone, so it is the container runtime's that counts. A line that looks like that and is not
is text. What klog itself writes the native core takes apart (klog.c); what is here is for all others.
"""

import re
from collections.abc import Iterable

from msgspec import UNSET, Struct

from outrider.exporters.columns import Rows
from outrider.exporters.stackdriver.context import StreamContext
from outrider.exporters.stackdriver.entries import Entry, JsonEntry, TextEntry, texts
from outrider.exporters.stackdriver.severity import BY_LETTER
from outrider.exporters.stackdriver.shapes import SourceLocation

head_of = re.compile(
    r"([IWEFD])\d{4} \d\d:\d\d:\d\d\.\d+\s+(\d+)\s+([^ \]]+):(\d{1,18})\]\s(.*)", re.DOTALL | re.ASCII
).fullmatch
"""Letter, process, file, line number and message."""


class _Payload(Struct, gc=False):
    message: str
    pid: str


def entries(rows: Rows, context: StreamContext, suspects: Iterable[int]) -> list[Entry | None]:
    """The entries of lines of text, among which `suspects` begin like klog's; None for those that are no UTF-8."""
    made: list[Entry | None] = list(texts(rows, context))
    for i in suspects:
        text = made[i]
        if isinstance(text, TextEntry) and rows.stds[i] and (m := head_of(text.text_payload)) is not None:
            made[i] = _entry(text, m)
    return made


def _entry(text: TextEntry, m: re.Match[str]) -> JsonEntry:
    letter, pid, file, line, message = m.groups()
    payload, source = _Payload(message, pid), SourceLocation(file, line)
    return JsonEntry(
        text.insert_id, text.timestamp, BY_LETTER[letter], UNSET, payload, UNSET, UNSET, UNSET, UNSET, source, UNSET,
        text.log_name,
    )  # fmt: skip
