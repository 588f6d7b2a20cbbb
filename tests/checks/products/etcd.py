"""etcd for the shared tests: one member alone for all of them, and a cluster of two that loses one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outrider.checks.check import CheckSettings, Reading
from outrider.checks.etcd.settings import EtcdSettings
from tests.checks.product import Address, Product, reading_of
from tests.support.servers.etcd import Etcd, cluster, shared
from tests.support.wait import until


def _at(address: Address, timeout: float) -> CheckSettings:
    return EtcdSettings(url=f"http://{address[0]}:{address[1]}", timeout=timeout)


@contextmanager
def _server(folder: Path) -> Iterator[Address]:
    del folder
    yield "127.0.0.1", shared().port


def read(member: Etcd) -> Reading:
    """What one run finds at `member`."""
    return reading_of(PRODUCT, PRODUCT.check(("127.0.0.1", member.port)))


def _both(members: list[Etcd]) -> list[Reading] | None:
    """What both say, once the leader has sent something and the follower has received it."""
    readings = [read(member) for member in members]
    seen = {point.metric.key for reading in readings for point in reading.points}
    return readings if {"leader.counts.success", "self.sendPkgRate", "self.recvPkgRate"} <= seen else None


def _observe(folder: Path) -> list[Reading]:
    with cluster(folder, 2, "--enable-v2") as members:
        members[0].put("jobs", "seven+==")
        readings = until(lambda: _both(members), 20, every=0.1)
        stays, goes = sorted(members, key=lambda member: not member.leads())
        goes.process.terminate()
        until(lambda: b"\netcd_network_peer_sent_failures_total" in stays.get("/metrics"), 20)
        return [*readings, read(stays)]


PRODUCT = Product("etcd", _at, _server, endless=b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", observe=_observe)
