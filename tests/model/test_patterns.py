"""Patterns: RE2 over bytes that mean characters, words for what is wrong, and linear time whatever the pattern."""

import re
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.model.patterns import PatternError, compiled, screen, valid_utf8


@pytest.mark.parametrize(
    ("pattern", "data", "span"),
    [
        ("b+", b"abba", (1, 3)),
        ("^n.e$", "née".encode(), (0, 4)),
        ("[äö]", "xö".encode(), (1, 3)),
        ("(?i)Ä", "xä".encode(), (1, 3)),
        (r"\pL+", "=größe!".encode(), (1, 8)),
        (r"\w+", "größe".encode(), (0, 2)),
        (r"\S+", " a\u00a0b ".encode(), (1, 5)),
        ("a.b", b"a\nb", None),
        ("(?s)a.b", b"a\nb", (0, 3)),
        (r"\x{1F600}", "x😀".encode(), (1, 5)),
        ("a", b"b", None),
        (r"\Qa.b", b"xa.b", (1, 4)),
    ],
)
def test_a_pattern_is_about_characters_and_its_spans_are_bytes(
    pattern: str, data: bytes, span: tuple[int, int] | None
) -> None:
    m = compiled(pattern).search(data)
    assert (m and m.span()) == span


def test_where_a_match_may_stand() -> None:
    p = compiled("b")
    assert p.search(b"ab") is not None
    assert p.match(b"ab") is None
    assert p.match(b"ba") is not None
    assert p.fullmatch(b"ba") is None
    assert p.fullmatch(b"b") is not None


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("ab(c", "missing )"),
        ("ab)c", "unexpected )"),
        ("*a", "no argument for repetition operator: *"),
        ("a**", "bad repetition operator: ** at position 1"),
        ("a++", "no possessive quantifiers"),
        ("a{1001}", "invalid repetition size: {1001} at position 1"),
        ("a{99999999999}", "RE2 takes {99999999999} at position 1 as text"),
        ("a{,5}", "write {0,n} for up to n"),
        ("[z-a]", "invalid character class range: z-a at position 1"),
        ("x(?=y)", "(?= at position 1 is look-ahead: RE2 matches in linear time and does without it"),
        ("x(?!y)", "(?! at position 1 is look-ahead"),
        ("(?<=y)x", "(?<= at position 0 is look-behind"),
        ("(?<!y)x", "(?<! at position 0 is look-behind"),
        ("(?>y)x", "(?> at position 0 is an atomic group"),
        ("(a)(?(1)b|c)", "(?( at position 3 is a conditional"),
        (r"(a)\1", r"\1 at position 3 is a back-reference"),
        ("(?P<a>.)(?P=a)", "(?P= at position 8 is a back-reference"),
        ("(?#c)a", "(?# at position 0 is a comment"),
        ("(?x) a", "invalid perl operator: (?x at position 0"),
        (r"a\Z", r"invalid escape sequence: \Z at position 1; write \z for the end"),
        (r"\u0041", r"write \x{1F600} for a code point"),
        (r"a\C", "would match half a character"),
        ("a\\", "trailing \\"),
        ("((a{100}){100}){100}", "invalid repetition size"),
        ("a" * 9000, "is longer than 8192 characters"),
        ("\ud800", "a lone surrogate at position 0"),
    ],
)
def test_what_cannot_be_used_is_named(pattern: str, words: str) -> None:
    with pytest.raises(PatternError) as caught:
        compiled(pattern)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "repl", "data", "wanted"),
    [
        (r"(\d{4})-\d{4}", r"\1-****", b"card 4111-1111.", b"card 4111-****."),
        ("(?P<k>a)|(b)", r"<\g<k>\2>", b"abc", b"<a><b>c"),
        ("a", r"\\1\n\t", b"xa", b"x\\1\n\t"),
        ("a", "→", b"a", "→".encode()),
        ("(.)", r"\1\1", "äb".encode(), "ääbb".encode()),
        ("x*", "-", "äb".encode(), "-ä-b-".encode()),
        ("x*", "-", b"axxb", b"-a--b-"),
        (r"\b", "|", b"ab c", b"|ab| |c|"),
        ("^", "> ", b"a\nb", b"> a\nb"),
        ("(?m)^", "> ", b"a\nb", b"> a\n> b"),
        ("$", "!", b"", b"!"),
        ("a", "", b"banana", b"bnn"),
    ],
)
def test_replacing(pattern: str, repl: str, data: bytes, wanted: bytes) -> None:
    assert compiled(pattern).sub(repl.encode(), data) == wanted


