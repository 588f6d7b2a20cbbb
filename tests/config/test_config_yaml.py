"""The YAML reader: places of values, what is an error, and that its values are those of a stock YAML loader."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.config.yaml_nodes import Node, YamlError, read_nodes, resolve


def value(text: str) -> Any:
    node, faults = read_nodes(text)
    assert faults == []
    return node.plain


def at(node: Node, *path: str | int) -> tuple[int, int]:
    for step in path:
        node = node.value[step].node if isinstance(step, str) else node.value[step]
    return node.line, node.column


def test_values_know_their_place() -> None:
    node, _ = read_nodes("a:\n  b: [1, {c: x}]\n  'ä': \"y\"\nd: |\n  text\n")
    assert at(node, "a") == (2, 3)
    assert at(node, "a", "b") == (2, 6)
    assert at(node, "a", "b", 1, "c") == (2, 14)
    assert at(node, "a", "ä") == (3, 8)
    assert at(node, "d") == (4, 4)


def test_keys_know_their_place() -> None:
    node, _ = read_nodes("a: 1\nb:\n    long: {x: 1, y: 2}\n")
    entry = node.value["b"].node.value["long"].node.value["y"]
    assert (entry.line, entry.column) == (3, 18)


@pytest.mark.parametrize(
    "text",
    [
        "a: [1, 1.5, true, null, ~, x, '1', \"true\", 0x1f, 1_000, no]",
        "a: &x {b: 1, c: 2}\nd: *x\ne: {<<: *x, c: 3}\n",
        "a: &x {b: 1}\nc: &y {b: 2, d: 4}\ne: {<<: [*x, *y], f: 1}\n",
        "a: !!str 5\nb: !!int '5'\nc: ! 5\n",
        "a: >\n  folded\n  text\nb: |-\n  kept\n",
        "? a\n: b\n",
        "%YAML 1.1\n---\na: 2024-01-01\n...\n",
        "a:\nb: ''\n",
    ],
)
def test_values_are_those_of_the_stock_loader(text: str) -> None:
    assert value(text) == yaml.safe_load(text)


def test_keys_are_names_whatever_yaml_would_make_of_them() -> None:
    assert value("on: 1\n1: 2\nnull: 3\n") == {"on": 1, "1": 2, "null": 3}


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("", 0, 0, "is empty"),
        ("# nothing\n\n", 0, 0, "is empty"),
        ("---\n", 0, 0, "is empty"),
        ("a: 1\nb: c: d\n", 2, 5, "mapping values are not allowed"),
        ("a:\n\t- b\n", 2, 1, "a tab in the indentation"),
        ("a:\n  b: 1\n\tc: 2\n", 3, 1, "a tab in the indentation"),
        ("a: 'x\n", 2, 1, "unexpected end of stream"),
        ("a: [1,\nb: 2\n", 3, 1, "did not find expected ',' or ']'"),
        ("a: @x\n", 1, 4, "cannot start any token"),
        ('a: "\\q"\n', 1, 5, "unknown escape character"),
        ("a: *nowhere\n", 1, 4, "no anchor &nowhere"),
        ("a: &x [1, *x]\n", 1, 11, "stands inside the value that it names"),
        ("a: 1\n---\nb: 2\n", 2, 1, "a second document starts here"),
        ("a: b\x00\n", 1, 5, "U+0000"),
        ("a: 1\nb: x\x1by\n", 2, 5, "U+001B"),
        ("[" * 900, 1, 62, "nested more than 60 levels"),
        ("a: " + "{b: " * 100 + "1" + "}" * 100, 1, 4 * 60 + 4, "nested more than 60 levels"),
    ],
)
def test_text_that_cannot_be_used(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(YamlError) as caught:
        read_nodes(text)
    fault = caught.value.fault
    assert words in fault.message
    assert (fault.line, fault.column) == (line, column)


def test_aliases_of_aliases_cannot_multiply_without_end() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(YamlError, match="more than 100,000 values"):
        read_nodes("\n".join(lines))


@pytest.mark.parametrize(
    ("text", "line", "column", "path", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "a", 'the key "a" is here twice'),
        ("x:\n  - {a: 1, 'a': 2}\n", 2, 12, "x[0].a", 'the key "a" is here twice'),
        ("x: {<<: {a: 1}, <<: {b: 1}}\n", 1, 17, "x.<<", 'the key "<<" is here twice'),
        ("x: {<<: 5}\n", 1, 9, "x", '"<<" takes a mapping'),
        ("? [a, b]\n: c\n", 1, 3, "", "cannot be a key"),
        ("a: !secret x\n", 1, 4, "a", "the tag !secret is not known"),
        ("a: !!python/object:os.system {}\n", 1, 4, "a", "is not known here"),
        ("a: !!int x\n", 1, 4, "a", "YAML's type int"),
        ("a: !!bool maybe\n", 1, 4, "a", "YAML's type bool"),
        ("a: 2024-99-99\n", 1, 4, "a", "YAML's type timestamp"),
        ("a: " + "9" * 5000 + "\n", 1, 4, "a", "YAML's type int"),
    ],
)
def test_faults_that_leave_a_tree(text: str, line: int, column: int, path: str, words: str) -> None:
    _, [fault] = read_nodes(text)
    assert words in fault.message
    assert (fault.line, fault.column, fault.path) == (line, column, path)


def test_the_first_of_two_equal_keys_is_named() -> None:
    _, [fault] = read_nodes("a: 1\nb: 2\n\na: 3\n")
    assert fault.hint == "the first is on line 1"


@pytest.mark.parametrize(
    ("text", "meant"), [("2", 2), ("true", True), ("", None), ("x", "x"), ("2024-99-99", "2024-99-99")]
)
def test_resolving_a_bare_string(text: str, meant: object) -> None:
    assert resolve(text) == meant


names = st.text(alphabet="abcxyz_", min_size=1)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(alphabet="abc :#-'\"{}[]&*!|>%@$\n", max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60)
@given(st.dictionaries(names, plain, min_size=1))
def test_what_a_stock_dumper_writes_is_read_back(data: dict[str, Any]) -> None:
    assert value(yaml.safe_dump(data)) == data


@settings(max_examples=200)
@given(st.text(alphabet="a: \n-[]{}&*!|>'\"%@,?<\t#$1", max_size=30))
def test_any_text_is_a_tree_or_a_clear_error(text: str) -> None:
    try:
        node, _ = read_nodes(text)
    except YamlError as e:
        assert e.fault.message
    else:
        assert node.line >= 1


def test_a_hundred_thousand_brackets_are_refused_by_whoever_counts_first() -> None:
    """PyYAML has a limit of its own since 6.0.4."""
    with pytest.raises(YamlError) as caught:
        read_nodes("[" * 100_000)
    assert "nest" in caught.value.fault.message
