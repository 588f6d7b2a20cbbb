"""An annotation reaches its own pod alone, and nothing of the node: by table, and for every check that there is."""

import pytest

from outrider.checks.found import INSTALLED
from outrider.config.shape import Many, Nullable, Pairs, Record, Shape, Text, record_of
from outrider.discovery.confined import confined, is_of_the_node
from outrider.discovery.targets import find
from outrider.discovery.wish import FaultError
from tests.discovery.asking import CACHE_CHECKS, IP, OURS, asking, faults

ELSEWHERE = [
    "[{redis: {host: 10.0.0.10}}]",
    "[{redis: {host: kubernetes.default.svc}}]",
    "[{redis: {host: 127.0.0.2}}]",
    "[{redis: {host: 2130706433}}]",
    "[{redis: {host: 'fd00::1'}}]",
    "[{redis: {host: '/run/redis.sock'}}]",
    "[{postgres: {host: /var/run/postgresql}}]",
    "[{redis: {unix_socket_path: /run/redis.sock}}]",
    "[{nginx: {url: 'http://10.0.0.10/'}}]",
    "[{nginx: {url: 'http://%%host%%@10.0.0.10/'}}]",
    "[{nginx: {url: 'http://%%host%%.evil.example/'}}]",
    "[{nginx: {url: 'http://169.254.169.254/computeMetadata/v1/'}}]",
    "[{nginx: {url: 'http://10.0.0.10#@%%host%%/'}}]",
    "[{nginx: {url: 'http://10.0.0.10\\@%%host%%/'}}]",
    "[{nginx: {url: 'file:///etc/passwd'}}]",
    "[{openmetrics: {url: 'http://[::ffff:10.0.0.10]/metrics'}}]",
    "[{mongodb: {hosts: ['%%host%%', '10.0.0.10:27017']}}]",
    "[{mongodb: {hosts: '10.0.0.10'}}]",
    "[{mongodb: {hosts: ['%%host%%:1', '%%host%%:2']}}]",
    "[{mongodb: {hosts: [none]}}]",
    "[{mongodb: {replica_set: rs0}}]",
    "[{redis: {host: none}}]",
    "[{haproxy: {url: 'tcp://10.0.0.10:9999'}}]",
    "[{haproxy: {url: 'unix:///run/haproxy/admin.sock'}}]",
    "[{haproxy: {url: 'http://%%host%%/stats', prometheus_url: 'http://10.0.0.10:8404/metrics'}}]",
    "[{haproxy: {}}]",
    "[{memcached: {unix_socket_path: /run/memcached.sock}}]",
    "[{mysql: {unix_socket_path: /run/mysqld/mysqld.sock}}]",
    "[{elasticsearch: {url: 'http://10.0.0.10:9200'}}]",
    "[{hadoop: {namenode_url: 'http://%%host%%:9870', history_url: 'http://10.0.0.10:19888'}}]",
    "[{hadoop: {resourcemanager_url: 'http://%%host%%:8088'}}]",
    "[{hadoop: {}}]",
    "[{spark: {mode: yarn}}]",
    "[{spark: {mode: standalone, url: 'http://%%host%%:8080'}}]",
    "[{kafka: {}}]",
    "[{kafka: {bootstrap_servers: '%%host%%:9092'}}]",
    "[{kafka: {bootstrap_servers: ['%%host%%:9092', '10.0.0.10:9092']}}]",
    "[{rabbitmq: {prometheus_url: 'http://10.0.0.10:15692/metrics'}}]",
    "[{redis: {host: 7}}]",
    "[{nginx: {url: [1]}}]",
]
OF_THE_NODE = [
    "[{redis: {password: {env: HOME}}}]",
    "[{redis: {password: {file: /etc/shadow}}}]",
    "[{redis: {password: '${HOME}'}}]",
    "[{redis: {password: '${HOME:-x}'}}]",
    "[{redis: {tags: ['home:${HOME}']}}]",
    "[{redis: {tls: {ca: /etc/ca.pem}}}]",
    "[{mongodb: {tls: {cert: /etc/tls.pem}}}]",
    "[{openmetrics: {url: 'http://%%host%%/', token: {file: /var/run/secrets/token}}}]",
    "[{openmetrics: {url: 'http://%%host%%/', headers: {A: '${HOME}'}}}]",
    "[{elasticsearch: {api_key: {file: /var/run/secrets/token}}}]",
    "[{etcd: {tls: {cert: /etc/kubernetes/pki/etcd/healthcheck-client.crt}}}]",
    "[{kafka: {sasl: {username: u, password: {file: /etc/shadow}}}}]",
]
UNKNOWABLE = [
    ("%%env_NOBODY%%", "the container's specification has no variable NOBODY"),
    ("%%env_HIDDEN%%", "is in a Secret, a ConfigMap or a field, which only the container knows"),
    ("%%env_R%%", "refers to another variable"),
    ("%%env_PASSWORD%%", "PASSWORD is another one in each container of the pod"),
    ("%%env_HOME%%", "has no variable HOME"),
    ("%%pid%%", "%%pid%% is not supported"),
    ("%%hostname%%", "%%hostname%% is not supported"),
    ("%%port_7%%", "is none of the ports that the container declares (6379 (redis), 8080 (http), 9113 (metrics))"),
    ("%%port_grpc%%", "%%port_grpc%% is none of the ports"),
    ("%%tag_x%%", "%%tag_x%% is no variable that is known"),
    ("ENC[redis]", "ENC[...] is a secret of the Datadog Agent's secret backend"),
]


