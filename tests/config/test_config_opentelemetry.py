"""The exporter that takes metrics alone: no route leads to it, and it needs none."""

import pytest

from outrider.config import OpenTelemetry, examine_text

BOTH = """
exporters:
  google: {kind: stackdriver, project: acme}
  collector: {kind: opentelemetry}
"""


def test_it_gets_no_logs_by_default() -> None:
    report = examine_text(BOTH, env={})
    assert report.problems == []
    assert report.config is not None
    assert report.config.exporters["collector"] == OpenTelemetry("opentelemetry", "otlp_proto_http")
    assert [route.to for route in report.config.routes] == [["google"]]


def test_it_needs_no_route() -> None:
    assert examine_text(BOTH + "routes: [{to: [google]}]", env={}).problems == []


def test_alone_there_is_nowhere_for_logs_to_go() -> None:
    report = examine_text("exporters: {otlp: {kind: opentelemetry, exporter: otlp_proto_grpc}}", env={})
    assert report.problems == []
    assert report.config is not None
    assert report.config.routes == []


@pytest.mark.parametrize("to", ["[collector]", "[google, collector]"])
def test_a_route_that_leads_to_it_is_an_error(to: str) -> None:
    [problem, *_] = [
        p for p in examine_text(BOTH + f"routes: [{{to: {to}}}]", env={}).problems if p.severity == "error"
    ]
    assert "takes no logs" in problem.message
    assert problem.path.startswith("routes[0].to[")


def test_an_exporter_that_is_no_mapping_is_one_problem_and_not_two() -> None:
    problems = examine_text("exporters: {a: 7, google: {project: acme}}\nroutes: [{to: [a, google]}]", env={}).problems
    assert [p.path for p in problems] == ["exporters.a"]
