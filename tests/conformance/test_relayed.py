"""What a sidecar prints for the collector of its node becomes the entry that it would have sent itself: every case of
the conformance tables, once directly and once by the way of standard output.
"""

import json
from typing import Any

import pytest

from outrider.exporters.stackdriver.relay import relayed
from tests.conformance.cases import Case, all_cases
from tests.conformance.test_conformance import run
from tests.support.render import render

SIDECAR = {"namespace": "shop", "pod": "web-1", "uid": "0123", "container": "outrider", "restart": 0, "file": ""}
JUDGED_AGAIN = {
    "2.9-insert-id-that-is-none", "own-all-bad-at-once", "T2-unusable", "T2-unusable-and-message", "T8-json-time",
    "G23-time", "G24-order", "G28-a-day-ahead", "G29-next-year",
}  # fmt: skip
"""Lines with an id or a time that is none, in whose place that of the file's line cannot be put."""
CASES = [case for case in all_cases() if case.pod_known and case.id not in JUDGED_AGAIN]
LEFT_OUT = "resource", "logName", "split"
"""The container is the sidecar's; which of several pieces an entry is cannot be said in a line."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_an_entry_survives_standard_output(case: Case) -> None:
    sent = run(case)
    lines = [b"2026-09-21T14:13:20Z stdout F " + relayed(entry) for entry in sent]
    arrived = render(lines, stream_file=SIDECAR, project=case.project, now=case.wall_time, strict=case.strict)
    assert [_said(entry) for entry in arrived] == [_said(entry) for entry in sent]


def _said(entry: bytes) -> dict[str, Any]:
    fields = {k: v for k, v in json.loads(entry).items() if k not in LEFT_OUT}
    of_pod = "compute.googleapis.com/", "logging.gke.io/", "k8s-pod/"
    fields["labels"] = {k: v for k, v in fields["labels"].items() if not k.startswith(of_pod)}
    return fields
