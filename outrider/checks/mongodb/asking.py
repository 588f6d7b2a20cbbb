"""One run's questions to the server. What it refuses to answer is noted with the reason, and the run goes on.

`metrics.yaml` names values by their way: `serverStatus.network.bytesIn` is the number at network.bytesIn of the answer
to serverStatus. So a number that the server reports becomes a metric by being declared.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from pymongo import MongoClient
from pymongo.errors import ExecutionTimeout, OperationFailure

from outrider.checks.check import Reading
from outrider.checks.declared import Declared
from outrider.checks.mongodb.connection import AUTHENTICATION_FAILED, UNAUTHORIZED, Document, cure
from outrider.checks.mongodb.settings import Additional, MongodbSettings

T = TypeVar("T")


class Asking:
    """Asks through `client`, as somebody if `login`, and adds to `reading`. `denied`: by what was asked, why a right is
    missing.
    """

    def __init__(
        self, client: MongoClient[Document], reading: Reading, settings: MongodbSettings, *, login: bool = True
    ) -> None:
        self.client, self.reading, self.settings, self._login = client, reading, settings, login
        self.denied: dict[str, str] = {}

    def wants(self, additional: Additional) -> bool:
        return additional in self.settings.additional_metrics

    def command(self, name: str, *lost: str, database: str = "admin", **arguments: Any) -> Document | None:
        """The answer to a command; see `ask`."""
        what = name if database == "admin" else f"{name} of {database}"
        return self.ask(what, lambda: dict(self.client[database].command(name, **arguments)), *lost)

    def aggregate(
        self, what: str, database: str, collection: str | None, pipeline: list[Document], *lost: str
    ) -> list[Document] | None:
        """The rows of an aggregation, of the database itself if there is no `collection`; see `ask`."""
        source = self.client[database]
        return self.ask(what, lambda: list((source[collection] if collection else source).aggregate(pipeline)), *lost)

    def ask(self, what: str, question: Callable[[], T], *lost: str) -> T | None:
        """The answer; None if the server refuses it, and then everything whose key begins with one of `lost` is
        lacking. Raises PyMongoError if there is no answer at all.
        """
        try:
            return question()
        except ExecutionTimeout:
            raise
        except OperationFailure as e:
            if e.code == AUTHENTICATION_FAILED:
                raise
            why = f"{what}: {str(e).partition(', full error:')[0]}"
            if e.code == UNAUTHORIZED:
                way_out = (
                    cure(self.settings) if self._login else "an arbiter holds no users, so nobody can log in there"
                )
                self.denied[what] = why = f"the right to {what} is missing: {way_out}"
            self.lack(why, *lost)
            return None

    def lack(self, why: str, *lost: str) -> None:
        """Everything whose key begins with one of `lost` cannot be had this time."""
        for key in self.reading.declared.metrics:
            if key.startswith(lost):
                self.reading.lacks(key, why)

    def numbers(self, prefix: str, document: Document, **attributes: str) -> None:
        """Add what is declared under `prefix`, which ends with a dot, and is in `document`."""
        for key, path in paths(self.reading.declared, prefix):
            self.reading.add(key, number(document, path), None, **attributes)


def paths(declared: Declared, prefix: str) -> list[tuple[str, tuple[str, ...]]]:
    """The keys under `prefix`, each with the way to its value."""
    return [(key, tuple(key.removeprefix(prefix).split("."))) for key in declared.metrics if key.startswith(prefix)]


def number(document: Document, path: tuple[str, ...]) -> int | float | None:
    """The number at the end of `path`; None if there is none."""
    try:
        value: Any = functools.reduce(lambda at, name: at[name], path, document)
    except (KeyError, TypeError):
        return None
    return int(value) if isinstance(value, int) else value if isinstance(value, float) else None
