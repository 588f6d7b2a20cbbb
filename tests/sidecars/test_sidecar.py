"""The sidecar as a child process: files of a volume come, grow, rotate and end, and every line arrives."""

import gzip
import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from outrider.tail.reader import LATE_WRITES
from tests.support.node import MAIN, exporter_to
from tests.support.sidecar import SidecarProcess, sidecar_process
from tests.support.sink import Fault, Received, Sink, repeats_are_identical
from tests.support.wait import until

LABEL = "agent.googleapis.com/log_file_path"


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as sink:
        yield sink


@pytest.fixture
def sidecar(tmp_path: Path, sink: Sink) -> Iterator[SidecarProcess]:
    with sidecar_process(tmp_path, {"google": exporter_to(sink, batch={"wait": "50ms"})}) as sidecar:
        yield sidecar


def lines(begin: int, end: int) -> list[str]:
    return [f"line {n:04d}" for n in range(begin, end)]


def await_texts(sink: Sink, wanted: list[str], timeout: float = 10.0) -> None:
    """Every one of `wanted` has arrived, once under one id, and nothing else."""
    until(lambda: {r.text for r in sink.first()} >= set(wanted), timeout)
    assert sorted(r.text for r in sink.first()) == sorted(wanted)


def in_order(entries: list[Received]) -> list[str]:
    """Texts in the order of arrival, without repeats."""
    return list(dict.fromkeys(r.text for r in entries))


def test_lines_arrive_in_order_as_the_pods_own(sidecar: SidecarProcess, sink: Sink) -> None:
    path = sidecar.write("app.log", *lines(0, 50))
    sidecar.start()
    await_texts(sink, lines(0, 50))
    assert sink.texts() == lines(0, 50), "insertIds sort in file order"
    sidecar.write("app.log", *lines(50, 60))
    await_texts(sink, lines(0, 60))
    assert in_order(sink.received()) == lines(0, 60)
    entry = sink.received()[0].entry
    assert entry["resource"] == {
        "type": "k8s_container",
        "labels": {
            "project_id": "acme",
            "location": "europe-north1",
            "cluster_name": "on-prem-1",
            "namespace_name": "shop",
            "pod_name": "web-1",
            "container_name": "web",
        },
    }
    assert entry["labels"] == {"compute.googleapis.com/resource_name": "node-1", LABEL: str(path)}
    assert (entry["severity"], entry["logName"]) == ("INFO", "projects/acme/logs/stdout")
    assert "timestamp" not in entry
    assert sidecar.metric("outrider_timestamps_refused_total") == 0
    assert sink.complaints == []


def test_what_a_line_says_of_itself(sidecar: SidecarProcess, sink: Sink) -> None:
    """JSON is structured; a time at the beginning of a line is its time; nothing else is."""
    sidecar.write(
        "app.log",
        '{"severity":"warning","message":"disk","used":0.9,"time":"2026-05-16T09:19:06.315Z"}',
        "2026-05-16T09:19:07.001+02:00 INFO started",
        "09:19:08 INFO started",
        '{"message":"only this"}',
        "windows\r",
        "\udcff\udcfe broken",
        "",
    )
    sidecar.start()
    until(lambda: len(sink.first()) == 7)
    entries = [r.entry for r in sorted(sink.first(), key=lambda r: r.insert_id)]
    shown = [(e.get("timestamp"), e["severity"], e.get("textPayload", e.get("jsonPayload"))) for e in entries]
    assert shown == [
        ("2026-05-16T09:19:06.315Z", "WARNING", {"message": "disk", "used": 0.9}),
        ("2026-05-16T07:19:07.001Z", "INFO", "2026-05-16T09:19:07.001+02:00 INFO started"),
        (None, "INFO", "09:19:08 INFO started"),
        (None, "INFO", "only this"),
        (None, "INFO", "windows"),
        (None, "INFO", "\ufffd\ufffd broken"),
        (None, "INFO", ""),
    ]
    assert sidecar.metric("outrider_invalid_utf8_total") == 1


def test_a_stack_trace_is_one_entry(sidecar: SidecarProcess, sink: Sink) -> None:
    trace = ["Traceback (most recent call last):", '  File "a.py", line 1, in <module>', "    f()", "ValueError: x"]
    sidecar.write("app.log", "before", *trace, "after")
    sidecar.start()
    await_texts(sink, ["before", "\n".join(trace), "after"])


