"""Variables in strings: the shell's rules, and nothing that would hurt a regular expression."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.config.expand import expand

ENV = {"NODE": "n1", "EMPTY": "", "MONEY": "${NODE}$$"}


@pytest.mark.parametrize(
    ("text", "expanded", "variables"),
    [
        ("plain", "plain", False),
        ("${NODE}", "n1", True),
        ("https://${NODE}:10250/${NODE}", "https://n1:10250/n1", True),
        ("${NOPE:-x y}", "x y", True),
        ("${NOPE:-}", "", True),
        ("${NODE:-x}", "n1", True),
        ("${EMPTY}", "", True),
        ("${EMPTY:-x}", "x", True),
        ("${MONEY}", "${NODE}$$", True),  # what a variable holds is not expanded again
        ("$${NODE}", "${NODE}", False),
        ("$$$${NODE}", "$${NODE}", False),
        ("$$${NODE}", "$n1", True),
        (r"^\S+$|(a$)", r"^\S+$|(a$)", False),
        ("$NODE", "$NODE", False),
        ("$", "$", False),
        ("${NOPE:-a\nb}", "a\nb", True),
    ],
)
def test_expansion(text: str, expanded: str, variables: bool) -> None:
    assert expand(text, ENV) == (expanded, variables, [])


@pytest.mark.parametrize("text", ["${", "a ${NODE", "${}", "${1A}", "${A-B}", "${NODE:=x}", "${A:-${B}}", "${ NODE}"])
def test_what_is_no_variable_is_reported_with_the_way_out(text: str) -> None:
    [(message, hint)] = expand(text, ENV).faults
    assert "is not ${VAR} or ${VAR:-default}" in message
    assert hint == "write $$ for a plain $"


def test_every_missing_variable_is_named() -> None:
    faults = expand("${ONE}-${NODE}-${TWO}", ENV).faults
    assert [message for message, _ in faults] == ["the variable ONE is not set", "the variable TWO is not set"]
    assert faults[0][1] == "set it, or give a default: ${ONE:-...}"


@given(st.text())
def test_doubling_every_dollar_keeps_any_text(text: str) -> None:
    assert expand(text.replace("$", "$$"), {}) == (text, False, [])


@given(st.text(alphabet="${}:-AB a", max_size=20))
def test_no_text_raises(text: str) -> None:
    expand(text, {"A": "1"})
