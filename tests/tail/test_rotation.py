"""The rotation machine as a table: what is seen, look by look, and what has to be done about it.

A file is written as `path=generation` (`?`: its first line is not complete), `@n` behind it is the inode (else one
that follows from the generation and kind), `path.gz` is compressed, `0.log` is the live one, `hold/…` a link of ours. A
generation's letter is its key: `a` was begun before `b`. Commands are written `open a`, `bind a 0.log.1`, `close a`,
`reopen a`, `gone a`.
"""

import pytest

from outrider.tail.head import Head
from outrider.tail.rotation import Close, Command, Gone, Open, Rebind, Reopen, Rotation, Seen

TABLE: list[tuple[str, list[tuple[str, str]]]] = [
    ("born empty", [("0.log=?", ""), ("0.log=a", "open a")]),
    ("first line half-written", [("0.log=?", ""), ("0.log=?", ""), ("0.log=a", "open a"), ("0.log=a", "")]),
    ("nothing at all", [("", ""), ("", "")]),
    ("rename before reopen: still growing", [
        ("0.log=a", "open a"),
        ("0.log.1=a", "bind a 0.log.1"),
        ("0.log.1=a", ""),
        ("0.log.1=a 0.log=?", "close a"),
        ("0.log.1=a 0.log=b", "open b"),
    ]),
    ("rename and a new live file at once", [
        ("0.log=a", "open a"),
        ("0.log.1=a 0.log=b", "bind a 0.log.1, open b, close a"),
    ]),
    ("the runtime could not reopen: kubelet renames back", [
        ("0.log=a", "open a"),
        ("0.log.1=a", "bind a 0.log.1"),
        ("0.log=a", "bind a 0.log"),
    ]),
    ("renamed back over a new file", [
        ("0.log=a", "open a"),
        ("0.log.1=a 0.log=?", "bind a 0.log.1, close a"),
        ("0.log=a", "bind a 0.log, reopen a"),
        ("0.log.2=a 0.log=b", "bind a 0.log.2, open b, close a"),
    ]),
    ("several rotations missed", [
        ("0.log=a", "open a"),
        ("0.log.1.gz=a 0.log.2.gz=b 0.log.3=c 0.log=d",
         "bind a 0.log.1.gz, open b, open c, open d, close a, close b, close c"),
    ]),
    ("found with rotations", [("0.log.1.gz=a 0.log.2=b 0.log=c", "open a, open b, open c, close a, close b")]),
    ("compressed beside the plain one, then alone", [
        ("0.log.1=a 0.log=b", "open a, open b, close a"),
        ("0.log.1=a 0.log.1.gz=a 0.log=b", ""),
        ("0.log.1.gz=a 0.log=b", "bind a 0.log.1.gz"),
        ("0.log.1.gz=a 0.log=b", ""),
    ]),
    ("the oldest rotation is deleted", [
        ("0.log.1=a 0.log=b", "open a, open b, close a"),
        ("0.log=b", "gone a"),
        ("0.log=b", ""),
    ]),
    ("copytruncate: the copy while it is made, then empty, then refilled", [
        ("0.log=a@7", "open a"),
        ("0.log=a@7 0.log.1=a@8", ""),
        ("0.log=?@7 0.log.1=a@8", "bind a 0.log.1, close a"),
        ("0.log=b@7 0.log.1=a@8", "open b"),
    ]),
    ("copytruncate twice, the copies move up", [
        ("0.log=b@7 0.log.1=a@8", "open a, open b, close a"),
        ("0.log=c@7 0.log.1=b@9 0.log.2=a@8", "bind a 0.log.2, bind b 0.log.1, open c, close b"),
    ]),
    ("truncated without a copy", [("0.log=a@7", "open a"), ("0.log=?@7", "gone a"), ("0.log=b@7", "open b")]),
    ("truncated and refilled between two looks", [("0.log=a@7", "open a"), ("0.log=b@7", "open b, gone a")]),
    ("deleted", [("0.log=a", "open a"), ("", "gone a"), ("", "")]),
    ("deleted, and another one in its inode", [("0.log=a@7", "open a"), ("0.log=b@7", "open b, gone a")]),
    ("rotated, and the live one in the inode of the oldest, deleted", [
        ("0.log.1=a@7 0.log=b@8", "open a, open b, close a"),
        ("0.log.2=b@8 0.log=c@7", "bind b 0.log.2, open c, gone a, close b"),
    ]),
    ("vanishing and coming back", [("0.log=a", "open a"), ("", "gone a"), ("0.log=a", "bind a 0.log")]),
    ("vanishing and coming back as a rotation", [
        ("0.log=a", "open a"),
        ("0.log=b", "open b, gone a"),
        ("0.log.1=a 0.log=b", "bind a 0.log.1, close a"),
    ]),
    ("the live one vanishes: its rotation does not grow again", [
        ("0.log.1=a 0.log=b", "open a, open b, close a"),
        ("0.log.1=a", "gone b"),
        ("0.log.1=a 0.log=b", "bind b 0.log"),
    ]),
    ("several rotations missed, and the last of them not complete yet", [
        ("0.log=a", "open a"),
        ("0.log.1=a 0.log.2=b", "bind a 0.log.1, open b, close a"),
        ("0.log.1=a 0.log.2=b 0.log=c", "open c, close b"),
    ]),
    ("a dead container: rotations only, the newest may grow", [
        ("0.log.1.gz=a 0.log.2=b", "open a, open b, close a"),
        ("0.log.1.gz=a 0.log.2=b", ""),
    ]),
    ("a dead container of which only compressed files are left: they do not grow", [
        ("0.log.1.gz=a 0.log.2.gz=b", "open a, open b, close a, close b"),
    ]),
    ("the clock went back: the live one has the smaller key", [
        ("0.log=c", "open c"),
        ("0.log.1=c 0.log=b", "open b, bind c 0.log.1, close c"),
        ("0.log.1=c 0.log.2=b", "bind b 0.log.2"),
        ("0.log.1=c 0.log.2=b 0.log=?", "close b"),
        ("0.log.1=c 0.log.2=b 0.log=a", "open a"),
    ]),
    ("renamed with half a first line", [
        ("0.log=?", ""),
        ("0.log.1=? 0.log=b", "open b"),
        ("0.log.1=a 0.log=b", "open a, close a"),
    ]),
    ("the same file under two names", [("0.log=a@7 0.log.1=a@7", "open a")]),
    ("deleted, and held", [
        ("0.log.1=a 0.log=b", "open a, open b, close a"),
        ("hold/a=a 0.log=b", "bind a hold/a"),
        ("0.log=b", "gone a"),
    ]),
    ("compressed, and held plain until there is no room", [
        ("0.log.1=a 0.log=b", "open a, open b, close a"),
        ("hold/a=a 0.log.1.gz=a 0.log=b", "bind a hold/a"),
        ("0.log.1.gz=a 0.log=b", "bind a 0.log.1.gz"),
        ("hold/a.gz=a 0.log=b", "bind a hold/a.gz"),
    ]),
    ("the pod is deleted: what is held does not grow", [
        ("0.log.1=a 0.log=b", "open a, open b, close a"),
        ("hold/a=a hold/b=b", "bind a hold/a, bind b hold/b, close b"),
        ("hold/b=b", "gone a"),
        ("", "gone b"),
    ]),
    ("found in the hold alone", [("hold/a=a hold/b=b", "open a, open b, close a, close b")]),
    ("held, and back in the tree", [
        ("0.log=a", "open a"),
        ("hold/a=a", "bind a hold/a, close a"),
        ("0.log=a", "bind a 0.log, reopen a"),
    ]),
    ("a copy of kubelet's goes before ours", [
        ("hold/a=a@7 0.log=b", "open a, open b, close a"),
        ("hold/a=a@7 0.log.1=a@8 0.log=b", "bind a 0.log.1"),
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("looks"), [row[1] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_is_seen_and_what_is_done(looks: list[tuple[str, str]]) -> None:
    machine = Rotation()
    for seen, expected in looks:
        commands = machine.observe([_seen(f) for f in seen.split()])
        assert ", ".join(map(_text, commands)) == expected, seen


@pytest.mark.parametrize(("looks"), [row[1] for row in TABLE], ids=[row[0] for row in TABLE])
def test_the_order_in_which_files_are_listed_does_not_matter(looks: list[tuple[str, str]]) -> None:
    machine = Rotation()
    for seen, expected in looks:
        commands = machine.observe([_seen(f) for f in reversed(seen.split())])
        assert sorted(map(_text, commands)) == sorted(expected.split(", ") if expected else [])


def test_opens_and_rebinds_come_before_what_ends_a_generation() -> None:
    """A reader that hears of an end must find the next file ready."""
    machine = Rotation()
    machine.observe([_seen("0.log=a"), _seen("0.log.1=z")])
    commands = machine.observe([_seen("0.log=c"), _seen("0.log.2=a")])
    kinds = [type(c) for c in commands]
    assert kinds == [Rebind, Open, Close, Gone] or kinds == [Rebind, Open, Gone, Close]


def test_a_forgotten_generation_is_new_when_it_comes_back() -> None:
    machine = Rotation()
    machine.observe([_seen("0.log=a")])
    machine.observe([])
    machine.forget("a")
    machine.forget("never known")
    assert [_text(c) for c in machine.observe([_seen("0.log=a")])] == ["open a"]


def _seen(text: str) -> Seen:
    path, _, rest = text.partition("=")
    key, _, inode = rest.partition("@")
    gz = path.endswith(".gz")
    head = None if key == "?" else Head(key, b"", b"")
    return Seen(path, int(inode or 2 * sum(key.encode()) + gz), head, path == "0.log", gz, path.startswith("hold/"))


def _text(command: Command) -> str:
    match command:
        case Open(seen):
            return f"open {seen.head.key if seen.head else None}"
        case Rebind(key, seen):
            return f"bind {key} {seen.path}"
        case Close(key):
            return f"close {key}"
        case Reopen(key):
            return f"reopen {key}"
        case Gone(key):
            return f"gone {key}"
