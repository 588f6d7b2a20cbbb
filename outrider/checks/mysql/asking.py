"""What one run asks, statement by statement: one that is refused costs what it would have told, and nothing else."""

import math
import re
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from outrider.checks.check import Reading
from outrider.checks.mysql.connection import Connection, Row
from outrider.checks.mysql.errors import QueryError, refused

Number = int | float

LARGEST = (1 << 63) - 1
"""Beyond are -1 and the like of unsigned counters that fell below nothing; and Cloud Monitoring has no more."""


class Asking:
    """A connection, and what is read over it. `account` is who asks, as GRANT spells it."""

    def __init__(self, connection: Connection, reading: Reading, account: str) -> None:
        self.connection, self.reading, self.account = connection, reading, account

    def rows(self, statement: str, lost: Collection[str], tables: str = "") -> list[Row] | None:
        """The answer. None if it is refused, and then the keys in `lost` are missing. `tables`: which it reads, as
        GRANT names them, if not everybody may.
        """
        try:
            return self.connection.rows(statement)
        except QueryError as e:
            why = str(refused(e, self.connection.name, self.account, tables))
            for key in lost:
                self.reading.lacks(key, why)
            return None


def account(current_user: str) -> str:
    """`monitor@%` as GRANT has it."""
    user, _, host = current_user.rpartition("@")
    return f"'{user}'@'{host}'"


def number(value: Any) -> Number | None:
    """The number that it is; None if it is none."""
    if isinstance(value, str):
        try:
            value = float(value) if re.search(r"[.eE]", value) else int(value)
        except ValueError:
            return None
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    if not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > LARGEST:
        return None
    return value
