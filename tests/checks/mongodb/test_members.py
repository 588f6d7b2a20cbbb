"""The same data on every member of a replica set: who reports what, and what a member is called."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from pymongo.errors import PyMongoError
from pymongo.write_concern import WriteConcern

from outrider.model.points import Status
from tests.checks.mongodb.reading import Found, ask, check, once
from tests.support.servers.mongodb import Mongod, mongod, replica_set
from tests.support.wait import until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Mongod]]:
    """Two that hold data, and an arbiter."""
    tagged = {"tags": {"Region": "north"}}
    chosen = (tagged, tagged, {"arbiterOnly": True})
    with replica_set(tmp_path_factory.mktemp("members"), members=chosen) as servers:
        with servers[0].client() as client:
            concern = WriteConcern(w=2, wtimeout=20_000)
            client.get_database("app", write_concern=concern).things.insert_many([{"x": i} for i in range(100)])
        yield servers


@pytest.fixture
def members(servers: list[Mongod]) -> list[Mongod]:
    """The primary, the secondary and the arbiter, as they are now: a test may have had them change places."""

    def now() -> list[Mongod]:
        says = {server: server.admin("hello") for server in servers}
        roles = ("isWritablePrimary", "secondary", "arbiterOnly")
        found = [server for role in roles for server in servers if says[server].get(role)]
        # The primary hears of a change by the next heartbeat only.
        known = [m["stateStr"] for m in found[0].admin("replSetGetStatus")["members"]] if found else []
        return found if sorted(known) == ["ARBITER", "PRIMARY", "SECONDARY"] else []

    return until(lambda: found if len(found := now()) == 3 else None, 40, every=0.1) or []


def _databases(found: Found, name: str) -> set[str]:
    return {tags["db"] for _, tags in found.datadog(name)}


def test_a_secondary(members: list[Mongod]) -> None:
    primary, secondary = once(members[0].host), once(members[1].host)
    assert secondary.can_connect.status is Status.OK
    [(state, tags)] = secondary.datadog("mongodb.replset.state")
    assert state == 2
    assert (tags["replset_state"], tags["replset_me"], tags["replset_region"]) == (
        "secondary",
        members[1].host,
        "north",
    )
    assert secondary.value("replSet.votes") == 1
    assert secondary.value("replSet.voteFraction") == pytest.approx(1 / 3)
    assert secondary.value("serverStatus.opcountersRepl.insert") >= 100
    assert secondary.value("serverStatus.metrics.repl.apply.ops") >= 100
    assert secondary.value("serverStatus.metrics.repl.network.bytes") > 1000
    assert secondary.value("oplog.timeDiff") >= 0
    # Datadog's sums over members count everything once; Google's series are each of one member.
    assert "app" in _databases(primary, "mongodb.stats.objects")
    assert _databases(secondary, "mongodb.stats.objects") == {"local"}
    for found in (primary, secondary):
        assert 100 in [n for n, labels in found.google("mongodb.object.count") if labels["database"] == "app"]
    assert "sessions" in primary.keys - secondary.keys


def test_only_the_primary_knows_how_far_the_others_are_behind(members: list[Mongod]) -> None:
    lags = {
        tags["member"]: tags["replset_state"] for _, tags in once(members[0].host).datadog("mongodb.replset.optime_lag")
    }
    assert lags == {members[0].host: "primary", members[1].host: "secondary"}
    secondary = once(members[1].host)
    assert not secondary.points("replSet.optimeLag")
    assert abs(secondary.value("replSet.replicationLag")) < 60


def test_an_arbiter_has_a_state_and_no_data(members: list[Mongod]) -> None:
    arbiter = once(members[2].host)
    assert arbiter.trouble is None
    assert arbiter.value("replSet.state", replset_state="arbiter") == 7
    assert arbiter.value("replSet.votes") == 1
    assert arbiter.value("serverStatus.uptime") >= 0
    assert not arbiter.keys & {"oplog.timeDiff", "dbStats.objects", "databases", "fsyncLocked", "sessions"}


def test_members_change_places(members: list[Mongod]) -> None:
    primary, secondary = members[:2]
    followed = check(primary.host, secondary.host, replica_set="rs0")
    with closing(check(secondary.host)) as alone, closing(followed):
        assert not ask(alone).report.events
        assert ask(followed).datadog("mongodb.replset.state")[0][1]["replset_me"] == primary.host
        with primary.client() as client:
            until(lambda: _stepped_down(client), 30, every=0.2)
        until(lambda: secondary.admin("hello")["isWritablePrimary"], 40)
        # Before the old primary was seen as a secondary there is nothing to tell.
        until(lambda: primary.admin("hello")["secondary"], 40)
        found = until(lambda: (f := ask(alone)).report.events and f, 30, every=0.1)
        assert found.value("replSet.state", replset_state="primary") == 1
        assert "app" in _databases(found, "mongodb.stats.objects")
        titles = {event.title for event in found.report.events}
        assert titles & {f"{secondary.host} is PRIMARY for rs0", f"{primary.host} is SECONDARY for rs0"}
        until(lambda: ask(followed).trouble is None, 30, every=0.1)
        assert ask(followed).datadog("mongodb.replset.state")[0][1]["replset_me"] == secondary.host


def _stepped_down(client: object) -> bool:
    try:
        client.admin.command("replSetStepDown", 60, secondaryCatchUpPeriodSecs=20)  # type: ignore[attr-defined]
    except PyMongoError:
        return False
    return True


@pytest.fixture(scope="module")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mongod]:
    with mongod(tmp_path_factory.mktemp("standalone")) as server:
        yield server


def test_a_server_by_itself(standalone: Mongod) -> None:
    found = once(standalone.host)
    assert found.can_connect.status is Status.OK
    [(_, tags)] = found.datadog("mongodb.uptime")
    assert tags == {"server": f"mongodb://{standalone.host}/", "hosting_type": "self-hosted"}
    assert _databases(found, "mongodb.stats.objects") >= {"admin", "local"}
    assert not [key for key in found.keys if key.startswith(("replSet.", "oplog."))]


def test_a_member_of_a_set_that_was_never_initiated(tmp_path_factory: pytest.TempPathFactory) -> None:
    with mongod(tmp_path_factory.mktemp("startup"), "--replSet", "later") as server:
        found = once(server.host)
    [(_, tags)] = found.datadog("mongodb.uptime")
    assert (tags["replset_name"], tags["replset_state"]) == ("later", "startup")
    assert found.can_connect.status is Status.OK


@pytest.mark.parametrize("role", ["shardsvr", "configsvr"])
def test_a_shard_leaves_what_the_cluster_has_to_mongos(tmp_path_factory: pytest.TempPathFactory, role: str) -> None:
    config = {"configsvr": True} if role == "configsvr" else {}
    with replica_set(tmp_path_factory.mktemp(role), f"--{role}", name=role, **config) as [server]:
        found = once(server.host)
    [(_, tags)] = found.datadog("mongodb.uptime")
    assert tags["sharding_cluster_role"] == role
    assert {"connPoolStats.totalAvailable", "connPoolStats.totalCreated"} <= found.keys
    assert _databases(found, "mongodb.stats.objects") == {"local"}
    assert "sessions" not in found.keys
