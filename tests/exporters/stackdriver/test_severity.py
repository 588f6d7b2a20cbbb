"""Severity names: the tables of docs/log-format.md, as the two open Google agents test them."""

import pytest

from outrider.exporters.stackdriver.severity import parse


@pytest.mark.parametrize(
    ("given", "severity"),
    [
        *[
            (name, name.upper())
            for name in ("default", "Debug", "INFO", "notice", "Warning", "ERROR", "critical", "alert")
        ],
        *[(w, "DEBUG") for w in ("TRACE", "TRACE_INT", "FINE", "FINER", "FINEST", "CONFIG", "D", "verbose")],
        *[(w, "ERROR") for w in ("ERR", "SEVERE", "E", "e", "\t  ERROR  ")],
        *[(w, "CRITICAL") for w in ("FATAL", "C", "F", "crit", "panic", "DPANIC")],
        *[(w, "WARNING") for w in ("WARN", "W", "warn")],
        ("I", "INFO"),
        ("INFORMATION", "INFO"),
        ("N", "NOTICE"),
        ("A", "ALERT"),
        ("EMERG", "EMERGENCY"),
        *[(n, "DEFAULT") for n in ("0", "1", 0, 30, 99)],
        *[(n, "DEBUG") for n in ("105", "105 ", "     105    ", 100)],
        ("420", "WARNING"),
        ("799", "ALERT"),
        *[(n, "EMERGENCY") for n in ("900", 800, "99999999999999999999", 10**30)],
    ],
)
def test_names_and_numbers(given: object, severity: str) -> None:
    assert parse(given) == severity


@pytest.mark.parametrize(
    "given",
    [
        "-100",
        "105 100",
        100.0,
        None,
        {},
        [],
        "",
        "x",
        "-",
        "er",
        "garbage",
        "ER ROR",
        "BLAH",
        True,
        False,
        -5,
        "٣٠٠",
        "²",
    ],
)
def test_what_names_no_severity(given: object) -> None:
    assert parse(given) is None
