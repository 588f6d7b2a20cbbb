"""Brokers of a Kafka cluster that say what they are told to: leaders and replicas, refusals, users, silence.

Requests are taken apart and answers put together by kafka-python, which makes both from the schemas of Apache Kafka.
"""

import base64
import contextlib
import hashlib
import hmac
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from kafka.protocol.admin import (
    DescribeGroupsRequest,
    DescribeGroupsResponse,
    ListGroupsRequest,
    ListGroupsResponse,
)
from kafka.protocol.consumer import (
    ListOffsetsRequest,
    ListOffsetsResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
)
from kafka.protocol.metadata import ApiVersionsRequest, ApiVersionsResponse, MetadataRequest, MetadataResponse
from kafka.protocol.sasl import (
    SaslAuthenticateRequest,
    SaslAuthenticateResponse,
    SaslHandshakeRequest,
    SaslHandshakeResponse,
)

from tests.support.server import free_port

Spot = tuple[str, int]
REQUESTS = {
    request.API_KEY: (name, request)
    for name, request in {
        "api_versions": ApiVersionsRequest,
        "metadata": MetadataRequest,
        "list_offsets": ListOffsetsRequest,
        "list_groups": ListGroupsRequest,
        "describe_groups": DescribeGroupsRequest,
        "offset_fetch": OffsetFetchRequest,
        "sasl_handshake": SaslHandshakeRequest,
        "sasl_authenticate": SaslAuthenticateRequest,
    }.items()
}


@dataclass
class FakeGroup:
    """A group that the broker `node` coordinates."""

    node: int = 1
    state: str = "Stable"
    members: int = 1
    commits: dict[Spot, int] = field(default_factory=dict)
    kind: str = "consumer"


@dataclass
class FakeKafka:
    """What the brokers `nodes` say. `topics` have for each partition its leader, its replicas and those in step;
    `offsets` of a partition are its first and the one that comes next. `errors` are codes by API. Brokers that are
    `down` refuse connections, those that are `silent` do not answer.
    """

    nodes: tuple[int, ...] = (1,)
    topics: dict[str, list[tuple[int, list[int], list[int]]]] = field(default_factory=dict)
    offsets: dict[Spot, tuple[int, int]] = field(default_factory=dict)
    groups: dict[str, FakeGroup] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    down: set[int] = field(default_factory=set)
    silent: set[int] = field(default_factory=set)
    user: tuple[str, str, str] | None = None
    """Mechanism, name and password."""
    tls: ssl.SSLContext | None = None
    ports: dict[int, int] = field(default_factory=dict)
    asked: list[tuple[int, str]] = field(default_factory=list)
    """Every request: which broker, which API."""

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """The address of the first broker that is not down."""
        with contextlib.ExitStack() as stack:
            for node in self.nodes:
                if node in self.down:
                    self.ports[node] = free_port()
                    continue
                listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
                self.ports[node] = listener.getsockname()[1]
                stack.callback(_end, listener)
                threading.Thread(target=self._accept, args=(listener, node), daemon=True).start()
            yield f"127.0.0.1:{next(port for node, port in self.ports.items() if node not in self.down)}"

    def _accept(self, listener: socket.socket, node: int) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, node), daemon=True).start()

    def _serve(self, plain: socket.socket, node: int) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            connection = stack.enter_context(plain if self.tls is None else self.tls.wrap_socket(plain, True))
            session = _Session(self, node)
            stream = stack.enter_context(connection.makefile("rb"))
            while size := stream.read(4):
                frame = stream.read(int.from_bytes(size))
                if node in self.silent:
                    continue
                answer = session.answer(frame)
                if answer is None:
                    return
                connection.sendall(answer)


def _end(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)