def test_labels_come_from_the_downward_api_and_choose_the_route(tmp_path: Path, sink: Sink) -> None:
    info = tmp_path / "podinfo"
    info.mkdir()
    (info / "labels").write_text('app="web"\napp.kubernetes.io/name="a \\"quoted\\" name"\n')
    routes = [{"labels": {"app": "other"}, "to": ["nowhere"]}, {"labels": {"app": "web"}, "to": ["google"]}]
    exporters = {"google": exporter_to(sink), "nowhere": exporter_to(sink, logs_endpoint="http://127.0.0.1:9")}
    with sidecar_process(tmp_path, exporters, routes=routes) as sidecar:
        sidecar.env["OUTRIDER_POD_INFO"] = str(info)
        sidecar.write("app.log", "hello")
        sidecar.start()
        await_texts(sink, ["hello"])
        labels = sink.received()[0].entry["labels"]
        assert labels["k8s-pod/app"] == "web"
        assert labels["k8s-pod/app_kubernetes_io/name"] == 'a "quoted" name'


# -- the files --------------------------------------------------------------------------------------------------------


def test_globs_find_what_comes_later(tmp_path: Path, sink: Sink) -> None:
    """Files and directories that are not there at the start; two files of one content are two streams."""
    with sidecar_process(tmp_path, {"google": exporter_to(sink)}, "*.log", "deep/**/*.txt", "late/out") as sidecar:
        sidecar.start()
        written = []
        for name in ("a.log", "b.log", "deep/x.txt", "deep/er/and/er/y.txt", "late/out", ".hidden.log", "other.txt"):
            path = sidecar.logs / name
            path.parent.mkdir(parents=True, exist_ok=True)
            sidecar.write(name, "the same line")
            written.append(str(path))
        until(lambda: len(sink.first()) >= 5)
        assert sorted(r.entry["labels"][LABEL] for r in sink.first()) == sorted(written[:5])
        assert sidecar.metric("outrider_streams") == 5


def test_rotation_by_rename_with_compression(sidecar: SidecarProcess, sink: Sink) -> None:
    """As logrotate does it with `delaycompress`, while lines come: files go by their first line, not by their name."""
    sidecar.start()
    written = 0
    for turn in range(4):
        sidecar.write("app.log", *lines(written, written + 20))
        written += 20
        for n in range(turn, 0, -1):
            for ending in ("", ".gz"):
                old = sidecar.logs / f"app.log.{n}{ending}"
                if old.exists():
                    old.rename(sidecar.logs / f"app.log.{n + 1}{ending}")
        (sidecar.logs / "app.log").rename(sidecar.logs / "app.log.1")
        second = sidecar.logs / "app.log.2"
        if second.exists():
            (sidecar.logs / "app.log.2.gz").write_bytes(gzip.compress(second.read_bytes()))
            second.unlink()
    sidecar.write("app.log", *lines(written, written + 20))
    await_texts(sink, lines(0, written + 20))
    assert len(sink.received()) == written + 20
    assert sidecar.metric("outrider_lost_generations_total") == 0


def test_a_writer_that_does_not_notice_the_rotation(sidecar: SidecarProcess, sink: Sink) -> None:
    """logrotate has made an empty file already, and the program is told later, or never; another writes to the new one
    meanwhile.
    """
    sidecar.start()
    live, old = sidecar.write("app.log", "old 0"), sidecar.logs / "app.log.1"
    await_texts(sink, ["old 0"])
    live.rename(old)
    live.touch()
    until(lambda: sidecar.metric("outrider_rotations_total") == 1)
    time.sleep(2 * LATE_WRITES)  # nothing shows when the reader is through with it
    sidecar.write("app.log.1", "old 1")
    await_texts(sink, ["old 0", "old 1"])
    for n in range(2, 5):
        sidecar.write("app.log", f"new {n}")
        sidecar.write("app.log.1", f"old {n}")
        await_texts(sink, ["old 0", "old 1", *(f"{which} {k}" for k in range(2, n + 1) for which in ("new", "old"))])
    sidecar.write("app.log.1", "old 5")
    assert sidecar.end() == 0
    sidecar.write("app.log.1", "old 6")
    sidecar.start()
    until(lambda: "old 6" in sink.texts())
    assert len(sink.received()) == 10, "nothing twice"


