"""What the pods of the benchmark print: templates of CRI lines, made by chance from a seed.

A template is a line of a log with three places left open, in this order: the runtime's time, the program's own time,
and the line's number. Making a template costs some microseconds, filling it in a fraction of one, so a load is made
of some thousand templates per file that are filled in again and again; they lie far enough apart (a megabyte) that no
compressor sees one twice.

Every other container writes text (logback and access logs, one in twenty klog), the others JSON as Google's libraries
write it, with 2 % of the other kind in each (what a server prints before its logger is set up); 300 to 350 bytes a
line. Where lines are to be joined, 2 % of the lines are parts (P … F, two or three to an item) and 1 % belong to stack
traces of Java and Python. The parts are as short as other lines, and not 16 KiB as a runtime makes them, so that jobs
with and without them can be compared by the line.

Every line carries `seq=<file>-<number>`, by which the sink knows it again. One cannot: the head of a Python trace has
to stand alone, so it shares the number of the line after it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import orjson

MIXES = ("mixed", "text", "json")
CUT, TRACES = 0.02 / 2.5, 0.01 / 7
"""Shares of the items, in a load whose lines are to be joined: 2 % and 1 % of the lines."""
STRAYS = 0.02
"""Share of the items of a container that are not of its kind."""
TIME, OWN, NUMBER = b"%b", b"%b", b"%d"
NO_TIME, NO_NUMBER = b"%.0b", b"%.0r"
"""Places that take their value and print nothing."""
_PATHS = ("/", "/cart", "/checkout", "/products/42", "/products/1007", "/search/saddle", "/api/v1/orders/783")
_WORDS = ("saddle", "stirrup", "bridle", "lantern", "harness", "wagon", "axle", "spur", "blanket", "bell")
_AGENTS = ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0)", "curl/8.5.0", "okhttp/4.12.0", "kube-probe/1.31")


@dataclass(frozen=True, slots=True)
class Item:
    """What is printed in one go: `lines` with their newlines and their open places. `kind` is text, json, cut or
    trace.
    """

    kind: str
    lines: list[bytes]
    unnumbered: bool = False
    """The first line prints no number."""


def _open(text: str) -> bytes:
    """A template of `text`, in which @T stands for the program's time and @N for the number."""
    return text.encode().replace(b"%", b"%%").replace(b"@T", OWN).replace(b"@N", NUMBER)


def _line(std: str, tag: str, content: bytes) -> bytes:
    return b"%b %b %b %b\n" % (TIME, std.encode(), tag.encode(), content)


def _hex(chance: random.Random, digits: int) -> str:
    return f"{chance.getrandbits(digits * 4):0{digits}x}"


def _logback(file: int, chance: random.Random) -> str:
    level = chance.choices(("DEBUG", "INFO", "WARN"), (10, 84, 6))[0]
    word = chance.choice(_WORDS) if chance.random() > 0.04 else "Brüstung"
    return (
        f"@T {level:>5} 1 --- [exec-{chance.randrange(1, 9)}] c.acme.ledger.PostingService : posted entry of "
        f"{chance.randrange(1, 90_000) / 100:.2f} EUR for {word} account=acc-{chance.randrange(99999):05d} "
        f"order={chance.getrandbits(40)} took={chance.randrange(1, 400)}ms trace={_hex(chance, 16)} seq={file}-@N"
    )


def _access(file: int, chance: random.Random) -> str:
    return (
        f"10.8.{chance.randrange(4)}.{chance.randrange(2, 250)} - - [@T] "
        f'"GET {chance.choice(_PATHS)} HTTP/1.1" {chance.choice((200, 200, 200, 204, 304, 404, 500))} '
        f'{chance.randrange(90_000)} "-" "{chance.choice(_AGENTS)}" rt={chance.random():.3f} '
        f"upstream=10.8.7.{chance.randrange(250)}:8080 id={_hex(chance, 24)} seq={file}-@N"
    )


def _klog(file: int, chance: random.Random) -> str:
    return (
        f'I0516 09:19:06.315692       1 authorize.go:{chance.randrange(20, 180)}] "Authorized payment" at="@T" '
        f'account="acc-{chance.randrange(9999):04d}" took="{chance.randrange(2, 90)}ms" seq={file}-@N'
    )


_TEXTS: tuple[Callable[[int, random.Random], str], ...] = (_logback, _access)


