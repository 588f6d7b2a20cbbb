"""For the whole suite: with OUTRIDER_TESTS_NO_SKIP set (as CI does), a skipped test fails the run, unless it is marked
`may_skip` with what it would cost to have what it needs; examples are the same ones in every run unless
OUTRIDER_TESTS_EXPLORE is set.
"""

import os
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.groups import GroupScheduling, order

# Machines are shared and slow: an example that takes long is not a finding here. What a change is judged by must not be
# drawn anew each time; OUTRIDER_TESTS_EXPLORE=1 goes looking for examples that nobody has seen yet.
settings.register_profile(
    "outrider",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not os.environ.get("OUTRIDER_TESTS_EXPLORE"),
    database=None if not os.environ.get("OUTRIDER_TESTS_EXPLORE") else settings.default.database,
)
settings.load_profile("outrider")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        order(items)


@pytest.hookimpl(optionalhook=True)  # of xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> GroupScheduling | None:
    return GroupScheduling(config, log) if config.getvalue("dist") == "load" else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests/checks/test_declared.py found of the vendors' essential metrics."""
    reports = [r for outcome in ("passed", "failed") for r in terminalreporter.stats.get(outcome, [])]
    found = [value for report in reports for key, value in report.user_properties if key == "coverage"]
    if found:
        terminalreporter.section("essential metrics: seen / possible / listed")
        for line in sorted(found):
            terminalreporter.write_line(line)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    marked = item.get_closest_marker("may_skip")
    strict = os.environ.get("OUTRIDER_TESTS_NO_SKIP") and not (marked is not None and marked.args)
    if report.skipped and strict and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped: {report.longrepr}"
    # Tests of broken names log broken names, which cannot be sent from one test process to another.
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report
