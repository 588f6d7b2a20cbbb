"""What every check does, whatever its product: it says clearly what is wrong, in bounded time, and comes back.

A product joins with a module in tests/checks/products.
"""

import importlib
import time
from collections.abc import Iterator
from importlib.metadata import entry_points

import pytest

from outrider.checks.check import CheckError, RefusedError, SilentError
from outrider.checks.found import GROUP
from outrider.config.shape import record_of
from outrider.model.points import Status
from tests.checks.product import Address, Asked, Product, ask
from tests.checks.products import all_products
from tests.support.proxy import Proxy
from tests.support.raw_server import answer, raw_server, silent, trickle
from tests.support.server import free_port
from tests.support.wait import until

TIMEOUT, SLACK = 0.5, 5.0
"""Seconds that a server is given, and that a run may take beyond on a machine with much else to do."""

GARBAGE = {
    "nothing": b"",
    "zeros": b"\0" * 4096,
    "high bytes": b"\xff\xfe\xfd" * 1000,
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP that refuses": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "HTTP that lies": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{",
    "HTML": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 20\r\n\r\n<html>welcome</html>",
    "JSON that nests": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100000,
    "a line without end": b"+" + b"x" * 200_000,
    "a Redis that lies": b"*1000000\r\n" + b"*1000000\r\n" * 50,
}


@pytest.fixture(scope="module", params=all_products().values(), ids=lambda product: product.name)
def product(request: pytest.FixtureRequest) -> Product:
    found: Product = request.param
    return found


@pytest.fixture(scope="module")
def server(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    with product.server(tmp_path_factory.mktemp(product.name) / "server") as address:
        yield address


@pytest.fixture
def proxy(server: Address) -> Iterator[tuple[Proxy, Address]]:
    passing = Proxy(server)
    with passing.listening() as address:
        yield passing, address


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _failed(asked: Asked, kind: type[CheckError] = CheckError) -> str:
    """Its words, once it is made sure that the failure is told where it should be."""
    assert isinstance(asked.trouble, kind), asked.trouble
    assert asked.can_connect.status is Status.CRITICAL
    assert asked.can_connect.message == str(asked.trouble) != ""
    return str(asked.trouble)


def _worked(asked: Asked) -> None:
    assert asked.trouble is None, asked.trouble
    assert asked.can_connect.status is Status.OK
    assert asked.report.points


def test_its_settings_are_documented_in_forms_that_the_configuration_knows(product: Product) -> None:
    keys = record_of(product.load()[0].Settings).keys
    assert [key.name for key in keys if not key.doc.text] == []


def test_every_check_is_in_the_suite() -> None:
    def there(module: str) -> bool:
        try:
            return importlib.import_module(module) is not None
        except ModuleNotFoundError as e:
            assert e.name is not None and module.startswith(e.name), f"{module} needs {e.name}"
            return False

    assert {point.name for point in entry_points(group=GROUP) if there(point.module)} == all_products().keys()


def test_a_real_server_is_read_again_and_again(product: Product, server: Address) -> None:
    check = product.check(server)
    try:
        first, second = ask(product, check), ask(product, check)
    finally:
        check.close()
    _worked(first)
    _worked(second)
    assert {p.metric.key for p in first.report.points} <= {p.metric.key for p in second.report.points}


def test_nobody_listens(product: Product) -> None:
    address = ("127.0.0.1", free_port())
    words = _failed(ask(product, product.check(address)), RefusedError)
    assert str(address[1]) in words


def test_a_server_that_is_silent_costs_its_timeout(product: Product) -> None:
    with raw_server(silent) as address:
        begun = time.monotonic()
        words = _failed(ask(product, product.check(_address(address), TIMEOUT)), SilentError)
        assert time.monotonic() - begun < TIMEOUT + SLACK
    assert address in words


def test_a_server_that_lets_its_answer_drip_costs_its_timeout(product: Product) -> None:
    with raw_server(trickle(product.endless, b"x", every=0.02)) as address:
        begun = time.monotonic()
        _failed(ask(product, product.check(_address(address), TIMEOUT)), SilentError)
        assert time.monotonic() - begun < TIMEOUT + SLACK


@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE.keys())
def test_garbage_is_called_so(product: Product, garbage: bytes) -> None:
    with raw_server(answer(garbage)) as address:
        asked = ask(product, product.check(_address(address), TIMEOUT))
    _failed(asked)
    assert asked.report.points == ()


@pytest.mark.parametrize("size", [0, 1, 5, 30, 100, 300, 1000, 3000])
def test_a_connection_that_is_cut_is_an_error_and_the_next_run_works(
    product: Product, proxy: tuple[Proxy, Address], size: int
) -> None:
    passing, address = proxy
    passing.cut_after = size
    check = product.check(address)
    try:
        cut = ask(product, check)
        if cut.trouble is not None:
            _failed(cut)
        passing.cut_after = None
        passing.drop()
        _worked(ask(product, check))
    finally:
        check.close()


def test_a_server_that_was_started_anew_is_read_at_once(product: Product, proxy: tuple[Proxy, Address]) -> None:
    passing, address = proxy
    check = product.check(address)
    try:
        _worked(ask(product, check))
        passing.drop()
        until(lambda: not passing.connections)
        _worked(ask(product, check))
    finally:
        check.close()


def test_a_server_that_falls_silent_costs_its_timeout_and_is_read_when_it_speaks_again(
    product: Product, proxy: tuple[Proxy, Address]
) -> None:
    passing, address = proxy
    check = product.check(address, 3.0)
    try:
        _worked(ask(product, check))
        passing.held.set()
        begun = time.monotonic()
        _failed(ask(product, check), SilentError)
        assert time.monotonic() - begun < 3.0 + SLACK
        passing.held.clear()
        _worked(ask(product, check))
    finally:
        check.close()


def test_whether_it_works_or_not_the_service_check_has_the_same_tags(product: Product, server: Address) -> None:
    check = product.check(server)
    works = ask(product, check)
    check.close()
    fails = ask(product, product.check((server[0], free_port())))
    told = [key for key, _ in works.can_connect.tags if key not in product.told]
    assert told == [key for key, _ in fails.can_connect.tags]


def test_close_lets_go_of_the_connection_and_the_next_run_makes_one(
    product: Product, proxy: tuple[Proxy, Address]
) -> None:
    passing, address = proxy
    check = product.check(address)
    _worked(ask(product, check))
    check.close()
    until(lambda: not passing.connections)
    _worked(ask(product, check))
    check.close()
    until(lambda: not passing.connections)
