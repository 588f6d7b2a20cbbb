"""From a file to the model: what is accepted, what follows from what, and every message with its line and path."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from outrider.config import (
    Batch,
    Check,
    ClusterConfig,
    Config,
    ConfigError,
    Console,
    Datadog,
    Join,
    Problem,
    ProcessingRule,
    Redact,
    Route,
    Secret,
    Selector,
    Stackdriver,
    Tls,
    examine,
    examine_text,
    load,
    parse,
)

DESIGN = Path(__file__).parent / "data" / "design.yaml"
ENV = {"DD_API_KEY": "k", "REDIS_PASSWORD": "p", "NODE_NAME": "n1", "NODE_IP": "10.0.0.7"}


def problems(text: str, env: Mapping[str, str] = ENV) -> list[Problem]:
    return examine_text(text, "o.yaml", env).problems


def test_the_example_of_the_design() -> None:
    config = load(DESIGN, ENV)
    assert config.cluster == ClusterConfig("acme", "on-prem-1", "europe-north1", "n1")
    assert (config.kube.source, config.kube.url) == ("kubelet", "https://10.0.0.7:10250")
    assert config.kube.token == Secret.from_file("...")
    assert config.logs.join == Join(partials=True, exceptions=True, pattern=None, wait=1.0)
    assert config.logs.select.exclude == [Selector(namespace=["kube-system"])]
    assert config.logs.redact == [Redact(r"password=\S+", "password=[redacted]")]
    assert config.metrics.checks == [Check("redis")]
    assert config.exporters == {
        "google": Stackdriver(project="acme"),
        "datadog": Datadog(api_key=Secret.from_env("DD_API_KEY", ENV)),
        "acme-a": Stackdriver(project="acme-customer-a"),
        "screen": Console(),
    }
    assert config.routes == [
        Route(namespaces=["customer-a-*"], to=["acme-a"], share=2),
        Route(namespaces=["*"], to=["google", "datadog"], share=1),
    ]


def test_an_empty_mapping_takes_every_default() -> None:
    config = parse("{}", env={})
    assert (config.state, config.workers, config.telemetry.listen) == ("/var/lib/outrider", 1, "0.0.0.0:9464")
    assert (config.logs.pods, config.logs.files, config.logs.start) == ("/var/log/pods", [], "beginning")
    assert (config.logs.hold.budget, config.logs.hold.path) == (0, "/var/log/outrider")
    assert (config.metrics.every, config.metrics.discover, config.metrics.checks) == (15.0, True, [])
    assert config.exporters == {"google": Stackdriver()}
    assert config.routes == [Route(namespaces=["*"], to=["google"])]
    assert config.cluster == ClusterConfig(None, None, None, None)


def test_the_defaults_of_an_exporter() -> None:
    google = Stackdriver()
    assert (google.project, google.credentials, google.compress, google.strict) == (None, "adc", "gzip", False)
    assert google.logs_endpoint == "https://logging.googleapis.com"
    assert google.metrics_endpoint == "https://monitoring.googleapis.com"
    assert (google.tls, google.batch) == (Tls(ca=None), Batch(bytes=4 * 1024 * 1024, wait=1.0, in_flight=4))


def test_what_the_file_leaves_out_follows_from_what_it_says() -> None:
    config = parse(
        """
        cluster: {project: p1}
        exporters:
          a: {kind: stackdriver}
          b: {kind: stackdriver, project: p2}
          c: {kind: datadog, site: us3.datadoghq.com}
          d: {kind: datadog, logs_endpoint: "http://localhost:1"}
        """,
        env=ENV,
    )
    a, b, c, d = config.exporters.values()
    assert isinstance(a, Stackdriver)
    assert isinstance(b, Stackdriver)
    assert isinstance(c, Datadog)
    assert isinstance(d, Datadog)
    assert (a.project, b.project) == ("p1", "p2")
    assert c.logs_endpoint == "https://http-intake.logs.us3.datadoghq.com"
    assert c.metrics_endpoint == "https://api.us3.datadoghq.com"
    assert (d.logs_endpoint, d.metrics_endpoint) == ("http://localhost:1", "https://api.datadoghq.eu")
    assert config.routes == [Route(to=["a", "b", "c", "d"])]


@pytest.mark.parametrize(
    ("kube", "env", "url"),
    [
        ("{}", {}, "https://127.0.0.1:10250"),
        ("{}", {"NODE_IP": "10.1.1.1"}, "https://10.1.1.1:10250"),
        ("{}", {"NODE_IP": "fd00::7"}, "https://[fd00::7]:10250"),
        ("{source: api}", {}, "https://kubernetes.default.svc:443"),
        ("{source: api}", {"KUBERNETES_SERVICE_HOST": "10.9.0.1", "KUBERNETES_SERVICE_PORT": "6443"},
         "https://10.9.0.1:6443"),
        ("{source: api, url: 'http://x:1'}", {}, "http://x:1"),
        ("{source: none}", {}, None),
    ],
)  # fmt: skip
def test_where_pod_metadata_comes_from(kube: str, env: dict[str, str], url: str | None) -> None:
    assert parse(f"kube: {kube}", env=env).kube.url == url


@pytest.mark.parametrize(
    ("text", "attribute", "value"),
    [
        ('workers: "${WORKERS:-2}"', "workers", 2),
        ("workers: ${WORKERS:-2}", "workers", 2),
        ("workers: 3.0", "workers", 3),
        ("logs: {join: {wait: 250ms}}", "logs.join.wait", 0.25),
        ("logs: {join: {wait: 2}}", "logs.join.wait", 2.0),
        ("logs: {join: {wait: '${WAIT:-5}'}}", "logs.join.wait", 5.0),
        ("logs: {join: {wait: '${WAIT:-5}00ms'}}", "logs.join.wait", 0.5),
        ("logs: {join: {partials: '${JOIN:-false}'}}", "logs.join.partials", False),
        ("logs: {join: {pattern: '^\\d+$'}}", "logs.join.pattern", r"^\d+$"),
        ("logs: {join: {pattern: '${PATTERN:-}'}}", "logs.join.pattern", None),
        ("logs: {join: {pattern: null}}", "logs.join.pattern", None),
        ("logs: {hold: {budget: 10MB}}", "logs.hold.budget", 10_000_000),
        ("logs: {start: '${START:-end}'}", "logs.start", "end"),
        ("logs: {select: {include: [{pod: a-*, container: [b, c]}]}}", "logs.select.include",
         [Selector(namespace=[], pod=["a-*"], container=["b", "c"])]),
        ("logs: {redact: [{pattern: '(a)', with: ''}]}", "logs.redact", [Redact("(a)", "")]),
        ("logs: {redact: [{pattern: a}]}", "logs.redact", [Redact("a", "[redacted]")]),
        ("logs: {redact: [{set: cards}]}", "logs.redact", [Redact(set="cards")]),
        ("logs: {redact: [{pattern: '(?P<a>x)', with: '\\g<a>'}]}", "logs.redact", [Redact("(?P<a>x)", r"\g<a>")]),
        ("metrics: {checks: [{redis: {}}]}", "metrics.checks", [Check("redis")]),
        ("metrics: {every: 1m}", "metrics.every", 60.0),
        ("metrics: {kubelet: {enabled: '${ON:-true}'}}", "metrics.kubelet.enabled", True),
        ("metrics: {kubelet: {enabled: true}}", "metrics.kubelet.cadvisor", False),
        ("telemetry: {listen: '[::1]:0'}", "telemetry.listen", "[::1]:0"),
        ("telemetry: {listen: ':9464'}", "telemetry.listen", ":9464"),
        ("cluster: {node: '$${NODE}'}", "cluster.node", "${NODE}"),
    ],
)  # fmt: skip
def test_values_are_read_as_what_they_are(text: str, attribute: str, value: object) -> None:
    target: object = parse(text, env={})
    for name in attribute.split("."):
        target = getattr(target, name)
    assert target == value
    assert type(target) is type(value)


def test_anchors_and_merge_keys_save_typing() -> None:
    config = parse(
        """
        exporters:
          a: &google
            kind: stackdriver
            credentials: none
            batch: &batch {bytes: 1MiB, in_flight: 2}
          b:
            <<: *google
            batch: {<<: *batch, in_flight: 8}
        """,
        env={},
    )
    assert config.exporters["a"].batch == Batch(bytes=2**20, wait=1.0, in_flight=2)
    assert config.exporters["b"] == Stackdriver(credentials="none", batch=Batch(bytes=2**20, in_flight=8))


WRONG: list[tuple[str, int, str, str]] = [
    # types, three levels down and elsewhere
    ("exporters:\n  google:\n    batch:\n      wait: soon", 4, "exporters.google.batch.wait",
     'found "soon", expected a duration'),
    ("exporters:\n  google:\n    batch: 3", 3, "exporters.google.batch",
     "found 3 (a number), expected a mapping with the keys bytes"),
    ("exporters:\n  google: [a]", 2, "exporters.google", "found a list, expected a mapping"),
    ("exporters: []", 1, "exporters", "found a list, expected a mapping of names"),
    ("exporters: {}", 1, "exporters", "found an empty mapping"),
    ("logs:", 1, "logs", "found nothing (null), expected a mapping"),
    ("logs:", 1, "logs", "give it a value, or remove the key"),
    ("- a", 1, "", "found a list, expected a mapping with the keys cluster"),
    ("state", 1, "", 'found "state"'),
    ("workers: two", 1, "workers", 'found "two", expected a whole number from 1 to 64'),
    ("workers: '2'", 1, "workers", "leave out the quotes"),
    ("workers: 0", 1, "workers", "found 0 (a number)"),
    ("workers: true", 1, "workers", "found true (a boolean)"),
    ("workers: 1.5", 1, "workers", "found 1.5 (a number)"),
    ("workers: 1e400", 1, "workers", 'found "1e400"'),
    ("workers: .inf", 1, "workers", "found inf"),
    ("workers: ${W:-x}", 1, "workers", 'found "x", expected a whole number from 1 to 64 (from "${W:-x}")'),
    ("state: 12", 1, "state", "put it in quotes"),
    ("state: 2024-01-01", 1, "state", "found a date"),
    ("state: ''", 1, "state", 'found "", expected a path'),
    ("cluster: {name: off}", 1, "cluster.name", "YAML reads yes, no, on, off, true and false as booleans"),
    ("cluster: {name: a/b}", 1, "cluster.name", "a name without blanks and slashes"),
    ("cluster: {name: ${NOPE}}", 1, "", "needs quotes here"),
    ('cluster: {name: "${NOPE}"}', 1, "cluster.name",
     "the variable NOPE is not set; set it, or give a default: ${NOPE:-...}"),
    ("logs: {join: {partials: 'true'}}", 1, "logs.join.partials", "leave out the quotes"),
    ("logs: {join: {wait: 0}}", 1, "logs.join.wait", "found 0 (a number), expected a duration above 0s"),
    ("logs: {files: /a}", 1, "logs.files", 'found "/a", expected a list'),
    ("logs: {files: [/a, 1]}", 1, "logs.files[1]", "found 1 (a number)"),
    ("logs: {hold: {budget: 4Mi}}", 1, "logs.hold.budget", 'did you mean "4MiB"?'),
    ("logs: {hold: {budget: -1}}", 1, "logs.hold.budget", "found -1 (a number)"),
    # bounds of a batch
    ("exporters: {g: {batch: {bytes: 63KiB}}}", 1, "exporters.g.batch.bytes", "expected a size from 64KiB to 9MiB"),
    ("exporters: {g: {batch: {bytes: 9437185}}}", 1, "exporters.g.batch.bytes", "expected a size from 64KiB to 9MiB"),
    ("exporters: {g: {batch: {wait: 61s}}}", 1, "exporters.g.batch.wait", "up to 1m"),
    ("exporters: {g: {batch: {in_flight: 65}}}", 1, "exporters.g.batch.in_flight", "from 1 to 64"),
    # keys
    ("exporters:\n  google:\n    bacth: {}", 3, "exporters.google.bacth", 'did you mean "batch"?'),
    ("exporters:\n  google:\n    wait: 1s", 3, "exporters.google.wait", 'did you mean "batch.wait"?'),
    ("exporters:\n  google:\n    api_key: k", 3, "exporters.google.api_key", "it is a key of kind datadog"),
    ("exporter: {}", 1, "exporter", 'unknown key "exporter", allowed are cluster, state'),
    ("LOGS: {}", 1, "LOGS", 'did you mean "logs"?'),
    ("zzz: {}", 1, "zzz", 'unknown key "zzz", allowed are cluster'),
    ("workers: 1\nworkers: 1", 2, "workers", 'the key "workers" is here twice; the first is on line 1'),
    ("routes: [{share: 1}]", 1, "routes[0].to", "is missing"),
    ("logs: {redact: [{}]}", 1, "logs.redact[0]", "found an empty mapping, expected a mapping with the keys pattern"),
    ("logs: {redact: [{pattern: a, set: keys}]}", 1, "logs.redact[0]",
     '"pattern" and "set" do not go together; make two entries of it'),
    ("logs: {redact: [{with: a, set: keys}]}", 1, "logs.redact[0]", '"with" and "set" do not go together'),
    ("logs: {redact: [{set: card}]}", 1, "logs.redact[0].set",
     'expected keys, tokens, cards or emails; did you mean "cards"?'),
    ("logs: {redact: [{set: ''}]}", 1, "logs.redact[0].set", "expected keys, tokens, cards or emails"),
    ("logs: {redact: [{pattern: 'a(?=b)'}]}", 1, "logs.redact[0].pattern", "(?= at position 1 is look-ahead"),
    ("logs: {redact: [{pattern: a, with: '\\q'}]}", 1, "logs.redact[0]", "write \\\\ for a backslash"),
    ("logs: {join: {pattern: '(a)\\1'}}", 1, "logs.join.pattern", "is a back-reference"),
    ("logs: {redact: [{with: x}]}", 1, "logs.redact[0].pattern", "is missing, expected a regular expression"),
    # words
    ("logs: {start: begining}", 1, "logs.start",
     'found "begining", expected beginning or end; did you mean "beginning"?'),
    ("kube: {source: kublet}", 1, "kube.source", 'expected kubelet, api or none; did you mean "kubelet"?'),
    ("exporters: {g: {compress: zstd}}", 1, "exporters.g.compress", "expected gzip or none"),
    ("exporters: {g: {kind: stackdrive}}", 1, "exporters.g.kind", 'did you mean "stackdriver"?'),
    ("exporters: {g: {kind: 1}}", 1, "exporters.g.kind",
     "found 1 (a number), expected stackdriver, datadog, console or opentelemetry"),
    # patterns, globs, addresses
    ("logs: {join: {pattern: 'ab(c'}}", 1, "logs.join.pattern",
     "does not compile: missing )"),
    ("logs: {join: {pattern: '(?u)a'}}", 1, "logs.join.pattern", "does not compile"),
    ("logs: {redact: [{pattern: '*a'}]}", 1, "logs.redact[0].pattern", "no argument for repetition operator: *"),
    ("logs: {redact: [{pattern: 'a{99999999999}'}]}", 1, "logs.redact[0].pattern", "does not compile"),
    ("logs: {redact: [{pattern: '(a)', with: '\\2'}]}", 1, "logs.redact[0]",
     'with" does not fit "pattern": \\2 is a group that the pattern does not have'),
    ("logs: {select: {exclude: [{}]}}", 1, "logs.select.exclude[0]", "found an empty mapping"),
    ("logs: {select: {exclude: [{pod: ''}]}}", 1, "logs.select.exclude[0].pod", 'found "", expected a glob'),
    ("logs: {select: {exclude: [{pod: []}]}}", 1, "logs.select.exclude[0].pod", "found an empty list"),
    ("logs: {select: {exclude: [{pods: a}]}}", 1, "logs.select.exclude[0].pods", 'did you mean "pod"?'),
    ("kube: {url: '10.0.0.1:10250'}", 1, "kube.url", "expected a URL such as https://host:443"),
    ("kube: {url: 'ftp://host'}", 1, "kube.url", "expected a URL"),
    ("kube: {url: 'https://'}", 1, "kube.url", "expected a URL"),
    ("kube: {url: 'https://host:99999'}", 1, "kube.url", "is not a URL: Port out of range"),
    ("kube: {url: 'https://:443'}", 1, "kube.url", "names no host"),
    ("kube: {url: 'https://[::1'}", 1, "kube.url", "is not a URL"),
    ("kube: {url: 'https://host:0'}", 1, "kube.url", "names port 0"),
    ("telemetry: {listen: 9464}", 1, "telemetry.listen", "put it in quotes"),
    ("telemetry: {listen: localhost}", 1, "telemetry.listen", "expected an address such as"),
    ("telemetry: {listen: '0.0.0.0:70000'}", 1, "telemetry.listen", "65535 is the highest"),
    ("exporters: {d: {kind: datadog, statsd: 'tcp://a:1'}}", 1, "exporters.d.statsd",
     "udp://host:port or unix:///path"),
    ("exporters: {d: {kind: datadog, site: 'https://x'}}", 1, "exporters.d.site", "a host name"),
    ("exporters: {a/b: {}}", 1, "exporters.a/b", "the name is wrong"),
    # routes and lists
    ("routes: []", 1, "routes", "found an empty list"),
    ("routes: [{to: []}]", 1, "routes[0].to", "found an empty list"),
    ("routes: [{to: [gogle]}]", 1, "routes[0].to[0]",
     'there is no exporter "gogle", there are google; did you mean "google"?'),
    ("exporters: {a: {}}\nroutes: [{to: ['${E:-b}', a]}]", 2, "routes[0].to[0]",
     'there is no exporter "b", there are a'),
    ("routes: [{to: [google, google]}]", 1, "routes[0].to[1]", 'lists "google" again; it is routes[0].to[0] already'),
    ("routes: [{to: [google], namespaces: [a, b, a]}]", 1, "routes[0].namespaces[2]", 'lists "a" again'),
    ("routes: [{to: [google], share: 0}]", 1, "routes[0].share", "from 1 to 1000"),
    ("routes: [{to: [google], limit: 1MiB}]", 1, "routes[0].limit",
     'found "1MiB", expected a rate of at least 1KiB/s, such as 512KiB/s or 1MB/s; did you mean "1MiB/s"?'),
    ("routes: [{to: [google], limit: 1Mi/s}]", 1, "routes[0].limit", 'did you mean "1MiB/s"?'),
    ("routes: [{to: [google], limit: 100B/s}]", 1, "routes[0].limit", "at least 1KiB/s"),
    ("routes: [{to: [google], limit: 0}]", 1, "routes[0].limit", "found 0 (a number)"),
    ("routes: [{to: [google], sample: {DEBUGG: 0.1}}]", 1, "routes[0].sample.DEBUGG",
     'the key is wrong: found "DEBUGG", expected DEFAULT, DEBUG'),
    ("routes: [{to: [google], sample: {debug: 0.1}}]", 1, "routes[0].sample.debug", 'did you mean "DEBUG"?'),
    ("routes: [{to: [google], sample: {DEBUG: 10}}]", 1, "routes[0].sample.DEBUG",
     "found 10 (a number), expected a number from 0 to 1"),
    ("routes: [{to: [google], sample: {DEBUG: true}}]", 1, "routes[0].sample.DEBUG", "found true"),
    ("routes: [{to: [google], sample: 0.1}]", 1, "routes[0].sample",
     "found 0.1 (a number), expected a mapping of DEFAULT, DEBUG"),
    ("routes: [{to: [google], sample: null}]", 1, "routes[0].sample", "give it a value, or remove the key"),
    ("routes: [{to: [google], labels: [a]}]", 1, "routes[0].labels", "expected a mapping of keys to a glob"),
    ("routes: [{to: [google], labels: {a: 1}}]", 1, "routes[0].labels.a", "put it in quotes"),
    ("routes: [{to: [google], labels: {'a b': x}}]", 1, "routes[0].labels.a b", "the key is wrong"),
    ("routes: [{to: [google], annotations: {a/b/c: x}}]", 1, "routes[0].annotations.a/b/c", "the key is wrong"),
    ("routes: [{to: [google], name: 'a b'}]", 1, "routes[0].name", "expected a name of up to 63 letters"),
    ("routes: [{to: [google], containers: []}]", 1, "routes[0].containers", "found an empty list"),
    # the Agent's rules
    ("exporters: {d: {kind: datadog, tags: ['a b']}}", 1, "exporters.d.tags[0]", "a tag such as env:prod"),
    ("exporters: {d: {kind: datadog, tags: [a, a]}}", 1, "exporters.d.tags[1]", 'lists "a" again'),
    ("exporters: {d: {kind: datadog, processing_rules: [{type: mask, name: a, pattern: b}]}}", 1,
     "exporters.d.processing_rules[0].type", "expected exclude_at_match, include_at_match, mask_sequences or multi"),
    ("exporters: {d: {kind: datadog, processing_rules: [{type: multi_line, pattern: b}]}}", 1,
     "exporters.d.processing_rules[0].name", "is missing, expected a name"),
    ("exporters: {d: {kind: datadog, processing_rules: [{type: multi_line, name: a, pattern: '(?!b)'}]}}", 1,
     "exporters.d.processing_rules[0].pattern", "is look-ahead"),
    ("metrics: {checks: [redis]}", 1, "metrics.checks[0]", "write {redis: {}}"),
    ("metrics: {checks: [{redis: null}]}", 1, "metrics.checks[0].redis", "{} takes the defaults"),
    ("metrics: {checks: [{redis: {}, mongo: {}}]}", 1, "metrics.checks[0]",
     "a mapping of one check name to its settings"),
    ("metrics: {checks: [{Re dis: {}}]}", 1, "metrics.checks[0]", "the name of a check"),
    ("metrics: {checks: [{redis: {port: 1}}, {redis: {port: 1}}]}", 1, "metrics.checks[1]",
     "lists the same entry again"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "path", "words"), WRONG)
def test_one_wrong_thing_is_one_problem_in_the_right_place(text: str, line: int, path: str, words: str) -> None:
    found = [p for p in problems(text) if p.severity == "error"]
    assert len(found) == 1, found
    assert (found[0].line, found[0].path) == (line, path)
    assert words in str(found[0])
    assert str(found[0]).startswith(f"o.yaml:{line}:{found[0].column}: " + (f"{path}: " if path else ""))


def test_all_problems_come_at_once_in_the_order_of_the_file() -> None:
    text = """\
