"""Peak memory of the collector while a destination takes nothing and pods have written a lot.

    python -m bench.memory [--backlog 300]

Two kinds of lines (300 bytes, and 5 MB cut into CRI parts), three destinations (hangs, answers 503, takes two seconds
for each request), one exporter with `batch: {bytes: 4MiB, in_flight: 4}`, six pods. Prints VmHWM in MB, after the
program has stopped growing for a few seconds, beside what the program takes before it has read anything.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.node import NodeProcess, exporter_to
from tests.support.sink import HANG, Fault, Sink

PODS = 6
PART = 16 * 1024
CALM = 6.0
DESTINATIONS = {"hangs": Fault(HANG), "503": Fault(503), "slow": Fault(200, delay=2.0)}


def short() -> bytes:
    return b"stdout F " + b"x" * 262


def parts() -> bytes:
    pieces = [b"y" * PART] * (5_000_000 // PART)
    return b"\n".join(b"stdout %b %b" % (b"F" if i == len(pieces) - 1 else b"P", p) for i, p in enumerate(pieces))


def lines(content: bytes, size: int) -> Iterator[bytes]:
    """Copies of `content`, each line with a time of its own in front, until there are `size` bytes."""
    n = written = 0
    while written < size:
        made = b"".join(
            b"2026-11-24T02:00:00.%09dZ %b\n" % (n + i, line) for i, line in enumerate(content.split(b"\n"))
        )
        n += 1 + content.count(b"\n")
        written += len(made)
        yield made


def peak(content: bytes, answer: Fault, backlog: int) -> tuple[int, int]:
    """(at the start, at the most), in MB."""
    with tempfile.TemporaryDirectory() as root, Sink() as sink:
        sink.always = answer
        node = NodeProcess(Path(root), {"google": exporter_to(sink, batch={"bytes": "4MiB", "in_flight": 4})})
        try:
            node.pods.mkdir(parents=True, exist_ok=True)
            node.start()
            begin = status(node)
            for p in range(PODS):
                log = node.pods / f"shop_pod-{p}_uid-{p}" / "main" / "0.log"
                log.parent.mkdir(parents=True)
                with open(log, "wb") as f:
                    f.writelines(lines(content, backlog // PODS))
            return begin, calm(node)
        finally:
            sink.release.set()
            node.kill()


def calm(node: NodeProcess) -> int:
    """VmHWM once it has not grown for a while."""
    most, since = 0, time.monotonic()
    while time.monotonic() - since < CALM:
        time.sleep(0.2)
        if status(node) > most:
            most, since = status(node), time.monotonic()
    return most


def status(node: NodeProcess) -> int:
    assert node.process is not None
    text = Path(f"/proc/{node.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM")) // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backlog", type=int, default=300, help="MB that the pods have written")
    backlog = parser.parse_args().backlog * 1_000_000
    print("| lines | destination | at the start | peak, MB |\n|---|---|---:|---:|")
    for kind, content in (("300 B", short()), ("5 MB in parts", parts())):
        for name, answer in DESTINATIONS.items():
            begin, most = peak(content, answer, backlog)
            print(f"| {kind} | {name} | {begin} | {most} |", flush=True)


if __name__ == "__main__":
    main()
