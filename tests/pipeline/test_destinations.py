"""From the configuration's exporters to the objects that write."""

from pathlib import Path

import pytest

from outrider.config import Console, Datadog, Stackdriver
from outrider.config.destinations import ProcessingRule
from outrider.config.secrets import Secret
from outrider.exporters.answer import Verdict
from outrider.exporters.console import ConsoleLogs
from outrider.exporters.datadog.exporter import DatadogLogs
from outrider.exporters.destination import LogDestination
from outrider.exporters.stackdriver.exporter import StackdriverLogs
from outrider.model.clock import ManualClock
from outrider.model.cluster import Cluster
from outrider.model.counters import Counters
from outrider.model.records import Records
from outrider.model.stream import Stream
from outrider.pipeline.destinations import key_file, log_destination
from tests.support.sink import DATADOG, Sink

CLUSTER = Cluster("acme", "on-prem-1", "europe-north1", "node-1")
STREAM = Stream("shop", "web", "u1", "main", 0)
RECORD = (0, b"2026-05-16T09:19:06Z", b"stdout", b"hello")


def make(exporter: Stackdriver | Datadog | Console) -> LogDestination:
    return log_destination("it", exporter, CLUSTER, ManualClock(), Counters())


@pytest.mark.parametrize(
    ("exporter", "kind"),
    [
        (Stackdriver(credentials="none"), StackdriverLogs),
        (Datadog(api_key=Secret("k")), DatadogLogs),
        (Console(), ConsoleLogs),
    ],
)
def test_each_kind(exporter: Stackdriver | Datadog | Console, kind: type[LogDestination]) -> None:
    destination = make(exporter)
    assert type(destination) is kind
    assert destination.max_request > 0
    assert destination.max_entries >= 1000
    assert destination.multi_line(destination.context(STREAM, None)) is None


@pytest.mark.parametrize(("own", "log"), [(None, "projects/acme/logs/stdout"), ("b", "projects/b/logs/stdout")])
def test_the_project_written_to(own: str | None, log: str) -> None:
    destination = make(Stackdriver(project=own, credentials="none"))
    block = destination.encode(Records.of([RECORD]), destination.context(STREAM, None), lambda _: ("0" * 24, b""))
    [entry] = block.entries()
    assert f'"logName":"{log}"'.encode() in entry
    assert b'"project_id":"acme"' in entry


def test_what_a_datadog_exporter_is_told() -> None:
    rules = [
        ProcessingRule(type="mask_sequences", name="m", pattern="(hel)lo", replace_placeholder="${1}p"),
        ProcessingRule(type="multi_line", name="n", pattern="[0-9]"),
    ]
    with Sink(DATADOG) as sink:
        destination = make(
            Datadog(
                api_key=Secret("k"), logs_endpoint=sink.url, compress="zstd", tags=["a:b", "c"], processing_rules=rules
            )
        )
        context = destination.context(STREAM, None)
        assert destination.multi_line(context) == "^[0-9]"
        block = destination.encode(Records.of([RECORD]), context, lambda _: ("g", b""))
        assert destination.send([block.data]).verdict is Verdict.ACCEPTED
        assert sink.requests[0].headers["content-encoding"] == "zstd"
        assert sink.requests[0].headers["dd-api-key"] == "k"
        [got] = sink.received()
        assert got.text == "help"
        assert got.entry["ddtags"].endswith(",a:b,c")


def test_where_datadogs_logs_go() -> None:
    said = make(Datadog(api_key=Secret(env="NOT_THERE"), site="datadoghq.eu")).send([b"{}"])
    assert said.verdict is Verdict.HOLD
    assert "NOT_THERE" in said.words


def test_key_file(tmp_path: Path) -> None:
    key = str(tmp_path / "key.json")
    assert key_file(Stackdriver(credentials=Secret(file=key))) == key
    assert key_file(Stackdriver()) is None
    assert key_file(Console()) is None
    assert key_file(Datadog(api_key=Secret(file=key))) is None
