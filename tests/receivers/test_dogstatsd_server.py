"""The server on real sockets, with the official client at the other end: every way in, floods, garbage, half frames."""

import errno
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from datadog.dogstatsd.base import DogStatsd as Client

from outrider.model.clock import ManualClock
from outrider.model.counters import Counters
from outrider.model.points import Increase, Report, Status, Subject
from outrider.receivers.dogstatsd.listeners import MAX_FRAME, Listener
from outrider.receivers.dogstatsd.server import DogStatsd
from tests.support.wait import until

KINDS = ("udp", "unixgram", "unixstream")


class Server:
    """A DogStatsd server with a socket of each kind, whose interval ends when a test says so."""

    def __init__(self, folder: Path, *kinds: str, clock: ManualClock | None = None) -> None:
        self.folder, self.clock, self.counters = folder, clock or ManualClock(), Counters()
        addresses = {"udp": "udp://127.0.0.1:0", **{kind: f"{kind}://{folder}/{kind}.sock" for kind in KINDS[1:]}}
        self.reports: list[Report] = []
        self.room = True
        self.dogstatsd = DogStatsd(
            [addresses[kind] for kind in kinds or KINDS], lambda _: Subject("node-1"), self.reports.append,
            lambda: self.room, self.clock, self.counters,
        )  # fmt: skip

    def start(self) -> "Server":
        self.dogstatsd.start()
        return self

    def address(self, kind: str) -> Any:
        listener = next(one for one in self.dogstatsd._listeners.values() if one.kind == kind)
        return listener.sock.getsockname()

    def client(self, kind: str) -> Client:
        more: dict[str, Any] = {"socket_path": f"{kind}://{self.address(kind)}"}
        if kind == "udp":
            host, port = self.address(kind)
            more = {"host": host, "port": port}
        return Client(disable_telemetry=True, disable_buffering=True, origin_detection_enabled=False, **more)

    def connection(self, kind: str) -> socket.socket:
        family = socket.AF_INET if kind == "udp" else socket.AF_UNIX
        sock = socket.socket(family, socket.SOCK_STREAM if kind == "unixstream" else socket.SOCK_DGRAM)
        sock.connect(self.address(kind))
        return sock

    def count(self, name: str, **labels: str) -> int:
        return self.counters.value(f"outrider_dogstatsd_{name}_total", **labels)

    def packets(self, n: int) -> None:
        """Wait until so many have come."""
        until(lambda: self.count("packets") >= n)

    def end(self) -> list[Report]:
        """The reports of everything that came."""
        self.dogstatsd.stop(last=True)
        self.dogstatsd.let_go()
        return self.reports

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *_: object) -> None:
        if not self.dogstatsd._over:
            self.end()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path) as server:
        yield server


def rates(reports: list[Report]) -> dict[str, float]:
    """Counts of the interval, by name."""
    return {r.name.name: r.value.by for one in reports for r in one.recent if isinstance(r.value, Increase)}


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_official_client_sends_arrives(server: Server, kind: str) -> None:
    client = server.client(kind)
    client.increment("views", 3, tags=["page:a", "shell"])
    client.gauge("level", 0.5, cardinality="low")
    client.set("users", "ann")
    client.timing("took", 12)
    client.histogram("size", 7, sample_rate=1)
    client.distribution("rpc", 2)
    client.gauge_with_timestamp("then", 4, 1_779_999_000)
    client.event("deployed", "all\nof it", alert_type="success", tags=["team:a"], priority="low")
    client.service_check("db", Status.CRITICAL, message="gone: m:x", tags=["team:a"], hostname="db-1")
    server.packets(9)
    reports = server.end()
    assert rates(reports) == {"views": 3.0, "took.count": 1, "size.count": 1}
    points = {p.metric.key: p.value for r in reports for p in r.points if p.metric.kind == "gauge"}
    assert points | {"level": 0.5, "users": 1, "took.max": 12, "size.avg": 7, "then": 4} == points
    [event] = [e for r in reports for e in r.events]
    assert (event.title, event.text, event.alert, event.priority, event.tags) == (
        "deployed", "all\nof it", "success", "low", (("team", "a"),),
    )  # fmt: skip
    [check] = [c for r in reports for c in r.service_checks]
    assert (check.name, check.status, check.message, check.host) == ("db", Status.CRITICAL, "gone: m:x", "db-1")
    assert {r.tags for r in reports if r.recent and r.recent[0].name.name == "views"} == {("shell",)}
    assert {r.cardinality for r in reports} == {"", "low"}
    assert server.count("dropped") == server.count("lost") == 0


def test_a_client_that_buffers_sends_many_lines_in_one_datagram(server: Server) -> None:
    host, port = server.address("udp")
    with Client(host=host, port=port, disable_telemetry=True, max_buffer_len=400) as client:
        for i in range(100):
            client.increment("views", tags=[f"n:{i % 5}"])
    until(lambda: server.count("packets") >= 2)
    counts = [r.value.by for one in server.end() for r in one.recent if isinstance(r.value, Increase)]
    assert counts == [20.0] * 5
    assert server.count("packets") < 20


