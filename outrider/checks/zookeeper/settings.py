"""What the check `zookeeper` may be told."""

from typing import Annotated, Literal

import msgspec

from outrider.checks.check import CheckSettings
from outrider.checks.tls import TlsSettings
from outrider.config.shape import Doc, Int, Members, Text

Mode = Literal["leader", "follower", "observer", "standalone"]


class ZookeeperSettings(CheckSettings, frozen=True, kw_only=True):
    """A ZooKeeper server."""

    host: Annotated[str, Text("a host name or an address"), Doc("Where it listens.")] = "127.0.0.1"
    port: Annotated[int, Int(1, 65535), Doc("Its `clientPort`, or with `tls` its `secureClientPort`.")] = 2181
    tls: Annotated[TlsSettings | None, Doc("How to speak TLS with it; null: without.")] = None
    expected_mode: Annotated[
        list[Mode],
        Members(unique=True, single=True),
        Doc("What it should be, for the service check `zookeeper.mode`: leader, follower, observer, standalone."),
    ] = msgspec.field(default_factory=list)
