"""Asking the check of PostgreSQL, and looking through what it says."""

from dataclasses import dataclass
from functools import cache
from typing import Any

from outrider.checks.check import CheckError, Reading, run
from outrider.checks.declared import Declared, declared
from outrider.checks.postgres.check import PostgresCheck
from outrider.checks.postgres.settings import PostgresSettings
from outrider.config.secrets import Secret
from outrider.model.clock import SystemClock
from outrider.model.points import Point, Report, ServiceCheck, Subject, Value
from tests.support.servers.postgres import Postgres


@cache
def declaration() -> Declared:
    return declared("outrider.checks.postgres")


@dataclass(frozen=True)
class Asked:
    """What one run said."""

    report: Report
    reading: Reading
    trouble: CheckError | None

    @property
    def can_connect(self) -> ServiceCheck:
        (found,) = self.report.service_checks
        return found

    def points(self, key: str, **labels: str) -> list[Point]:
        return [p for p in self.report.points if p.metric.key == key and labels.items() <= dict(p.attributes).items()]

    def values(self, key: str, **labels: str) -> list[Value]:
        """One for each row; a key may be declared as several metrics."""
        return list({p.attributes: p.value for p in self.points(key, **labels)}.values())

    def value(self, key: str, **labels: str) -> Any:
        (value,) = self.values(key, **labels)
        return value

    def labels(self, key: str, name: str) -> set[str]:
        return {dict(p.attributes)[name] for p in self.points(key)}


class Clients:
    """Checks of servers."""

    def __init__(self) -> None:
        self._made: list[PostgresCheck] = []

    def check(self, server: Postgres | None = None, **settings: Any) -> PostgresCheck:
        """As the superuser over the unix socket unless `settings` say otherwise."""
        if server is not None:
            settings = {"host": str(server.folder), "port": server.port, "username": "postgres", **settings}
        if isinstance(settings.get("password"), str):
            settings["password"] = Secret(settings["password"])
        self._made.append(PostgresCheck(PostgresSettings(**{"timeout": 20.0, "query_timeout": 20.0, **settings})))
        return self._made[-1]

    def ask(self, server: Postgres | None = None, **settings: Any) -> Asked:
        return ask(self.check(server, **settings))

    def close(self) -> None:
        for check in self._made:
            check.close()


def ask(check: PostgresCheck) -> Asked:
    report, reading, trouble = run(check, declaration(), Subject(), SystemClock())
    return Asked(report, reading, trouble)
