"""The JSON schema and the loader say the same: one table of documents, and random damage done to a good one."""

import copy
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.config import examine_text
from outrider.config.schema import json_schema

EXAMPLE = yaml.safe_load((Path(__file__).parent / "data" / "design.yaml").read_text())
ENV = {"DD_API_KEY": "k", "REDIS_PASSWORD": "p", "NODE_NAME": "n1", "NODE_IP": "10.0.0.7"}
SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

ONLY_THE_LOADER_KNOWS = re.compile(
    "is not set|is empty; set it|is not the name of a variable|does not compile|there is no exporter|is not a URL"
    '|names no host|names port|is not .{VAR}|does not fit|found "[0-9][^"]*", expected a (size|duration|rate)'
    r"|\(from "
)


def schema_accepts(data: Any) -> bool:
    return bool(VALIDATOR.is_valid(data))


def loader_errors(data: Any) -> list[str]:
    report = examine_text(yaml.safe_dump(data), "o.yaml", ENV)
    return [str(p) for p in report.problems if p.severity == "error"]


def test_the_schema_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_example_of_the_design_fits_the_schema_and_the_loader() -> None:
    VALIDATOR.validate(EXAMPLE)
    assert loader_errors(EXAMPLE) == []


def walk(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Every property of every mapping in the schema."""
    found = list(schema.get("properties", {}).values())
    below = [
        schema.get("items"),
        schema.get("additionalProperties"),
        *schema.get("anyOf", []),
        *schema.get("oneOf", []),
    ]
    inner = [s for s in [*schema.get("properties", {}).values(), *below] if isinstance(s, dict)]
    return found + [p for s in inner for p in walk(s)]


def test_every_property_is_documented() -> None:
    properties = [p for p in walk(SCHEMA) if "const" not in p]
    assert len(properties) > 50
    assert [p for p in properties if not p.get("title") or not p.get("description")] == []


def test_defaults_are_values_that_the_schema_accepts() -> None:
    defaults = [p for p in walk(SCHEMA) if "default" in p]
    assert len(defaults) > 25
    for schema in defaults:
        jsonschema.Draft202012Validator({**schema, "$defs": SCHEMA["$defs"]}).validate(schema["default"])


def test_defaults_are_the_ones_of_the_loader() -> None:
    """A file that spells out every default of the schema loads as an empty one does."""

    def filled(schema: dict[str, Any]) -> dict[str, Any]:
        properties = schema.get("properties", {}).items()
        nested = {name: filled(p) for name, p in properties if p.get("type") == "object" and "properties" in p}
        return {name: p["default"] for name, p in properties if "default" in p} | nested

    spelled_out = filled(SCHEMA)
    assert spelled_out["logs"]["join"]["wait"] == "1s"
    assert examine_text(yaml.safe_dump(spelled_out), env={}).config == examine_text("{}", env={}).config


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "workers: 2",
        "workers: 2.0",
        'workers: "${WORKERS:-2}"',
        "logs: {join: {wait: 250ms, pattern: null}}",
        "logs: {join: {wait: 0.5, partials: '${X:-true}'}}",
        "logs: {hold: {budget: 1.5GiB}}",
        "logs: {select: {include: [{pod: a}, {pod: [a, b], namespace: c}]}}",
        "logs: {start: '${X:-end}', redact: [{pattern: a, with: ''}]}",
        "kube: {token: x, ca: null, url: null}",
        "kube: {token: {env: NODE_IP}, url: 'https://${NODE_IP}:1'}",
        "cluster: {project: null}",
        "exporters: {a: {}, b: {kind: console}, c: {kind: datadog, statsd: 'unix:///run/dsd.socket'}}",
        "exporters: {a: {kind: datadog, compress: deflate, statsd: 'unixgram:///run/dsd.socket'}}",
        "exporters: {a: {kind: datadog, statsd: 'unixstream:///run/dsd.socket'}}",
        "exporters: {a: {credentials: none, batch: {bytes: 64KiB}, tls: {ca: /x}}}",
        "exporters: {a: {credentials: {file: key.json}}, b: {credentials: '${X:-adc}'}}",
        "metrics: {checks: [{redis: {}}, {redis: {port: 1}}]}",
        "telemetry: {listen: '[::]:9464'}",
        "routes: [{to: [google], share: 1000}]",
        "routes: [{to: [google], limit: 1MiB/s}, {to: [google], limit: 2048}, {to: [google], limit: null}]",
        "routes: [{to: [google], sample: {DEBUG: 0.1, INFO: 1, ERROR: '${X:-0}'}, name: a, containers: [b]}]",
        "routes: [{to: [google], labels: {a/b: c, d: '${X:-e}'}, annotations: {}}]",
        "logs: {redact: [{set: keys}, {set: '${X:-cards}'}]}",
        "exporters: {d: {kind: datadog, tags: ['a:b'], processing_rules: [{type: multi_line, name: n, pattern: p}]}}",
    ],
)
def test_both_accept(text: str) -> None:
    assert loader_errors(yaml.safe_load(text)) == []
    VALIDATOR.validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "x",
        "worker: 2",
        "workers: '2'",
        "workers: 0",
        "workers: 65",
        "workers: true",
        "workers: 1.5",
        "state: ''",
        "state: 1",
        "state: null",
        "logs: null",
        "logs: {join: {wait: soon}}",
        "logs: {join: {wait: 0}}",
        "logs: {join: {wait: 61}}",
        "logs: {join: {wait: 1 s}}",
        "logs: {join: {partials: 'true'}}",
        "logs: {hold: {budget: 4Mi}}",
        "logs: {hold: {budget: -1}}",
        "logs: {start: middle}",
        "logs: {files: /a}",
        "logs: {files: [a, a]}",
        "logs: {select: {include: [{}]}}",
        "logs: {select: {include: [{pod: []}]}}",
        "logs: {select: {include: [{pod: [a, a]}]}}",
        "logs: {select: {include: [{pod: 1}]}}",
        "logs: {redact: [{with: a}]}",
        "logs: {redact: [{pattern: a, by: b}]}",
        "kube: {token: {}}",
        "kube: {token: {env: A, file: b}}",
        "kube: {token: {evn: A}}",
        "kube: {token: 1}",
        "kube: {token: ''}",
        "kube: {url: 'ftp://x'}",
        "cluster: {name: a/b}",
        "cluster: {name: true}",
        "exporters: {}",
        "exporters: []",
        "exporters: {a: null}",
        "exporters: {a/b: {}}",
        "exporters: {a: {kind: none}}",
        "exporters: {a: {kind: console, project: p}}",
        "exporters: {a: {kind: '${X:-console}'}}",
        "exporters: {a: {site: x}}",
        "exporters: {a: {credentials: key.json}}",
        "exporters: {a: {credentials: {key: x}}}",
        "exporters: {a: {credentials: {env: NODE_IP}}}",
        "exporters: {a: {compress: zstd}}",
        "exporters: {a: {batch: {bytes: 65535}}}",
        "exporters: {a: {batch: {in_flight: 0}}}",
        "exporters: {a: {batch: {in_flight: 65}}}",
        "exporters: {a: {tls: {ca: 1}}}",
        "exporters: {a: {kind: datadog, statsd: 'tcp://x:1'}}",
        "exporters: {a: {kind: datadog, statsd: 'unixseq:///x'}}",
        "exporters: {a: {kind: datadog, site: 'a b'}}",
        "metrics: {checks: [redis]}",
        "metrics: {checks: [{}]}",
        "metrics: {checks: [{a: {}, b: {}}]}",
        "metrics: {checks: [{a: null}]}",
        "metrics: {checks: [{A b: {}}]}",
        "metrics: {checks: [{a: {}}, {a: {}}]}",
        "metrics: {every: 0}",
        "telemetry: {listen: 9464}",
        "telemetry: {listen: localhost}",
        "routes: []",
        "routes: [{}]",
        "routes: [{to: []}]",
        "routes: [{to: google}]",
        "routes: [{to: [google, google]}]",
        "routes: [{to: [google], share: 0}]",
        "routes: [{to: [google], namespaces: []}]",
        "routes: [{to: [google], limit: 1MiB}]",
        "routes: [{to: [google], limit: 10}]",
        "routes: [{to: [google], sample: {DEBUG: 2}}]",
        "routes: [{to: [google], sample: {DEBUG: -0.1}}]",
        "routes: [{to: [google], sample: {debug: 1}}]",
        "routes: [{to: [google], sample: []}]",
        "routes: [{to: [google], labels: {'a b': c}}]",
        "routes: [{to: [google], labels: {a: ''}}]",
        "routes: [{to: [google], annotations: {a/b/c: d}}]",
        "routes: [{to: [google], name: a/b}]",
        "logs: {redact: [{}]}",
        "logs: {redact: [{set: key}]}",
        "logs: {redact: [{set: ''}]}",
        "logs: {redact: [{set: keys, pattern: a}]}",
        "logs: {redact: [{set: keys, with: a}]}",
        "exporters: {d: {kind: datadog, tags: ['a b']}}",
        "exporters: {d: {kind: datadog, processing_rules: [{type: x, name: n, pattern: p}]}}",
        "exporters: {d: {kind: datadog, processing_rules: [{type: multi_line, name: n}]}}",
    ],
)
def test_both_reject(text: str) -> None:
    data = yaml.safe_load(text)
    assert loader_errors(data) != []
    assert not schema_accepts(data)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("state: '${NOPE}'", "is not set"),
        ("kube: {token: {env: NOPE}}", "is not set"),
        ("logs: {join: {pattern: '('}}", "does not compile"),
        ("exporters: {a: {batch: {bytes: 1KiB}}}", "from 64KiB to 9MiB"),
        ("routes: [{to: [nowhere]}]", "there is no exporter"),
        ("telemetry: {listen: ':70000'}", "names port 70000"),
    ],
)
def test_what_only_the_loader_knows(text: str, words: str) -> None:
    data = yaml.safe_load(text)
    assert schema_accepts(data)
    [problem] = loader_errors(data)
    assert words in problem
    assert ONLY_THE_LOADER_KNOWS.search(problem)


JUNK: list[Any] = [
    None, True, 0, 1, 3, 70, -1, 1.5, 10**9, "", " ", "x", "1", "5s", "64KiB", "2MiB", "adc", "none", "gzip", "zstd",
    "end", "api", "datadog", "console", "google", "https://h:1", "h:1", "a/b", "${NODE_IP}", "${X:-7}", [], ["a"],
    ["a", "a"], [1], {}, {"env": "NODE_IP"}, {"file": "/x"}, {"env": 1}, {"a": {}}, [{"to": ["google"]}],
    [{"pod": "a"}],
]  # fmt: skip
NEW_KEYS = [
    "set",
    "with",
    "pattern",
    "limit",
    "sample",
    "labels",
    "name",
    "kind",
    "batch",
    "bytes",
    "wait",
    "to",
    "share",
    "namespaces",
    "pod",
    "x",
    "project",
    "site",
    "env",
    "file",
]


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """The design's example with up to three values replaced, removed, or added somewhere in it."""
    data = copy.deepcopy(EXAMPLE)
    for _ in range(draw(st.integers(1, 3))):
        place = data
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and place[key] and draw(st.integers(0, 4)):
                place = place[key]
                continue
            if draw(st.booleans()):
                place[key] = copy.deepcopy(draw(st.sampled_from(JUNK)))
            elif draw(st.booleans()) or isinstance(place, list):
                del place[key]
            else:
                place[draw(st.sampled_from(NEW_KEYS))] = copy.deepcopy(draw(st.sampled_from(JUNK)))
            break
    return data


@settings(max_examples=120, deadline=None)
@given(damaged())
def test_the_schema_and_the_loader_agree_on_any_damage(data: Any) -> None:
    errors = loader_errors(data)
    if schema_accepts(data):
        assert [e for e in errors if not ONLY_THE_LOADER_KNOWS.search(e)] == []
    else:
        assert errors != []