def test_an_interval_ends_by_itself(server: Server) -> None:
    server.client("udp").increment("views")
    server.packets(1)
    server.clock.advance(10)
    server.client("udp").increment("views")  # the server waits for a socket, not for a clock that a test moves
    until(lambda: rates(list(server.reports)))
    # The thread may have looked at the clock between the two.
    assert sum(rates([report]).get("views", 0) for report in server.end()) == 2.0


def test_reports_wait_for_room_but_not_beyond_the_next_interval(server: Server) -> None:
    sock = server.connection("unixgram")
    sock.send(b"\n".join(b"views.%d:1|c" % i for i in range(250)))
    server.packets(1)
    server.room = False
    server.clock.advance(10)
    sock.send(b"other:1|c")
    server.packets(2)
    until(lambda: server.dogstatsd._aggregation.due() > 0)
    assert server.reports == []
    server.clock.advance(10)
    sock.send(b"other:1|c")
    until(lambda: len(rates(list(server.reports)).keys() - {"other"}) == 250)
    server.room = True
    server.packets(3)
    assert sum(rates([report]).get("other", 0) for report in server.end()) == 2


def test_what_waits_in_the_sockets_at_the_end_is_taken(server: Server) -> None:
    socks = [server.connection(kind) for kind in KINDS]
    server.dogstatsd.stop(last=False)  # the thread takes nothing more
    for sock, data in zip(socks, (b"views:1|c", b"views:2|c", frames(b"views:4|c")), strict=True):
        sock.sendall(data)
    assert rates(server.end()) == {"views": 7.0}


@pytest.mark.parametrize("kind", KINDS)
def test_a_flood_arrives_whole(server: Server, kind: str) -> None:
    """As fast as a program can send it, while it is read; with UDP in bursts of what the kernel holds in any case."""
    sock, n, burst = server.connection(kind), 20_000, 200
    lines = [b"views.%d:1|c|#env:prod,route:/items/%d" % (i % 50, i % 50) for i in range(n)]
    if kind == "unixstream":
        lines = [struct.pack("<I", len(line)) + line for line in lines]
    for i in range(0, n, burst):
        for line in lines[i : i + burst]:
            sock.sendall(line)
        if kind == "udp":
            server.packets(i + burst)
    server.packets(n)
    assert rates(server.end()) == {f"views.{i}": n / 50 for i in range(50)}
    assert (server.count("packets", socket=kind), server.count("dropped")) == (n, 0)


def test_what_the_kernel_had_no_room_for_is_counted(tmp_path: Path) -> None:
    with Server(tmp_path, "udp") as server:
        standing, gate = threading.Event(), threading.Event()

        def stand_still(_: Report) -> None:
            standing.set()
            gate.wait(20)

        server.dogstatsd._hand_on = stand_still
        sock = server.connection("udp")
        sock.send(b"first:1|g")
        server.packets(1)
        server.clock.advance(10)
        sock.send(b"second:1|g")
        assert standing.wait(20)
        listener = next(iter(server.dogstatsd._listeners.values()))
        room = listener.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        sent = 2 + room // 300
        for _ in range(sent - 2):
            sock.send(b"flood:1|c")
        gate.set()

        def accounted() -> bool:
            """What came and what was lost is what was sent; else end another interval, at which losses are counted."""
            nonlocal sent
            lost = server.count("lost", reason="kernel")
            if lost and server.count("packets") + lost == sent:
                return True
            server.clock.advance(20)
            sock.send(b"last:1|g")
            sent += 1
            return False

        until(accounted, every=0.1)


