"""What each dialect asks for, and whose metrics they are."""

import json
from typing import Any

import pytest

from outrider.discovery.targets import DEFAULT_CONTAINER, MAX_PER_POD, find
from outrider.model.pod import Inside, Port
from tests.discovery.asking import CACHE_CHECKS, IP, OURS, WEB_CHECKS, asking, faults, shown, targets

REDIS = '{"redisdb": {"instances": [{"host": "%%host%%", "port": "%%port%%"}]}}'
FIRST_FORM = {
    "ad.datadoghq.com/cache.check_names": '["redisdb"]',
    "ad.datadoghq.com/cache.init_configs": "[{}]",
    "ad.datadoghq.com/cache.instances": '[{"host": "%%host%%", "port": "6379", "password": "%%env_PASSWORD%%"}]',
}


@pytest.mark.parametrize(
    ("annotations", "check", "container", "expected"),
    [
        # our own: YAML or JSON, and where nothing is said the pod instead of this machine
        ({OURS: "[{redis: {}}]"}, "redis", "cache", {"host": IP, "port": 6379, "tls": None}),
        ({OURS: '[{"redis": {"port": 6380}}]'}, "redis", "web", {"host": IP, "port": 6380}),
        ({OURS: "- redis:\n    host: localhost\n    tags: ['a:b']\n"}, "redis", "cache", {"host": IP, "tags": ["a:b"]}),
        ({OURS: "- redis"}, "redis", "cache", {"host": IP}),
        ({OURS: "{redis: {}}"}, "redis", "cache", {"host": IP}),
        ({OURS: "[{redis: }]"}, "redis", "cache", {"host": IP}),
        ({OURS: "[{nginx: {}}]"}, "nginx", "web", {"url": f"http://{IP}/nginx_status"}),
        ({OURS: "[{nginx: {}}]", DEFAULT_CONTAINER: "cache"}, "nginx", "cache", {}),
        ({OURS: "[{mongodb: {}}]"}, "mongodb", "web", {"hosts": [f"{IP}:27017"]}),
        ({OURS: "[{postgres: {timeout: 2s}}]"}, "postgres", "web", {"host": IP, "timeout": 2.0}),
        ({OURS: "[{rabbitmq: {}}]"}, "rabbitmq", "web", {"url": f"http://{IP}:15672", "prometheus_url": None}),
        (
            {OURS: "[{rabbitmq: {url: null, prometheus_url: 'http://127.0.0.1:15692/metrics'}}]"},
            "rabbitmq",
            "web",
            {"url": None, "prometheus_url": f"http://{IP}:15692/metrics"},
        ),
        (
            {OURS: "[{openmetrics: {url: 'http://%%host%%:%%port_metrics%%/m?a=b'}}]"},
            "openmetrics",
            "web",
            {"url": f"http://{IP}:9113/m?a=b"},
        ),
        ({OURS: "[{spark: {}}]"}, "spark", "web", {"url": f"http://{IP}:4040", "mode": "driver"}),
        (
            {OURS: "[{hadoop: {resourcemanager_url: 'http://%%host%%:8088', mapreduce_jobs: false}}]"},
            "hadoop",
            "web",
            {"resourcemanager_url": f"http://{IP}:8088", "namenode_url": None},
        ),
        ({OURS: "[{redis: {password: 'a$b$$c'}}]"}, "redis", "cache", {"password": "a$b$$c"}),
        # Datadog's second form
        ({CACHE_CHECKS: REDIS}, "redis", "cache", {"host": IP, "port": 6379}),
        ({WEB_CHECKS: REDIS}, "redis", "web", {"port": 9113}),
        (
            {"ad.datadoghq.com/kv.checks": REDIS, "ad.datadoghq.com/cache.check.id": "kv"},
            "redis",
            "cache",
            {"port": 6379},
        ),
        ({"service-discovery.datadoghq.com/cache.checks": REDIS}, "redis", "cache", {"port": 6379}),
        ({CACHE_CHECKS: '{"kv": {"name": "redisdb", "instances": [{"port": 7}]}}'}, "redis", "cache", {"port": 7}),
        (
            {CACHE_CHECKS: '{"redisdb": {"instances": [{}], "ignore_autodiscovery_tags": false}}'},
            "redis",
            "cache",
            {"port": 6379},
        ),
        (
            {CACHE_CHECKS: '{"redisdb": {"init_config": {"service": "kv"}, "instances": [{"tags": ["a:b"]}]}}'},
            "redis",
            "cache",
            {"tags": ["service:kv", "a:b"], "host": IP},
        ),
        # and the first
        (FIRST_FORM, "redis", "cache", {"host": IP, "port": 6379, "password": "another"}),
        (FIRST_FORM | {"ad.datadoghq.com/cache.instances": '[[{"port": 1}]]'}, "redis", "cache", {"port": 1}),
        ({**FIRST_FORM, CACHE_CHECKS: '{"redisdb": {"instances": [{"port": 7}]}}'}, "redis", "cache", {"port": 7}),
        # Prometheus
        (
            {"prometheus.io/scrape": "true", "prometheus.io/port": "9113", "prometheus.io/path": ""},
            "openmetrics",
            "web",
            {"url": f"http://{IP}:9113/metrics"},
        ),
        (
            {
                "prometheus.io/scrape": "true",
                "prometheus.io/port": "8443",
                "prometheus.io/path": "stats/prometheus",
                "prometheus.io/scheme": "https",
            },
            "openmetrics",
            "web",
            {"url": f"https://{IP}:8443/stats/prometheus"},
        ),
    ],
)
def test_what_is_asked_for(annotations: dict[str, str], check: str, container: str, expected: dict[str, Any]) -> None:
    [target] = targets(annotations)
    assert (target.check, target.container) == (check, container)
    assert shown(target.settings, **expected) == expected


