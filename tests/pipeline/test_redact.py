"""Redaction: what a pattern says of characters holds for the bytes of a line, and nothing else of a record changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.pipeline.redact import Redactor


def clean(content: bytes, *rules: tuple[str, str]) -> bytes:
    [(_, _, _, cleaned)] = Redactor(rules).apply([(7, b"t", b"stdout", content)])
    return cleaned


@pytest.mark.parametrize(
    ("content", "pattern", "replacement", "wanted"),
    [
        (b"password=hunter2 ok", r"password=\S+", "password=[redacted]", b"password=[redacted] ok"),
        (b"a=1 a=2", r"a=\d", "-", b"- -"),
        (b"card 4111-1111", r"(\d{4})-\d{4}", r"\1-****", b"card 4111-****"),
        ("naïve=größe!".encode(), r"=\w+", "=x", "naïve=x!".encode()),
        ("née Müller".encode(), r"n.e", "[born]", "[born] Müller".encode()),
        ("ÄÖ".encode(), "[äö]", "x", "ÄÖ".encode()),
        ("ÄÖ".encode(), "(?i)[äö]", "x", b"xx"),
        (b"pin 1234", r"\u0070in \d+", "→", "→".encode()),
        (b"caf\xe9 secret \xff", "secret", "s", b"caf\xe9 s \xff"),
        (b"one\ntwo", "(?m)^two$", "2", b"one\n2"),
        (b"nothing here", "secret", "s", b"nothing here"),
    ],
)
def test_matches_are_replaced(content: bytes, pattern: str, replacement: str, wanted: bytes) -> None:
    assert clean(content, (pattern, replacement)) == wanted


def test_rules_apply_one_after_the_other() -> None:
    assert clean(b"a", ("a", "b"), ("b", "c")) == b"c"


def test_position_time_and_stream_stay() -> None:
    records = [(1, b"t1", b"stdout", b"x"), (9, b"t2", b"stderr", b"secret")]
    assert Redactor([("secret", "*")]).apply(records) == [(1, b"t1", b"stdout", b"x"), (9, b"t2", b"stderr", b"*")]


def test_without_rules_there_is_nothing_to_apply() -> None:
    assert not Redactor([])
    assert Redactor([("a", "b")])


@given(st.binary())
def test_bytes_that_nothing_matches_pass_unchanged(content: bytes) -> None:
    assert clean(content, (r"\A\Znever", "x")) == content