GARBAGE = [
    *(b"", b"\n\n\n", b"\x00" * 100, b"|" * 500, b":" * 500),
    *(b"\xff\xfe\n" * 50, bytes(range(256)) * 4, b"_e{999,999}:x|y"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_garbage_ends_nothing(server: Server, kind: str) -> None:
    sock = server.connection(kind)
    for data in [*GARBAGE, b"views:1|c"]:
        sock.send(struct.pack("<I", len(data)) + data if kind == "unixstream" else data)
    server.packets(len(GARBAGE) + 1)
    assert rates(server.end()) == {"views": 1.0}
    assert server.count("dropped") > 50


def test_a_datagram_that_is_too_large_is_cut_and_counted(server: Server) -> None:
    sock = server.connection("unixgram")
    line = b"views:1|c|#x:1\n"
    sock.send(line * 1000)
    sock.send(line)
    server.packets(2)
    assert rates(server.end())["views"] == 8192 // len(line) + 1
    assert server.count("lost", reason="cut") == 1


def test_half_a_line_is_no_other_line(server: Server) -> None:
    line = b"views:12345|c|#env:production"
    for whole in range(8192 - len(line), 8192):
        server.connection("unixgram").send(b"\n" * whole + line)
    server.packets(len(line))
    assert rates(server.end()) == {"views": 12345.0}, "one fits, to the byte"


def frames(*lines: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(line)) + line for line in lines)


def test_frames_may_come_in_any_pieces(server: Server) -> None:
    sock = server.connection("unixstream")
    for byte in frames(b"views:1|c\nviews:2|c", b"", b"views:4|c"):
        sock.send(bytes([byte]))
    server.packets(3)
    assert rates(server.end()) == {"views": 7.0}


@pytest.mark.parametrize(
    "rest",
    [b"\x05", struct.pack("<I", 100) + b"views:1|c", struct.pack("<I", MAX_FRAME + 1) + b"x" * 200],
    ids=["half a length", "half a frame", "too large"],
)
def test_a_stream_that_breaks_off_costs_itself_alone(server: Server, rest: bytes) -> None:
    other = server.connection("unixstream")
    sock = server.connection("unixstream")
    sock.sendall(frames(b"views:1|c") + rest)
    sock.shutdown(socket.SHUT_WR)
    until(lambda: server.count("lost", reason="frame") == 1)
    assert sock.recv(1) == b"", "it is hung up"
    other.sendall(frames(b"views:2|c"))
    server.packets(2)
    assert rates(server.end()) == {"views": 3.0}


def test_connections_are_bounded(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outrider.receivers.dogstatsd.server.MAX_CONNECTIONS", 2)
    first, second, third = (server.connection("unixstream") for _ in range(3))
    assert third.recv(1) == b""
    assert server.count("lost", reason="connections") == 1
    first.close()
    until(lambda: len(server.dogstatsd._streams) == 1)
    fourth = server.connection("unixstream")
    fourth.sendall(frames(b"views:1|c"))
    second.sendall(frames(b"views:1|c"))
    server.packets(2)


def test_a_unix_socket_is_for_everybody_and_gone_at_the_end(server: Server) -> None:
    paths = [Path(server.address(kind)) for kind in KINDS[1:]]
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o722, 0o722]
    server.end()
    assert [path.exists() for path in paths] == [False, False]


@pytest.mark.parametrize("kind", KINDS[1:])
def test_what_a_dead_program_has_left_behind_is_taken_over(tmp_path: Path, kind: str) -> None:
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM if kind == "unixstream" else socket.SOCK_DGRAM)
    dead.bind(f"{tmp_path}/s")
    dead.close()
    Listener(f"{kind}://{tmp_path}/s").close()


@pytest.mark.parametrize(
    ("kind", "other"), [("unixgram", "unixgram"), ("unixstream", "unixgram"), ("unixgram", "unixstream")]
)
def test_a_socket_of_a_program_that_lives_is_left_alone(tmp_path: Path, kind: str, other: str) -> None:
    lives = Listener(f"{kind}://{tmp_path}/s")
    with pytest.raises(OSError, match="another program") as e:
        Listener(f"{other}://{tmp_path}/s")
    assert e.value.errno == errno.EADDRINUSE
    assert Path(f"{tmp_path}/s").exists()
    lives.close()


def test_an_address_that_cannot_be_had_is_said_and_lived_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "unixgram.sock").write_text("a file")
    with Server(tmp_path) as server:
        assert server.dogstatsd.trouble is not None
        assert "unixgram.sock cannot be had: a file that is no socket is in the way" in server.dogstatsd.trouble
        assert server.dogstatsd.trouble in caplog.text
        server.client("udp").increment("views")
        server.packets(1)
    assert (tmp_path / "unixgram.sock").read_text() == "a file"


def test_a_successor_goes_on_where_the_one_before_was(tmp_path: Path) -> None:
    """With the sockets, what waits in them, half a frame, and what was added up."""
    first = Server(tmp_path).start()
    udp, stream = first.connection("udp"), first.connection("unixstream")
    udp.send(b"views:1|c")
    stream.sendall(frames(b"views:2|c") + frames(b"views:8|c")[:7])
    first.packets(2)
    first.dogstatsd.stop(last=False)
    assert first.reports == []
    udp.send(b"views:4|c")
    stream.sendall(frames(b"views:8|c")[7:])
    second = Server(tmp_path, clock=first.clock)
    second.dogstatsd.inherit(first.dogstatsd)
    with second:
        assert second.address("udp") == udp.getpeername()
        second.packets(2)
        assert rates(second.end()) == {"views": 15.0}


def test_a_successor_that_listens_elsewhere_leaves_the_old_address(tmp_path: Path) -> None:
    first = Server(tmp_path).start()
    first.dogstatsd.stop(last=False)
    second = Server(tmp_path, "udp", clock=first.clock)
    second.dogstatsd.inherit(first.dogstatsd)
    with second:
        assert not (tmp_path / "unixgram.sock").exists()
