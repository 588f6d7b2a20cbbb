"""The questions that the check asks a broker, and what the answers hold.

Each is asked in the one version that every broker from 0.11 to 4.x speaks, for which reason none needs the compact
encoding that came later. `SaslAuthenticate` came with 1.0.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from outrider.checks.kafka.wire import NULL_ARRAY, Reader, array, blob, int32, int64, string

T = TypeVar("T")

LATEST, EARLIEST = -1, -2
"""Instead of a time: which offset of a partition is wanted."""


@dataclass(frozen=True, slots=True)
class Request(Generic[T]):
    """One question: which API in which version, what is sent, and how the answer is read (raises WireError)."""

    name: str
    key: int
    version: int
    body: bytes
    decode: Callable[[Reader], T]


class Spot(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class Broker(NamedTuple):
    node: int
    host: str
    port: int


class Partition(NamedTuple):
    """`leader` is -1 if there is none."""

    number: int
    leader: int
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]


class Topic(NamedTuple):
    error: int
    name: str
    internal: bool
    partitions: list[Partition]


class Metadata(NamedTuple):
    """What there is in a cluster. `controller` is -1 if there is none, or the cluster does not tell."""

    brokers: list[Broker]
    cluster: str
    controller: int
    topics: list[Topic]


class Offset(NamedTuple):
    """`offset` is -1 if there is none, or `error` says why."""

    error: int
    offset: int


class Groups(NamedTuple):
    """The names of consumer groups that a broker coordinates."""

    error: int
    names: list[str]


class Group(NamedTuple):
    error: int
    name: str
    state: str
    members: int


class Committed(NamedTuple):
    """How far a group has come."""

    error: int
    offsets: dict[Spot, Offset]


class Handshake(NamedTuple):
    error: int
    mechanisms: list[str]


class Authenticated(NamedTuple):
    error: int
    message: str
    data: bytes


def api_versions() -> Request[dict[int, tuple[int, int]]]:
    """The lowest and the highest version of each API that the broker has."""

    def decode(r: Reader) -> dict[int, tuple[int, int]]:
        r.int16()  # the error would be that it does not know this version, and every broker does
        return {key: (low, high) for key, low, high in r.array(lambda r: (r.int16(), r.int16(), r.int16()))}

    return Request("ApiVersions", 18, 0, b"", decode)


def metadata() -> Request[Metadata]:
    """Brokers, and all topics that may be seen."""

    def broker(r: Reader) -> Broker:
        found = Broker(r.int32(), r.string(), r.int32())
        r.string()  # the rack
        return found

    def partition(r: Reader) -> Partition:
        r.int16()  # that there is no leader is told by the leader too
        index, leader = r.int32(), r.int32()
        return Partition(index, leader, tuple(r.array(Reader.int32)), tuple(r.array(Reader.int32)))

    def topic(r: Reader) -> Topic:
        return Topic(r.int16(), r.string(), bool(r.int8()), r.array(partition))

    def decode(r: Reader) -> Metadata:
        return Metadata(r.array(broker), r.string(), r.int32(), r.array(topic))

    return Request("Metadata", 3, 2, NULL_ARRAY, decode)


def list_offsets(spots: Iterable[Spot], which: int) -> Request[dict[Spot, Offset]]:
    """The LATEST or EARLIEST offsets of partitions that the broker leads."""

    def partition(r: Reader) -> tuple[int, Offset]:
        index, error = r.int32(), r.int16()
        r.int64()  # the time of the record there
        return index, Offset(error, r.int64())

    def decode(r: Reader) -> dict[Spot, Offset]:
        topics = r.array(lambda r: (r.string(), r.array(partition)))
        return {Spot(topic, index): offset for topic, found in topics for index, offset in found}

    by_topic: dict[str, list[bytes]] = defaultdict(list)
    for topic, index in spots:
        by_topic[topic].append(int32(index) + int64(which))
    body = int32(-1) + array(string(topic) + array(parts) for topic, parts in by_topic.items())
    return Request("ListOffsets", 2, 1, body, decode)


def list_groups() -> Request[Groups]:
    """Groups of consumers: others, such as those of Connect's workers, have no offsets."""

    def decode(r: Reader) -> Groups:
        error, found = r.int16(), r.array(lambda r: (r.string(), r.string()))
        return Groups(error, [name for name, kind in found if kind in ("consumer", "")])

    return Request("ListGroups", 16, 0, b"", decode)


def describe_groups(names: Iterable[str]) -> Request[list[Group]]:
    """States and members of groups that the broker coordinates."""

    def member(r: Reader) -> None:
        for _ in range(3):  # its id, the id of its client, its host
            r.string()
        for _ in range(2):  # what it asks for and what it got
            r.blob()

    def group(r: Reader) -> Group:
        error, name, state = r.int16(), r.string(), r.string()
        for _ in range(2):  # the kind of the group and how partitions are shared out
            r.string()
        return Group(error, name, state, len(r.array(member)))

    return Request("DescribeGroups", 15, 0, array(map(string, names)), lambda r: r.array(group))


def offset_fetch(group: str) -> Request[Committed]:
    """Everything that a group has committed, asked of its coordinator."""

    def partition(r: Reader) -> tuple[int, Offset]:
        index, offset = r.int32(), r.int64()
        r.string()  # the group's own remark
        return index, Offset(r.int16(), offset)

    def decode(r: Reader) -> Committed:
        topics = r.array(lambda r: (r.string(), r.array(partition)))
        offsets = {Spot(topic, index): offset for topic, found in topics for index, offset in found}
        return Committed(r.int16(), offsets)

    return Request("OffsetFetch", 9, 2, string(group) + NULL_ARRAY, decode)


def sasl_handshake(mechanism: str) -> Request[Handshake]:
    return Request("SaslHandshake", 17, 1, string(mechanism), lambda r: Handshake(r.int16(), r.array(Reader.string)))


def sasl_authenticate(data: bytes) -> Request[Authenticated]:
    return Request("SaslAuthenticate", 36, 0, blob(data), lambda r: Authenticated(r.int16(), r.string(), r.blob()))
