"""Which tests run in one process when several share them (`-n 3 --dist loadgroup`).

A database takes seconds to start, and every process that runs a test of it starts its own. So the tests of a product
are one group, and so are those of a module that share a fixture, and the cases of a table; all others go one by one to
whichever process is idle. What is shared and what is marked slow comes first, or one process would be busy with it when
the others are done: hence the order here, and `--no-loadscope-reorder`, without which xdist puts first what has most
tests.
"""

import re
from importlib.metadata import entry_points

import pytest

from outrider.checks.found import GROUP


def group(items: list[pytest.Item]) -> None:
    """Mark and sort the tests for xdist."""
    products = {point.name for point in entry_points(group=GROUP)}
    names = {id(item): _product(item.nodeid, products) or _module(item) for item in items}
    items.sort(key=lambda item: not names[id(item)] and item.get_closest_marker("slow") is None)
    for item in items:
        if name := names[id(item)] or (item.name.partition("[")[0] if hasattr(item, "callspec") else ""):
            item.add_marker(pytest.mark.xdist_group(name))


def _product(nodeid: str, products: set[str]) -> str:
    """Of tests/checks/redis/..., tests/checks/test_redis.py, or a test that all checks share (`test_it[redis-1]`)."""
    if not nodeid.startswith("tests/checks/"):
        return ""
    return next((word for word in re.findall(r"[a-z]+", nodeid.removeprefix("tests/checks/")) if word in products), "")


def _module(item: pytest.Item) -> str:
    """Of tests that share a fixture."""
    fixtures = item._fixtureinfo.name2fixturedefs.values() if isinstance(item, pytest.Function) else ()
    return item.path.name if any(known[-1].scope == "module" for known in fixtures) else ""
