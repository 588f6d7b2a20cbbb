"""What becomes of the instance keys of the Agent's checks."""

import json
import re
from typing import Any

import pytest

from outrider.checks.found import INSTALLED
from outrider.discovery.datadog import translated
from outrider.discovery.dictionary import PRODUCTS, UNSAID
from outrider.discovery.targets import find
from outrider.discovery.wish import FaultError
from tests.discovery.asking import IP, WEB_CHECKS, asking, shown

INSTANCES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("redisdb", {"host": "%%host%%", "port": "6379"}, {"port": 6379, "tls": None}),
    ("redisdb", {"password": 12, "db": "3"}, {"password": "12", "db": 3}),
    ("redisdb", {"command_stats": "true"}, {"command_stats": True}),
    ("redisdb", {"slowlog-max-len": 7, "socket_timeout": 2}, {"slowlog_max_len": 7, "timeout": 2.0}),
    ("redisdb", {"keys": ["a", "b*"]}, {"keys": ["a", "b*"]}),
    ("redisdb", {"tags": ["x:y"], "service": "kv"}, {"tags": ["x:y", "service:kv"]}),
    ("mongo", {"hosts": ["%%host%%:27017"], "username": "u"}, {"hosts": [f"{IP}:27017"], "username": "u"}),
    ("mongo", {"hosts": "%%host%%", "options": {"authSource": "admin"}}, {"hosts": [IP], "auth_source": "admin"}),
    (
        "mongo",
        {"server": "mongodb://u:p@%%host%%:27017/admin"},
        {"hosts": [f"{IP}:27017"], "username": "u", "password": "p", "auth_source": "admin"},
    ),
    ("mongo", {"hosts": "%%host%%", "dbnames": ["a"]}, {"databases": ["a"]}),
    ("mongo", {"hosts": "%%host%%", "collections": ["c", "d.e"]}, {"collections": ["*.c", "d.e"]}),
    ("nginx", {"nginx_status_url": "http://%%host%%:81/nginx_status/"}, {"url": f"http://{IP}:81/nginx_status/"}),
    ("postgres", {"host": "%%host%%", "port": 5432, "username": "dd"}, {"host": IP, "port": 5432, "username": "dd"}),
    ("postgres", {"relations": ["orders"], "query_timeout": 500}, {"relations": ["orders"], "query_timeout": 0.5}),
    (
        "postgres",
        {"relations": [{"relation_name": "a", "schemas": ["s"]}, {"relation_regex": ".*"}]},
        {"relations": ["s.a", "*.*"]},
    ),
    ("postgres", {"ignore_databases": ["template%"]}, {"ignore_databases": ["template*"]}),
    ("rabbitmq", {"rabbitmq_api_url": "http://%%host%%:15672/api/"}, {"url": f"http://{IP}:15672"}),
    ("rabbitmq", {"rabbitmq_user": "u", "rabbitmq_pass": "p", "vhosts": ["/"]}, {"username": "u", "vhosts": ["^/$"]}),
    ("rabbitmq", {"queues": ["a.b"], "exchanges": ["c"]}, {"queues": [r"^a\.b$"], "exchanges": ["^c$"]}),
    (
        "rabbitmq",
        {"prometheus_plugin": {"url": "http://%%host%%:15692"}},
        {"url": None, "prometheus_url": f"http://{IP}:15692/metrics"},
    ),
    (
        "openmetrics",
        {
            "openmetrics_endpoint": "http://%%host%%:9113/metrics",
            "namespace": "app",
            "metrics": ["up", {"http_requests": "requests"}, {"odd": {"name": "even", "type": "gauge"}}],
        },
        {
            "url": f"http://{IP}:9113/metrics",
            "namespace": "app",
            "metrics": ["up", "http_requests", "odd"],
            "rename_metrics": {"http_requests": "requests", "odd": "even"},
            "metric_types": {"odd": "gauge"},
        },
    ),
    (
        "prometheus",
        {"prometheus_url": "http://%%host%%:9113/metrics", "metrics": ["*"], "ignore_metrics": ["go_*"]},
        {"metrics": [".*"], "exclude_metrics": ["^go_.*$"]},
    ),
    ("nginx", {"user": "u", "password": "p", "tls_verify": False}, {"username": "u", "password": "p"}),
    (
        "mysql",
        {
            "host": "%%host%%",
            "port": "3307",
            "username": "datadog",
            "password": "p",
            "connect_timeout": 7,
            "index_metrics": {"enabled": True, "limit": 1000},
            "options": {
                "replication": True,
                "galera_cluster": 1,
                "extra_status_metrics": True,
                "extra_innodb_metrics": True,
                "extra_performance_metrics": False,
                "schema_size_metrics": True,
                "table_size_metrics": True,
                "table_rows_stats_metrics": True,
            },
        },
        {
            "host": IP,
            "port": 3307,
            "username": "datadog",
            "password": "p",
            "timeout": 7.0,
            "tls": None,
            "replication": True,
            "extra_performance_metrics": False,
            "schema_size_metrics": True,
            "table_size_metrics": True,
            "table_rows_stats_metrics": True,
            "index_metrics": True,
        },
    ),
    ("mysql", {"server": "%%host%%", "user": "u", "pass": "p"}, {"host": IP, "username": "u", "password": "p"}),
    (
        "mcache",
        {"url": "%%host%%", "port": 11212, "username": "u", "options": {"items": True, "slabs": True}},
        {"host": IP, "port": 11212, "username": "u", "items": True, "slabs": True},
    ),
    (
        "haproxy",
        {"use_openmetrics": True, "openmetrics_endpoint": "http://%%host%%:8404/metrics", "username": "u"},
        {"prometheus_url": f"http://{IP}:8404/metrics", "url": None, "username": "u"},
    ),
    ("haproxy", {"url": "http://%%host%%/admin?stats"}, {"url": f"http://{IP}/admin?stats", "prometheus_url": None}),
    ("etcd", {"prometheus_url": "http://%%host%%:2379/metrics", "use_preview": True}, {"url": f"http://{IP}:2379"}),
    ("etcd", {"url": "http://%%host%%:2379"}, {"url": f"http://{IP}:2379"}),
    (
        "zk",
        {
            "host": "%%host%%",
            "port": 2181,
            "timeout": 3,
            "report_instance_mode": True,
            "expected_mode": "leader, follower",
        },
        {"host": IP, "port": 2181, "timeout": 3.0, "expected_mode": ["leader", "follower"], "tls": None},
    ),
    (
        "elastic",
        {
            "url": "http://%%host%%:9200",
            "username": "u",
            "password": "p",
            "cluster_stats": True,
            "index_stats": True,
            "pshard_stats": True,
            "pending_task_stats": False,
            "cat_allocation_stats": True,
            "slm_stats": True,
            "submit_events": False,
        },
        {
            "url": f"http://{IP}:9200",
            "username": "u",
            "password": "p",
            "cluster_stats": True,
            "index_stats": True,
            "pshard_stats": True,
            "pending_task_stats": False,
            "cat_allocation_stats": True,
            "slm_stats": True,
            "submit_events": False,
        },
    ),
    (
        "spark",
        {
            "spark_url": "http://%%host%%:4040",
            "spark_cluster_mode": "spark_driver_mode",
            "cluster_name": "c",
            "streaming_metrics": False,
            "executor_level_metrics": True,
            "enable_query_name_tag": True,
        },
        {
            "url": f"http://{IP}:4040",
            "mode": "driver",
            "cluster_name": "c",
            "streaming_metrics": False,
            "executor_level_metrics": True,
            "query_name_tag": True,
        },
    ),
    (
        "hdfs_namenode",
        {"hdfs_namenode_jmx_uri": "http://%%host%%:9870"},
        {"namenode_url": f"http://{IP}:9870", "datanode_url": None, "resourcemanager_url": None, "history_url": None},
    ),
    (
        "hdfs_datanode",
        {"hdfs_datanode_jmx_uri": "http://%%host%%:9864", "user": "u"},
        {"datanode_url": f"http://{IP}:9864", "namenode_url": None, "username": "u"},
    ),
    (
        "yarn",
        {"resourcemanager_uri": "http://%%host%%:8088", "cluster_name": "c", "queue_blacklist": ["a", "b[1]"]},
        {
            "resourcemanager_url": f"http://{IP}:8088",
            "cluster_name": "c",
            "mapreduce_jobs": False,
            "exclude_queues": ["a", "b[[]1]"],
        },
    ),
]


