"""Stack traces become one record each, ordinary lines stay alone, and the screen changes nothing.

`traces/<language>-<what>.txt` hold one whole trace each. M1 to M10 are the facts that the tests of
fluent-plugin-detect-exceptions establish (M9, a record without a message, is a `reset` by the caller here).
"""

import random
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.model.patterns import PatternError
from outrider.tail.exceptions import (
    ALONE,
    END,
    INSIDE,
    START,
    Detector,
    PatternJoiner,
    may_follow_start,
    may_start,
)
from outrider.tail.grammars import GRAMMARS, second_line_patterns
from tests.support.joining import join, join_screened

TRACES = {
    path.stem: path.read_bytes().removesuffix(b"\n").split(b"\n")
    for path in sorted((Path(__file__).parent / "traces").glob("*.txt"))
}
LANGUAGES = ("java", "javascript", "csharp", "python", "php", "go", "ruby", "dart")
TEXT = [b"This is arbitrary text.", b"It sounds tympanic: a word like a drum.", b"", b"Nothing failed here."]
PLAIN = [
    *TEXT,
    b"2026-03-04T09:12:44.118Z INFO request served in 12 ms",
    b"I0304 09:12:44.118031       1 controller.go:102] synced",
    b'time="2026-03-04T09:12:44Z" level=info msg="tick"',
    b'{"severity":"ERROR","message":"java.lang.IllegalStateException: no\\n\\tat a.B.c(B.java:1)"}',
    b'10.1.2.3 - - [04/Mar/2026:09:12:44 +0000] "GET / HTTP/1.1" 200 612',
    b"    indented: yaml",
    b"\tindented by a tab",
    b"Error: no such key",
    b"  ",
    b"",
]
JAVA = TRACES["java-plain"]
PYTHON = TRACES["python-plain"]
GO = TRACES["go-goroutines"]


def language_of(name: str) -> str:
    return name.partition("-")[0]


def sizes(groups: list[list[int]]) -> list[int]:
    return [len(group) for group in groups]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_several_traces(language: str) -> None:
    assert sum(language_of(name) == language for name in TRACES) >= 4


@pytest.mark.parametrize("name", TRACES)
@pytest.mark.parametrize("alone", [True, False], ids=["own", "all"])
@pytest.mark.parametrize("ending", [b"", b"\r"], ids=["lf", "crlf"])
def test_trace_is_one_record(name: str, alone: bool, ending: bytes) -> None:
    trace = [line + ending for line in TRACES[name]]
    detector = Detector([language_of(name)] if alone else None)
    assert sizes(join(detector, [b"before", *trace, b"2026 after", *trace])) == [1, len(trace), 1, len(trace)]


@pytest.mark.parametrize("name", TRACES)
def test_trace_statuses(name: str) -> None:
    detector = Detector()
    first, *rest = [detector.feed(line) for line in TRACES[name]]
    assert first == START
    assert set(rest[:-1]) <= {INSIDE}
    assert detector.active == (rest[-1] == INSIDE)


@pytest.mark.parametrize(
    "name", ["php-on-gae", "php-8-error", "php-8-next", "javascript-node-fields", "javascript-node-cause"]
)
def test_trace_that_shows_its_own_end(name: str) -> None:
    detector = Detector()
    assert [detector.feed(line) for line in TRACES[name]][-1] == END
    assert not detector.active


@pytest.mark.parametrize("name", [name for name in TRACES if language_of(name) not in ("dart", "ruby")])
def test_same_trace_twice_is_two_records(name: str) -> None:
    trace = TRACES[name]
    assert sizes(join(Detector(), trace * 2)) == [len(trace)] * 2


FAMILY = {"java": "java", "javascript": "java", "csharp": "java"}


@pytest.mark.parametrize("name", TRACES)
def test_other_languages_do_not_join_it_whole(name: str) -> None:
    own = FAMILY.get(language_of(name), language_of(name))
    others = [language for language in LANGUAGES if FAMILY.get(language, language) != own]
    assert len(join(Detector(others), TRACES[name])) > 1


@pytest.mark.parametrize("alias", ["js", "py", "rb", "ALL", "Java"])
def test_names_of_languages(alias: str) -> None:
    name = {"js": "javascript-v8", "py": "python-plain", "rb": "ruby-indented"}.get(alias, "java-plain")
    assert len(join(Detector([alias]), TRACES[name])) == 1


