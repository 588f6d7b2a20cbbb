"""What a reading says, by name and by tags or labels."""

from collections.abc import Collection
from typing import Any

from outrider.checks.check import Reading
from tests.checks.coverage import spelled


def datadog(reading: Reading, without: Collection[str] = (), prefix: str = "") -> dict[tuple[str, str], Any]:
    """Values by name, less a prefix, and tags as `a:1 b:2`, `without` some of them."""
    return {
        (
            p.metric.datadog.name.removeprefix(prefix),
            " ".join(f"{k}:{v}" for k, v in spelled(p, "datadog") if k not in without),
        ): p.value
        for p in reading.points
        if p.metric.datadog is not None
    }


def google(reading: Reading) -> dict[tuple[str, str], Any]:
    """Values by type, less its domain, and labels as `a=1 b=2`."""
    return {
        (p.metric.google.type.rpartition("/")[2], " ".join(f"{k}={v}" for k, v in spelled(p, "google"))): p.value
        for p in reading.points
        if p.metric.google is not None
    }


def tags(reading: Reading, name: str) -> dict[str, str]:
    """Of the only point of this name."""
    (found,) = [
        dict(spelled(p, "datadog")) for p in reading.points if p.metric.datadog and p.metric.datadog.name == name
    ]
    return found
