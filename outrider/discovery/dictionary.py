"""What the keys of an instance of the Agent's checks mean in our words: one table for each of its checks.

The instance keys are those of integrations-core's `conf.yaml.example`. A key is renamed, or made into something by a
function; one that is not in the table has no counterpart here.
"""

import glob
import re
from collections.abc import Callable, Mapping
from typing import Any

from outrider.discovery.wish import FaultError

Settings = dict[str, Any]
Turn = Callable[[Any], Settings]
Rule = str | Turn | None
"""The name of our setting; what makes settings of the value; None for a key that says nothing but what is so anyway."""


def _service(value: Any) -> Settings:
    return {"tags": [f"service:{value}"]} if value else {}


def _inside(outer: str, inner: str) -> Turn:
    return lambda value: {outer: {inner: value}}


def _tls(value: Any) -> Settings:
    return {"tls": {}} if true(value) else {}


def _verified(value: Any) -> Settings:
    return {"tls": {"verify": true(value)}}


def _unverified(value: Any) -> Settings:
    return {"tls": {"verify": not true(value)}}


def _as_list(name: str, turn: Callable[[str], str] = str) -> Turn:
    return lambda value: {name: [turn(str(one)) for one in (value if isinstance(value, list) else [value])]}


def _options(names: Mapping[str, str | None]) -> Turn:
    """The key `options`: switches, of which those in `names` are settings of ours, or are so anyway (None)."""
    return lambda value: {
        renamed: one for key, one in dict(value).items() if (renamed := names.get(key, f"options.{key}")) is not None
    }


def _exactly(text: str) -> str:
    return f"^{re.escape(text)}$"


def true(value: Any) -> bool:
    """Whether the Agent takes it for yes."""
    return value in (True, 1, "true", "True", "yes", "required")


TLS: Mapping[str, Rule] = {
    "tls_verify": _verified,
    "ssl_validation": _verified,
    "ssl_verify": _verified,
    "tls_validate_hostname": None,
    "tls_ca_cert": _inside("tls", "ca"),
    "ssl_ca_cert": _inside("tls", "ca"),
    "tls_cert": _inside("tls", "cert"),
    "ssl_cert": _inside("tls", "cert"),
    "tls_private_key": _inside("tls", "key"),
    "ssl_private_key": _inside("tls", "key"),
}
"""Of every check that speaks HTTP (the `instances/http` template)."""
COMMON: Mapping[str, Rule] = {"tags": "tags", "timeout": "timeout", "service": _service, "name": None}
INIT: Mapping[str, Rule] = {"service": _service, "timeout": "timeout"}
"""Of every init_config."""
LOGIN: Mapping[str, Rule] = {"username": "username", "password": "password", "user": "username", "pass": "password"}


def _hosts_of_uri(value: Any) -> Settings:
    """MongoDB's older `server: mongodb://user:password@host:port/database`."""
    m = re.fullmatch(r"mongodb://(?:([^:@/]*)(?::([^@/]*))?@)?([^/?]+)(?:/([^?]*))?(?:\?.*)?", str(value))
    if m is None:
        raise FaultError("server is no mongodb://host:port")
    login = {"username": m[1], "password": m[2], "auth_source": m[4]}
    return {"hosts": m[3].split(","), **{key: text for key, text in login.items() if text and m[1]}}


def _relations(value: Any) -> Settings:
    found: list[str] = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str):
            found.append(one)
        elif isinstance(one, dict) and "relation_name" in one:
            found += [f"{schema}.{one['relation_name']}" for schema in one.get("schemas") or ["*"]]
        elif isinstance(one, dict) and one.get("relation_regex") in (".*", "^.*$", ".+"):
            found += [f"{schema}.*" for schema in one.get("schemas") or ["*"]]
        else:
            raise FaultError("relations: a relation_regex has no counterpart, write globs such as orders_*")
    return {"relations": found}


def _like(text: str) -> str:
    return text.replace("%", "*")


def _metrics(value: Any) -> Settings:
    """Names and patterns; `{name: other}` renames, `{name: {type: …, name: …}}` also says what it is."""
    wanted: list[str] = []
    renamed: dict[str, str] = {}
    types: dict[str, str] = {}
    for one in value if isinstance(value, list) else [value]:
        for name, other in one.items() if isinstance(one, dict) else [(one, None)]:
            wanted.append(".*" if name == "*" else name)
            if isinstance(other, dict):
                types |= {name: other["type"]} if other.get("type") in ("counter", "gauge") else {}
                other = other.get("name")
            if isinstance(other, str) and other != name:
                renamed[name] = other
    return {"metrics": wanted, "rename_metrics": renamed, "metric_types": types}