def test_unknown_language_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"unknown language 'cobol': one of java, javascript, js, csharp, python"):
        Detector(["go", "cobol"])


@pytest.mark.parametrize("line", PLAIN)
def test_ordinary_line_stands_alone(line: bytes) -> None:
    assert join(Detector(), [b"text", line, b"text"]) == [[0], [1], [2]]


@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        (None, [len(JAVA), 1, 1, 1, 1, len(PYTHON), len(GO)]),
        (["go"], [1] * (len(JAVA) + 4 + len(PYTHON)) + [len(GO)]),
        (["python"], [1] * (len(JAVA) + 4) + [len(PYTHON)] + [1] * len(GO)),
        (["ruby"], [1] * (len(JAVA) + 4 + len(PYTHON) + len(GO))),
    ],
    ids=["M1 all", "M2 go", "M3 python", "none of them"],
)
def test_languages_mixed(languages: list[str] | None, expected: list[int]) -> None:
    assert sizes(join(Detector(languages), [*JAVA, *TEXT, *PYTHON, *GO])) == expected


def test_m4_max_lines() -> None:
    assert sizes(join(Detector(max_lines=3), JAVA)) == [3] + [1] * (len(JAVA) - 3)


@pytest.mark.parametrize(("short", "first"), [(0, 4), (1, 3)])
def test_m5_max_bytes(short: int, first: int) -> None:
    limit = len(b"\n".join(JAVA[:4])) - short
    assert sizes(join(Detector(max_bytes=limit), JAVA)) == [first] + [1] * (len(JAVA) - first)


def test_m5_line_that_is_too_much_may_begin_a_trace_of_its_own() -> None:
    lines = [b"a.AError: x", b"\tat a.B.c(B.java:1)", b"Caused by: a.DError: y", b"\tat a.E.f(E.java:1)"]
    assert sizes(join(Detector(max_bytes=len(b"\n".join(lines[:3])) - 1), lines)) == [2, 2]


def test_default_limits_are_those_of_the_legacy_agent() -> None:
    frame = b"\tat a.B.c(B.java:1)"
    assert sizes(join(Detector(), [b"a.AError: x"] + [frame] * 1500)) == [1000] + [1] * 501
    wide = b"\tat " + b"x" * 99_995
    assert sizes(join(Detector(), [b"a.AError: x"] + [wide] * 6)) == [5, 1, 1]


def test_limit_of_one_line_is_refused() -> None:
    with pytest.raises(ValueError, match="max_lines is 1"):
        Detector(max_lines=1)


@pytest.mark.parametrize("line", [PLAIN[7], b'{"error":"x.SomeError:', b'{"a":"panic: b"}'])
def test_m6_json_never_begins_a_trace(line: bytes) -> None:
    assert not may_start(line)
    assert join(Detector(), [line, b"\tat a.B.c(B.java:1)", b"", b"goroutine 1 [running]:"]) == [[0], [1], [2], [3]]


def test_m7_pause_splits_where_the_caller_resets() -> None:
    detector = Detector()
    assert [detector.feed(line) for line in JAVA[:3]] == [START, INSIDE, INSIDE]
    detector.reset()
    assert not detector.active
    assert [detector.feed(line) for line in JAVA[3:]] == [ALONE] * len(JAVA[3:])


def test_m8_streams_are_joined_separately() -> None:
    stdout, stderr = Detector(), Detector()
    pairs = list(zip(JAVA, GO, strict=False))
    statuses = [(stdout.feed(one), stderr.feed(two)) for one, two in pairs]
    assert statuses == [(START, START)] + [(INSIDE, INSIDE)] * (len(pairs) - 1)