def _text(file: int, chance: random.Random) -> str:
    where = f" request={_hex(chance, 32)} region=europe-north1-{chance.choice('abc')} shard={chance.randrange(64)}"
    if file % 20 == 18:
        return _klog(file, chance) + where
    return chance.choices(_TEXTS, (60, 40))[0](file, chance) + where


def _json(file: int, chance: random.Random) -> str:
    status = chance.choices((200, 204, 302, 404, 429, 500, 503), (70, 5, 8, 9, 3, 3, 2))[0]
    path = chance.choice(_PATHS)
    request = {
        "requestMethod": "POST" if path.startswith("/api") else "GET",
        "requestUrl": path,
        "status": status,
        "latency": f"{chance.lognormvariate(-3.5, 0.8):.6f}s",
        "remoteIp": f"10.8.{chance.randrange(4)}.{chance.randrange(2, 250)}",
    }
    fields = {
        "severity": "ERROR" if status >= 500 else "WARNING" if status >= 400 else "INFO",
        "time": "@T",
        "message": f"{request['requestMethod']} {path} {status}",
        "line": f"seq={file}-@N",
        "httpRequest": request,
        "logging.googleapis.com/trace": f"projects/acme/traces/{_hex(chance, 32)}",
        "cart": chance.getrandbits(30),
        "fresh": chance.random() < 0.5,
    }
    return orjson.dumps(fields).decode()


def _cut(file: int, chance: random.Random) -> list[bytes]:
    """A JSON line in two or three parts; each has a number within the text of a field, so that the whole is JSON."""
    notes = [f"note seq={file}-@N {chance.choice(_WORDS)} {_hex(chance, 60)}" for _ in range(chance.randrange(1, 3))]
    head = _json(file, chance).removesuffix("}") + ',"note":"'
    parts = [_line("stdout", "P", _open(head))]
    parts += [_line("stdout", "P", NO_TIME + _open(note)) for note in notes[:-1]]
    return [*parts, _line("stdout", "F", NO_TIME + _open(notes[-1] + '"}'))]


def _java_trace(chance: random.Random) -> list[str]:
    at = f"\tat com.acme.ledger.Posting.step(Posting.java:{chance.randrange(20, 400)})"
    return [
        f"java.lang.IllegalStateException: account {chance.randrange(9999)} is locked",
        *[f"{at} ~[ledger-{_hex(chance, 8)}.jar:{n}]" for n in range(chance.randrange(2, 6))],
        f"Caused by: java.sql.SQLTransientException: lock wait timeout after {chance.randrange(1, 50)} s",
        f"\tat org.postgresql.jdbc.PgStatement.execute(PgStatement.java:{chance.randrange(300, 500)})",
        "\t... 27 common frames omitted",
    ]


def _python_trace(chance: random.Random) -> list[str]:
    return [
        "Traceback (most recent call last):",
        '  File "/app/fraud/worker.py", line 71, in run',
        "    score = model.score(order)  #",
        f'  File "/app/fraud/model.py", line {chance.randrange(20, 90)}, in score',
        "    return self.weights[order.country]  #",
        f"KeyError: '{chance.choice(_WORDS)}'",
    ]


def _trace(file: int, chance: random.Random) -> Item:
    java = chance.random() < 0.5
    texts = _java_trace(chance) if java else _python_trace(chance)
    lines = [_line("stderr", "F", NO_TIME + _open(f"{text} seq={file}-@N")) for text in texts]
    if not java:
        lines[0] = _line("stderr", "F", NO_TIME + texts[0].encode() + NO_NUMBER)
    return Item("trace", lines, unnumbered=not java)


def item(file: int, chance: random.Random, mix: str, joined: bool) -> Item:
    """The next item of file number `file`. `mix` is one of MIXES; `joined`: some are cut, or stack traces."""
    if joined and (drawn := chance.random()) < CUT + TRACES:
        return Item("cut", _cut(file, chance)) if drawn < CUT else _trace(file, chance)
    own = mix == "json" or (mix == "mixed" and file % 2 == 1)
    if own is not (mix == "mixed" and chance.random() < STRAYS):
        return Item("json", [_line("stdout", "F", _open(_json(file, chance)))])
    std = "stderr" if chance.random() < 0.1 else "stdout"
    return Item("text", [_line(std, "F", _open(_text(file, chance)))])
