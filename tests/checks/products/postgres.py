"""PostgreSQL for the shared tests: a primary with everything going on, and its standby."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outrider.checks.check import CheckSettings, Reading
from outrider.checks.postgres.settings import PostgresSettings
from outrider.config.secrets import Secret
from tests.checks.postgres.shop import build, in_every_state
from tests.checks.product import Address, Product
from tests.support.servers.postgres import EVERYTHING, postgres, standby_of

ROLE, PASSWORD = "monitor", "secret"


def _at(address: Address, timeout: float) -> CheckSettings:
    return PostgresSettings(host=address[0], port=address[1], timeout=timeout, username=ROLE, password=Secret(PASSWORD))


@contextmanager
def _server(folder: Path) -> Iterator[Address]:
    del folder  # PostgreSQL cannot use what belongs to root
    with postgres() as server:
        server.sql(f"CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}' IN ROLE pg_monitor")
        server.sql("CREATE TABLE orders (id int PRIMARY KEY)")
        yield "127.0.0.1", server.port


def _observe(folder: Path) -> list[Reading]:
    del folder
    with postgres(EVERYTHING, checksums=True) as primary, standby_of(primary, "standby_1") as standby:
        build(primary, "shop")
        return in_every_state(primary, standby, "shop")


PRODUCT = Product("postgres", _at, _server, endless=b"N" + b"R" + struct.pack("!i", 1_000_000), observe=_observe)