@pytest.mark.parametrize(
    ("pattern", "repl", "words"),
    [
        ("a", r"\1", r"\1 is a group that the pattern does not have (it has none)"),
        ("(a)", r"\2", "it has only 1"),
        ("(?P<n>a)", r"\g<m>", r"\g<m> is a group"),
        ("a", r"\q", r"\q means nothing in a replacement; write \\ for a backslash"),
        ("a", "x\\", "means nothing"),
    ],
)
def test_replacements_that_do_not_fit(pattern: str, repl: str, words: str) -> None:
    with pytest.raises(PatternError) as caught:
        compiled(pattern).template(repl)
    assert words in str(caught.value)


@given(st.text(alphabet="abx1 ä\n"), st.sampled_from(["a+", "[ab]*", r"\d|x", "(?m)^a?", r"(a)|b", "ä"]))
def test_replacing_does_what_pythons_engine_does(text: str, pattern: str) -> None:
    assert compiled(pattern).sub(b"<>", text.encode()).decode() == re.sub(pattern, "<>", text)


def test_compiled_once() -> None:
    assert compiled("a+b") is compiled("a+b")


@pytest.mark.parametrize(
    ("patterns", "hit", "miss"),
    [
        (["secret"], b"a secret", b"a secre"),
        (["(?i)secret", "A"], b"A", b"a"),
        (["a|b", "^c$"], b"c", b"cc"),
        ([r"\Qx)", r"\Qy\E(z)"], b"yz", b"x)|(?:y".replace(b"x)", b"x]")),
        (["(?P<n>a)", "(?P<n>b)"], b"b", b"c"),
        (["(a{500}){2}", "((b|c|[^d]){30}){30}"] * 50 + ["secret"], b"secret", b"d"),
        ([], None, b"x"),
    ],
)
def test_one_question_for_many_patterns(patterns: list[str], hit: bytes | None, miss: bytes) -> None:
    any_of = screen(patterns)
    assert not any_of(miss)
    assert hit is None or any_of(hit)


@given(st.binary())
def test_valid_utf8(content: bytes) -> None:
    made = valid_utf8(content)
    assert made.decode() == content.decode("utf-8", "replace")
    if made == content:
        assert made is content


def test_a_bad_byte_hides_nothing() -> None:
    assert compiled(r"password=\S+").sub(b"*", valid_utf8(b"password=a\xffb c")) == b"* c"


def seconds(pattern: str, data: bytes) -> float:
    p = compiled(pattern)
    p.search(b"warm")
    begun = time.perf_counter()
    p.search(data)
    return time.perf_counter() - begun


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a*)*c", "(.*a){20}b"])
def test_no_pattern_runs_away(pattern: str) -> None:
    """Beside a pattern that cannot go wrong, over 1 MB on which a backtracking engine would not come back."""
    data = b"a" * (1 << 20) + b"!"
    plain = min(seconds("[^a]{2}", data) for _ in range(3))
    assert seconds(pattern, data) < max(plain, 0.002) * 2000


def test_the_engine_is_loaded_with_the_first_pattern_only() -> None:
    program = (
        "import sys, outrider.config, outrider.model.patterns as p; assert 're2' not in sys.modules;"
        "p.compiled('a'); assert 're2' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
