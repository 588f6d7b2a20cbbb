"""Servers that mean harm, as tables of what a pod may put behind an annotated port: every check comes back in time, and
has not filled the memory, gone elsewhere, shown a password or sent a file meanwhile.
"""

import contextlib
import gzip
import itertools
import re
import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from outrider.checks.check import CheckSettings
from outrider.checks.elasticsearch.settings import ElasticsearchSettings
from outrider.checks.etcd.settings import EtcdSettings
from outrider.checks.hadoop.settings import HadoopSettings
from outrider.checks.haproxy.settings import HaproxySettings
from outrider.checks.kafka.settings import KafkaSettings
from outrider.checks.memcached.settings import MemcachedSettings
from outrider.checks.mysql.settings import MysqlSettings
from outrider.checks.nginx.settings import NginxSettings
from outrider.checks.openmetrics.settings import OpenmetricsSettings
from outrider.checks.rabbitmq.settings import RabbitmqSettings
from outrider.checks.spark.settings import SparkSettings
from outrider.checks.zookeeper.settings import ZookeeperSettings
from outrider.config.secrets import Secret
from tests.checks.product import Asked, ask
from tests.checks.products import all_products
from tests.support.raw_server import Behaviour, answer, raw_server
from tests.support.servers.fake_mysql import greeting, packet

TIMEOUT, SLACK = 0.5, 10.0
"""Seconds that a server is given, and that a run may take beyond on a machine with much else to do."""
PEAK = 160 << 20
"""Bytes that a run may hold at a time."""

HTTP: dict[str, tuple[str, Callable[[str], CheckSettings]]] = {
    "elasticsearch": ("elasticsearch", lambda url: ElasticsearchSettings(url=url, timeout=TIMEOUT)),
    "etcd": ("etcd", lambda url: EtcdSettings(url=url, timeout=TIMEOUT)),
    "haproxy's endpoint": ("haproxy", lambda url: HaproxySettings(prometheus_url=f"{url}/metrics", timeout=TIMEOUT)),
    "haproxy's page": ("haproxy", lambda url: HaproxySettings(url=f"{url}/stats", timeout=TIMEOUT)),
    "a namenode": ("hadoop", lambda url: HadoopSettings(namenode_url=url, timeout=TIMEOUT)),
    "a resource manager": ("hadoop", lambda url: HadoopSettings(resourcemanager_url=url, timeout=TIMEOUT)),
    "a history server": ("hadoop", lambda url: HadoopSettings(history_url=url, timeout=TIMEOUT)),
    "nginx plus": ("nginx", lambda url: NginxSettings(url=f"{url}/api", use_plus_api=True, timeout=TIMEOUT)),
    "openmetrics": ("openmetrics", lambda url: OpenmetricsSettings(url=f"{url}/metrics", timeout=TIMEOUT)),
    "rabbitmq": ("rabbitmq", lambda url: RabbitmqSettings(url=url, timeout=TIMEOUT)),
    "spark": ("spark", lambda url: SparkSettings(url=url, timeout=TIMEOUT)),
}


def _http(body: bytes, head: bytes = b"", status: bytes = b"200 OK") -> Behaviour:
    """Whatever is asked for is answered so."""
    said = b"HTTP/1.1 %b\r\n%bContent-Length: %d\r\n\r\n" % (status, head, len(body))

    def behave(connection: socket.socket, over: threading.Event) -> None:
        while not over.is_set() and connection.recv(65536):
            connection.sendall(said + body)

    return behave


