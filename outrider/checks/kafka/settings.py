"""What the check `kafka` may be told."""

from typing import Annotated, ClassVar, Literal

import msgspec

from outrider.checks.check import CheckSettings
from outrider.checks.tls import TlsSettings
from outrider.config import forms
from outrider.config.secrets import Secret
from outrider.config.shape import Doc, Hidden, Int, Members, Text

ADDRESS = Text("an address such as kafka-0.kafka:9092", r"^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$")

Patterns = list[Annotated[str, forms.REGEX]]


class SaslSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, if the brokers want to know (SASL)."""

    username: Annotated[str, Text("a user"), Doc("The user.")]
    password: Annotated[Secret, Hidden(), Doc("Password of the user.")]
    mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], Doc("How it is shown; PLAIN sends the password.")
    ] = "SCRAM-SHA-512"


class KafkaSettings(CheckSettings, frozen=True, kw_only=True):
    """A Kafka cluster: its topics, and how far groups of consumers have come."""

    addresses: ClassVar[tuple[str, ...]] = ("bootstrap_servers",)

    bootstrap_servers: Annotated[
        list[Annotated[str, ADDRESS]],
        Members(at_least=1, unique=True, single=True),
        Doc("Brokers that are asked which others there are, one after the other until one answers."),
    ] = msgspec.field(default_factory=lambda: ["127.0.0.1:9092"])
    tls: Annotated[TlsSettings | None, Doc("How to speak TLS with the brokers; null: without.")] = None
    sasl: Annotated[SaslSettings | None, Doc("Who asks; null: nobody is asked for.")] = None
    topics: Annotated[
        Patterns,
        Doc("Topics that are reported: expressions that match anywhere in the name.", default="all but internal ones"),
    ] = msgspec.field(default_factory=list)
    groups: Annotated[Patterns, Doc("Groups of consumers that are reported, in the same way.", default="all")] = (
        msgspec.field(default_factory=list)
    )
    max_topics: Annotated[
        int, Int(1, 100_000), Doc("How many topics are reported one by one: the largest. The rest is `other`.")
    ] = 100
    max_partitions: Annotated[
        int, Int(1, 100_000), Doc("How many partitions: those that lack replicas, then the longest.")
    ] = 500
    max_groups: Annotated[int, Int(1, 100_000), Doc("How many groups of consumers: those with the most members.")] = 100
    max_offsets: Annotated[
        int, Int(1, 100_000), Doc("How many offsets of groups in partitions: those that are furthest behind.")
    ] = 500

    @property
    def leads_on(self) -> str:
        """One broker tells where the others are; what it leads and coordinates itself would be no cluster."""
        return "bootstrap_servers"