def test_m10_max_lines_over_two_languages() -> None:
    java = [b"a.SomeException: bad", *[b"\tat a.B.c(B.java:1)"] * 3, b"Caused by: a.OtherException", *JAVA[1:3]]
    assert sizes(join(Detector(max_lines=2), [*PYTHON, *java])) == [2, 1, 1, 1, 1, 2, 1, 1, 2, 1]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        # A head alone, a head behind a head, and a foreign line that is itself a head.
        ([b"x.YError: a", b"text"], [1, 1]),
        ([b"x.YError: a", b"x.YError: b", b"\tat c(D.java:1)"], [1, 2]),
        ([b"Traceback (most recent call last):", b"x.YError: b", b"\tat c(D.java:1)"], [1, 2]),
        # Only literal dots leave frames out.
        ([b"x.YError: a", b"and 3 more"], [1, 1]),
        # What follows the last line of a Python traceback is foreign, even when it looks like one more.
        ([*PYTHON, b"IndexError: text"], [len(PYTHON), 1]),
        # A head that Java knows too is followed in the other grammar.
        ([b"panic: a.FooError: b", b"", b"goroutine 1 [running]:"], [3]),
        ([b"Foo::BarError (Baz::Error: nil):", b"  ", b"app/a.rb:1:in `b'"], [3]),
        # Rules of the source that no trace in the folder needs.
        ([b"a.BException: c;", b"nested exception is:", b"d.EError: f", b"\tat g"], [4]),
        ([b"a.BException: c;", b"nested exception is:", b"d.EThrowable: f", b"\tat g"], [4]),
        ([b"a.BException: c;", b"nested exception is:", b"V8 errors stack trace:", b"\tat g"], [4]),
        ([b"a.BException: c;", b"nested exception is:", b"d.E: f", b"\tat g"], [2, 1, 1]),
        ([b"a.BException: c", b"--- End of stack trace from previous location ---", b"   at g"], [3]),
        ([b"PHP Notice:  a", b"Stack trace:", b"#0 {main}"], [3]),
        ([b"PHP Parse error:  a", b"Stack trace:", b"#0 {main}"], [3]),
        ([b"PHP Fatal error:  a", b"Stack trace:", b"#0 {main}"], [3]),
        ([b"PHP Warning:  a", b"Stack trace:", b"#0 {main}"], [3]),
        ([b"PHP Deprecated:  a", b"Stack trace:", b"#0 {main}"], [1, 1, 1]),
        ([b"exception 'A' with message 'b'", b"Stack trace:", b"#0 {main}"], [3]),
        # A class of Dart that is named like no error.
        ([b"Unhandled exception:", b"Failure: a", b"#0 main (a.dart)"], [1, 1, 1]),
        # The group that was raised while another exception was handled.
        (
            [
                *PYTHON,
                b"",
                b"During handling of the above exception, another exception occurred:",
                b"",
                *TRACES["python-group"],
            ],
            [len(PYTHON) + 3 + len(TRACES["python-group"])],
        ),
        # JSON inside a trace is what the trace's grammar says.
        ([b"Unhandled exception:", b"FormatException: a", b"{b}", b"^", b"", b"#0 main (a.dart)"], [6]),
        ([b"x.YError: a", b'{"a":1}'], [1, 1]),
    ],
)
def test_transitions(lines: list[bytes], expected: list[int]) -> None:
    assert sizes(join(Detector(), lines)) == expected


LINES = sorted({line for trace in TRACES.values() for line in trace} | set(PLAIN))


def mutate(line: bytes, random: random.Random) -> bytes:
    """The line with something cut out, put in, or at its end."""
    at = random.randrange(len(line) + 1)
    return random.choice(
        [
            line[:at],
            line[at:],
            line[:at] + random.choice(LINES) + line[at:],
            line[:at] + random.randbytes(2) + line[at + 1 :],
            line + b"\r",
            b"{" + line,
        ]
    )


@st.composite
def logs(draw: st.DrawFn) -> list[bytes]:
    """A stretch of a log: pieces of traces, ordinary lines, and both of them damaged."""
    random = draw(st.randoms(use_true_random=False))
    lines: list[bytes] = []
    for _ in range(draw(st.integers(1, 12))):
        trace = random.choice(list(TRACES.values()))
        head = random.randrange(2) * random.randrange(len(trace))
        lines += random.choice([trace, trace[head : head + 4], trace[:2], [random.choice(LINES)], PLAIN])
    return [mutate(line, random) if random.random() < 0.1 else line for line in lines]


@settings(max_examples=300, deadline=None)
@given(
    logs(),
    st.sampled_from([None, ["go"], ["java", "python"], ["ruby", "dart", "php"]]),
    st.sampled_from([(1000, 500_000), (2, 500_000), (5, 300), (1000, 120)]),
)
def test_screen_changes_no_group(lines: list[bytes], languages: list[str] | None, limits: tuple[int, int]) -> None:
    expected = join(Detector(languages, *limits), lines)
    assert join_screened(Detector(languages, *limits), lines)[0] == expected
    assert sorted(number for group in expected for number in group) == list(range(len(lines)))


