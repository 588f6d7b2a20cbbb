"""The brokers of a cluster, and connections to them that are kept from run to run.

One of the bootstrap servers tells which brokers there are, and at which addresses they want to be reached. Offsets are
with the leader of a partition, groups with their coordinator: so all are asked. The bootstrap server is reached as the
settings say also if it is called otherwise in the cluster, as long as it is the only one or that can be told.
"""

from collections.abc import Sequence
from typing import TypeVar

from outrider.checks.check import CheckError, RefusedError
from outrider.checks.kafka.connection import Connection
from outrider.checks.kafka.messages import Broker, Metadata, Request, metadata
from outrider.checks.kafka.settings import KafkaSettings
from outrider.checks.stream import CLOCK

T = TypeVar("T")

Address = tuple[str, int]

SHARES = 4
"""Into how many parts the time that is left is divided at most."""


class Cluster:
    """Asks its brokers. `deadline` (seconds of CLOCK) ends every wait. Raises CheckError."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._bootstrap = [_address(server) for server in settings.bootstrap_servers]
        self._connections: dict[Address, Connection] = {}
        self._entry = self._bootstrap[0]
        """The bootstrap server that answered last."""
        self._alone = False
        self.deadline = 0.0

    def metadata(self) -> Metadata:
        """What there is, as the first bootstrap server tells that answers."""
        trouble: CheckError | None = None
        servers = sorted(self._bootstrap, key=lambda address: address != self._entry)
        for i, address in enumerate(servers):
            try:
                found = self._ask(address, [metadata()], self._share(len(servers) - i))[0]
            except CheckError as e:
                trouble = trouble or e
                continue
            self._entry, self._alone = address, len(found.brokers) == 1
            for gone in self._connections.keys() - {address, *((b.host, b.port) for b in found.brokers)}:
                self._drop(gone)
            return found
        assert trouble is not None
        raise trouble

    def ask(self, broker: Broker, requests: Sequence[Request[T]], waiting: int) -> list[T]:
        """The answers of one broker. `waiting` is how many have still to be asked, with this one: the time that is left
        is theirs as well.
        """
        address = self._entry if self._alone else (broker.host, broker.port)
        return self._ask(address, requests, self._share(waiting))

    def close(self) -> None:
        for address in list(self._connections):
            self._drop(address)

    def _ask(self, address: Address, requests: Sequence[Request[T]], deadline: float) -> list[T]:
        """A connection that was kept may have been cut meanwhile: then once more on a new one."""
        kept = address in self._connections
        try:
            return self._to(address, deadline).calls(requests)
        except RefusedError:
            self._drop(address)
            if not kept:
                raise
        except BaseException:
            self._drop(address)
            raise
        try:
            return self._to(address, deadline).calls(requests)
        except BaseException:
            self._drop(address)
            raise

    def _to(self, address: Address, deadline: float) -> Connection:
        connection = self._connections.get(address)
        if connection is None:
            connection = Connection(address, deadline, self._settings.tls, self._settings.sasl)
            self._connections[address] = connection
        connection.deadline = deadline
        return connection

    def _share(self, waiting: int) -> float:
        """When to give up on one of so many: so that one that is silent leaves the others most of the time."""
        now = CLOCK.monotonic()
        return now + (self.deadline - now) / min(waiting, SHARES)

    def _drop(self, address: Address) -> None:
        connection = self._connections.pop(address, None)
        if connection is not None:
            connection.close()


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