def test_without_a_port_prometheus_means_the_only_one() -> None:
    [target] = targets({"prometheus.io/scrape": "true"}, Inside("app", (Port(9090),)))
    assert shown(target.settings, url="") == {"url": f"http://{IP}:9090/metrics"}


def test_an_ipv6_address_stands_in_brackets_where_it_has_to() -> None:
    both = "[{redis: {}}, {nginx: {url: 'http://%%host%%:80/s'}}, {mongodb: {hosts: ['[::1]:27017', '%%host%%']}}]"
    found = find(asking({OURS: both}, ip="fd00::9"))
    redis, nginx = found.targets
    assert shown(redis.settings, host="") == {"host": "fd00::9"}
    assert shown(nginx.settings, url="") == {"url": "http://[fd00::9]:80/s"}
    for hosts in ("[::1]:27017", "%%host%%:27017"):
        [mongodb] = targets({OURS: f"[{{mongodb: {{hosts: '{hosts}'}}}}]"}, ip="fd00::9")
        assert shown(mongodb.settings, hosts="") == {"hosts": ["[fd00::9]:27017"]}


@pytest.mark.parametrize(
    "annotations",
    [
        {},
        {"prometheus.io/scrape": "false", "prometheus.io/port": "no port"},
        {WEB_CHECKS: '{"nginx": {"logs": [{"source": "nginx"}]}}'},
        {WEB_CHECKS: '{"nginx": {"init_config": {}, "instances": [], "logs": []}}'},
        {WEB_CHECKS: '{"nginx": {"logs": [], "ignore_autodiscovery_tags": true}}'},
        {CACHE_CHECKS: REDIS, "ad.datadoghq.com/exclude": "true"},
        {CACHE_CHECKS: REDIS, "ad.datadoghq.com/cache.exclude": "True"},
        {CACHE_CHECKS: REDIS, "ad.datadoghq.com/metrics_exclude": "1"},
        {**FIRST_FORM, "ad.datadoghq.com/cache.metrics_exclude": "true"},
        {"outrider.io/route": "gold", "outrider.io/owner": "me"},
        {"ad.datadoghq.com/web.logs": "[]", "ad.datadoghq.com/tags": "{}"},
        {"ad.datadoghq.com/web.check.id": "x", "ad.datadoghq.com/tolerate-unready": "true"},
        {"ad.datadoghq.com/web.tags": "{}", "ad.datadoghq.com/web.logs_exclude": "true"},
        {"ad.datadoghq.com/apm.enabled": "true"},
    ],
)
def test_nothing_is_asked_for_and_nothing_is_wrong(annotations: dict[str, str]) -> None:
    assert targets(annotations) == ()


