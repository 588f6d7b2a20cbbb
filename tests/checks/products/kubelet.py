"""The kubelet for the shared tests: answers that were recorded of three versions, and one that is written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outrider.checks.check import CheckSettings, Reading
from outrider.checks.kubelet.settings import KubeletSettings
from outrider.model.clock import ManualClock
from tests.checks.product import Address, Product, ask
from tests.support.kubelet_answers import NOW, VERSIONS, WHEN, recorded, seconds, written
from tests.support.servers.recorded import server


def _at(address: Address, timeout: float) -> CheckSettings:
    return KubeletSettings(url=f"http://{address[0]}:{address[1]}", timeout=timeout, cadvisor=False)


@contextmanager
def _server(folder: Path) -> Iterator[Address]:
    del folder
    with server(dict(recorded("1.36"))) as found:
        yield "127.0.0.1", found.port


def _observe(folder: Path) -> list[Reading]:
    del folder
    readings = []
    answers = [(recorded(version), seconds(WHEN[version])) for version in VERSIONS]
    for pages, now in [*answers, (written(), NOW)]:
        with server(dict(pages)) as found:
            check = PRODUCT.load()[0](KubeletSettings(url=found.url, cadvisor="/metrics/cadvisor" in pages, timeout=20))
            asked = ask(PRODUCT, check, ManualClock(now))
            check.close()
            assert asked.trouble is None, asked.trouble
            readings.append(asked.reading)
    return readings


PRODUCT = Product(
    "kubelet", _at, _server, endless=b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", observe=_observe
)