def test_numbers_before_the_extension(sidecar: SidecarProcess, sink: Sink) -> None:
    """As log4j and logback count; but a number in the name of a log that has no other is a part of the name."""
    sidecar.write("worker-1.log", "worker 1")
    sidecar.write("worker-2.log", "worker 2")
    sidecar.start()
    workers = ["worker 1", "worker 2"]
    for turn in range(4):
        sidecar.write("app.log", *lines(turn * 10, turn * 10 + 10))
        await_texts(sink, [*workers, *lines(0, turn * 10 + 10)])
        for n in range(turn, 0, -1):
            (sidecar.logs / f"app-{n}.log").rename(sidecar.logs / f"app-{n + 1}.log")
        (sidecar.logs / "app.log").rename(sidecar.logs / "app-1.log")
    sidecar.write("app.log", *lines(40, 50))
    await_texts(sink, [*workers, *lines(0, 50)])
    assert sidecar.metric("outrider_streams") == 3
    assert sidecar.end() == 0
    sidecar.write("app.log", "line 0050")
    sidecar.start()
    await_texts(sink, [*workers, *lines(0, 51)])
    assert len(sink.received()) == 53, "nothing twice"


def test_a_file_that_is_written_anew_again_and_again(sidecar: SidecarProcess, sink: Sink) -> None:
    """Each time it is found out about at once, not only the first time in a second."""
    sidecar.start()
    for turn in range(6):
        (sidecar.logs / "app.log").write_text("".join(f"{line}\n" for line in lines(turn * 10, turn * 10 + 10)))
        await_texts(sink, lines(0, turn * 10 + 10), timeout=0.9 if turn else 10.0)


def test_copytruncate(sidecar: SidecarProcess, sink: Sink) -> None:
    """The copy is no new file, and what stood in the original and was not read yet is read from it."""
    sidecar.start()
    live = sidecar.write("app.log", *lines(0, 20))
    await_texts(sink, lines(0, 20))
    for begin in (20, 40):
        sidecar.write("app.log", *lines(begin, begin + 10))
        if (first := live.with_name("app.log.1")).exists():
            first.rename(live.with_name("app.log.2"))
        shutil.copyfile(live, first)
        os.truncate(live, 0)
        sidecar.write("app.log", *lines(begin + 10, begin + 20))
        await_texts(sink, lines(0, begin + 20))
    assert len(sink.received()) == 60


def test_copytruncate_under_a_writer_that_does_not_append(sidecar: SidecarProcess, sink: Sink) -> None:
    """It goes on where it was, and all files begin with NUL bytes, which are no lines."""
    sidecar.start()
    live = sidecar.logs / "app.log"
    with open(live, "w", buffering=1) as app:
        for turn in range(4):
            app.writelines(f"{line}\n" for line in lines(turn * 50, turn * 50 + 50))
            await_texts(sink, lines(0, turn * 50 + 50))
            for n in range(turn, 0, -1):
                live.with_name(f"app.log.{n}.gz").rename(live.with_name(f"app.log.{n + 1}.gz"))
            copy = live.with_name("app.log.1")
            shutil.copyfile(live, copy)
            os.truncate(live, 0)
            copy.with_name("app.log.1.gz").write_bytes(gzip.compress(copy.read_bytes()))
            copy.unlink()
        app.write("line 0200\n")
        await_texts(sink, lines(0, 201))
    assert sidecar.end() == 0
    sidecar.write("app.log", "line 0201")
    sidecar.start()
    await_texts(sink, lines(0, 202))
    assert len(sink.received()) == 202, "nothing twice"


