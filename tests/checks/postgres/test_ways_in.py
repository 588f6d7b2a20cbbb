"""The ways into a server: unix socket, passwords, TLS with and without verification."""

from typing import Any

import pytest

from outrider.checks.postgres.settings import PostgresTls
from tests.checks.postgres.asking import Clients
from tests.support.servers.postgres import Postgres
from tests.support.wait import until

OK = ""


def test_md5(primary: Postgres, clients: Clients) -> None:
    primary.sql(
        "SET password_encryption = md5",
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'md5') THEN "
        "CREATE ROLE md5 LOGIN PASSWORD 'secret'; END IF; END $$",
    )
    asked = clients.ask(host="127.0.0.1", port=primary.port, username="md5", password="secret")
    assert asked.trouble is None


@pytest.fixture
def secured(primary: Postgres) -> dict[str, Any]:
    """As a role that is let in with TLS alone."""
    primary.sql(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'secured') THEN "
        "CREATE ROLE secured LOGIN PASSWORD 'secret'; END IF; END $$"
    )
    return {"port": primary.port, "username": "secured", "password": "secret"}


MODES = [
    ("prefer", "127.0.0.1", False, OK),
    ("require", "127.0.0.1", False, OK),
    ("disable", "127.0.0.1", False, "pg_hba.conf"),
    ("verify-full", "127.0.0.1", True, OK),
    ("verify-full", "127.0.0.1", False, "cannot be trusted"),
    ("verify-ca", "127.0.0.1", False, "cannot be trusted"),
    ("verify-full", "localhost", True, "cannot be trusted"),  # the certificate is of 127.0.0.1
    ("verify-ca", "localhost", True, OK),
]


@pytest.mark.parametrize(("mode", "host", "ca", "words"), MODES)
def test_tls(
    primary: Postgres, clients: Clients, secured: dict[str, Any], mode: Any, host: str, ca: bool, words: str
) -> None:
    tls = PostgresTls(mode=mode, ca=str(primary.certificate) if ca else None)
    asked = clients.ask(host=host, tls=tls, **secured)
    if words:
        assert words in str(asked.trouble)
    else:
        assert asked.trouble is None


@pytest.mark.parametrize(("mode", "works"), [("prefer", True), ("require", False), ("verify-full", False)])
def test_a_server_without_tls(standby: Postgres, primary: Postgres, clients: Clients, mode: Any, works: bool) -> None:
    role = primary.role()
    standby_has_it = f"SELECT count(*) FROM pg_roles WHERE rolname = '{role}'"
    until(lambda: standby.value(standby_has_it) == 1, 20.0)
    asked = clients.ask(
        host="127.0.0.1", port=standby.port, username=role, password="secret", tls=PostgresTls(mode=mode)
    )
    assert (asked.trouble is None) is works
    assert works or "does not speak TLS" in str(asked.trouble)
