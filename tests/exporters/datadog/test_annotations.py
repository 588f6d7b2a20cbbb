"""What annotations of pods ask for, in every place where they may say it, and what is said about broken ones."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.exporters.datadog.annotations import AnnotatedRule, asked

NEW, OLD = "ad.datadoghq.com/", "service-discovery.datadoghq.com/"
CONFIG = {"service": "any_service", "source": "any_source"}
ARRAY = json.dumps([CONFIG])
V2 = json.dumps({"nginx": {"instances": [{}], "logs": [CONFIG]}})


@pytest.mark.parametrize(
    "annotations",
    [
        {NEW + "web.logs": ARRAY},
        {OLD + "web.logs": ARRAY},
        {NEW + "web.logs": ARRAY, OLD + "web.logs": "junk"},
        {NEW + "web.checks": V2},
        {OLD + "web.checks": V2},
        {NEW + "web.logs": ARRAY, NEW + "web.checks": V2.replace("any", "other")},
        {NEW + "web.check.id": "other", NEW + "other.logs": ARRAY, NEW + "web.logs": "junk"},
        {NEW + "web.check.id": "other", NEW + "other.checks": V2},
        {NEW + "web.logs": ARRAY, NEW + "web.check_names": "junk", NEW + "web.instances": "junk"},
        {NEW + "web.logs": ARRAY, NEW + "web.checks": "junk"},
        {NEW + "web.logs": json.dumps([{"type": "file", "path": "/x"}, CONFIG])},
        {NEW + "web.logs": json.dumps([{**CONFIG, "type": "docker"}, {"service": "second"}])},
        {NEW + "web.logs": json.dumps([{**CONFIG, "auto_multi_line_detection": True, "unknown": {"a": 1}}])},
    ],
)
def test_where_a_configuration_may_stand(annotations: dict[str, str]) -> None:
    config = asked(annotations, "web").config
    assert (config.service, config.source) == ("any_service", "any_source")
    assert asked(annotations, "sidecar").config.service == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (json.dumps(CONFIG), "ad.datadoghq.com/web.logs: invalid format, expected an array"),
        ('"x"', "expected an array"),
        ("[{", "no JSON"),
        ("[5]", "Expected `object`"),
        ('[{"service":5}]', "Expected `str`"),
        ('[{"tags":[5]}]', "Expected `str`"),
        ('[{"type":"file"}]', "type 'file' are not supported"),
        ("[{},{}]", "of 2 configurations the first holds"),
        ("[" * 5000, "no JSON"),
        ('[{"log_processing_rules":{}}]', "Expected `array | null`"),
        ('[{"log_processing_rules":[{"type":5}]}]', "log_processing_rules[0]: Expected `str`"),
        ('[{"log_processing_rules":[7]}]', "log_processing_rules[0]: Expected `object`"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, words: str) -> None:
    found = asked({NEW + "web.logs": text}, "web")
    [problem] = found.problems
    assert words in problem
    assert not found.excluded


def test_a_bad_rule_leaves_the_others() -> None:
    rules = [{"type": 5}, {"type": "exclude_at_match", "name": "n", "pattern": "p", "matching": []}]
    found = asked({NEW + "web.logs": json.dumps([{"service": "s", "log_processing_rules": rules}])}, "web")
    assert found.rules == [AnnotatedRule("exclude_at_match", "n", "p")]
    assert found.config.service == "s"
    assert len(found.problems) == 1


def test_the_rules_of_an_annotation_are_bounded() -> None:
    rules = [{"type": "exclude_at_match", "name": str(n), "pattern": "p"} for n in range(1000)]
    found = asked({NEW + "web.logs": json.dumps([{"log_processing_rules": rules}])}, "web")
    assert [r.name for r in found.rules] == [str(n) for n in range(20)]
    assert found.problems == ["log_processing_rules: only the first 20 count"]


@pytest.mark.parametrize(
    ("tags", "found"),
    [(["a:b", "c"], ["a:b", "c"]), ("a:b, c", ["a:b", "c"]), ("", []), (None, []), ([], []), ([" x ", ""], ["x"])],
)
def test_tags(tags: Any, found: list[str]) -> None:
    config = asked({NEW + "web.logs": json.dumps([{"tags": tags}])}, "web").config
    assert config.tag_list() == found


@pytest.mark.parametrize(
    ("annotations", "excluded"),
    [
        ({NEW + "exclude": "true"}, True),
        ({NEW + "logs_exclude": "true"}, True),
        ({NEW + "web.exclude": "true"}, True),
        ({NEW + "web.logs_exclude": "true"}, True),
        ({OLD + "web.logs_exclude": "1"}, True),
        ({NEW + "web.logs_exclude": "TRUE"}, True),
        ({NEW + "web.logs_exclude": "false"}, False),
        ({NEW + "web.logs_exclude": "yes"}, False),
        ({NEW + "web.logs_exclude": ""}, False),
        ({NEW + "sidecar.logs_exclude": "true"}, False),
        ({NEW + "metrics_exclude": "true"}, False),
        ({NEW + "web.logs_exclude": "false", NEW + "exclude": "true"}, True),
    ],
)
def test_who_is_excluded(annotations: dict[str, str], excluded: bool) -> None:
    assert asked(annotations, "web").excluded is excluded


ANY_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["logs", "service", "source", "tags", "type", "log_processing_rules", "name", "pattern"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@given(
    st.sampled_from(["web.logs", "web.checks", "web.check.id", "web.exclude"]),
    st.one_of(st.text(), ANY_JSON.map(json.dumps)),
)
def test_nothing_that_a_pod_says_is_an_exception(key: str, text: str) -> None:
    found = asked({NEW + key: text}, "web")
    assert all(isinstance(p, str) for p in found.problems)


def test_a_null_leaves_a_field_as_it_is() -> None:
    """As in Go: a mask must not be dropped because its placeholder is null."""
    rule = {"type": "mask_sequences", "name": "m", "pattern": "secret", "replace_placeholder": None}
    wish = asked({NEW + "web.logs": json.dumps([{"service": None, "log_processing_rules": [rule]}])}, "web")
    assert wish.problems == []
    assert [(r.name, r.replace_placeholder) for r in wish.rules] == [("m", "")]
