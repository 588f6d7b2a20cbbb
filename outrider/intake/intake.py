"""The stand-in of both vendors, put together: HTTP for both, gRPC of Cloud Logging if a port is given.

    with Intake(grpc_port=0) as intake:
        ...                                  # write to intake.url or intake.grpc_target
        assert intake.wait_for(3, timeout=5)
        intake.entries()                     # Cloud Logging
        intake.logs()                        # Datadog

It may be stopped and started again: it comes back on the same ports with everything it knew, which is what an
outage looks like from outside.
"""

from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from outrider.intake.api import Api
from outrider.intake.clock import Clock, SystemClock
from outrider.intake.datadog.api import Datadog
from outrider.intake.datadog.store import LogStore
from outrider.intake.faults import Faults
from outrider.intake.server_rest import Server
from outrider.intake.store import Store

if TYPE_CHECKING:
    from outrider.intake.server_grpc import GrpcServer

KEEP = 200_000
"""Entries kept in full by default, for each vendor, about 200 MB of usual log lines."""


class Intake:
    """A local Cloud Logging and a local Datadog logs intake. Use it as a context manager, or call `start` and `stop`.

    `port` 0 takes a free port; `grpc_port` None leaves gRPC off and needs nothing installed for it. `faults` are specs
    as in `Fault.parse`, drawn with `seed`. `keep` bounds the entries held in full, never the counters. `clock` replaces
    the time of receipt (`now()` and `monotonic()` in seconds). `api_key` is the only DD-API-KEY that is
    right; None takes any. Raises ValueError for a bad fault.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        grpc_port: int | None = None,
        faults: Iterable[str] = (),
        seed: int | None = None,
        keep: int = KEEP,
        clock: Clock | None = None,
        api_key: str | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.grpc_port = grpc_port
        clock = clock or SystemClock()
        drawn = Faults(faults, seed)
        self._api = Api(Store(clock, keep), clock, drawn)
        self._datadog = Datadog(LogStore(clock, keep), clock, drawn, api_key)
        self._rest: Server | None = None
        self._grpc: GrpcServer | None = None

    def start(self) -> Self:
        """Listen. OSError if a port is taken, ImportError if gRPC is wanted but not installed."""
        if self._rest is not None:
            return self
        self._rest = Server((self.host, self.port), self._api, self._datadog)
        self.port = self._rest.server_address[1]
        if self.grpc_port is not None:
            try:
                self._start_grpc(self.grpc_port)
            except BaseException:
                self._rest.server_close()
                self._rest = None
                raise
        self._rest.start()
        return self

    def _start_grpc(self, port: int) -> None:
        from outrider.intake.server_grpc import GrpcServer

        try:
            self._grpc = GrpcServer(self.host, port, self._api)
        except RuntimeError as error:
            raise OSError(f"gRPC cannot listen on {self.host}:{port}: {error}") from None
        self._grpc.start()
        self.grpc_port = self._grpc.port

    def stop(self) -> None:
        """Stop listening and break what is connected; entries and counters stay."""
        if self._rest is None:
            return
        self._rest.stop()
        if self._grpc is not None:
            self._grpc.stop()
        self._rest = self._grpc = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The REST endpoint, such as `http://127.0.0.1:8085`."""
        return f"http://{self.host}:{self.port}"

    @property
    def grpc_target(self) -> str:
        """The gRPC endpoint, such as `127.0.0.1:8086`; ValueError if gRPC is off."""
        if self.grpc_port is None:
            raise ValueError("gRPC is off: give a grpc_port")
        return f"{self.host}:{self.grpc_port}"

    def entries(self) -> list[dict[str, Any]]:
        """The kept entries as REST JSON LogEntry, in order of arrival, each once (repeats left out)."""
        return [record.entry() for record in self._api.store.records() if not record.repeated]

    def logs(self) -> list[dict[str, Any]]:
        """The kept logs of Datadog, in order of arrival, each once (repeats and dropped ones left out)."""
        return [record.log() for record in self._datadog.store.records() if not (record.repeated or record.dropped)]

    def stats(self) -> dict[str, Any]:
        """The counters, Datadog's under `datadog`; names and meaning in docs/intake.md."""
        datadog = self._datadog.store.stats()
        return {**self._api.store.stats(), "datadog": datadog, "faults": self._api.faults.specs()}

    def set_faults(self, faults: Iterable[str]) -> None:
        """Replace the faults in force; ValueError for a bad one, and then nothing changes."""
        self._api.faults.set(faults)

    def wait_for(self, n: int, timeout: float = 5.0) -> bool:
        """Wait until `n` different entries were received; False if that took over `timeout` seconds."""
        return self._api.store.wait_for(n, timeout)

    def wait_for_logs(self, n: int, timeout: float = 5.0) -> bool:
        """Wait until `n` different logs of Datadog were stored; False if that took over `timeout` seconds."""
        return self._datadog.store.wait_for(n, timeout)

    def set_api_key(self, api_key: str | None) -> None:
        """Change the DD-API-KEY that is right, as when a key is revoked; None takes any."""
        self._datadog.api_key = api_key
