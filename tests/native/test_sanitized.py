"""The native core under gcc's sanitizers: what any pod writes reads and writes no byte beyond what is there.

`fuzz.c` is the driver, and says how to go on with libFuzzer. Here it gets lines that were found to be nasty, each as it
is and many times with something changed: the same ones in every run.
"""

import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from outrider import native

HEAD = b"2026-05-16T09:19:06.315692671Z stdout F "
SOURCES = Path(native.__file__).parent
PARTS = ("lines", "times", "text", "json", "klog", "entries", "google", "datadog")
LINES = (
    b"",
    b"{",
    b"plain text",
    b'\x01\x02\x03"\\' * 40,
    b"\x1f" * 16_384,
    b"\xc2\xa0 wide \xe2\x80\x83",
    b"\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf\xed\xa0\x80\xff\xc3",
    b"I0516 09:19:06.315692       1 authorize.go:42] said",
    b'F1231 23:59:59.9 7 \xc5\x82"\\:1:123456789012345678] \x01 \xc5\x82',
    b'{"message":"only"}\r',
    b'{"severity":"INFO","message":"m","time":"2026-05-16T09:19:06.3Z","httpRequest":{"requestMethod":"GET","status":200,'
    b'"latency":"0.104s","responseSize":1234,"requestSize":"99","cacheHit":true},"logging.googleapis.com/trace":'
    b'"4bf92f3577b34da6a3ce929d0e0e4736","logging.googleapis.com/spanId":"00f0","logging.googleapis.com/trace_sampled":true}',
    b'{"level":"err","n":[1,-2.5,{"a":{"b":[true,false,null]}}],"logging.googleapis.com/sourceLocation":{"file":"a.go",'
    b'"line":42,"function":"f"},"logging.googleapis.com/operation":{"id":"a","producer":"b","first":true}}',
    rb'{"u":"\u00e9\ud83d\ude00\n\"\\","lone":"\ud83d","half":"\ud8","k\u0041":1}',
    b'{"a":' * 31 + b"1" + b"}" * 31,
    b'{"a":' + b"[" * 29 + b"]" * 29 + b"}",
    b"{%b}" % b",".join([b'"k%d":%d' % (i, i) for i in range(64)]),
    b"{%b}" % b",".join([b'"k%d":%d' % (i, i) for i in range(65)]),
    b'{"o":{"sizes":[%b]}}' % b",".join([b"123456789012345678"] * 60),
    b'{"httpRequest":{"requestSize":1,"responseSize":2,"cacheFillBytes":3},"a":1e5,"b":"%b"}' % (b"\xe2\x82\xac" * 50),
    HEAD[:20],
    HEAD[:-1],
    HEAD[:29] + b"+02:00 stderr P a",
)
PIECES = (
    b'"',
    b"\\",
    b"\\u",
    b"{",
    b"}",
    b"[",
    b":",
    b",",
    b"\n",
    b"\0",
    b"\xe2",
    b"\xf0\x9f",
    b"-",
    b"1",
    b"Z",
    b'":"',
)


def changed(line: bytes, dice: random.Random) -> bytes:
    for _ in range(dice.randrange(4)):
        at = dice.randrange(len(line) + 1)
        line = dice.choice(
            [line[:at], line[:at] + dice.choice(PIECES) + line[at:], line[:at] + dice.randbytes(1) + line[at + 1 :]]
        )
    return line


def inputs() -> Iterator[bytes]:
    """In the form that fuzz.c tells."""
    dice = random.Random(7)
    for line in LINES:
        for end in range(min(len(line), 400)):
            yield b"\0\x40" + line[:end]
        yield b"\0\xff" + line
        yield b"\0\xff" + HEAD + line + b"\n"
    for _ in range(20_000):
        lines = [changed(dice.choice(LINES), dice) for _ in range(dice.randrange(1, 6))]
        head = HEAD if dice.random() < 0.5 else b""
        rows = dice.randrange(8) if dice.random() < 0.3 else 0
        room = dice.choice([0, 1, 2, 8, 40, 255])
        yield bytes([rows, room]) + b"".join(head + line + b"\n" for line in lines) + dice.randbytes(24 * rows)


@pytest.mark.slow
def test_no_byte_beyond_what_is_there(tmp_path: Path) -> None:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is not there")
    sanitize = ["-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    (tmp_path / "empty.c").write_text("int main(void) { return 0; }\n")
    empty = [gcc, *sanitize, str(tmp_path / "empty.c"), "-o", str(tmp_path / "empty")]
    if subprocess.run(empty, capture_output=True).returncode:
        pytest.skip("gcc has no sanitizers (libasan, libubsan)")
    program, parts = tmp_path / "fuzz", [str(SOURCES / f"{part}.c") for part in PARTS]
    driver = str(Path(__file__).with_name("fuzz.c"))
    subprocess.run(
        [gcc, *sanitize, "-Wall", "-Wextra", "-Werror", f"-I{SOURCES}", driver, *parts, "-o", str(program)], check=True
    )
    given = [struct.pack("=I", len(one)) + one for one in inputs()]
    said = subprocess.run([str(program)], input=b"".join(given), capture_output=True, check=False, timeout=100)
    assert said.returncode == 0, said.stderr.decode(errors="replace")
    assert said.stdout.startswith(b"%d inputs, " % len(given))