def test_files_that_all_begin_with_the_same_line(sidecar: SidecarProcess, sink: Sink) -> None:
    """A header without a time at the top of every file does not make them one, nor does a restart."""
    sidecar.start()
    written = 0
    for turn in range(4):
        sidecar.write("app.log", "#Fields: n")
        until(lambda turn=turn: sink.texts().count("#Fields: n") > turn)  # type: ignore[misc]
        sidecar.write("app.log", *lines(written, written + 10))
        written += 10
        until(lambda: set(sink.texts()) >= set(lines(0, written)))  # noqa: B023
        if turn == 2:
            assert sidecar.end() == 0
        for n in range(turn, 0, -1):
            (sidecar.logs / f"app.log.{n}").rename(sidecar.logs / f"app.log.{n + 1}")
        (sidecar.logs / "app.log").rename(sidecar.logs / "app.log.1")
        if turn == 2:
            sidecar.start()
    oldest = sidecar.logs / "app.log.4"
    oldest.with_name("app.log.4.gz").write_bytes(gzip.compress(oldest.read_bytes()))
    oldest.unlink()
    sidecar.write("app.log", "#Fields: n", *lines(written, written + 10))
    until(lambda: f"line {written + 9:04d}" in sink.texts())
    assert sorted(r.text for r in sink.received()) == sorted(["#Fields: n"] * 5 + lines(0, written + 10))


def test_rotations_found_at_the_start_are_read_in_order(tmp_path: Path, sink: Sink) -> None:
    """Whatever the glob matches, and though nothing but the files' own times tells which is older."""
    with sidecar_process(tmp_path, {"google": exporter_to(sink)}, "*") as sidecar:
        for age, (name, begin) in enumerate([("app.log", 30), ("app.log.1", 20), ("app.log-20260516.gz", 10)]):
            path = sidecar.write(name, *lines(begin, begin + 10))
            if name.endswith(".gz"):
                path.write_bytes(gzip.compress(path.read_bytes()))
            os.utime(path, (1_780_000_000 - age * 60,) * 2)
        sidecar.write("app.log.tmp", "not finished")
        sidecar.start()
        await_texts(sink, lines(10, 40))
        assert in_order(sink.received()) == lines(10, 40)
        assert sidecar.metric("outrider_streams") == 1


def test_a_file_that_cannot_be_read_holds_up_no_other(sidecar: SidecarProcess, sink: Sink) -> None:
    (sidecar.logs / "dangling.log").symlink_to("nowhere")
    (sidecar.logs / "directory.log").mkdir()
    os.mkfifo(sidecar.logs / "pipe.log")
    unreadable = sidecar.write("secret.log", "secret")
    unreadable.chmod(0)
    sidecar.write("app.log", "hello")
    sidecar.start()
    until(lambda: "hello" in {r.text for r in sink.first()})
    if os.geteuid() != 0:  # root reads whatever it likes
        until(lambda: f"cannot read {unreadable}" in sidecar.said)
    unreadable.chmod(0o600)
    await_texts(sink, ["hello", "secret"])


# -- the end ----------------------------------------------------------------------------------------------------------


def test_sigterm_drains_to_the_end(sidecar: SidecarProcess, sink: Sink) -> None:
    """What was written right before, a file that nobody has seen yet, half a line, and a trace that might go on."""
    sidecar.write("app.log", "first")
    sidecar.start()
    await_texts(sink, ["first"])
    sidecar.write("app.log", *lines(0, 5000))
    sidecar.write("app.log", "Traceback (most recent call last):", '  File "a.py", line 1, in f', end="")
    sidecar.write("new.log", "new", "half a line", end="")
    assert sidecar.end() == 0
    trace = 'Traceback (most recent call last):\n  File "a.py", line 1, in f'
    assert sorted(r.text for r in sink.received()) == sorted(["first", *lines(0, 5000), trace, "new", "half a line"])
    sidecar.start()
    sidecar.write("new.log", "", "more")
    until(lambda: "more" in sink.texts())
    assert len(sink.received()) == 5000 + 4 + 2, "after the end nothing is sent again"


def test_sigterm_waits_for_a_slow_destination_but_not_for_a_dead_one(sidecar: SidecarProcess, sink: Sink) -> None:
    sidecar.start()
    sink.next(Fault(503), Fault(503))
    sidecar.write("app.log", *lines(0, 100))
    assert sidecar.end() == 0
    assert in_order(sink.received()) == lines(0, 100)
    assert "not delivered" not in sidecar.said
    sink.always = Fault(503)
    sidecar.write("app.log", *lines(100, 200))
    sidecar.start()
    assert sidecar.end(timeout=10.0) == 0, "after its grace"
    assert "google: the time is up, and 1000 bytes of 1 files are not delivered" in sidecar.said
    sink.always = None
    sidecar.start()
    await_texts(sink, lines(0, 200))


