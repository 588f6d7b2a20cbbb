"""Logging in, and what becomes of rights that are missing: each is named with the statement that grants it."""

import os
import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from outrider.checks.check import DeniedError
from outrider.config.secrets import Secret
from outrider.model.points import Status
from tests.checks.mongodb.reading import EVERYTHING, ask, check, once
from tests.support.servers.mongodb import Mongod, mongod, replica_set
from tests.support.wait import until

MONITOR = [{"role": "clusterMonitor", "db": "admin"}]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Mongod]]:
    """A primary and an arbiter that ask for a login. `root` may everything."""
    folder = tmp_path_factory.mktemp("guarded")
    key = folder / "key"
    key.write_text("c2VjcmV0IG9mIHRoZSBzZXQ=")
    key.chmod(0o600)
    options = ("--replSet", "rs0", "--keyFile", str(key))
    strict = ("--setParameter", "enableLocalhostAuthBypass=0")  # as if the check came from elsewhere
    with replica_set(folder / "0", *options[2:]) as [alone], mongod(folder / "1", *options, *strict) as arbiter:
        alone.admin("createUser", "root", pwd="root-pw", roles=["root"])  # the first user, from this machine
        primary = Mongod(alone.port, alone.pid, {"username": "root", "password": "root-pw"})
        primary.admin("setDefaultRWConcern", defaultWriteConcern={"w": 1})
        config = primary.admin("replSetGetConfig")["config"]
        config["members"].append({"_id": 1, "host": arbiter.host, "arbiterOnly": True})
        primary.admin("replSetReconfig", {**config, "version": config["version"] + 1})
        until(lambda: arbiter.admin("hello").get("arbiterOnly"), 40)
        yield [primary, arbiter]


def _user(server: Mongod, name: str, roles: list[dict[str, str]], database: str = "admin", **more: object) -> None:
    with server.client() as client:
        client[database].command("createUser", name, pwd=f"{name}-pw", roles=roles, **more)


def test_a_user_with_the_one_role_gets_everything(guarded: list[Mongod]) -> None:
    _user(guarded[0], "monitor", MONITOR)
    with guarded[0].client() as client:
        client.app.things.insert_many([{"x": i} for i in range(10)])
        client.app.things.create_index("x")
    found = once(guarded[0].host, username="monitor", password=Secret("monitor-pw"), additional_metrics=EVERYTHING)
    assert found.trouble is None
    assert found.reading.missing == {}
    assert {"oplog.timeDiff", "oplog.usedSizeMB", "replSet.votes", "sessions", "fsyncLocked"} <= found.keys
    assert found.value("collStats.storageStats.count", db="app", collection="things") == 10
    assert found.value("dbStats.objects", db="app") == 10
    [(_, tags)] = found.datadog("mongodb.uptime")
    assert tags["server"] == f"mongodb://monitor:*****@{guarded[0].host}/"


WRONG = {
    "a wrong password": ("monitor2", "guess", "wrong user name or password for monitor2", "admin"),
    "a user that is not there": ("nobody", "guess", "wrong user name or password for nobody", "admin"),
}


@pytest.mark.parametrize(("name", "password", "words", "database"), WRONG.values(), ids=WRONG.keys())
def test_a_login_that_is_refused(guarded: list[Mongod], name: str, password: str, words: str, database: str) -> None:
    found = once(guarded[0].host, username=name, password=Secret(password))
    assert isinstance(found.trouble, DeniedError)
    assert words in found.trouble.words
    assert f"database {database} (`auth_source`)" in found.trouble.cure
    assert password not in str(found.trouble)
    assert found.can_connect.status is Status.CRITICAL
    assert found.can_connect.message == str(found.trouble)
    assert dict(found.can_connect.tags)["port"] == str(guarded[0].port)
    assert not found.report.points


def test_nobody_is_told_to_log_in(guarded: list[Mongod]) -> None:
    found = once(guarded[0].host)
    assert isinstance(found.trouble, DeniedError)
    assert "`username` and `password`" in str(found.trouble)
    assert found.can_connect.status is Status.CRITICAL


def test_the_named_statement_grants_what_is_missing(guarded: list[Mongod]) -> None:
    _user(guarded[0], "poor", [])
    with closing(check(guarded[0].host, username="poor", password=Secret("poor-pw"))) as asked:
        found = ask(asked)
        assert isinstance(found.trouble, DeniedError)
        assert "the right to serverStatus is missing" in found.trouble.words
        statement = 'run db.getSiblingDB("admin").grantRolesToUser("poor", [{role: "clusterMonitor", db: "admin"}])'
        assert statement in str(found.trouble)
        assert statement in found.reading.missing["serverStatus.uptime"]
        assert statement in found.reading.missing["oplog.timeDiff"]
        # What needs no right is there: the server's place in the set.
        assert found.value("replSet.state", replset_name="rs0", replset_state="primary") == 1
        guarded[0].admin("grantRolesToUser", "poor", roles=MONITOR)
        until(lambda: ask(asked).trouble is None, 10, every=0.1)
        assert ask(asked).reading.missing == {}