def _plugin(value: Any) -> Settings:
    """RabbitMQ's `prometheus_plugin: {url: http://host:15692}`, which is asked instead of the management API."""
    if not isinstance(value, dict) or not isinstance(value.get("url"), str):
        raise FaultError("prometheus_plugin has no url")
    endpoint = value.get("unaggregated_endpoint") or "metrics"
    return {"url": None, "prometheus_url": f"{value['url'].rstrip('/')}/{endpoint}"}


def _management(value: Any) -> Settings:
    return {"url": re.sub(r"/api/?$", "", str(value))}


def _member(value: Any) -> Settings:
    """etcd's `prometheus_url: http://host:2379/metrics`."""
    return {"url": re.sub(r"/metrics/?$", "", str(value))}


def _zookeeper_mode(value: Any) -> Settings:
    modes = value if isinstance(value, list) else [value]
    return {"expected_mode": [mode.strip() for one in modes for mode in str(one).split(",")]}


def _mysql_tls(value: Any) -> Settings:
    """`ssl: {ca: …, check_hostname: …}`."""
    names = {"check_hostname": "verify"}
    return {"tls": {names.get(key, key): one for key, one in dict(value).items()}}


def _mysql_indexes(value: Any) -> Settings:
    return {"index_metrics": true(value["enabled"])}


_ENDPOINT: Mapping[str, Rule] = {
    **LOGIN,
    **TLS,
    "openmetrics_endpoint": "url",
    "prometheus_url": "url",
    "prometheus_endpoint": "url",
    "namespace": "namespace",
    "metrics": _metrics,
    "exclude_metrics": "exclude_metrics",
    "ignore_metrics": _as_list("exclude_metrics", lambda text: f"^{re.escape(text)}$".replace(r"\*", ".*")),
    "rename_labels": "rename_labels",
    "labels_mapper": "rename_labels",
    "exclude_labels": "exclude_labels",
    "type_overrides": "metric_types",
    "max_returned_metrics": "max_series",
    "headers": "headers",
    "extra_headers": "headers",
    "prometheus_timeout": "timeout",
    "health_service_check": None,
    "send_distribution_buckets": None,
}
_WEB: Mapping[str, Rule] = {**LOGIN, **TLS, "url": "url"}