def test_kill_9_loses_nothing_and_repeats_are_identical(sidecar: SidecarProcess, sink: Sink) -> None:
    written = 0
    for _ in range(3):
        sidecar.write("app.log", *lines(written, written + 500))
        written += 500
        at = len(sink.requests)
        sidecar.start(ready=False)
        until(lambda at=at: len(sink.requests) > at, timeout=20)  # type: ignore[misc]
        sidecar.kill()
        (sidecar.logs / "app.log").rename(sidecar.logs / f"app.log.{written}")
    sidecar.start()
    await_texts(sink, lines(0, written))
    assert repeats_are_identical(sink.received())


def test_a_reload_is_no_end(sidecar: SidecarProcess, sink: Sink) -> None:
    """A half line stays one; nothing is sent twice; the new globs hold."""
    sidecar.write("app.log", "whole", "ha", end="")
    sidecar.start()
    await_texts(sink, ["whole"])
    sidecar.config["logs"]["files"].append(str(sidecar.logs / "*.txt"))
    import yaml

    (sidecar.root / "outrider.yaml").write_text(yaml.safe_dump(sidecar.config))
    sidecar.write("other.txt", "other")
    await_texts(sink, ["whole", "other"], timeout=15)
    sidecar.write("app.log", "lf")
    await_texts(sink, ["whole", "other", "half"])
    assert len(sink.received()) == 3


def test_what_it_does_not_need_is_not_loaded(sidecar: SidecarProcess, sink: Sink) -> None:
    """It has 32 MB, and each of these takes some."""
    sidecar.main = ("-X", "importtime", *MAIN)
    sidecar.write("app.log", "hello")
    sidecar.start()
    await_texts(sink, ["hello"])
    assert sidecar.end() == 0
    loaded = set(re.findall(r"^import time: .*\| +([\w.]+)$", sidecar.said, re.MULTILINE))
    assert {"outrider.tail.reader", "outrider.pipeline.pump", "http.client"} <= loaded
    needless = ["checks.numbers", "exporters.event_destination", "exporters.metric_destination", "model.happening"]
    needless += ["model.points", "pipeline.measuring", "pipeline.origins", "pipeline.otel", "pipeline.tap", "receivers"]
    needless += ["tail.hold", "tail.links"]
    assert not loaded & {f"outrider.{name}" for name in needless}
    assert not loaded & {"click", "encodings.idna", "urllib3"}


# -- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [["POD_NAME"], ["POD_NAMESPACE", "POD_UID"]])
def test_a_missing_variable_is_named(sidecar: SidecarProcess, missing: list[str]) -> None:
    for name in missing:
        sidecar.env[name] = ""
    sidecar.start(ready=False)
    assert sidecar.exit_code() == 78
    assert all(name in sidecar.said for name in missing)
    assert "Traceback" not in sidecar.said


def test_a_configuration_without_files_is_refused(tmp_path: Path, sink: Sink) -> None:
    exporters: dict[str, Any] = {"google": exporter_to(sink)}
    with sidecar_process(tmp_path, exporters, logs={"start": "end"}) as sidecar:
        sidecar.start(ready=False)
        assert sidecar.exit_code() == 78
        assert "logs.files" in sidecar.said
        assert "Traceback" not in sidecar.said


def test_sigterm_before_it_can_be_heard_is_heard_later(sidecar: SidecarProcess, sink: Sink) -> None:
    """A Job may be done before its sidecar is up."""
    early = (
        "import os, signal, sys\n"
        "from outrider.cli import following, main\n"
        "listen = following.listen_to_signals\n"
        "def late(nodes):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    listen(nodes)\n"
        "following.listen_to_signals = late\n"
        "main.start()\n"
    )
    sidecar.main = ("-c", early)
    sidecar.write("app.log", *lines(0, 20))
    sidecar.start(ready=False)
    assert sidecar.exit_code() == 0, sidecar.said
    assert sink.texts() == lines(0, 20)