PARTLY = {
    "replSetGetConfig": ["replSet.votes", "replSet.voteFraction"],
    "hostInfo": ["hostInfo.system.numCores"],
    "inprog": ["fsyncLocked"],
    "top": ["operationTime.insert"],
    "listSessions": ["sessions"],
}
"""Rights on the cluster, and what cannot be had without them."""


@pytest.mark.parametrize("action", PARTLY)
def test_a_right_that_is_missing_costs_only_what_it_is_for(guarded: list[Mongod], action: str) -> None:
    role, user = f"no_{action}", f"user_{action}"
    actions = {"serverStatus", "replSetGetStatus", "getCmdLineOpts", "connPoolStats", *PARTLY} - {action}
    everywhere = ["dbStats", "collStats", "indexStats", "listCollections", "find"]
    privileges = [
        {"resource": {"cluster": True}, "actions": [*sorted(actions), "listDatabases"]},
        {"resource": {"db": "", "collection": ""}, "actions": everywhere},
        {"resource": {"db": "local", "collection": "oplog.rs"}, "actions": ["find", "collStats"]},
        {"resource": {"db": "config", "collection": "system.sessions"}, "actions": ["find"]},
    ]
    guarded[0].admin("createRole", role, privileges=privileges, roles=[])
    _user(guarded[0], user, [{"role": role, "db": "admin"}])
    found = once(guarded[0].host, username=user, password=Secret(f"{user}-pw"))
    assert found.trouble is None
    assert found.can_connect.status is Status.OK
    assert set(PARTLY[action]) <= found.reading.missing.keys()
    assert not found.keys & set(PARTLY[action])
    assert all("grantRolesToUser" in why for why in found.reading.missing.values())
    assert {key for keys in PARTLY.values() for key in keys} - set(PARTLY[action]) <= found.keys


def test_the_database_that_knows_the_user(guarded: list[Mongod]) -> None:
    _user(guarded[0], "local_user", MONITOR, database="app", mechanisms=["SCRAM-SHA-1"])
    login = {"username": "local_user", "password": Secret("local_user-pw")}
    assert isinstance(once(guarded[0].host, **login).trouble, DeniedError)
    found = once(guarded[0].host, **login, auth_source="app", auth_mechanism="SCRAM-SHA-1")
    assert found.trouble is None
    server = f"mongodb://local_user:*****@{guarded[0].host}/?authSource=app"
    assert found.datadog("mongodb.uptime")[0][1]["server"] == dict(found.can_connect.tags)["server"] == server


def test_a_password_that_is_renewed_in_its_file(guarded: list[Mongod], tmp_path: Path) -> None:
    _user(guarded[0], "renewed", MONITOR)
    file = tmp_path / "password"
    file.write_text("old\n")
    with closing(check(guarded[0].host, username="renewed", password=Secret.from_file(str(file)))) as asked:
        assert isinstance(ask(asked).trouble, DeniedError)
        new = tmp_path / "new"
        new.write_text("renewed-pw\n")
        os.replace(new, file)
        assert ask(asked).trouble is None


def test_a_password_that_is_not_there(guarded: list[Mongod], tmp_path: Path) -> None:
    secret = Secret.from_file(str(tmp_path / "nothing"))
    found = once(guarded[0].host, username="monitor", password=secret)
    assert isinstance(found.trouble, DeniedError)
    assert re.search(r"no password for monitor: the secret file .* cannot be read", found.trouble.words)


def test_nobody_can_log_in_at_an_arbiter(guarded: list[Mongod]) -> None:
    found = once(guarded[1].host, username="monitor", password=Secret("monitor-pw"))
    assert found.can_connect.status is Status.OK
    assert found.value("replSet.state", replset_state="arbiter") == 7
    assert "an arbiter holds no users" in found.reading.missing["serverStatus.uptime"]


def test_the_arbiter_does_refuse(guarded: list[Mongod]) -> None:
    """That is why the check does not try."""
    with (
        MongoClient[dict[str, object]](
            "127.0.0.1", guarded[1].port, directConnection=True, username="monitor", password="monitor-pw"
        ) as client,
        pytest.raises(OperationFailure),
    ):
        client.admin.command("serverStatus")


def test_a_server_without_users_takes_anybody(tmp_path: Path) -> None:
    with mongod(tmp_path) as server:
        assert once(server.host).trouble is None