class _Session:
    """One connection to one broker."""

    def __init__(self, cluster: FakeKafka, node: int) -> None:
        self._cluster, self._node = cluster, node
        self._known = cluster.user is None
        self._scram: tuple[str, str] | None = None

    def answer(self, frame: bytes) -> bytes | None:
        """None: hang up."""
        key, version = int.from_bytes(frame[:2]), int.from_bytes(frame[2:4])
        name, kind = REQUESTS[key]
        if name in self._cluster.missing or not (self._known or name.startswith(("api_", "sasl_"))):
            return None
        self._cluster.asked.append((self._node, name))
        said = getattr(self, f"_{name}")(kind.decode(frame, version=version, header=True), version)
        said.API_VERSION = version
        said.with_header(correlation_id=int.from_bytes(frame[4:8]))
        return bytes(said.encode(framed=True, header=True))

    def _error(self, name: str) -> int:
        return self._cluster.errors.get(name, 0)

    def _api_versions(self, request: Any, version: int) -> Any:
        del request, version
        one = ApiVersionsResponse.ApiVersion
        keys = [key for key, (name, _) in REQUESTS.items() if name not in self._cluster.missing]
        return ApiVersionsResponse(error_code=0, api_keys=[one(api_key=k, min_version=0, max_version=9) for k in keys])

    def _metadata(self, request: Any, version: int) -> Any:
        assert request.topics is None and version == 2
        topic, broker = MetadataResponse.MetadataResponseTopic, MetadataResponse.MetadataResponseBroker
        partition = topic.MetadataResponsePartition
        c = self._cluster
        return MetadataResponse(
            brokers=[broker(node_id=n, host="127.0.0.1", port=c.ports[n], rack=None) for n in c.nodes],
            cluster_id="c1",
            controller_id=c.nodes[0],
            topics=[
                topic(
                    error_code=0,
                    name=name,
                    is_internal=name.startswith("__"),
                    partitions=[
                        partition(
                            error_code=5 if leader < 0 else 0,
                            partition_index=i,
                            leader_id=leader,
                            replica_nodes=replicas,
                            isr_nodes=in_sync,
                        )
                        for i, (leader, replicas, in_sync) in enumerate(partitions)
                    ],
                )
                for name, partitions in c.topics.items()
            ],
        )

    def _list_offsets(self, request: Any, version: int) -> Any:
        del version
        topic = ListOffsetsResponse.ListOffsetsTopicResponse
        partition = topic.ListOffsetsPartitionResponse

        def one(name: str, p: Any) -> Any:
            leader = self._cluster.topics[name][p.partition_index][0]
            error = self._error("list_offsets") or (0 if leader == self._node else 6)
            begin, end = self._cluster.offsets.get((name, p.partition_index), (0, 0))
            offset = -1 if error else begin if p.timestamp == -2 else end
            return partition(partition_index=p.partition_index, error_code=error, timestamp=-1, offset=offset)

        return ListOffsetsResponse(
            topics=[topic(name=t.name, partitions=[one(t.name, p) for p in t.partitions]) for t in request.topics]
        )

    def _list_groups(self, request: Any, version: int) -> Any:
        del request, version
        one = ListGroupsResponse.ListedGroup
        here = {name: g for name, g in self._cluster.groups.items() if g.node == self._node}
        found = [one(group_id=name, protocol_type=group.kind) for name, group in here.items()]
        return ListGroupsResponse(error_code=self._error("list_groups"), groups=found)

    def _describe_groups(self, request: Any, version: int) -> Any:
        del version
        group = DescribeGroupsResponse.DescribedGroup

        def member(number: int) -> Any:
            return group.DescribedGroupMember(
                member_id=f"m{number}", client_id="c", client_host="/h", member_metadata=b"x", member_assignment=b""
            )

        def one(name: str) -> Any:
            known = self._cluster.groups[name]
            return group(
                error_code=self._error("describe_groups"),
                group_id=name,
                group_state=known.state,
                protocol_type="consumer",
                protocol_data="range",
                members=[member(i) for i in range(known.members)],
            )

        return DescribeGroupsResponse(groups=[one(name) for name in request.groups])

    def _offset_fetch(self, request: Any, version: int) -> Any:
        assert request.topics is None and version == 2
        topic = OffsetFetchResponse.OffsetFetchResponseTopic
        partition = topic.OffsetFetchResponsePartition
        error = self._error("offset_fetch")
        commits = {} if error else self._cluster.groups[request.group_id].commits
        topics = [
            topic(
                name=name,
                partitions=[
                    partition(partition_index=p, committed_offset=offset, metadata=None, error_code=0)
                    for (of, p), offset in commits.items()
                    if of == name
                ],
            )
            for name in dict.fromkeys(name for name, _ in commits)
        ]
        return OffsetFetchResponse(topics=topics, error_code=error)

    def _sasl_handshake(self, request: Any, version: int) -> Any:
        del version
        mechanism = (self._cluster.user or ("",))[0]
        return SaslHandshakeResponse(error_code=0 if request.mechanism == mechanism else 33, mechanisms=[mechanism])

    def _sasl_authenticate(self, request: Any, version: int) -> Any:
        del version
        assert self._cluster.user is not None
        mechanism, name, password = self._cluster.user
        if mechanism == "PLAIN":
            self._known = request.auth_bytes == b"\0%b\0%b" % (name.encode(), password.encode())
            said = b"" if self._known else None
        else:
            said = self._prove(mechanism.removeprefix("SCRAM-"), request.auth_bytes.decode(), name, password)
        if said is None:
            return SaslAuthenticateResponse(error_code=58, error_message="Authentication failed", auth_bytes=b"")
        return SaslAuthenticateResponse(error_code=0, error_message=None, auth_bytes=said)

    def _prove(self, digest: str, said: str, name: str, password: str) -> bytes | None:
        """The server's side of SCRAM (RFC 5802, 3)."""
        digest = digest.replace("-", "").lower()
        if self._scram is None:
            bare = said.removeprefix("n,,")
            user, nonce = (part.partition("=")[2] for part in bare.split(","))
            if user != name:
                return None
            challenge = f"r={nonce}more,s={base64.b64encode(b'salt').decode()},i=4096"
            self._scram = bare, challenge
            return challenge.encode()
        salted = hashlib.pbkdf2_hmac(digest, password.encode(), b"salt", 4096)
        key = hmac.digest(salted, b"Client Key", digest)
        without, _, proof = said.rpartition(",p=")
        signed = ",".join((*self._scram, without)).encode()
        mask = hmac.digest(hashlib.new(digest, key).digest(), signed, digest)
        if bytes(a ^ b for a, b in zip(base64.b64decode(proof), mask, strict=True)) != key:
            return None
        self._known = True
        return b"v=" + base64.b64encode(hmac.digest(hmac.digest(salted, b"Server Key", digest), signed, digest))