@pytest.mark.parametrize(("check", "instance", "expected"), INSTANCES)
def test_an_instance_in_our_words(check: str, instance: dict[str, Any], expected: dict[str, Any]) -> None:
    found = find(asking({WEB_CHECKS: json.dumps({check: {"init_config": {}, "instances": [instance]}})}))
    assert [str(fault) for fault in found.faults] == []
    [target] = found.targets
    assert target.check == PRODUCTS[check][0]
    assert shown(target.settings, **expected) == expected


def test_whether_a_certificate_is_verified() -> None:
    redis = {"ssl": True, "ssl_cert_reqs": 0}
    _, settings, left_out = translated("redisdb", redis, {})
    assert (settings["tls"], left_out) == ({"verify": False}, [])
    _, settings, _ = translated("mongo", {"tls": True, "tls_allow_invalid_certificates": False}, {})
    assert settings["tls"] == {"verify": True}
    _, settings, _ = translated("postgres", {"ssl": "verify-full"}, {})
    assert settings["tls"] == {"mode": "verify-full"}
    _, settings, _ = translated("zk", {"use_tls": True, "tls_verify": False}, {})
    assert settings["tls"] == {"verify": False}
    _, settings, _ = translated("mysql", {"ssl": {"check_hostname": False}}, {})
    assert settings["tls"] == {"verify": False}
    _, settings, _ = translated("mongo", {"tls_allow_invalid_certificates": True}, {})
    assert settings["tls"] == {"verify": False}