def _for_ever(head: bytes, again: bytes, greets: bool = False) -> Behaviour:
    """`head`, and then the same again and again, as fast as it is taken; if it `greets`, without having been asked."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        if not greets:
            connection.recv(65536)
        connection.sendall(head)
        while not over.is_set():
            connection.sendall(again)

    return behave


_OK = b"HTTP/1.1 200 OK\r\n"


def _metrics(name: bytes) -> Behaviour:
    return _for_ever(_OK + b"\r\n# TYPE %b gauge\n" % name, b"%b 1\n" % name * 1000)


TRANSPORT: dict[str, Behaviour] = {
    "a body without end": _for_ever(_OK + b"\r\n", b"x" * 65536),
    "lines without end": _for_ever(_OK + b"\r\n", b"a\n" * 32768),
    "chunks without end": _for_ever(_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n[\r\n" * 10000),
    "headers without end": _for_ever(_OK, b"X-A: b\r\n" * 8192),
    "a header without end": _for_ever(_OK + b"X-A: ", b"a" * 65536),
    "a status without end": _for_ever(b"HTTP/1.1 200 ", b"a" * 65536),
    "nothing but 100 Continue": _for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "what unpacks to a gigabyte": _http(gzip.compress(bytes(1 << 20)) * 1024, b"Content-Encoding: gzip\r\n"),
}
JSON: dict[str, Behaviour] = {
    "a million objects": _http(b"[" + b"{}," * 1_000_000 + b"{}]"),
    "half a million lists by name": _http(b"{" + b",".join(b'"%d":[]' % i for i in range(500_000)) + b"}"),
    "a million brackets": _http(b"[" * 1_000_000),
    "a number of 400 digits": _http(b'{"a":1%b}' % (b"0" * 400)),
}
TABLE = b"# pxname,svname,status," + b",".join(b"f%d" % i for i in range(2000)) + b"\n"
ONE_BY_ONE: dict[str, Behaviour] = {
    "etcd": _metrics(b"etcd_debugging_mvcc_keys_total"),
    "haproxy's endpoint": _metrics(b"haproxy_process_jobs"),
    "haproxy's page": _http(b"# pxname,svname,status," + b"field," * 2000 + b"\n" + b"a\n" * 1_000_000),
    "openmetrics": _for_ever(_OK + b'\r\n# TYPE a gauge\na{b="', b"a" * 65536),
}


Talk = Callable[[tuple[str, int]], CheckSettings]
TALKS: dict[str, tuple[str, Talk, dict[str, Behaviour]]] = {
    "memcached": (
        "memcached",
        lambda at: MemcachedSettings(host=at[0], port=at[1], timeout=TIMEOUT),
        {
            "the same number for ever": _for_ever(b"", b"STAT pid 1\r\n" * 1000),
            "a line without end": _for_ever(b"STAT ", b"a" * 65536),
        },
    ),
    "zookeeper": (
        "zookeeper",
        lambda at: ZookeeperSettings(host=at[0], port=at[1], timeout=TIMEOUT),
        {
            "without end": _for_ever(b"zk_version\t3.8\n", b"zk_a\t1\n" * 8192),
            "half a million lines": answer(b"zk_version\t3.8\n" + b"zk_a\t1\n" * 500_000),
        },
    ),
    "haproxy's runtime API": (
        "haproxy",
        lambda at: HaproxySettings(url=f"tcp://{at[0]}:{at[1]}", timeout=TIMEOUT),
        {
            "without end": _for_ever(b"Name: HAProxy\n", b"a: b\n" * 8192),
            "two million lines": answer(b"Name: HAProxy\n" + b"ab\n" * 2_000_000 + b"\n"),
        },
    ),
    "kafka": (
        "kafka",
        lambda at: KafkaSettings(bootstrap_servers=[f"{at[0]}:{at[1]}"], timeout=TIMEOUT),
        {
            "a frame of 64 MiB that drips": _for_ever(struct.pack(">ii", 64 << 20, 1), b"\0" * 100),
            "a frame of two gigabytes": _for_ever(struct.pack(">ii", (1 << 31) - 1, 1), b"\0" * 65536),
            "an array of two milliards": _for_ever(struct.pack(">iihi", 65536, 1, 0, (1 << 31) - 1), b"\0" * 65536),
        },
    ),
}


@contextlib.contextmanager
def _bounded(timeout: float) -> Iterator[None]:
    """What happens inside ends within so many seconds, and holds no more than it may."""
    tracemalloc.start()
    began = time.monotonic()
    try:
        yield
        took, peak = time.monotonic() - began, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert took < timeout + SLACK
    assert peak < PEAK, f"{peak >> 20} MiB"


def _ask(name: str, settings: CheckSettings) -> Asked:
    product = all_products()[name]
    with contextlib.closing(product.load()[0](settings)) as check, _bounded(settings.timeout):
        return ask(product, check)


def _words(asked: Asked) -> str:
    """Of a failure that the check itself has understood."""
    words = str(asked.trouble)
    assert asked.trouble is not None
    assert "unexpected failure" not in words, words
    assert len(words) < 1000
    return words


@pytest.mark.parametrize("said", TRANSPORT)
@pytest.mark.parametrize("target", ["openmetrics", "spark"])
def test_over_http_whoever_reads_line_by_line_or_all_at_once(target: str, said: str) -> None:
    name, settings = HTTP[target]
    with raw_server(TRANSPORT[said]) as address:
        _words(_ask(name, settings(f"http://{address}")))


@pytest.mark.parametrize("said", JSON)
@pytest.mark.parametrize("target", [name for name in HTTP if name not in ONE_BY_ONE])
def test_json(target: str, said: str) -> None:
    name, settings = HTTP[target]
    with raw_server(JSON[said]) as address:
        _words(_ask(name, settings(f"http://{address}")))


@pytest.mark.parametrize("target", ONE_BY_ONE)
def test_what_is_read_one_by_one(target: str) -> None:
    name, settings = HTTP[target]
    with raw_server(ONE_BY_ONE[target]) as address:
        asked = _ask(name, settings(f"http://{address}"))
    assert len(asked.report.points) == 0


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"303 See", b"307 Temporary", b"308 Permanent"])
@pytest.mark.parametrize("target", HTTP)
def test_nobody_is_sent_elsewhere(target: str, status: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by the server nor by a proxy that is meant for others."""
    reached: list[bool] = []

    def elsewhere(connection: socket.socket, over: threading.Event) -> None:
        del connection, over
        reached.append(True)

    name, settings = HTTP[target]
    with raw_server(elsewhere) as other:
        for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(variable, f"http://{other}")
        with raw_server(_http(b"", b"Location: http://%b/metrics\r\n" % other.encode(), status)) as address:
            _words(_ask(name, settings(f"http://{address}")))
        assert reached == []