cluster: {project: [p]}
logs:
  start: never
  start: end
  join: {wait: soon, pattern: '('}
exporters:
  google:
    bacth: {}
    batch: {bytes: 1, in_flight: many}
  other: {kind: nothing}
routes:
  - {to: [gogle, other]}
"""
    with pytest.raises(ConfigError) as caught:
        parse(text, "o.yaml", {})
    assert [(p.line, p.path) for p in caught.value.problems] == [
        (1, "cluster.project"),
        (3, "logs.start"),
        (4, "logs.start"),
        (5, "logs.join.wait"),
        (5, "logs.join.pattern"),
        (8, "exporters.google.bacth"),
        (9, "exporters.google.batch.bytes"),
        (9, "exporters.google.batch.in_flight"),
        (10, "exporters.other.kind"),
        (12, "routes[0].to[0]"),
    ]
    assert str(caught.value).count("\no.yaml:") == 9


def test_everything_that_a_route_may_say() -> None:
    config = parse(
        """
        routes:
          - name: quiet
            namespaces: [team-*]
            containers: [app, "side-*"]
            labels: {app.kubernetes.io/name: "web-*", tier: "${TIER:-batch}"}
            annotations: {example.com/owner: "*"}
            to: [google]
            share: 3
            limit: 1.5MiB/s
            sample: {DEBUG: 0.1, INFO: 1, DEFAULT: "${KEEP:-0.5}"}
          - {to: [google], limit: 1048576}
        """,
        env={},
    )
    assert config.routes == [
        Route(
            name="quiet",
            namespaces=["team-*"],
            containers=["app", "side-*"],
            labels={"app.kubernetes.io/name": "web-*", "tier": "batch"},
            annotations={"example.com/owner": "*"},
            to=["google"],
            share=3,
            limit=3 << 19,
            sample={"DEBUG": 0.1, "INFO": 1.0, "DEFAULT": 0.5},
        ),
        Route(to=["google"], limit=1 << 20),
    ]
    assert (config.routes[1].name, config.routes[1].containers, config.routes[1].sample) == (None, ["*"], {})


def test_tags_and_rules_of_a_datadog_exporter() -> None:
    config = parse(
        """
        exporters:
          d:
            kind: datadog
            tags: ["env:prod", standalone]
            processing_rules:
              - {type: mask_sequences, name: pins, pattern: 'pin=\\d+', replace_placeholder: "pin=*"}
              - {type: exclude_at_match, name: probes, pattern: /healthz}
        """,
        env=ENV,
    )
    d = config.exporters["d"]
    assert isinstance(d, Datadog)
    assert d.tags == ["env:prod", "standalone"]
    assert d.processing_rules == [
        ProcessingRule(type="mask_sequences", name="pins", pattern=r"pin=\d+", replace_placeholder="pin=*"),
        ProcessingRule(type="exclude_at_match", name="probes", pattern="/healthz"),
    ]


def test_two_routes_of_one_name_are_a_warning() -> None:
    report = examine_text(
        "routes:\n- {name: a, to: [google]}\n- {to: [google]}\n- {name: a, to: [google]}", "o.yaml", {}
    )
    assert report.config is not None
    [problem] = report.problems
    assert str(problem).startswith('o.yaml:4:10: warning: routes[2].name: the name "a" is taken; routes[0] has it')


@pytest.mark.parametrize("source", ["api", "none"])
def test_the_kubelets_metrics_want_a_kubelet(source: str) -> None:
    text = f"kube: {{source: {source}}}\nmetrics:\n  kubelet: {{enabled: true}}"
    [problem] = examine_text(text, "o.yaml", {}).problems
    assert str(problem).startswith("o.yaml:3:22: metrics.kubelet.enabled: the kubelet is asked, and kube.source is ")
    assert str(problem).endswith("set kube.source: kubelet")
    assert parse(text.replace("true", "false"), env={}).metrics.kubelet.enabled is False


def test_an_exporter_without_a_route_is_a_warning() -> None:
    report = examine_text("exporters: {a: {}, b: {}}\nroutes: [{to: [a]}]", "o.yaml", {})
    assert report.config is not None
    assert [str(p) for p in report.problems] == ["o.yaml:1:20: warning: exporters.b: no route leads to this exporter"]


def test_a_certificate_file_that_is_not_there_is_a_warning() -> None:
    report = examine_text("exporters: {a: {tls: {ca: /nowhere/ca.pem}}}", "o.yaml", {})
    assert report.config is not None
    [problem] = report.problems
    assert (problem.severity, problem.path) == ("warning", "exporters.a.tls.ca")


def test_an_error_holds_the_errors_and_a_report_the_warnings_too() -> None:
    text = "exporters: {a: {}, b: {}}\nroutes: [{to: [a]}]\nworkers: x"
    with pytest.raises(ConfigError) as caught:
        parse(text, env={})
    assert [p.path for p in caught.value.problems] == ["workers"]
    assert [p.path for p in examine_text(text, env={}).problems] == ["exporters.b", "workers"]


def test_a_file_is_named_in_its_problems(tmp_path: Path) -> None:
    file = tmp_path / "o.yaml"
    file.write_text("a: 1\n")
    with pytest.raises(ConfigError, match=f"{file}:1:1: a: unknown key"):
        load(file, {})


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    cases: list[tuple[str | Path, str]]
    cases = [(tmp_path / "none.yaml", "No such file"), (tmp_path, "Is a directory"), ("a\0b", "null byte")]
    for path, words in cases:
        report = examine(path, {})
        assert report.config is None
        [problem] = report.problems
        assert (problem.line, problem.severity) == (0, "error")
        assert words in problem.message


@pytest.mark.parametrize(
    ("data", "place", "words"),
    [
        (b"state: /a\nworkers: \xff\n", (2, 10), "is not UTF-8 text: the byte 0xff"),
        ("state: ä".encode("latin-1"), (1, 8), "is not UTF-8 text: the byte 0xe4"),
        ("state: é/".encode() + b"\xc3", (1, 10), "is not UTF-8 text"),
        ("state: /a".encode("utf-16"), (1, 1), "is not UTF-8 text"),
        (b"state: /a\0", (1, 10), "U+0000"),
        (b"", (0, 0), "is empty"),
    ],
)
def test_bytes_that_are_no_text(tmp_path: Path, data: bytes, place: tuple[int, int], words: str) -> None:
    file = tmp_path / "o.yaml"
    file.write_bytes(data)
    [problem] = examine(file, {}).problems
    assert (problem.line, problem.column) == place
    assert words in problem.message


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "o.yaml"
    file.write_bytes(b"\xef\xbb\xbfstate: /a\r\nworkers: 2\r\n")
    assert load(file, {}) == Config(state="/a", workers=2, kube=load(file, {}).kube)
