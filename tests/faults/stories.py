"""The faults that a collector of logs has to live with, each as a story: the rows of docs/delivery.md."""

import gzip

import yaml

from tests.faults.disk import small_disk
from tests.faults.steps import (
    HANG,
    RESET,
    Always,
    Answer,
    DeletePod,
    Delivered,
    Do,
    Flow,
    Hang,
    Jump,
    Kill,
    Met,
    Partial,
    Requests,
    RestartContainer,
    Rotate,
    Slow,
    Start,
    Still,
    Terminate,
    Well,
    Write,
    Written,
    hang_up,
    lost_acks,
)
from tests.faults.story import PODS, NotBuiltError, Pod, Stage, Story
from tests.support.mounts import private_mounts
from tests.support.sink import DATADOG, GOOGLE, Fault

FAST = Pod("fast", width=170, max_size=256 * 1024)
CUT = tuple(Pod(f"cut-{i}", copytruncate=True) for i in range(3))
NOISY = Pod("noisy", "noisy", width=400, max_size=2 * 1024 * 1024)
QUIET = tuple(Pod(f"quiet-{i}", f"quiet-{i}", width=80) for i in range(3))


def _passing(name: str, answer: Answer, note: str = "") -> Story:
    """A failure that is over after a few requests, in the middle of the writing."""
    steps = (Start(), Flow(), Requests(), answer, Met(), Still())
    return Story(name, steps, repeats=False, note=note)


def _kills(times: int) -> tuple[object, ...]:
    return tuple(step for _ in range(times) for step in (Start(), Requests(1), Kill()))


def _found_at_start(stage: Stage) -> None:
    """What was written while it was down lies in a rotation that kubelet has compressed meanwhile."""
    for w in stage.writers.values():
        packed = [p for p in w.log.rotations() if p.suffix == ".gz"]
        assert packed, "nothing was compressed"
        with gzip.open(packed[0]) as f:
            assert f.readline()


def _beside(stage: Stage) -> None:
    """Two more destinations: where nobody listens, and one that never answers."""
    for vendor in list(stage.sinks):
        nowhere = {**stage.node.config["exporters"][vendor], "logs_endpoint": "http://127.0.0.1:9"}
        stage.node.config["exporters"][f"dead-{vendor}"] = nowhere
    stage.add_sink("hung", GOOGLE).always = Fault(HANG)


def _disk(stage: Stage) -> None:
    """The state directory on a disk of its own that fills up."""
    if not private_mounts():
        # Where no mount is allowed, a device that says the same (for cursors, on every write).
        stage.node.state.mkdir(exist_ok=True)
        links = [stage.node.state / f"cursors-{vendor}.json.tmp" for vendor in stage.sinks]
        stage.restore.append(lambda: [link.unlink(missing_ok=True) for link in links] and None)
        for link in links:
            link.symlink_to("/dev/full")
        stage.notes.append("/dev/full instead of a tmpfs")
        return
    disk = stage.resources.enter_context(small_disk(stage.node.state))
    stage.node.before = disk.before
    disk.fill()
    stage.restore.append(disk.clear)


def _disk_is_full(stage: Stage) -> None:
    """Wait until the collector has met it; cursors are saved once a second."""
    stage.wait(lambda: stage.node.metric("outrider_state_write_errors_total") >= 2, "state to be refused by the disk")


def _disk_has_room(stage: Stage) -> None:
    for undo in stage.restore:
        undo()
    stage.restore.clear()


def _lag(stage: Stage) -> None:
    """How long the records of the quiet tenants took, and how far the noisy one was when they were through."""
    for name, sink in stage.sinks.items():
        arrived: dict[str, dict[int, float]] = {}
        for r in sink.received():
            who, _, number = r.text.partition("]")[0].rpartition("[")[2].partition(" ")
            arrived.setdefault(who, {}).setdefault(int(number), r.at)
        lags = sorted(arrived[p.name][n] - at for p in QUIET for n, at in enumerate(stage.writers[p.name].at))
        noisy_lag = max(arrived["noisy"][n] - at for n, at in enumerate(stage.writers["noisy"].at))
        quiet_end = max(max(arrived[p.name].values()) for p in QUIET)
        noisy_end = max(arrived["noisy"].values())
        begin = stage.writers["noisy"].at[0]
        stage.notes.append(
            f"{name}: quiet p99 lag {lags[int(len(lags) * 0.99)]:.2f} s, noisy up to {noisy_lag:.2f} s; "
            f"quiet through after {quiet_end - begin:.1f} s, noisy after {noisy_end - begin:.1f} s"
        )
        assert (quiet_end - begin) < 0.6 * (noisy_end - begin), stage.notes[-1]


def _reload(stage: Stage) -> None:
    """A bad file, which changes nothing; then one with another destination, which begins to get everything."""
    path = stage.root / "outrider.yaml"
    good = path.read_text()
    at = len(stage.node.said)
    path.write_text(good + "nonsense: 1\n")
    hang_up(stage)
    stage.wait(lambda: not stage.node.alive or "nonsense" in stage.node.said[at:], "a word about the bad file")
    if not stage.node.alive:
        raise NotBuiltError("SIGHUP ends the collector: it does not reload its configuration yet")
    stage.add_sink("late", GOOGLE)
    path.write_text(yaml.safe_dump(stage.node.config))
    hang_up(stage)
    stage.wait(lambda: stage.sinks["late"].received(), "the new exporter's first entries")


