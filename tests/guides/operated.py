"""A collector to which happens what the guide about operating tells: one pod, two vendors, and trouble one by one."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outrider.demo.kubelet import PodLog
from outrider.intake import Intake
from outrider.model.clock import SystemClock
from tests.support.node import NodeProcess, exporter_to, node_process
from tests.support.server import free_port
from tests.support.sink import Entry, Fault, Sink
from tests.support.wait import until

ODD = "odd"


@contextmanager
def operated(folder: Path) -> Iterator["Operated"]:
    """It runs, and has delivered a line to both. Its state is `folder/state`."""
    key = folder / "key"
    key.write_text("a-key")
    with Sink() as google, Intake(api_key="a-key") as datadog:
        exporters = {
            "google": exporter_to(google),
            "datadog": {"kind": "datadog", "api_key": {"file": str(key)}, "logs_endpoint": datadog.url},
        }
        listens = f"127.0.0.1:{free_port()}"
        with node_process(folder, exporters, telemetry={"listen": listens}) as node:
            collector = Operated(node, listens, key, google, datadog)
            node.start()
            collector.delivers_everything()
            yield collector


class Operated:
    """Each method is something that happens to it, and returns when it shows."""

    def __init__(self, node: NodeProcess, listens: str, key: Path, google: Sink, datadog: Intake) -> None:
        self.listens = listens
        self._node, self._key, self._google, self._datadog = node, key, google, datadog
        self._log = PodLog(node.pods, "shop", "web-1", "uid-1", SystemClock()).container("main")
        self._written: list[str] = []
        self._write("hello")

    def loses_google(self) -> None:
        self._google.always = Fault(503)
        self._write("during an outage")
        self._shows("outrider_requests_total", exporter="google", verdict="retry")

    def loses_its_right(self) -> None:
        self._google.always = None
        self._datadog.set_api_key("another")
        self._write("without a right")
        self._shows("outrider_requests_total", exporter="datadog", verdict="hold")

    def is_refused_an_entry(self) -> None:
        self._key.write_text("another")  # as the page says: exchanged in its place, and nobody is restarted
        self.delivers_everything()
        self._google.fail_entry = _is_odd
        self._write(ODD)
        self._shows("outrider_entries_rejected_total", exporter="google")

    def has_no_room(self) -> None:
        """As on a full disk (tests/support/small_disk.py): no file of the process can grow."""
        self._largest_file(0)
        self._write("on a full disk")
        self._shows("outrider_state_write_errors_total", exporter="google", file="cursors")

    def has_room(self) -> None:
        self._largest_file(None)
        self.delivers_everything()

    def delivers_everything(self) -> None:
        accepted = 2 * len(self._written) - (ODD in self._written)
        until(lambda: self._node.metric("outrider_entries_accepted_total") >= accepted, timeout=60)

    def has_delivered(self) -> None:
        """Everything has arrived, but for what was refused."""
        assert self._google.complaints == []
        assert self._google.texts() == [text for text in self._written if text != ODD]
        assert sorted(log["message"] for log in self._datadog.logs()) == sorted(self._written)

    def _write(self, text: str) -> None:
        self._log.write(text)
        self._written.append(text)

    def _shows(self, counter: str, **labels: str) -> None:
        until(lambda: self._node.metric(counter, **labels) > 0, timeout=60)

    def _largest_file(self, size: int | None) -> None:
        assert self._node.process is not None
        _, hard = resource.prlimit(self._node.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self._node.process.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))


def _is_odd(entry: Entry) -> tuple[int, str] | None:
    return (3, "not valid") if entry.get("textPayload") == ODD else None
