"""A pod in the node's network has the node's address: an annotation reaches what the pod declares, and not the node."""

import pytest

from outrider.discovery.targets import find
from tests.discovery.asking import CACHE_CHECKS, OURS, asking

ITS_OWN = [  # of the ports 6379, 8080 and 9113
    {OURS: "[{redis: {}}]"},
    {OURS: "[{redis: {host: localhost, port: 6379}}]"},
    {OURS: "[{openmetrics: {url: 'http://%%host%%:9113/metrics'}}]"},
    {CACHE_CHECKS: '{"redisdb": {"instances": [{"host": "%%host%%", "port": "%%port%%"}]}}'},
    {"prometheus.io/scrape": "true", "prometheus.io/port": "9113"},
    {OURS: "[{rabbitmq: {url: 'http://%%host%%:8080', prometheus_url: 'http://%%host%%:9113/metrics'}}]"},
]
THE_NODES = [
    ({OURS: "[{redis: {port: 6380}}]"}, 6380),
    ({OURS: "[{nginx: {}}]"}, 80),
    ({OURS: "[{nginx: {url: 'https://%%host%%/status'}}]"}, 443),
    ({OURS: "[{openmetrics: {url: 'http://localhost:10255/metrics/cadvisor'}}]"}, 10255),
    ({OURS: "[{rabbitmq: {url: 'http://%%host%%:8080', prometheus_url: 'http://%%host%%:10255/m'}}]"}, 10255),
    ({OURS: "[{mongodb: {}}]"}, 27017),
    ({OURS: "[{mongodb: {hosts: '%%host%%:27018'}}]"}, 27018),
    ({CACHE_CHECKS: '{"redisdb": {"instances": [{"port": 10250}]}}'}, 10250),
    ({"prometheus.io/scrape": "true", "prometheus.io/port": "10255"}, 10255),
]


@pytest.mark.parametrize("ip", ["10.0.0.1", "fd00::1"])
@pytest.mark.parametrize("annotations", ITS_OWN)
def test_a_port_that_it_declares_is_its_own(annotations: dict[str, str], ip: str) -> None:
    found = find(asking(annotations, host_network=True, ip=ip))
    assert found.faults == ()
    assert len(found.targets) == 1


@pytest.mark.parametrize("ip", ["10.0.0.1", "fd00::1"])
@pytest.mark.parametrize(("annotations", "port"), THE_NODES)
def test_any_other_port_may_be_anybodys(annotations: dict[str, str], port: object, ip: str) -> None:
    found = find(asking(annotations, host_network=True, ip=ip))
    assert found.targets == ()
    [fault] = found.faults
    assert f"in the node's network, where port {port} may be anybody's: declare the port" in fault.words
    assert len(find(asking(annotations, ip=ip)).targets) == 1, "in a network of its own a pod may have what it likes"
