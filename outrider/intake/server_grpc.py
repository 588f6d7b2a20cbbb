"""The gRPC side: one server for the services of Google's that the intake stands in for.

grpc and the protos are heavy and optional (extra `intake`): only `outrider.intake.intake` imports this, when asked.
"""

from concurrent import futures

import grpc

from outrider.intake import body
from outrider.intake.api import Api
from outrider.intake.grpc_calls import Calls
from outrider.intake.monitoring.api import Monitoring
from outrider.intake.monitoring.service_grpc import MetricService
from outrider.intake.service_grpc import LoggingService

_MESSAGE_LIMIT = 8 * body.MAX_REQUEST  # above the APIs' limits: an API answers that itself, with its own words
_WORKERS = 16


class GrpcServer:
    """The gRPC server of one intake; `port` is bound when made."""

    def __init__(self, host: str, port: int, api: Api, monitoring: Monitoring) -> None:
        self._calls = Calls()
        options = [("grpc.max_receive_message_length", _MESSAGE_LIMIT), ("grpc.so_reuseport", 0)]
        self._server = grpc.server(futures.ThreadPoolExecutor(_WORKERS, "intake-grpc"), options=options)
        for service in (LoggingService(api, self._calls), MetricService(monitoring, self._calls)):
            handlers = {name: self._calls.handler(method) for name, method in service.methods().items()}
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.NAME, handlers),))
        self.port: int = self._server.add_insecure_port(f"{host}:{port}")

    def start(self) -> None:
        """Take requests."""
        self._server.start()

    def stop(self) -> None:
        """End all calls and close the port."""
        self._calls.stopping.set()
        self._server.stop(0.2).wait()
