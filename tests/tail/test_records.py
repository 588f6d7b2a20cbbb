"""Records from lines: however the file is cut into chunks, and wherever reading begins again, the records are the same
as those of a slow oracle that sees all lines at once.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outrider.model.records import Record
from outrider.tail.exceptions import Detector, Joiner, PatternJoiner
from outrider.tail.lines import Line, recover, split
from outrider.tail.records import MAX_RECORD, PARTS_PATIENCE, Assembler, Budget, Joining
from tests.support.joining import join

CONTENTS = [
    b"",
    b"hello",
    b"Hello world",
    b"2026-01-01 INFO ready",
    b'{"severity":"ERROR","message":"x"}',
    b"  indented",
    b"Traceback (most recent call last):",
    b'  File "a.py", line 1, in f',
    b"    g()",
    b"ValueError: bad",
    b'Exception in thread "main" java.lang.IllegalStateException: no',
    b"\tat com.acme.Main.main(Main.java:1)",
    b"Caused by: java.io.IOException: disk",
    b"\t... 3 more",
    b"panic: boom",
    b"goroutine 1 [running]:",
    b"main.main()",
    b"\t/src/main.go:3 +0x1",
    b"BEGIN one",
    b"caf\xe9 \xff\xfe",
]
TRACES = [
    CONTENTS[6:10],
    CONTENTS[10:14],
    CONTENTS[14:15] + CONTENTS[:1] + CONTENTS[15:18],
    CONTENTS[18:19] + CONTENTS[1:4],
]
STRAYS = [
    b"not a container line\n",
    b"\n",
    b"{}\n",
    b'{"log": 3}\n',
    b"\0\0\0half\n",
    b"2026-05-16T09:19:06Z stdout X no\n",
]


def cri(n: int, std: bytes, tag: bytes, content: bytes) -> bytes:
    return b"2026-05-16T09:19:%02d.%09dZ %b %b %b\n" % (n // 1000 % 60, n, std, tag, content)


def docker(n: int, std: bytes, tag: bytes, content: bytes) -> bytes:
    text = content.decode(errors="replace").replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    end = "\\n" if tag == b"F" else ""
    return f'{{"log":"{text}{end}","stream":"{std.decode()}","time":"2026-05-16T09:19:06.{n:09d}Z"}}\n'.encode()


@st.composite
def raw_lines(draw: st.DrawFn, shapes: Sequence[Callable[..., bytes]] = (cri,), most: int = 40) -> list[bytes]:
    """Lines of stdout and stderr, interleaved; each of them a mixture of anything and the likes of traces."""
    said = {}
    for std in (b"stdout", b"stderr"):
        bits = st.one_of(st.sampled_from(CONTENTS).map(lambda c: [c]), st.sampled_from(TRACES))
        said[std] = [content for bit in draw(st.lists(bits, max_size=most // 4)) for content in bit][: most // 2]
    turns = draw(st.permutations([std for std, contents in said.items() for _ in contents]))
    one = st.tuples(st.sampled_from([b"F", b"F", b"F", b"P"]), st.sampled_from(shapes), st.integers(0, 15))
    lines = []
    for n, std in enumerate(turns):
        content = said[std].pop(0)
        tag, shape, odd = draw(one)
        if odd == 0:
            lines.append(STRAYS[n % len(STRAYS)])
        else:
            lines.append((b"\0" * 5 if odd == 1 else b"") + shape(n, std, tag, content))
    return lines


def oracle(lines: Sequence[bytes], joining: Joining) -> list[Record]:
    """Parts first, then traces, each of stdout and stderr by itself."""
    records: list[Record] = []
    logical: dict[bytes, list[Record]] = {b"stdout": [], b"stderr": []}
    open_: dict[bytes, tuple[int, bytes, list[bytes]]] = {}
    at, last = 0, b""
    for raw in lines:
        _, timestamp, std, tag, content = _reference(raw)
        if not tag:
            records.append((at, last, b"", content))
        else:
            last = timestamp
            first, stamp, pieces = open_.pop(std, (at, timestamp, []))
            pieces.append(content)
            if tag == b"P" and joining.partials:
                open_[std] = first, stamp, pieces
            else:
                logical[std].append((first, stamp, std, b"".join(pieces)))
        at += len(raw)
    for std, (first, stamp, pieces) in open_.items():
        logical[std].append((first, stamp, std, b"".join(pieces)))
    for whole in logical.values():
        groups = [[n] for n in range(len(whole))]
        if joining.pattern is not None or joining.exceptions:
            joiner: Joiner = Detector() if joining.pattern is None else PatternJoiner(joining.pattern)
            groups = join(joiner, [record[3] for record in whole])
        records += [(*whole[g[0]][:3], joining.separator.join(whole[n][3] for n in g)) for g in groups]
    return sorted(records)


def _reference(raw: bytes) -> Line:
    [line] = zip(*split(raw), strict=True)
    return line if line[3] else recover(raw)


def chunks(lines: Sequence[bytes], cuts: Sequence[int]) -> list[list[bytes]]:
    edges = sorted({0, len(lines), *(c % (len(lines) + 1) for c in cuts)})
    return [list(lines[a:b]) for a, b in pairwise(edges)]


JOININGS = [
    Joining(),
    Joining(partials=False),
    Joining(separator=rb"\n"),
    Joining(exceptions=False),
    Joining(partials=False, exceptions=False),
    Joining(pattern="BEGIN|[Hh]ello"),
    Joining(pattern="BEGIN", partials=False),
]


@settings(max_examples=120, deadline=None)
@given(raw_lines((cri, docker)), st.lists(st.integers(0, 40), max_size=6), st.sampled_from(JOININGS))
def test_any_chunks_give_the_records_of_the_oracle(lines: list[bytes], cuts: list[int], joining: Joining) -> None:
    expected = oracle(lines, joining)
    budget = Budget()
    assembler = Assembler(joining, budget)
    records: list[Record] = []
    at = 0
    for chunk in chunks(lines, cuts):
        records += assembler.feed(split(b"".join(chunk)), at, 0.0)
        at += sum(map(len, chunk))
        boundary = at if assembler.unfinished is None else assembler.unfinished
        missing = [r for r in expected if r not in records]
        assert all(r[0] >= boundary for r in missing)
        assert len(records) + assembler.joined <= len(lines)
    records += assembler.finish(0.0)
    assert sorted(records) == expected
    assert len(records) + assembler.joined == len(lines)
    assert assembler.unfinished is None
    assert budget.used == 0


@settings(max_examples=150, deadline=None)
@given(raw_lines(most=24), st.lists(st.integers(0, 24), max_size=4), st.sampled_from(JOININGS))
def test_a_restart_at_any_boundary_repeats_records_but_makes_no_others(
    lines: list[bytes], cuts: list[int], joining: Joining
) -> None:
    """What idea 2 of the design promises: the record of a position is the same after `kill -9`."""
    expected = oracle(lines, joining)
    first = Assembler(joining, Budget())
    at = 0
    for chunk in chunks(lines, cuts):
        first.feed(split(b"".join(chunk)), at, 0.0)
        at += sum(map(len, chunk))
        boundary = at if first.unfinished is None else first.unfinished
        second = Assembler(joining, Budget())
        second.timestamp = first.timestamp
        rest = b"".join(lines)[boundary:]
        again = list(second.feed(split(rest), boundary, 0.0)) if rest else []
        again += second.finish(0.0)
        assert sorted(again) == [r for r in expected if r[0] >= boundary]


def test_the_boundary_does_not_cut_a_finished_record_that_reaches_beyond_it() -> None:
    """A trace on stderr is whole while a cut line on stdout, begun within it, is not: the cursor waits before both."""
    lines = [
        cri(1, b"stderr", b"F", b"panic: boom"),
        cri(2, b"stderr", b"F", b""),
        cri(3, b"stdout", b"P", b"half of "),
        cri(4, b"stderr", b"F", b"goroutine 1 [running]:"),
        cri(5, b"stderr", b"F", b"main.main()"),
        cri(6, b"stderr", b"F", b"2026 next"),
    ]
    assembler = Assembler(Joining(), Budget())
    records = assembler.feed(split(b"".join(lines)), 0, 0.0)
    assert [r[3] for r in records] == [b"panic: boom\n\ngoroutine 1 [running]:\nmain.main()", b"2026 next"]
    assert assembler.unfinished == 0
    records = assembler.feed(split(cri(7, b"stdout", b"F", b"a line")), len(b"".join(lines)), 0.0)
    assert [r[3] for r in records] == [b"half of a line"]
    assert assembler.unfinished is None


def test_the_head_of_a_trace_waits_also_while_its_second_line_is_in_parts() -> None:
    lines = [
        cri(1, b"stdout", b"F", b"java.lang.IllegalStateException: no"),
        cri(2, b"stdout", b"P", b"\tat com.acme.Main.main("),
        cri(3, b"stdout", b"F", b"Main.java:1)"),
    ]
    assembler = Assembler(Joining(), Budget())
    assert not assembler.feed(split(lines[0] + lines[1]), 0, 0.0)
    records = [*assembler.feed(split(lines[2]), len(lines[0] + lines[1]), 0.0), *assembler.finish(0.0)]
    assert [r[3] for r in records] == [b"java.lang.IllegalStateException: no\n\tat com.acme.Main.main(Main.java:1)"]


# -- time -------------------------------------------------------------------------------------------------------------


def test_what_nothing_follows_goes_out_after_the_wait() -> None:
    assembler = Assembler(Joining(wait=2.0), Budget())
    assert not assembler.feed(split(cri(1, b"stderr", b"F", b"panic: boom")), 0, 100.0)
    assert not assembler.expire(101.9)
    assert [r[3] for r in assembler.expire(102.0)] == [b"panic: boom"]
    assert assembler.unfinished is None
    assert not assembler.expire(1000.0)


def test_every_line_of_a_trace_starts_the_wait_anew() -> None:
    assembler = Assembler(Joining(wait=1.0), Budget())
    at = 0
    for n, content in enumerate([b"Traceback (most recent call last):", b'  File "a.py", line 1, in f', b"    g()"]):
        line = cri(n, b"stderr", b"F", content)
        assert not assembler.feed(split(line), at, n * 0.9)
        assert not assembler.expire(n * 0.9 + 0.8)
        at += len(line)
    assert [r[3].count(b"\n") for r in assembler.expire(2.9)] == [2]


def test_a_line_after_the_wait_is_no_longer_part_of_the_trace() -> None:
    assembler = Assembler(Joining(wait=1.0), Budget())
    head, second = cri(1, b"stderr", b"F", b"panic: boom"), cri(2, b"stderr", b"F", b"goroutine 1 [running]:")
    assembler.feed(split(head), 0, 0.0)
    assembler.expire(5.0)
    assert [r[3] for r in assembler.feed(split(second), len(head), 5.0)] == [b"goroutine 1 [running]:"]


def test_announced_parts_are_waited_for_longer_than_a_trace() -> None:
    assembler = Assembler(Joining(wait=1.0), Budget())
    assembler.feed(split(cri(1, b"stdout", b"P", b"half")), 0, 0.0)
    assert not assembler.expire(PARTS_PATIENCE - 0.1)
    assert [r[3] for r in assembler.expire(float(PARTS_PATIENCE))] == [b"half"]


def test_a_trace_is_not_ended_while_parts_that_may_belong_to_it_are_coming() -> None:
    assembler = Assembler(Joining(wait=1.0), Budget())
    head = cri(1, b"stderr", b"F", b"java.lang.IllegalStateException: no")
    part, end = cri(2, b"stderr", b"P", b"\tat com.acme.Main"), cri(3, b"stderr", b"F", b".main(Main.java:1)")
    assembler.feed(split(head + part), 0, 0.0)
    assert not assembler.expire(3.0)
    records = [*assembler.feed(split(end), len(head + part), 3.0), *assembler.expire(9.0)]
    assert [r[3] for r in records] == [b"java.lang.IllegalStateException: no\n\tat com.acme.Main.main(Main.java:1)"]


# -- limits -----------------------------------------------------------------------------------------------------------


def test_an_endless_line_in_parts_is_cut_at_the_limit() -> None:
    cuts: list[None] = []
    budget = Budget(limit=1 << 40)
    assembler = Assembler(Joining(), budget, lambda: cuts.append(None))
    part = cri(1, b"stdout", b"P", b"x" * (1 << 20))
    records: list[Record] = []
    for n in range(20):
        records += assembler.feed(split(part), n * len(part), 0.0)
        assert budget.used <= MAX_RECORD + (1 << 20)
    records += assembler.finish(0.0)
    assert len(cuts) == 2
    assert sum(len(r[3]) for r in records) == 20 << 20
    assert len(records) + assembler.joined == 20
    assert [r[0] // len(part) for r in records] == [0, 9, 18]


@pytest.mark.parametrize(
    ("first", "next_"),
    [
        (cri(1, b"stdout", b"P", b"x" * 100_000), cri(2, b"stdout", b"P", b"y" * 100_000)),
        (cri(1, b"stdout", b"F", b"panic: boom" + b"x" * 300_000), cri(2, b"stdout", b"F", b"")),
    ],
)
def test_long_records_are_cut_early_when_the_budget_is_used_up(first: bytes, next_: bytes) -> None:
    cuts: list[None] = []
    budget = Budget(limit=1000)
    assembler = Assembler(Joining(), budget, lambda: cuts.append(None))
    records = [*assembler.feed(split(first + next_ * 5), 0, 0.0), *assembler.finish(0.0)]
    assert cuts
    assert budget.used == 0
    assert len(records) + assembler.joined == 6


def test_short_records_are_never_cut_by_a_budget_that_others_use_up() -> None:
    assembler = Assembler(Joining(), Budget(limit=1000, used=10**9), pytest.fail)
    lines = [cri(1, b"stdout", b"P", b"a"), cri(2, b"stdout", b"P", b"b"), cri(3, b"stdout", b"F", b"c")]
    assert [r[3] for r in assembler.feed(split(b"".join(lines)), 0, 0.0)] == [b"abc"]


# -- lines without a time ---------------------------------------------------------------------------------------------


def test_a_line_that_no_runtime_wrote_gets_the_time_of_the_line_before() -> None:
    before, trace = cri(1, b"stdout", b"F", b"2026 one"), cri(2, b"stderr", b"F", b"panic: boom")
    chunk = b"first\n" + before + b"second\n" + trace + b"third\n"
    assembler = Assembler(Joining(), Budget())
    records = sorted([*assembler.feed(split(chunk), 0, 0.0), *assembler.finish(0.0)])
    assert [(r[1][-4:], r[2], r[3]) for r in records] == [
        (b"", b"", b"first"),
        (b"001Z", b"stdout", b"2026 one"),
        (b"001Z", b"", b"second"),
        (b"002Z", b"stderr", b"panic: boom"),
        (b"002Z", b"", b"third"),
    ]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=20))
def test_any_bytes_are_records_and_none_is_lost(contents: list[bytes]) -> None:
    lines = [c.replace(b"\n", b"?") + b"\n" for c in contents]
    assembler = Assembler(Joining(), Budget())
    records = [*assembler.feed(split(b"".join(lines)), 0, 0.0), *assembler.finish(0.0)]
    assert len(records) + assembler.joined == len(lines)
