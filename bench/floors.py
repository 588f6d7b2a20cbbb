"""What the parts of the job cost at the least: the same load through C alone, on the same core, in the same run.

    python -m bench.floors PODS ENDPOINT CERTIFICATE

| floor | what it does with the bytes of the logs |
|---|---|
| cat | reads them |
| newlines | counts them, by memchr |
| gzip | compresses them, ISA-L at level 1, four megabytes at a time |
| tls | writes them to the sink |
| tls-gzip | writes what gzip has made of them to the sink |
| json | decodes and encodes the lines that are JSON, by orjson (per million lines of all kinds) |

No collector that compresses can do with less than the sum of cat, newlines, gzip and tls-gzip, and one that only reads
with less than the first two. Prints the processor seconds (user and system) for a million lines as JSON. Only so much
of the load is used, `MOST` bytes, several times over; the best of the rounds counts.
"""

import argparse
import glob
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from http.client import HTTPSConnection
from pathlib import Path

import orjson
from isal import isal_zlib

from bench.load import Load
from bench.processes import ROOT, cores, on_core
from bench.sinking import sink

MOST = 150_000_000
ROUNDS = 3
CHUNK, REQUEST = 256 * 1024, 4 << 20
SENDING = ("cat", "newlines", "gzip", "tls-gzip")
READING = ("cat", "newlines")


def floors(load: Load, folder: Path) -> dict[str, float]:
    """The processor seconds of each floor for a million lines of `load`."""
    folder.mkdir(parents=True, exist_ok=True)
    with sink(folder, cores()[1]) as taken, on_core(cores()[0]):
        command = [sys.executable, "-m", "bench.floors", str(load.pods), taken.endpoint, str(taken.certificate)]
        done = subprocess.run(command, stdout=subprocess.PIPE, cwd=ROOT, check=True)
    measured: dict[str, float] = json.loads(done.stdout)
    return measured


def least(measured: dict[str, float], sends: bool) -> float:
    """The sum of what cannot be avoided."""
    return sum(measured[name] for name in (SENDING if sends else READING))


def _chunks(pods: str) -> Iterator[bytes]:
    """Something of each file, for some are text and some JSON."""
    paths = sorted(glob.glob(f"{pods}/*/*/*.log"))
    for path in paths:
        left = MOST // len(paths)
        with open(path, "rb", buffering=0) as f:
            while left > 0 and (chunk := f.read(CHUNK)):
                left -= len(chunk)
                yield chunk


def _cat(pods: str) -> None:
    for _ in _chunks(pods):
        pass


def _lines(chunks: list[bytes]) -> int:
    return sum(chunk.count(b"\n") for chunk in chunks)


def _gzipped(chunks: list[bytes]) -> list[bytes]:
    bodies = []
    step = REQUEST // CHUNK
    for i in range(0, len(chunks), step):
        compressor = isal_zlib.compressobj(level=1, wbits=31)
        parts = [compressor.compress(chunk) for chunk in chunks[i : i + step]]
        bodies.append(b"".join([*parts, compressor.flush()]))
    return bodies


def _send(connection: HTTPSConnection, bodies: Iterable[bytes]) -> None:
    for body in bodies:
        connection.request("POST", "/discard", body)
        connection.getresponse().read()


def _json(contents: list[bytes]) -> None:
    for content in contents:
        orjson.dumps(orjson.loads(content))


def _contents(chunks: list[bytes]) -> list[bytes]:
    """What stands in the lines that are JSON, but for the first and last of each chunk."""
    lines = (line.split(b" ", 3) for chunk in chunks for line in chunk.split(b"\n")[1:-1])
    return [parts[3] for parts in lines if parts[2] == b"F" and parts[3][:1] == b"{"]


class _Clock:
    """The best times of some steps, by name."""

    def __init__(self) -> None:
        self.best: dict[str, float] = {}
        self._began = 0.0

    def start(self) -> None:
        self._began = time.process_time()

    def stop(self, name: str) -> None:
        self.best[name] = min(self.best.get(name, float("inf")), time.process_time() - self._began)
        self.start()


def measure(pods: str, endpoint: str, certificate: str) -> dict[str, float]:
    """See the module."""
    host, _, port = endpoint.removeprefix("https://").partition(":")
    connection = HTTPSConnection(host, int(port), context=ssl.create_default_context(cafile=certificate))
    chunks = list(_chunks(pods))
    contents, lines = _contents(chunks), _lines(chunks)
    clock = _Clock()
    for _ in range(ROUNDS):
        clock.start()
        _cat(pods)
        clock.stop("cat")
        _lines(chunks)
        clock.stop("newlines")
        bodies = _gzipped(chunks)
        clock.stop("gzip")
        _send(connection, chunks)
        clock.stop("tls")
        _send(connection, bodies)
        clock.stop("tls-gzip")
        _json(contents)
        clock.stop("json")
    return {name: seconds / lines * 1e6 for name, seconds in clock.best.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("pods", "endpoint", "certificate"):
        parser.add_argument(name)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.pods, arguments.endpoint, arguments.certificate)))


if __name__ == "__main__":
    main()
