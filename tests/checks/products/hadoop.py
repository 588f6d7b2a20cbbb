"""Hadoop for the shared tests: answers in the documented form of several versions, since no Hadoop can be had here. For
those that ask one address the daemon is a NameNode.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from outrider.checks.check import CheckSettings, Reading
from outrider.checks.hadoop.check import HadoopCheck
from outrider.checks.hadoop.settings import HadoopSettings
from outrider.model.clock import ManualClock
from tests.checks.product import Address, Product, ask
from tests.support.servers.recorded import Recorded, recorded, server

NOW = 1451606460.0
"""When the answers were made, a minute after the cluster was started: seconds since 1970."""


def _at(address: Address, timeout: float) -> CheckSettings:
    return HadoopSettings(namenode_url=f"http://{address[0]}:{address[1]}", timeout=timeout)


@contextmanager
def _server(folder: Path) -> Iterator[Address]:
    del folder
    with server(recorded("hadoop/namenode-3.3.json")) as found:
        yield "127.0.0.1", found.port


@contextmanager
def manager(version: str) -> Iterator[Recorded]:
    """A ResourceManager, whose proxy is at its own address."""
    with server({}) as found:
        text = json.dumps(recorded(f"hadoop/resourcemanager-{version}.json"))
        found.answers.update(json.loads(text.replace('"RM/', f'"{found.url}/')))
        yield found


def no_jobs() -> dict[str, Any]:
    """What a history server says that has no jobs to tell of."""
    return {"/ws/v1/history/mapreduce/jobs": {"jobs": None}}


def _observe(folder: Path) -> list[Reading]:
    del folder
    readings = []
    for version in ("2.7", "3.3"):
        with ExitStack() as stack:
            history = stack.enter_context(server(no_jobs()))
            settings = HadoopSettings(
                namenode_url=stack.enter_context(server(recorded(f"hadoop/namenode-{version}.json"))).url,
                datanode_url=stack.enter_context(server(recorded(f"hadoop/datanode-{version}.json"))).url,
                resourcemanager_url=stack.enter_context(manager(version)).url,
                history_url=history.url,
                timeout=20.0,
            )
            check = HadoopCheck(settings)
            for answers in ({}, recorded("hadoop/history-3.3.json")):
                history.answers.update(answers)
                asked = ask(PRODUCT, check, ManualClock(NOW))
                assert asked.trouble is None, asked.trouble
                readings.append(asked.reading)
            check.close()
    return readings


PRODUCT = Product(
    "hadoop", _at, _server, endless=b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", observe=_observe
)
