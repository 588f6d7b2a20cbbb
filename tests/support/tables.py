"""Records as the native core has them, made of rows."""

from collections.abc import Iterable

from outrider.model.records import Record, Records
from outrider.model.table import Table


def tabled(rows: Iterable[Record]) -> Records:
    """`rows` in a table, as if they had been found in a chunk."""
    records = Records(table=Table(b"", b""))
    for row in rows:
        records.add(row)
    return records
