"""What the check may be told, and what follows from it."""

from typing import Any

import pytest

from outrider.checks.mongodb.settings import MongodbSettings, host_and_port
from outrider.checks.tls import TlsSettings
from outrider.config.secrets import Secret
from outrider.config.shape import Record, record_of

USER: dict[str, Any] = {"username": "u", "password": Secret("p")}
TLS: dict[str, Any] = {"tls": TlsSettings()}

# As mongo/datadog_checks/mongo/config.py of DataDog/integrations-core composes it.
SERVERS = {
    "nothing": ({}, "mongodb://127.0.0.1:27017/"),
    "several hosts": ({"hosts": ["a:1", "b"]}, "mongodb://a:1,b/"),
    "a user": (USER, "mongodb://u:*****@127.0.0.1:27017/"),
    "a user of another database": ({**USER, "auth_source": "app"}, "mongodb://u:*****@127.0.0.1:27017/?authSource=app"),
    "TLS": (TLS, "mongodb://127.0.0.1:27017/"),
    "TLS and a user": ({**TLS, **USER}, "mongodb://*****@127.0.0.1:27017/"),
    "TLS and a user with a certificate": ({**TLS, "username": "CN=u"}, "mongodb://127.0.0.1:27017/"),
}


@pytest.mark.parametrize(("settings", "server"), SERVERS.values(), ids=SERVERS.keys())
def test_the_tag_server(settings: dict[str, Any], server: str) -> None:
    assert MongodbSettings(**settings).server == server


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("db", ("db", 27017)),
        ("db.svc:27018", ("db.svc", 27018)),
        ("[::1]", ("::1", 27017)),
        ("[::1]:27019", ("::1", 27019)),
    ],
)
def test_an_address(address: str, parts: tuple[str, int]) -> None:
    assert host_and_port(address) == parts


def test_every_setting_has_a_shape_and_a_meaning() -> None:
    record = record_of(MongodbSettings)
    assert [key.name for key in record.keys if not key.doc.text] == []
    assert isinstance(record, Record)
    assert not any(key.required for key in record.keys)
