"""Documents are the same whatever their coding, and are not held whole while they are compressed; every wait ends."""

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from pathlib import Path

import orjson
import pytest
from backports import zstd

from outrider.exporters import http
from outrider.exporters.http import SLICE, NoAnswerError, Poster, document
from tests.support.certificates import self_signed
from tests.support.raw_server import Behaviour, answer, raw_server, silent, trickle
from tests.support.sink import Sink

UNPACK = {"gzip": gzip.decompress, "deflate": zlib.decompress, "zstd": zstd.decompress, "none": bytes}


@pytest.mark.parametrize("coding", list(UNPACK))
@pytest.mark.parametrize("sizes", [[], [1], [10] * 3, [700] * 2000, [SLICE * 3, 5, SLICE, 7, 7], [1] * 100_000])
def test_every_entry_is_there_once_and_in_order(coding: str, sizes: list[int]) -> None:
    entries = [b'"%b"' % (b"%d" % i * n)[:n] for i, n in enumerate(sizes)]
    body = UNPACK[coding](document(b'{"a":[', entries, b"]}", coding))
    assert body == b'{"a":[%b]}' % b",".join(entries)
    assert len(orjson.loads(body)["a"]) == len(sizes)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_a_compressed_document_is_never_held_whole(coding: str) -> None:
    entries = [b'"%b"' % (b"%06d" % i * 100) for i in range(8000)]
    document(b"[", entries[:10], b"]", coding)
    tracemalloc.start()
    try:
        body = document(b"[", entries, b"]", coding)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    whole = sum(map(len, entries))
    assert len(body) < whole / 4
    assert peak < whole / 2


DRIPS = [
    trickle(b"HTTP/1.1 200 OK\r\n", b"X-More: 1\r\n"),
    trickle(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"."),
    trickle(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n.\r\n"),
    silent,
]


@pytest.mark.parametrize("behaviour", DRIPS, ids=["headers", "body", "chunks", "silence"])
def test_an_answer_that_drips_has_an_end(behaviour: Behaviour, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every byte begins the wait anew, as sockets count; a request that never ends would hold its batch for ever."""
    monkeypatch.setattr(http, "WHOLE_ANSWER_TIMEOUT", 0.5)
    with raw_server(behaviour) as address:
        poster = Poster(f"http://{address}/x", 1, None)
        began = time.monotonic()
        with pytest.raises(NoAnswerError, match="no answer from http://"):
            poster.post(b"{}", {})
        assert time.monotonic() - began < 5
        poster.close()


def test_over_tls_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    context, certificate = self_signed(tmp_path)

    def behave(connection: socket.socket, over: threading.Event) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            DRIPS[0](secure, over)

    monkeypatch.setattr(http, "WHOLE_ANSWER_TIMEOUT", 0.5)
    with raw_server(behave) as address:
        poster = Poster(f"https://{address}/x", 1, str(certificate))
        with pytest.raises(NoAnswerError):
            poster.post(b"{}", {})
        poster.close()


def test_the_next_request_is_not_hung_up_by_the_timer_of_the_one_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "WHOLE_ANSWER_TIMEOUT", 0.3)
    with Sink() as sink:
        poster = Poster(sink.url + "/v2/entries:write", 1, None)
        answers = []
        began = time.monotonic()
        while time.monotonic() - began < 1.0:
            answers.append(poster.post(b"no JSON", {"Content-Type": "application/json"}).status)
        poster.close()
    assert len(answers) > 5
    assert set(answers) == {200}


def test_of_an_endless_page_only_so_much_is_read() -> None:
    page = b"HTTP/1.1 500 No\r\nContent-Length: 300000000\r\n\r\n"
    with raw_server(trickle(page, b"x" * 1_000_000, every=0)) as address:
        poster = Poster(f"http://{address}/x", 1, None)
        response = poster.post(b"{}", {})
        poster.close()
    assert response.status == 500
    assert len(response.body) <= http.MAX_ANSWER


@pytest.mark.parametrize(
    ("coding", "body", "read"),
    [
        ("gzip", gzip.compress(b"said", mtime=0), b"said"),
        ("gzip", gzip.compress(b"0" * 50_000_000, mtime=0), b"0" * http.MAX_ANSWER),
        ("gzip", b"no gzip", b"no gzip"),
        ("br", b"\x01\x02", b"\x01\x02"),
    ],
)
def test_a_coding_nobody_asked_for_is_no_reason_to_doubt_the_status(coding: str, body: bytes, read: bytes) -> None:
    """An accepted batch must not be sent again and again because its answer cannot be unpacked."""
    head = b"HTTP/1.1 202 Accepted\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n"
    with raw_server(answer(head % (coding.encode(), len(body)) + body)) as address:
        poster = Poster(f"http://{address}/x", 1, None)
        response = poster.post(b"{}", {})
        poster.close()
    assert (response.status, response.body) == (202, read)


def test_the_password_of_an_endpoint_is_not_said() -> None:
    poster = Poster("http://user:hunter2@127.0.0.1:1/x", 1, None)
    with pytest.raises(NoAnswerError) as failed:
        poster.post(b"{}", {})
    assert "hunter2" not in str(failed.value)


@pytest.mark.parametrize("half", [True, False], ids=["half closed", "closed"])
def test_a_server_that_refuses_before_it_has_read_everything_is_heard(half: bool) -> None:
    def refuse(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        if half:
            connection.shutdown(socket.SHUT_WR)
            over.wait(0.3)

    with raw_server(refuse) as address:
        heard: list[int | str] = []
        for _ in range(3):  # a reset may overtake the answer; then it is tried again
            try:
                heard.append(Poster(f"http://{address}/", 1, None).post(b"x" * 9_000_000, {}).status)
            except NoAnswerError as e:
                heard.append(str(e))
        assert 413 in heard, heard