PRODUCTS: Mapping[str, tuple[str, Mapping[str, Rule]]] = {
    "redisdb": (
        "redis",
        {
            **LOGIN,
            **{key: key for key in ("host", "port", "db", "unix_socket_path", "keys", "command_stats")},
            "collect_client_metrics": "collect_client_metrics",
            "slowlog-max-len": "slowlog_max_len",
            "socket_timeout": "timeout",
            "ssl": _tls,
            "ssl_cert_reqs": lambda value: {"tls": {"verify": value not in (0, "0", "none")}},
            "ssl_ca_certs": _inside("tls", "ca"),
            "ssl_certfile": _inside("tls", "cert"),
            "ssl_keyfile": _inside("tls", "key"),
        },
    ),
    "mongo": (
        "mongodb",
        {
            **LOGIN,
            "hosts": "hosts",
            "server": _hosts_of_uri,
            "options": _options(
                {"authSource": "auth_source", "replicaSet": "replica_set", "authMechanism": "auth_mechanism"}
            ),
            "database": None,
            "tls": _tls,
            "tls_allow_invalid_certificates": _unverified,
            "tls_ca_file": _inside("tls", "ca"),
            "tls_certificate_key_file": _inside("tls", "cert"),
            "dbnames": "databases",
            "collections": _as_list("collections", lambda text: text if "." in text else f"*.{text}"),
            "additional_metrics": "additional_metrics",
        },
    ),
    "nginx": ("nginx", {**LOGIN, **TLS, "nginx_status_url": "url", "use_plus_api": "use_plus_api"}),
    "postgres": (
        "postgres",
        {
            **LOGIN,
            **{key: key for key in ("host", "port", "dbname", "max_relations")},
            "ssl": lambda value: {"tls": {"mode": {True: "require", False: "disable"}.get(value, value)}},
            "relations": _relations,
            "ignore_databases": _as_list("ignore_databases", _like),
            "query_timeout": lambda value: {"query_timeout": f"{value}ms"},
        },
    ),
    "rabbitmq": (
        "rabbitmq",
        {
            **LOGIN,
            **TLS,
            "rabbitmq_api_url": _management,
            "rabbitmq_user": "username",
            "rabbitmq_pass": "password",
            "prometheus_plugin": _plugin,
            "vhosts": _as_list("vhosts", _exactly),
            "queues": _as_list("queues", _exactly),
            "queues_regexes": "queues",
            "exchanges": _as_list("exchanges", _exactly),
            "exchanges_regexes": "exchanges",
        },
    ),
    "openmetrics": ("openmetrics", _ENDPOINT),
    "prometheus": ("openmetrics", _ENDPOINT),
    "mysql": (
        "mysql",
        {
            **LOGIN,
            "host": "host",
            "server": "host",
            "port": "port",
            "sock": "unix_socket_path",
            "ssl": _mysql_tls,
            "connect_timeout": "timeout",
            "index_metrics": _mysql_indexes,
            "options": _options(
                {
                    **dict.fromkeys(("extra_status_metrics", "extra_innodb_metrics", "galera_cluster")),
                    **{
                        key: key
                        for key in (
                            *("replication", "extra_performance_metrics", "schema_size_metrics"),
                            *("table_size_metrics", "table_rows_stats_metrics"),
                        )
                    },
                }
            ),
        },
    ),
    "mcache": (
        "memcached",
        {
            **LOGIN,
            "url": "host",
            "port": "port",
            "socket": "unix_socket_path",
            "options": _options({"items": "items", "slabs": "slabs"}),
        },
    ),
    "haproxy": ("haproxy", {**_WEB, "use_openmetrics": None, "openmetrics_endpoint": "prometheus_url"}),
    "etcd": ("etcd", {**TLS, "url": _member, "prometheus_url": _member, "use_preview": None}),
    "zk": (
        "zookeeper",
        {
            **TLS,
            "host": "host",
            "port": "port",
            "expected_mode": _zookeeper_mode,
            "report_instance_mode": None,
            "use_tls": _tls,
        },
    ),
    "elastic": (
        "elasticsearch",
        {
            **_WEB,
            **{
                key: key
                for key in (
                    *("cluster_stats", "index_stats", "pshard_stats", "pending_task_stats"),
                    *("cat_allocation_stats", "slm_stats", "submit_events"),
                )
            },
        },
    ),
    "kafka_consumer": ("kafka", {"kafka_connect_str": _as_list("bootstrap_servers")}),
    "spark": (
        "spark",
        {
            **LOGIN,
            **TLS,
            "spark_url": "url",
            "spark_cluster_mode": lambda value: {"mode": str(value).removeprefix("spark_").removesuffix("_mode")},
            "cluster_name": "cluster_name",
            "streaming_metrics": "streaming_metrics",
            "executor_level_metrics": "executor_level_metrics",
            "enable_query_name_tag": "query_name_tag",
        },
    ),
    "hdfs_namenode": ("hadoop", {**LOGIN, **TLS, "hdfs_namenode_jmx_uri": "namenode_url"}),
    "hdfs_datanode": ("hadoop", {**LOGIN, **TLS, "hdfs_datanode_jmx_uri": "datanode_url"}),
    "yarn": (
        "hadoop",
        {
            **LOGIN,
            **TLS,
            "resourcemanager_uri": "resourcemanager_url",
            "cluster_name": "cluster_name",
            "queue_blacklist": _as_list("exclude_queues", glob.escape),
        },
    ),
    "mapreduce": (
        "hadoop",
        {**LOGIN, **TLS, "resourcemanager_uri": "resourcemanager_url", "cluster_name": "cluster_name"},
    ),
}
"""By the name of the Agent's check: ours, and what becomes of the keys of an instance."""
UNSAID: Mapping[str, Settings] = {"spark": {"mode": "yarn"}, "yarn": {"mapreduce_jobs": False}}
"""What the Agent does if nothing is said, where ours does something else."""
SWITCHES: Mapping[str, tuple[str, bool]] = {"redisdb": ("ssl", False), "zk": ("use_tls", False), "mongo": ("tls", True)}
"""The key that switches TLS on, without which keys about certificates mean nothing; and whether it is on if that key is
not there."""
