"""The settings of checks: read by the type that the check gives, with everything that other keys have."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import jsonschema
import msgspec
import pytest
import yaml

from outrider.checks.check import CheckSettings
from outrider.config import Check, ConfigError, Secret, dump, examine_text, parse
from outrider.config.given import given
from outrider.config.schema import json_schema
from outrider.config.shape import Choice, Doc, Hidden, Int, Text

HIDDEN = "hunter2-not-to-be-seen"


class Tls(msgspec.Struct, frozen=True):
    """How it is encrypted."""

    ca: Annotated[str | None, Text("a path"), Doc("Authorities.")] = None


class Settings(CheckSettings, frozen=True, kw_only=True):
    """A product."""

    host: Annotated[str, Text("a host"), Doc("Host.")] = "127.0.0.1"
    port: Annotated[int, Int(1, 65535), Doc("Port.")] = 6379
    password: Annotated[Secret | None, Hidden(), Doc("Password.")] = None
    mode: Annotated[str | None, Choice(("a", "b")), Doc("Mode.")] = None
    tls: Tls = Tls()


class Missing(Mapping[str, Any]):
    """Two checks, one of which cannot be loaded."""

    def __getitem__(self, name: str) -> Any:
        if name == "mongodb":
            raise ImportError("No module named 'pymongo'")
        return {"redis": Settings}[name]

    def __iter__(self) -> Iterator[str]:
        return iter(("mongodb", "redis"))

    def __len__(self) -> int:
        return 2


CHECKS = Missing()
ENV = {"REDIS_PASSWORD": HIDDEN}


def entry(settings: str) -> str:
    return f"metrics:\n  checks:\n  - redis: {settings}\n"


def test_settings_are_the_check_s_own_struct() -> None:
    text = entry('{host: h, port: "${PORT:-7}", password: {env: REDIS_PASSWORD}, tags: ["a:b"], timeout: 250ms}')
    [check] = parse(text, env=ENV, checks=CHECKS).metrics.checks
    password = Secret.from_env("REDIS_PASSWORD", ENV)
    assert check == Check("redis", Settings(host="h", port=7, password=password, tags=["a:b"], timeout=0.25))
    assert parse(entry("{}"), env={}, checks=CHECKS).metrics.checks == [Check("redis", Settings())]


@pytest.mark.parametrize(
    ("settings", "path", "words"),
    [
        ("{prot: 1}", "redis.prot", 'unknown key "prot", allowed are timeout, tags, host, port, password, mode, tls; '
         'did you mean "port"?'),
        ("{ca: /x}", "redis.ca", 'did you mean "tls.ca"?'),
        ("{port: 0}", "redis.port", "found 0 (a number), expected a whole number from 1 to 65535"),
        ("{port: '6379'}", "redis.port", "leave out the quotes"),
        ("{password: 12}", "redis.password", "put it in quotes"),
        ("{password: {evn: X}}", "redis.password", 'did you mean "env"?'),
        ("{password: {env: X}}", "redis.password.env", "the variable X is not set"),
        ("{timeout: 0}", "redis.timeout", "expected a duration above 0s and up to 1m"),
        ("{tags: [a b]}", "redis.tags[0]", "expected a tag such as env:prod"),
        ("{tls: {ca: 1}}", "redis.tls.ca", "put it in quotes"),
        ("null", "redis", "{} takes the defaults"),
        ("[]", "redis", "expected a mapping of settings"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_settings(settings: str, path: str, words: str) -> None:
    [problem] = examine_text(entry(settings), "o.yaml", {}, CHECKS).problems
    assert (problem.file, problem.line, problem.path) == ("o.yaml", 3, f"metrics.checks[0].{path}")
    assert words in str(problem)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rediss", 'there is no check "rediss" here, there are mongodb, redis; did you mean "redis"?'),
        ("mongodb", "the check \"mongodb\" cannot be loaded: No module named 'pymongo'; install the library"),
    ],
)
def test_a_check_that_is_not_there_is_an_error(name: str, words: str) -> None:
    [problem] = examine_text(f"metrics:\n  checks:\n  - {name}: {{}}\n", checks=CHECKS).problems
    assert (problem.line, problem.path) == (3, "metrics.checks[0]")
    assert words in str(problem)


def test_who_does_not_say_which_checks_there_are_gets_no_settings() -> None:
    assert parse(entry("{anything: at all}"), env={}).metrics.checks == [Check("redis", None)]


def test_secrets_are_not_shown() -> None:
    text = entry(f'{{password: {HIDDEN}, host: "redis://u:{HIDDEN}@h"}}')
    config = parse(text, env={}, checks=CHECKS)
    [check] = config.metrics.checks
    assert check.settings.password.read() == HIDDEN
    for shown in (repr(config.metrics.checks), repr(dump(config)), *map(str, check.__rich_repr__())):
        assert HIDDEN not in shown
    settings = dump(config)["metrics"]["checks"][0]["settings"]
    assert (settings["password"], settings["host"]) == ("***", "redis://u:***@h")


@pytest.mark.parametrize(
    ("settings", "good"),
    [("{}", True), ("{port: 1, password: {env: X}}", True), ("{prot: 1}", False), ("{port: 0}", False)],
)
def test_the_schema_knows_the_settings(settings: str, good: bool) -> None:
    schema = json_schema(CHECKS)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(yaml.safe_load(entry(settings))) is good


def test_the_schema_knows_the_names() -> None:
    validator = jsonschema.Draft202012Validator(json_schema(CHECKS))
    assert validator.is_valid({"metrics": {"checks": [{"mongodb": {"who": "knows"}}]}}), "what cannot be loaded is open"
    assert not validator.is_valid({"metrics": {"checks": [{"rediss": {}}]}})


@pytest.mark.parametrize(
    ("pairs", "settings"),
    [
        ([], Settings()),
        ([("port", "7"), ("host", "10")], Settings(port=7, host="10")),
        ([("password", "12")], Settings(password=Secret("12"))),
        ([("password", "{env: REDIS_PASSWORD}")], Settings(password=Secret.from_env("REDIS_PASSWORD", ENV))),
        ([("tags", "[a:b, c]"), ("timeout", "2s"), ("mode", "b")], Settings(tags=["a:b", "c"], timeout=2, mode="b")),
        ([("tls", "{ca: /x}")], Settings(tls=Tls("/x"))),
    ],
)
def test_settings_of_a_command_line(pairs: list[tuple[str, str]], settings: Settings) -> None:
    assert given(Settings, pairs, "--set", ENV) == settings


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (("prot", "7"), '--set: prot: unknown key "prot", allowed are timeout, tags, host, port, password, mode, tls; '
         'did you mean "port"?'),
        (("port", "x"), '--set: port: found "x", expected a whole number from 1 to 65535'),
        (("tags", "[a, a]"), '--set: tags[1]: lists "a" again; it is tags[0] already'),
        (("tags", "[a"), "--set: tags: is not YAML"),
        (("tls", "{ca: /x, ca: /y}"), '--set: tls: the key "ca" is here twice'),
        (("tls", "{cat: /x}"), '--set: tls.cat: unknown key "cat", allowed are ca; did you mean "ca"?'),
    ],
)  # fmt: skip
def test_what_is_wrong_on_a_command_line(pair: tuple[str, str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        given(Settings, [pair], "--set", {})
    assert str(caught.value).startswith(words)