@pytest.mark.parametrize("head", sorted({trace[0] for trace in TRACES.values()}))
def test_what_follows_a_head_passes_the_screen(head: bytes) -> None:
    for line in LINES:
        detector = Detector()
        assert detector.feed(head) == START
        assert may_start(head)
        if detector.feed(line) >= INSIDE:
            assert may_follow_start(line)
            assert may_follow_start(line + b"\r")


@pytest.mark.parametrize("pattern", second_line_patterns())
def test_no_second_line_is_screened_out(pattern: bytes) -> None:
    @settings(max_examples=60, deadline=None)
    @given(st.from_regex(re.compile(pattern)))
    def passes(line: bytes) -> None:
        assert may_follow_start(line)

    passes()


def test_ordinary_lines_are_hardly_ever_fed() -> None:
    lines = [b"2026-03-04T09:12:44.118Z ERROR some.Error: text", *PLAIN[4:10]] * 100
    groups, fed = join_screened(Detector(), lines)
    assert sizes(groups) == [1] * len(lines)
    assert fed == 0


@settings(deadline=None)
@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(LINES))), st.sampled_from([*GRAMMARS, r"\d"]))
def test_any_bytes_get_a_status(lines: list[bytes], how: str) -> None:
    joiner = Detector([how], max_bytes=200) if how in GRAMMARS else PatternJoiner(how, max_bytes=200)
    for line in lines:
        open_before = joiner.active
        status = joiner.feed(line)
        assert status in ((ALONE, START, INSIDE, END) if open_before else (ALONE, START))
        assert joiner.active == (status in (START, INSIDE))
        may_follow_start(line)


LONG = 1 << 18
HEADS = [b"x", *sorted({trace[0] for trace in TRACES.values()}), GO[0], b"Unhandled exception:"]


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    "unit",
    [
        b"Error (",
        b"::A (",
        b" in /a:1",
        b":1:in `",
        b":1:in 'a)",
        b"exception 'a",
        b"a.",
        b"A",
        b"(",
        b"1",
        b" ",
        b"\t",
        b"#1 (",
        b"'a':",
        b"goroutine 1 [",
        b"at {",
        b"^",
        b"--- End of stack trace from previous location ",
        b"\r",
    ],
)
def test_no_line_takes_quadratic_time(unit: bytes) -> None:
    body = unit * (LONG // len(unit))
    for line in (body, b"#1 " + body, b" " + body + b")", b"'" + body, b"goroutine 1 " + body, body + b"):"):
        may_follow_start(line)
        for second in (b"\tat x", b"#0 x", b"  File x", b"    x"):
            join(Detector(max_bytes=1 << 30), [b"Traceback (most recent call last):", second, line, line])
        join(Detector(max_bytes=1 << 30), [b"Unhandled exception:", line, line, b"panic: ", line, line])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"1.first", b"second", b"2. first line"], [2, 1]),
        ([b"no match 1", b"no match 2", b"3. START", b"more", b"4. START"], [1, 1, 2, 1]),
        ([b"no match", b"none", b"neither"], [1, 1, 1]),
        ([b"see 1.", b"1. x", b"see 2."], [1, 2]),
        ([b"1. x", b"", b"y", b"   "], [4]),
        ([b"1. x", b'{"message":"y"}', b"z"], [1, 1, 1]),
        ([b"1. request body:", b"{", b'  "a": 1', b"}"], [4]),
    ],
)
def test_pattern_marks_the_first_line(lines: list[bytes], expected: list[int]) -> None:
    assert sizes(join(PatternJoiner(r"[0-9]+\."), lines)) == expected


def test_pattern_obeys_the_limits() -> None:
    lines = [b"1. x", b"a", b"b", b"c", b"2. y", b"d"]
    assert sizes(join(PatternJoiner(r"\d", max_lines=3), lines)) == [3, 1, 2]
    assert sizes(join(PatternJoiner(r"\d", max_bytes=6), lines)) == [2, 1, 1, 2]


def test_pattern_of_text_beyond_ascii() -> None:
    assert sizes(join(PatternJoiner("Früh"), ["Früh am Tag".encode(), b"x", "Früh".encode()])) == [2, 1]


def test_pattern_beside_bytes_that_are_no_text() -> None:
    assert sizes(join(PatternJoiner(r"\S+ start"), [b"a\xffb start", b"x", b"\xff start"])) == [2, 1]


def test_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(PatternError, match="missing"):
        PatternJoiner("(")
