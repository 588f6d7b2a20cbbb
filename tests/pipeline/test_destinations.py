"""From the configuration's exporters to the objects that write."""

from pathlib import Path

import pytest

from outrider.config import Console, Datadog, Stackdriver
from outrider.config.secrets import Secret
from outrider.exporters.console import ConsoleLogs
from outrider.exporters.stackdriver.exporter import StackdriverLogs
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.stream import Stream
from outrider.pipeline.destinations import NotBuiltError, key_file, log_destination

CLUSTER = Cluster("acme", "on-prem-1", "europe-north1", "node-1")
STREAM = Stream("shop", "web", "u1", "main", 0)
RECORD = (0, b"2026-05-16T09:19:06Z", b"stdout", b"hello")


def make(exporter: Stackdriver | Datadog | Console) -> ConsoleLogs | StackdriverLogs:
    made = log_destination("it", exporter, CLUSTER, ManualClock(), Counters())
    assert isinstance(made, ConsoleLogs | StackdriverLogs)
    return made


def test_each_kind() -> None:
    assert isinstance(make(Stackdriver(credentials="none")), StackdriverLogs)
    assert isinstance(make(Console()), ConsoleLogs)


@pytest.mark.parametrize(("own", "log"), [(None, "projects/acme/logs/stdout"), ("b", "projects/b/logs/stdout")])
def test_the_project_written_to(own: str | None, log: str) -> None:
    destination = make(Stackdriver(project=own, credentials="none"))
    [entry] = destination.encode([RECORD], destination.context(STREAM, None), lambda _: ("0" * 24, b""))
    assert f'"logName":"{log}"'.encode() in entry
    assert b'"project_id":"acme"' in entry


def test_what_is_not_built_says_so_and_the_way_out() -> None:
    with pytest.raises(NotBuiltError, match=r"exporters\.it: .*take it out of `routes`"):
        make(Datadog(api_key=Secret(env="DD")))


def test_key_file(tmp_path: Path) -> None:
    key = str(tmp_path / "key.json")
    assert key_file(Stackdriver(credentials=Secret(file=key))) == key
    assert key_file(Stackdriver()) is None
    assert key_file(Console()) is None
