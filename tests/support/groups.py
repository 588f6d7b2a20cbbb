"""Which tests run in one process when several share them (`-n 4`).

A database takes seconds to start, and every process that runs a test of it starts its own. So the tests of a product
are one group, and so are those of a module that has fixtures for all of it, and the cases of a table; all others go one
by one to whichever process is idle. What is shared and what is marked slow comes first, or one process would be busy
with it when the others are done.

That is xdist's `loadgroup`, which cannot be used: it writes the groups into the names of tests, and pytest 9.2 does not
let it.
"""

import re
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

from outrider.checks.found import GROUP


class GroupScheduling(LoadScopeScheduling):
    """Hands out groups in the order of their first tests."""

    def __init__(self, config: pytest.Config, log: object) -> None:
        config.option.loadscopereorder = False  # it is not their number that makes tests slow
        super().__init__(config, log)  # type: ignore[arg-type]

    def _split_scope(self, nodeid: str) -> str:
        return _shared(nodeid) or nodeid.partition("[")[0]


def order(items: list[pytest.Item]) -> None:
    """Sort the tests: the long ones first."""
    items.sort(key=lambda item: not _shared(item.nodeid) and item.get_closest_marker("slow") is None)


def _shared(nodeid: str) -> str:
    """The product of tests/checks/redis/..., tests/checks/test_redis.py or a test that all checks share
    (`test_it[redis-1]`), or the module; nothing for a test that can be anywhere.
    """
    path = nodeid.partition("::")[0]
    if path.startswith("tests/checks/"):
        words = re.findall("[a-z]+", nodeid.removeprefix("tests/checks/"))
        return next((word for word in words if word in _products()), "")
    return path if _has_fixtures_of_its_own(path) else ""


@cache
def _products() -> frozenset[str]:
    return frozenset(point.name for point in entry_points(group=GROUP))


@cache
def _has_fixtures_of_its_own(path: str) -> bool:
    return 'scope="module"' in (Path(__file__).parents[2] / path).read_text("utf-8")