def test_who_keeps_the_agent_from_one_thing_does_not_keep_it_from_another() -> None:
    others = ("logs_exclude", "web.exclude", "web.metrics_exclude", "cache.logs_exclude")
    assert len(targets({CACHE_CHECKS: REDIS, **{f"ad.datadoghq.com/{name}": "true" for name in others}})) == 1
    assert len(targets({CACHE_CHECKS: REDIS, "ad.datadoghq.com/exclude": "false"})) == 1


def test_the_same_place_in_several_dialects_is_checked_once() -> None:
    annotations = {OURS: "[{redis: {tags: ['of:outrider']}}]", CACHE_CHECKS: REDIS, "prometheus.io/scrape": "true"}
    found = targets(annotations | {"prometheus.io/port": "9113"})
    assert [(one.check, one.key) for one in found] == [("redis", OURS), ("openmetrics", "prometheus.io/scrape")]


def test_a_pod_has_only_so_many_checks() -> None:
    many = json.dumps([{"redis": {"port": port}} for port in range(1, MAX_PER_POD + 3)])
    found = find(asking({OURS: many}))
    assert len(found.targets) == MAX_PER_POD
    assert [str(fault) for fault in found.faults] == [
        f"{OURS}: [{MAX_PER_POD}].redis: a pod has {MAX_PER_POD} checks at most, and this one is beyond",
        f"{OURS}: [{MAX_PER_POD + 1}].redis: a pod has {MAX_PER_POD} checks at most, and this one is beyond",
    ]