@pytest.mark.parametrize(
    ("check", "instance"),
    [
        ("redisdb", {"ssl_cert_reqs": 0}),
        ("redisdb", {"ssl": False, "ssl_ca_certs": "/ca.pem"}),
        ("zk", {"tls_verify": True}),
        ("zk", {"use_tls": "false", "tls_ca_cert": "/ca.pem"}),
        ("mongo", {"tls": False, "tls_allow_invalid_certificates": False}),
    ],
)
def test_without_its_switch_nothing_said_about_certificates_makes_it_tls(check: str, instance: dict[str, Any]) -> None:
    assert "tls" not in translated(check, instance, {})[1]


@pytest.mark.parametrize(
    ("check", "instance", "words"),
    [
        (
            "redisdb",
            {"warn_on_missing_keys": True, "min_collection_interval": 60},
            f"{WEB_CHECKS}: redisdb: no counterpart here: warn_on_missing_keys, min_collection_interval "
            "(the check is run without)",
        ),
        (
            "mongo",
            {"options": {"x": 1}},
            f"{WEB_CHECKS}: mongo: no counterpart here: options.x (the check is run without)",
        ),
        (
            "mysql",
            {"options": {"processlist_size": True}},
            f"{WEB_CHECKS}: mysql: no counterpart here: options.processlist_size (the check is run without)",
        ),
        (
            "mongo",
            {"options": 7},
            f"{WEB_CHECKS}: mongo: the value of options makes no sense here (the check is run without)",
        ),
    ],
)
def test_what_has_no_counterpart_is_told_and_the_check_is_run(check: str, instance: dict[str, Any], words: str) -> None:
    found = find(asking({WEB_CHECKS: json.dumps({check: {"instances": [instance]}})}))
    assert [str(fault) for fault in found.faults] == [words]
    assert len(found.targets) == 1


@pytest.mark.parametrize(
    ("check", "instance"),
    [
        ("mongo", {"server": "localhost:27017"}),
        ("postgres", {"relations": [{"relation_regex": "a.*"}]}),
        ("rabbitmq", {"prometheus_plugin": {}}),
    ],
)
def test_what_would_be_something_else_is_refused(check: str, instance: dict[str, Any]) -> None:
    with pytest.raises(FaultError):
        translated(check, instance, {})


LEADING_ON: list[tuple[str, dict[str, Any], str]] = [
    (
        "kafka_consumer",
        {"kafka_connect_str": "%%host%%:9092"},
        "bootstrap_servers: this would have the check go on",
    ),
    ("kafka_consumer", {"kafka_connect_str": ["10.0.0.10:9092"]}, '"10.0.0.10" is not this pod'),
    ("spark", {"spark_url": "http://%%host%%:8088"}, "mode: this would have the check go on"),
    (
        "spark",
        {"spark_url": "http://%%host%%:8080", "spark_cluster_mode": "spark_standalone_mode"},
        "mode: this would have the check go on",
    ),
    ("spark", {"spark_url": "http://%%host%%:1", "spark_cluster_mode": "spark_mesos_mode"}, 'mode: found "mesos"'),
    (
        "mapreduce",
        {"resourcemanager_uri": "http://%%host%%:8088"},
        "mapreduce_jobs: this would have the check go on",
    ),
    ("yarn", {}, "it is not said where the server is: give namenode_url or"),
    ("mysql", {"sock": "/run/mysqld/mysqld.sock"}, "files and sockets of the node cannot be named"),
    ("mysql", {"ssl": {"ca": "/etc/ca.pem"}}, "files and sockets of the node cannot be named"),
]


@pytest.mark.parametrize(("check", "instance", "words"), LEADING_ON)
def test_what_leads_elsewhere_is_refused_in_these_words_too(check: str, instance: dict[str, Any], words: str) -> None:
    found = find(asking({WEB_CHECKS: json.dumps({check: {"instances": [instance]}})}))
    assert [words in str(fault) for fault in found.faults] == [True], found.faults
    assert found.targets == ()


def test_what_is_renamed_is_a_setting_of_ours() -> None:
    for name, (ours, rules) in PRODUCTS.items():
        renamed = {rule for rule in rules.values() if isinstance(rule, str)}
        assert renamed | UNSAID.get(name, {}).keys() <= set(INSTALLED[ours].__struct_fields__), name


def test_every_key_that_is_made_into_something_has_a_row_here() -> None:
    """So that with the whole way behind it what it is made into is a setting which there is. Those about TLS have a
    test of their own.
    """
    rows = [(check, instance) for check, instance, _ in [*INSTANCES, *LEADING_ON]]
    tried = {PRODUCTS[check][1][key] for check, instance in rows for key in instance if key in PRODUCTS[check][1]}
    untried = {
        (check, key)
        for check, (_, rules) in PRODUCTS.items()
        for key, rule in rules.items()
        if callable(rule) and rule not in tried and not re.search("ssl|tls", key)
    }
    assert untried == set()


def test_every_product_of_a_pod_can_be_asked_for_in_these_words() -> None:
    assert {ours for ours, _ in PRODUCTS.values()} == {*INSTALLED} - {"kubelet"}
