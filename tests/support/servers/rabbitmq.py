"""A RabbitMQ of Debian with its management API and Prometheus plugin, on loopback.

It takes six seconds to start, so there is one for all tests of a process (`shared`), which keep to virtual hosts of
their own. Erlang's port mapper, which it would leave behind, is started beside it.
"""

import base64
import contextlib
import glob
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.server import answers, program, quiet_ports, running
from tests.support.servers.shared import Shared

PLUGINS = ("rabbitmq_management", "rabbitmq_prometheus")


@dataclass(frozen=True)
class Rabbitmq:
    """One that runs. The user guest may do everything."""

    amqp: int
    management: int
    prometheus: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.management}"

    @property
    def prometheus_url(self) -> str:
        return f"http://127.0.0.1:{self.prometheus}/metrics"

    def api(self, method: str, path: str, body: Any = None, user: str = "guest", password: str = "guest") -> Any:
        """What `/api/<path>` answers; None if that is nothing."""
        pair = base64.b64encode(f"{user}:{password}".encode()).decode()
        request = urllib.request.Request(
            f"{self.url}/api/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Basic {pair}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            said = answer.read()
        return json.loads(said) if said else None

    def vhost(self, name: str) -> None:
        """A virtual host in which guest has all rights."""
        self.api("PUT", f"vhosts/{quote(name, safe='')}")
        self.permit("guest", name)

    def user(self, name: str, tags: str) -> None:
        """A user with the password `secret`."""
        self.api("PUT", f"users/{name}", {"password": "secret", "tags": tags})

    def permit(self, user: str, vhost: str, configure: str = ".*", write: str = ".*", read: str = ".*") -> None:
        rights = {"configure": configure, "write": write, "read": read}
        self.api("PUT", f"permissions/{quote(vhost, safe='')}/{user}", rights)

    def queue(self, vhost: str, name: str, **arguments: str) -> None:
        self.api(
            "PUT", f"queues/{quote(vhost, safe='')}/{quote(name, safe='')}", {"durable": True, "arguments": arguments}
        )

    def publish(self, vhost: str, queue: str, times: int = 1) -> None:
        message = {"properties": {}, "routing_key": queue, "payload": "hello", "payload_encoding": "string"}
        for _ in range(times):
            self.api("POST", f"exchanges/{quote(vhost, safe='')}/amq.default/publish", message)


@contextlib.contextmanager
def rabbitmq(folder: Path, plugins: Sequence[str] = PLUGINS) -> Iterator[Rabbitmq]:
    """A broker with its data in `folder`."""
    found = sorted(glob.glob("/usr/lib/rabbitmq/lib/*/sbin/rabbitmq-server"))
    if not found:
        pytest.skip("rabbitmq-server is not installed (Debian: rabbitmq-server)")
    *ports, epmd, distribution = quiet_ports(5)
    broker = Rabbitmq(*ports)
    (folder / "enabled_plugins").write_text(f"[{','.join(plugins)}].\n")
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.default = 127.0.0.1:{broker.amqp}\n"
        f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {broker.management}\n"
        f"prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = {broker.prometheus}\n"
        "collect_statistics_interval = 500\n"
    )
    env = {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "ERL_EPMD_PORT": str(epmd),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"rabbit{broker.amqp}@localhost",
        "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
    }
    mapper = [program("epmd", "erlang-base"), "-port", str(epmd), "-address", "127.0.0.1"]
    with (
        running(mapper, folder / "epmd.out", lambda: answers(epmd), env=env),
        running(found[-1:], folder / "rabbitmq.out", lambda: _started(broker, plugins), timeout=90, env=env),
    ):
        yield broker


shared = Shared(rabbitmq)


def _started(broker: Rabbitmq, plugins: Sequence[str]) -> bool:
    if "rabbitmq_management" not in plugins:
        return answers(broker.amqp)
    try:
        return bool(broker.api("GET", "overview")["object_totals"])
    except (OSError, urllib.error.URLError, KeyError, ValueError):
        return False