WRONG = [
    ({OURS: "[{redis: "}, f"{OURS}: line 2: is not YAML: "),
    ({OURS: ""}, f"{OURS}: is empty; [] asks for nothing"),
    ({OURS: "null"}, f"{OURS}: is empty; [] asks for nothing"),
    ({OURS: "redis"}, f"{OURS}: is no list of checks, such as [{{redis: {{port: 6379}}}}]"),
    ({OURS: "[7]"}, "[0]: is no check with its settings"),
    ({OURS: "[{redis: 7}]"}, "[0].redis: is no mapping of settings; {} takes the defaults"),
    ({OURS: "[{redis: {}, nginx: {}}]"}, "[0]: is no check with its settings"),
    ({OURS: "[{redi: {}}]"}, 'there is no check "redi", there are '),
    ({OURS: "[{redi: {}}]"}, 'did you mean "redis"?'),
    ({OURS: "[{redis: {prot: 1}}]"}, '[0].redis: prot: unknown key "prot"'),
    ({OURS: "[{redis: {}}, {redis: {tags: ['a:b']}}]"}, "[1].redis: redis is asked for there already"),
    (
        {OURS: "[{openmetrics: {url: 'http://%%host%%:1/', max_series: 10001}}]"},
        "[0].openmetrics: max_series: an annotation may ask for 10,000 at most",
    ),
    ({OURS: "[{haproxy: {url: 'http://%%host%%/', top: 10001}}]"}, "top: an annotation may ask for 10,000 at most"),
    ({OURS: "[{redis: {port: 70000}}]"}, "port: found 70000 (a number), expected a whole number from 1 to 65535"),
    ({OURS: "[{redis: {port: 1, port: 2}}]"}, 'the key "port" is here twice'),
    ({OURS: "[{openmetrics: {}}]"}, "it is not said where the server is: give url"),
    ({OURS: "[{rabbitmq: {url: null}}]"}, "it is not said where the server is: give url or prometheus_url"),
    ({"outrider.io/check": "[]"}, 'outrider.io/check: there is no such annotation; did you mean "checks"?'),
    ({"outrider.io/inject": "true"}, "outrider.io/inject: is an annotation here; a pod asks for a sidecar by a label"),
    ({"outrider.io/sidecar-log": "/l"}, 'there is no such annotation; did you mean "sidecar-logs"?'),
    ({"outrider.io/routes": "gold"}, 'outrider.io/routes: there is no such annotation; did you mean "route"?'),
    ({WEB_CHECKS: ""}, f"{WEB_CHECKS}: is no JSON: "),
    ({WEB_CHECKS: "{"}, f"{WEB_CHECKS}: is no JSON: "),
    ({WEB_CHECKS: "[" * 30_000}, f"{WEB_CHECKS}: is no JSON: "),
    ({WEB_CHECKS: "[]"}, f"{WEB_CHECKS}: is no object of checks"),
    ({WEB_CHECKS: '{"redisdb": 1}'}, "redisdb: is no object"),
    ({WEB_CHECKS: '{"redisdb": {}}'}, "redisdb: has no instances"),
    ({WEB_CHECKS: '{"redisdb": {"instance": [{}], "logs": []}}'}, "redisdb: has no instances, but instance"),
    (
        {WEB_CHECKS: '{"redisdb": {"instances": [{}], "ignore_autodiscovery_tags": true}}'},
        "redisdb: no counterpart here: ignore_autodiscovery_tags (the check is run without)",
    ),
    ({WEB_CHECKS: '{"redisdb": {"instances": [{}, 7]}}'}, "redisdb.instances[1]: an instance and an init_config are"),
    (
        {WEB_CHECKS: '{"kong": {"instances": [{}]}}'},
        'no check here for Datadog\'s "kong", there are those for ',
    ),
    ({WEB_CHECKS: '{"redis": {"instances": [{}]}}'}, 'did you mean "redisdb"?'),
    ({"ad.datadoghq.com/wep.checks": "{}"}, 'the pod has no container "wep", it has web, cache; did you mean "web"?'),
    (
        {"ad.datadoghq.com/web.instances": "[]"},
        "without ad.datadoghq.com/web.check_names, or with an empty",
    ),
    ({"ad.datadoghq.com/web.check": "{}"}, 'web.check: there is no such annotation; did you mean "checks"?'),
    ({"ad.datadoghq.com/web.Checks": "{}"}, 'web.Checks: there is no such annotation; did you mean "checks"?'),
    ({"ad.datadoghq.com/web.instance": "[]"}, 'there is no such annotation; did you mean "instances"?'),
    ({"ad.datadoghq.com/web.check-names": "[]"}, 'there is no such annotation; did you mean "check_names"?'),
    ({"ad.datadoghq.com/metric_exclude": "1"}, 'there is no such annotation; did you mean "metrics_exclude"?'),
    ({"ad.datadoghq.com/checks": "{}"}, "is of no container: it is called ad.datadoghq.com/<container>.checks"),
    (
        {**FIRST_FORM, "ad.datadoghq.com/cache.instances": "[]"},
        "have 1, 1 and 0 entries, and each check has",
    ),
    ({**FIRST_FORM, "ad.datadoghq.com/cache.instances": ""}, "cache.instances is missing"),
    ({**FIRST_FORM, "ad.datadoghq.com/cache.init_configs": "{}"}, "cache.init_configs is no list"),
    ({"prometheus.io/scrape": "ture"}, 'prometheus.io/scrape: is "ture", expected "true" or "false"'),
    ({"prometheus.io/scrape": "true"}, "declares not one port but 6379, 8080, 9113: name one"),
    (
        {"prometheus.io/scrape": "true", "prometheus.io/port": "http"},
        'port: is "http", expected a number from 1',
    ),
    (
        {"prometheus.io/scrape": "true", "prometheus.io/port": "1", "prometheus.io/scheme": "ftp"},
        'prometheus.io/scheme: is "ftp", expected http or https',
    ),
]


@pytest.mark.parametrize(("annotations", "words"), WRONG, ids=[words for _, words in WRONG])
def test_what_is_wrong_is_told(annotations: dict[str, str], words: str) -> None:
    said = faults(annotations)
    assert any(words in one for one in said), said


def test_what_is_wrong_costs_itself_only() -> None:
    found = find(asking({OURS: "[{redis: {}}, {redi: {}}, {nginx: {}}]", WEB_CHECKS: "{", CACHE_CHECKS: "{}"}))
    assert [one.check for one in found.targets] == ["redis", "nginx"]
    assert [(fault.key, fault.container, fault.stops) for fault in found.faults] == [
        (OURS, "", True),
        (WEB_CHECKS, "web", True),
    ]