@pytest.mark.parametrize("annotation", ELSEWHERE + OF_THE_NODE)
def test_what_is_not_the_pods_is_refused(annotation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/root")
    found = find(asking({OURS: annotation}))
    assert found.targets == ()
    [fault] = found.faults
    assert fault.stops
    assert "/root" not in fault.words


@pytest.mark.parametrize(("text", "words"), UNKNOWABLE)
def test_what_cannot_be_filled_in_is_told(text: str, words: str) -> None:
    [fault] = faults({OURS: f"[{{redis: {{password: '{text}'}}}}]"})
    assert words in fault


def test_a_variable_is_the_containers_and_is_not_looked_into() -> None:
    annotation = '{"redisdb": {"instances": [{"password": "%%env_PASSWORD%%"}]}}'
    [target] = find(asking({CACHE_CHECKS.replace("cache", "web"): annotation})).targets
    password = target.settings.password  # type: ignore[attr-defined]
    assert password.read() == "s${3}cret"
    assert "s${3}cret" not in repr(target)


NEVER = ("kubelet",)
"""Whatever plays one speaks for all pods of the node."""
HARMLESS = {
    "additional_metrics", "auth_source", "cluster_name", "collections", "databases", "dbname", "exchanges",
    "exclude_labels", "exclude_metrics", "exclude_queues", "groups", "headers", "ignore_databases", "keys",
    "metric_types", "metrics", "namespace", "query_timeout", "queues", "relations", "rename_labels", "rename_metrics",
    "replica_set", "sasl", "tags", "tls", "topics", "username", "vhosts",
}  # fmt: skip
"""Settings of any check whose text leads nowhere. One that is not here has to be among `addresses` of its check, or
has to be looked at by whoever adds it."""


@pytest.mark.parametrize("name", NEVER)
def test_what_no_annotation_may_ask_for(name: str) -> None:
    [fault] = faults({OURS: f"[{{{name}: {{url: 'http://%%host%%:10250'}}}}]"})
    assert "an annotation cannot ask for this check" in fault


@pytest.mark.parametrize("name", [name for name in INSTALLED if name not in NEVER])
def test_every_setting_of_every_check_that_may_lead_somewhere_is_known(name: str) -> None:
    settings = INSTALLED[name]
    unknown = [
        key.name
        for key in record_of(settings).keys
        if _has_text(key.shape) and key.name not in settings.addresses and key.name not in HARMLESS
    ]
    assert unknown == []


@pytest.mark.parametrize("name", [name for name in INSTALLED if name not in NEVER])
@pytest.mark.parametrize("address", ["10.0.0.10", "http://10.0.0.10:80/x", "unix:///run/x", "/run/x", "10.0.0.10:1"])
def test_no_address_of_any_check_leads_elsewhere(name: str, address: str) -> None:
    settings, record = INSTALLED[name], record_of(INSTALLED[name])
    there = [a for a in settings.addresses if record.key(a) is not None]
    assert there, "an annotation could not ask for it at all"
    for key in there:
        for given in (address, [address]):
            with pytest.raises(FaultError):
                confined({key: given}, record, settings.addresses, IP)


def _has_text(shape: Shape) -> bool:
    match shape:
        case Nullable(item) | Many(item) | Pairs(_, item):
            return _has_text(item)
        case Record():
            return any(_has_text(key.shape) for key in shape.keys)
        case Text():
            return not is_of_the_node(shape)
    return False
