"""What a server is within its deployment, which decides what it can be asked and what its values are tagged with.

    standalone   a mongod by itself
    replset      a mongod in a replica set, alone or as a shard of a cluster
    mongos       the way into a sharded cluster

A replica set has the same data on every member, and a cluster has it behind every shard. So that a sum over servers is
one, Datadog's metrics of databases and collections come from one server only, the `principal`: mongos, a standalone, or
the primary of a set that is no shard. (Datadog's check draws the same line; only `local` belongs to each member.)
"""

from dataclasses import dataclass
from typing import Any, Literal

Document = dict[str, Any]

STARTUP, PRIMARY, SECONDARY, UNKNOWN, ARBITER = 0, 1, 2, 6, 7
STATES = {
    0: "startup",
    1: "primary",
    2: "secondary",
    3: "recovering",
    4: "fatal",
    5: "startup2",
    6: "unknown",
    7: "arbiter",
    8: "down",
    9: "rollback",
    10: "removed",
}
"""Names of states by number (mongodb.com/docs/manual/reference/replica-states), as Datadog's check spells them."""
HOSTING = {
    "mongodb.net": "mongodb-atlas",
    "aliyuncs.com": "alibaba-apsaradb",
    "docdb.amazonaws.com": "amazon-documentdb",
}
"""Datadog's `hosting_type` by what the names of such servers have in them."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """`state` is a number of `STATES`, or None outside a replica set. `role` is that in a sharded cluster: mongos,
    shardsvr, configsvr or none.
    """

    kind: Literal["standalone", "replset", "mongos"]
    hosting: str = "self-hosted"
    state: int | None = None
    set_name: str = ""
    me: str = ""
    role: str = ""
    member_tags: tuple[tuple[str, str], ...] = ()

    @property
    def arbiter(self) -> bool:
        return self.state == ARBITER

    @property
    def readable(self) -> bool:
        """Whether it lets anybody read: not an arbiter, nor a member that is starting, recovering or rolling back."""
        return self.state in (None, PRIMARY, SECONDARY)

    @property
    def mongod(self) -> bool:
        """Whether it has data of its own that can be read."""
        return self.kind != "mongos" and self.readable

    @property
    def principal(self) -> bool:
        return self.kind != "replset" or (self.state == PRIMARY and not self.role)

    def attributes(self, server: str) -> dict[str, str]:
        """What tells the values of this server apart."""
        told = {"server": server, "hosting_type": self.hosting}
        if self.kind == "replset":
            told |= {
                "replset_name": self.set_name,
                "replset_state": STATES.get(self.state or STARTUP, STATES[UNKNOWN]),
                "replset_me": self.me,
            }
            told |= {f"replset_{key.lower()}": value for key, value in self.member_tags}
        if self.role:
            told["sharding_cluster_role"] = self.role
        return told


def deployment(hello: Document, options: Document | None, status: Document | None, host: str) -> Deployment:
    """From the answers to `isMaster`, `getCmdLineOpts` (its `parsed`), `replSetGetStatus`, and the server's name; None
    where the right is missing.
    """
    hosting = next((kind for part, kind in HOSTING.items() if part in host), "self-hosted")
    if hello.get("msg") == "isdbgrid":
        return Deployment("mongos", hosting, role="mongos")
    options = options or {}
    role = options.get("sharding", {}).get("clusterRole") or ("configsvr" if hello.get("configsvr") else "")
    if "setName" not in hello and not hello.get("isreplicaset"):
        return Deployment("standalone", hosting, role=role)
    state = status["myState"] if status is not None else _state(hello)
    configured = options.get("replication", {})
    name = hello.get("setName") or configured.get("replSetName") or configured.get("replSet") or ""
    tags = tuple(sorted((str(key), str(value)) for key, value in hello.get("tags", {}).items()))
    return Deployment("replset", hosting, state, name, hello.get("me", ""), role, tags)


def _state(hello: Document) -> int:
    said = {"ismaster": PRIMARY, "secondary": SECONDARY, "arbiterOnly": ARBITER, "isreplicaset": STARTUP}
    return next((state for key, state in said.items() if hello.get(key)), UNKNOWN)
