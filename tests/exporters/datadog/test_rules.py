"""The Agent's processing rules: which there are, in which order they work, and how Go reads a replacement."""

import time

import pytest

from outrider.exporters.datadog.annotations import AnnotatedRule as Rule
from outrider.exporters.datadog.rules import TYPES, UNSUPPORTED, Rules, TooMuchError, replacement
from outrider.model.patterns import compiled


def mask(pattern: str, placeholder: str, name: str = "m") -> Rule:
    return Rule("mask_sequences", name, pattern, placeholder)


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("", ""),
        ("[masked]", "[masked]"),
        ("$1", "user"),
        ("${1}", "user"),
        ("$1x", ""),  # the group `1x`, which there is not
        ("${1}x", "userx"),
        ("$name", "beats"),
        ("${name}!", "beats!"),
        ("$nameless", ""),
        ("$0", "user=beats"),
        ("${2}-$1", "beats-user"),
        ("$9", ""),
        ("$01", ""),
        ("${99999999999}", ""),
        ("$$1", "$1"),
        ("$", "$"),
        ("a$", "a$"),
        ("$-", "$-"),
        ("${1", "${1"),
        ("${}", "${}"),
        ("${1-}", "${1-}"),
        ("$$$1", "$user"),
        (r"\1", r"\1"),
        ("é${1}é", "éuseré"),
        ("$1é", ""),  # a letter, too
        ("$3", ""),  # a group that took no part
    ],
)
def test_a_replacement_as_go_expands_it(template: str, made: str) -> None:
    pattern = compiled(r"(user)=(?P<name>\w+)|(never)")
    assert pattern.replace(replacement(template, pattern), b"-user=beats-") == b"-" + made.encode() + b"-"


def test_rules_work_one_after_the_other() -> None:
    rules = Rules([mask("a", "b"), mask("b+", "c"), Rule("exclude_at_match", "e", "^cc"), mask("c", "d")])
    assert rules.apply(b"ab") == b"d"
    assert rules.apply(b"a-a") == b"d-d"
    assert rules.apply(b"cc") is None
    assert not rules.problems


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule("exclude_at_match", "e", "(?=a)"), "look-ahead"),
        (Rule("mask_sequences", "e", "("), "missing"),
        (Rule("multi_line", "e", "("), "missing"),
        (Rule("multi_line", "", "a"), "no name"),
        (Rule("exclude_at_match", "", "a"), "no name"),
        (Rule("exclude_at_match", "e", ""), "no pattern"),
        (Rule("multi_line", "e", ""), "no pattern"),
        (Rule("exclude", "e", "a"), "'exclude' is not one of exclude_at_match, include_at_match"),
        (Rule("", "e", "a"), "'' is not one of"),
        *((Rule(name, "e", "a"), f"{name} is not supported") for name in UNSUPPORTED),
    ],
)
def test_a_rule_that_cannot_be_used_is_said_and_the_others_stay(rule: Rule, words: str) -> None:
    rules = Rules([mask("a", "b"), rule, mask("b", "c")])
    assert rules.apply(b"a") == b"c"
    assert rules.multi_line is None
    [problem] = rules.problems
    assert words in problem
    assert problem.startswith(f"rule {rule.name or rule.type!r}: ")


@pytest.mark.parametrize(
    ("pattern", "line", "begins"),
    [
        (r"\d{4}-", b"2026-05-16", True),
        (r"\d{4}-", b"at 2026-05-16", False),
        ("a|b", b"a", True),
        ("a|b", b"xa", False),
        ("a|b", b"xb", True),
        ("a|b", b"b", True),
        ("(a|b)", b"xb", False),
        (r"\[a|\[b", b"x\n[b", True),
    ],
)
def test_only_the_beginning_of_a_multi_line_pattern_is_bound(pattern: str, line: bytes, begins: bool) -> None:
    rules = Rules([Rule("multi_line", "m", pattern)])
    assert not rules
    assert rules.multi_line is not None
    ready = compiled(rules.multi_line)
    assert (ready.search(line) is not None) is (ready.match(line) is not None) is begins


def test_the_last_multi_line_rule_holds() -> None:
    assert Rules([Rule("multi_line", "m", "a"), Rule("multi_line", "n", "b")]).multi_line == "^b"


def test_every_type_has_been_thought_of() -> None:
    assert not set(TYPES) & set(UNSUPPORTED)


# -- what a pod's annotation may cost ---------------------------------------------------------------------------------


def test_patterns_of_an_annotation_that_make_every_byte_dear_are_left_out() -> None:
    """Linear in the record, times the size of the pattern: twenty of these took three minutes for a line of 16 KB."""
    dear = "(" + "|".join(f".{{0,{900 - j}}}{chr(98 + j % 24)}{j}" for j in range(20)) + ")"
    asked = [Rule("exclude_at_match", f"n{n}", dear + str(n)) for n in range(20)]
    rules = Rules([], [*asked, mask("secret", "*")])
    assert len(rules.problems) >= 19
    assert "steps" in rules.problems[0]
    began = time.thread_time()
    rules.apply(b"a" * 16_000)
    assert time.thread_time() - began < 5


def test_patterns_of_the_configuration_may_cost_what_they_like() -> None:
    assert Rules([mask(r"\pL{1,300}@", "*")], [mask("secret", "*")]).problems == []


def test_a_mask_that_looks_to_the_end_for_every_match_is_ended() -> None:
    began = time.thread_time()
    with pytest.raises(TooMuchError):
        Rules([], [mask("a.*b|a", "")]).apply(b"a" * 200_000)
    assert time.thread_time() - began < 10
