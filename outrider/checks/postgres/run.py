"""One run over one server: asks queries, and turns rows into points or into the reason why there are none.

A query that fails, that the role may not ask or that this version does not know costs its own metrics, and what is
missing is noted under each of them. Rows of a group (groups.py) are collected from several queries and databases first,
and reported when all are there.

What a group's budget sums up is growth since the run before, so it must not take a database that could not be read this
once for one that is gone, and for a new one the next time. `Groups` keeps the rows of the run before for that; they are
counted, but not reported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from outrider.checks.budget import OTHER, Budget, Values
from outrider.checks.check import Reading
from outrider.checks.postgres.connection import Connection, Deadline, QueryError, Row, States
from outrider.checks.postgres.groups import Group, like
from outrider.checks.postgres.queries import V10, Query, Right, chosen, out_of_reach
from outrider.checks.postgres.settings import PostgresSettings

FORBIDDEN = {"statistics": "to see what other roles do", "waldir": "to list the files of the write-ahead log"}

Key = tuple[str | None, ...]
Rows = dict[Key, Row]


@dataclass(frozen=True, slots=True)
class Server:
    """Who answers. `version` is server_version_num, `rights` what the role may do, `tags` what every point carries."""

    version: int
    rights: frozenset[Right]
    tags: dict[str, str]


@dataclass
class Found:
    """Rows of a group, and the databases that they are of."""

    rows: Rows = field(default_factory=dict)
    databases: set[str] = field(default_factory=set)


@dataclass
class Groups:
    """What is kept of groups from run to run."""

    budgets: dict[str, Budget[Key]] = field(default_factory=dict)
    before: dict[str, Rows] = field(default_factory=dict)


class Run:
    """Reads `server` into `reading`, by `deadline`."""

    def __init__(
        self, settings: PostgresSettings, reading: Reading, server: Server, groups: Groups, deadline: Deadline
    ) -> None:
        self._settings, self._reading, self.server = settings, reading, server
        self._groups, self.deadline = groups, deadline
        self._relations = like(settings.relations)

    def note_versions(self, queries: Sequence[Query]) -> None:
        """Note what this version cannot tell."""
        for name, why in out_of_reach(queries, self.server.version).items():
            self.note([name], why)

    def report(self, connection: Connection, query: Query) -> None:
        """Ask, and report each row."""
        for row in self.rows(connection, query) or ():
            labels, start = _labels(row, {label: label for label in query.labels}), _since(row)
            for column, value in row.items():
                self._reading.add(f"{query.name}.{column}", value, start, **labels)  # labels are not declared

    def rows(self, connection: Connection, query: Query) -> list[Row] | None:
        """The answer; None if there is none, which is noted."""
        role = f'"{self._settings.username}"'
        cure = f"GRANT pg_monitor TO {role}" if self.server.version >= V10 else "let it be a superuser's"
        if query.right and query.right not in self.server.rights:
            self.note([query.name], f"the role {role} is not allowed {FORBIDDEN[query.right]}: {cure}")
            return None
        statistics = "true" if "statistics" in self.server.rights else "false"
        sql = query.sql.replace("{relations}", self._relations).replace("{statistics}", statistics)
        try:
            return connection.rows(sql, self.deadline)
        except QueryError as e:
            match e.state:
                case States.CANCELLED:
                    why = f"the query took longer than `query_timeout` ({self._settings.query_timeout:g} s)"
                case States.DENIED:
                    why = f"{e.words}: {cure}"
                case _:
                    why = f"{e.words} (SQLSTATE {e.state})"
            self.note([query.name], why)
            return None

    def collect(self, connection: Connection, group: Group, db: str | None = None) -> Rows | None:
        """The rows of a group, each with the columns of all its queries; None if the first of them has no answer.
        `db`: the database that is looked into, which the rows do not tell.
        """
        collected: Rows = {}
        queries = chosen(group.queries, self.server.version)
        for number, query in enumerate(queries):
            rows = self.rows(connection, query)
            if rows is None and number == 0:
                return None
            for row in rows or ():
                if db is not None:
                    row["db"] = db
                key = tuple(None if row[label] is None else str(row[label]) for label in group.labels)
                one = collected.setdefault(key, {})
                one.update((f"{query.name}.{name}", value) for name, value in row.items() if name not in group.labels)
        return collected if queries else None

    def report_group(self, group: Group, rows: Rows, unread: frozenset[str] = frozenset()) -> list[Key]:
        """Report the most active of `rows`, and the rest as `other`; the keys of those that stand by themselves.
        `unread` are the databases that could not be looked into this time.
        """
        before = self._groups.before.get(group.name, {})
        whole: Rows = {key: row for key, row in before.items() if key[0] in unread}
        whole.update((key, {**before.get(key, {}), **row}) for key, row in rows.items())
        self._groups.before[group.name] = whole
        alone: list[Key] = []
        for row in self._budget(group).rows(whole, group.active, self._reading.time):
            if row.key is None:
                self._add(group, tuple(OTHER for _ in group.labels), row.values, row.start)
            elif row.key in rows:
                alone.append(row.key)
                one = rows[row.key]
                self._add(group, row.key, one, _since(one, f"{group.queries[0].name}.since"))
        return alone

    def _budget(self, group: Group) -> Budget[Key]:
        budget = self._groups.budgets.get(group.name)
        if budget is None:
            names = tuple(f"{query.name}." for query in group.queries)
            metrics = self._reading.declared.metrics
            counters = [key for key, (m, *_) in metrics.items() if key.startswith(names) and m.kind == "counter"]
            most: int = getattr(self._settings, group.setting)
            budget = Budget(f"postgres {group.name}", group.setting, most, counters, group.sums)
            self._groups.budgets[group.name] = budget
        return budget

    def _add(self, group: Group, key: Key, values: Values, start: int | None) -> None:
        labels = {label: value for label, value in zip(group.labels, key, strict=True) if value is not None}
        if "table" in labels:  # Google has the schema in the name of the table
            labels["qualified"] = OTHER if key[0] == OTHER else f"{labels['schema']}.{labels['table']}"
        only = {
            query.name: _labels(values, {f"{query.name}.{label}": label for label in query.labels})
            for query in group.queries
        }
        for name, value in values.items():
            self._reading.add(name, value, start, **labels, **only[name.partition(".")[0]])

    def note(self, names: Sequence[str], why: str) -> None:
        """Nothing of the queries of these names is to be had."""
        prefixes = tuple(f"{name}." for name in names)
        for key in self._reading.declared.metrics:
            if key.startswith(prefixes):
                self._reading.lacks(key, why)


def _labels(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    return {label: str(row[name]) for name, label in names.items() if row.get(name) is not None}


def _since(row: Mapping[str, Any], name: str = "since") -> int | None:
    """Nanoseconds since 1970."""
    since = row.get(name)
    return None if since is None else int(since * 1e9)