@pytest.mark.parametrize(("talk", "said"), [(talk, said) for talk, (*_, table) in TALKS.items() for said in table])
def test_over_other_protocols(talk: str, said: str) -> None:
    name, settings, table = TALKS[talk]
    with raw_server(table[said]) as address:
        host, _, port = address.rpartition(":")
        _words(_ask(name, settings((host, int(port)))))


# -- MySQL ------------------------------------------------------------------------------------------------------------

FINE = b"\0\0\0\x02\0\0\0"
COLUMN = b"\x03def\0\0\0\x01a\0" + struct.pack("<BHIBHBH", 12, 45, 1024, 0xFD, 0, 0, 0)
END = b"\xfe\0\0\x02\0"
FILE, CLEAR, DIALOG = b"\xfb/etc/passwd", b"\xfemysql_clear_password\0", b"\xfedialog\0\x04Password: "


def _mysql(login: bytes, answer: bytes, for_ever: bytes, heard: bytearray) -> Behaviour:
    """One that answers the login so, and the first question with `answer`, and then with the packet `for_ever`. What
    comes from the client is added to `heard`.
    """

    def behave(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(greeting("8.0.36"))
        heard.extend(connection.recv(65536))
        connection.sendall(packet(2, login))
        while (said := connection.recv(65536)).startswith(b"SET ", 5):
            connection.sendall(packet(1, FINE))
        heard.extend(said)
        connection.sendall(answer)
        number = answer.count(COLUMN) * 2 + 2  # of the next packet: each column that is announced has an end
        several = 4096 if len(for_ever) < 4096 else 1
        numbers = itertools.cycle(range(number, number + 256))
        block = b""
        while for_ever and not over.is_set():
            block = (
                block if several > 1 and block else b"".join(packet(next(numbers), for_ever) for _ in range(several))
            )
            connection.sendall(block)
        while said := connection.recv(65536):
            heard.extend(said)

    return behave


ROWS = packet(1, b"\x01") + packet(2, COLUMN) + packet(3, END)
MYSQL = {
    "rows without end": (FINE, ROWS, b"\xfb", "more than 50,000 rows and columns"),
    "columns without end": (FINE, packet(1, b"\xfe" + b"\xff" * 8), COLUMN, "more than 50,000 rows and columns"),
    "a row without end": (FINE, ROWS, b"x" * 0xFFFFFF, "more than 64 MiB in one run|did not answer in time"),
    "who wants a file": (FINE, packet(1, FILE), b"", "LOAD_LOCAL"),
    "who wants the password as it is": (CLEAR, b"", b"", "wants the password as it is.*set tls"),
    "who asks for the password": (DIALOG, b"", b"", "wants the password as it is.*set tls"),
}


@pytest.mark.parametrize("said", MYSQL)
def test_a_mysql(said: str) -> None:
    login, first, for_ever, words = MYSQL[said]
    heard = bytearray()
    with raw_server(_mysql(login, first, for_ever, heard)) as address:
        host, _, port = address.rpartition(":")
        password = Secret("open sesame")
        settings = MysqlSettings(host=host, port=int(port), password=password, timeout=30.0)
        assert re.search(words, _words(_ask("mysql", settings)))
    assert b"open sesame" not in heard
    assert b"root:" not in heard


# -- values -----------------------------------------------------------------------------------------------------------


def _says(answers: dict[bytes, bytes], hangs_up: bool) -> Behaviour:
    """Answers each line that it knows, and everything else as ZooKeeper does what is not in its whitelist."""

    def behave(connection: socket.socket, over: threading.Event) -> None:
        while not over.is_set() and (line := connection.recv(65536)):
            connection.sendall(answers.get(line.strip(), b"a is not executed because it is not in the whitelist.\n"))
            if hangs_up:
                return

    return behave


STATS = b"STAT pid 1\r\nSTAT time 2\r\nSTAT uptime 1\r\nSTAT curr_items %b\r\nSTAT threads 4\r\nEND\r\n"
MNTR = b"zk_version\t3.8\nzk_server_state\tstandalone\nzk_znode_count\t%b\nzk_ephemerals_count\t4\n"
TABLE = b"# pxname,svname,scur,slim,status,stot\na,FRONTEND,%b,100,OPEN,4\n"
VALUES: dict[str, tuple[Callable[[bytes], Behaviour], str, str]] = {
    "memcached": (lambda n: _says({b"stats": STATS % n}, False), "stats.curr_items", "stats.threads"),
    "zookeeper": (
        lambda n: _says({b"ruok": b"imok", b"mntr": MNTR % n}, True),
        "mntr.znode_count",
        "mntr.ephemerals_count",
    ),
    "haproxy's page": (lambda n: _http(TABLE % n), "frontend.scur", "frontend.stot"),
}
NUMBERS = {
    "more than 64 bits": b"9" * 20,
    "more than a double": b"1" + b"0" * 400,
    "more than Python reads": b"1" * 5000,
    "an exponent beyond": b"1.0e999",
    "not a number": b"nan",
    "infinity": b"inf",
    "a digit of another kind": "²".encode(),
    "nothing": b"",
}


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("target", VALUES)
def test_a_number_that_cannot_be_costs_itself_alone(target: str, number: str) -> None:
    behaviour, odd, sound = VALUES[target]
    with raw_server(behaviour(NUMBERS[number])) as address:
        host, _, port = address.rpartition(":")
        if target in HTTP:
            name, at_url = HTTP[target]
            settings = at_url(f"http://{address}")
        else:
            name, at, _ = TALKS[target]
            settings = at((host, int(port)))
        asked = _ask(name, settings)
    found = {point.metric.key for point in asked.report.points}
    assert odd not in found
    assert sound in found