STORIES: tuple[Story, ...] = (
    Story("steady", (Start(), Flow(total=600), Written(), Delivered()), repeats=False),
    Story(
        "rename rotation at speed",
        (Start(), Flow(per_turn=150, total=15_000, every=0.001), Written()),
        pods=(FAST,),
        repeats=False,
        note="a file of 256 KiB at a time, five kept, gzip",
    ),
    Story(
        "copytruncate",
        (Start(), Write(100), *(s for _ in range(5) for s in (Rotate(), Write(80))), Delivered(), Write(50), Rotate()),
        pods=CUT,
        repeats=False,
        note="the writer waits between copy and truncation",
    ),
    Story("kill -9 at random moments", (Flow(), *_kills(4), Start(), Still())),
    Story(
        "kill -9, restarted containers, deleted pods",
        (
            Start(),
            Flow(pods=("cart", "web")),
            *_kills(1),
            Start(),
            RestartContainer(("cart",)),
            DeletePod("api"),
            *_kills(1),
            RestartContainer(("web",)),
            Start(),
            Requests(),
            Still(),
            DeletePod("web"),
        ),
    ),
    Story(
        "SIGTERM mid-stream",
        (Flow(), *(s for _ in range(3) for s in (Start(), Requests(), Terminate())), Start(), Still()),
        note="exit code 0 each time; what follows a trace that is still growing is read again with it",
    ),
    _passing("503", Answer(503, 2)),
    _passing("429 with Retry-After", Answer(429, 2, {"Retry-After": "1"})),
    _passing("500", Answer(500, 2)),
    _passing("403, then 200", Answer(403, 1), "held, and said in the log"),
    _passing("401, then 200", Answer(401, 2)),
    _passing("reset", Answer(RESET, 3)),
    Story(
        "hang",
        (Start(), Flow(), Requests(), Hang(1), Met(), Requests(3), Well(), Still()),
        repeats=False,
        note="the others go on meanwhile",
    ),
    Story("lost acks", (Start(), Flow(), Requests(), lost_acks(3), Met(), Still()), note="stored, never answered"),
    Story(
        "lost acks, then kill -9",
        (Start(), Flow(), Requests(), lost_acks(2), Met(), Kill(0), Start(), Requests(), Still()),
    ),
    Story(
        "partial success",
        (Start(), Partial(), Flow(), Requests(6), Still()),
        vendors=(GOOGLE,),
        repeats=False,
        note="every fifth entry is refused twice",
    ),
    Story(
        "slow trickle",
        (Start(), Slow(0.0001), Flow(), Requests(2), Still(), Delivered()),
        repeats=False,
        note="read and answered a byte at a time",
    ),
    Story(
        "disk of the state full",
        (
            *(Do(_disk), Start(), Flow(), Do(_disk_is_full), Kill(), Start(), Do(_disk_is_full)),
            *(Do(_disk_has_room), Terminate(), Start(), Still()),
        ),
        note="no cursor can be saved, then kill -9, then there is room",
    ),
    Story(
        "clock set forward and back",
        (
            *(Start(), Write(100), Jump(3600), Write(100), Rotate(), Write(100), Jump(-7200), Write(100), Rotate()),
            *(Write(100), Rotate(), Jump(3600), Write(50), Kill(), Rotate(between=50), Start(), Rotate(between=50)),
        ),
        pods=(Pod("cart", max_files=9), Pod("api", "pay", max_files=9)),
        out_of_order=True,
        note="an hour either way, with rotations and kill -9",
    ),
    Story(
        "a noisy tenant beside quiet ones",
        (
            Always(200, seen=0, delay=0.08),
            Start(),
            Flow(per_turn=400, total=10_000, pods=("noisy",)),
            Flow(per_turn=1, total=100, pods=tuple(p.name for p in QUIET)),
            Written(),
            Delivered(),
            Do(_lag),
        ),
        pods=(NOISY, *QUIET),
        repeats=False,
        batch={"bytes": 128 * 1024, "in_flight": 1},
    ),
    Story(
        "one exporter dead, one hung",
        (Do(_beside), Start(), Flow(total=400), Written(), Delivered((GOOGLE, DATADOG)), Well()),
        note="the hung one gets everything when it answers again",
    ),
    Story(
        "outage longer than kubelet's rotation",
        (
            Start(),
            Write(50),
            Delivered(),
            Always(503, seen=0),
            Flow(per_turn=20, total=6_000, careless=True),
            Written(),
            Well(),
        ),
        pods=(FAST,),
        repeats=False,
        note="without hold: open descriptors, as long as the process lives",
    ),
    Story(
        "the same, and kill -9 during it",
        (
            *(Start(), Write(50), Delivered(), Always(503, seen=0)),
            *(Flow(per_turn=20, total=4_000, careless=True), Written(), Kill(), Start(), Requests(1)),
            *(Flow(per_turn=20, total=2_000, careless=True), Written(), Kill(), Start(), Well()),
        ),
        pods=(FAST,),
        logs={"hold": {"budget": "200MiB"}},
        note="with `logs.hold: {budget: 200MiB}`",
    ),
    Story(
        "downtime, up again inside a .gz",
        (
            *(Start(), Write(200), Delivered(), Write(20), Delivered(), Terminate()),
            *(Rotate(times=2, between=100), Do(_found_at_start), Write(30)),
        ),
        repeats=False,
        note="resumed at the exact offset",
    ),
    Story(
        "configuration reloaded under load",
        (Start(), Flow(), Requests(), Do(_reload), Requests(4), Still()),
        pods=tuple(Pod(p.name, p.namespace, max_size=p.max_size, max_files=99) for p in PODS),
        note="a bad file, then one with another exporter",
    ),
)
BY_NAME = {s.name: s for s in STORIES}
