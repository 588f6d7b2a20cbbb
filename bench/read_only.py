"""Reading and taking apart alone: follows a tree with the library's own watcher and readers, and sends nothing.

    python -m bench.read_only PODS LINES

Ends when it has read so many lines, or there are no more, and prints how many there
were. The lines that it holds at a time are those of one chunk, as in a pump.
"""

import argparse
import queue

from outrider.model.clock import SystemClock
from outrider.model.counters import Counters
from outrider.tail.files import StreamFiles
from outrider.tail.reader import Reader
from outrider.tail.records import Assembler, Budget, Joining
from outrider.tail.watch import Watcher

EXPORTER = "nobody"


def read(pods: str, lines: int) -> int:
    """Read `lines` lines of the logs under `pods`, in turns; how many records they were."""
    clock, counters = SystemClock(), Counters()
    found: queue.SimpleQueue[StreamFiles] = queue.SimpleQueue()
    watcher = Watcher(pods, lambda _: frozenset({EXPORTER}), found.put, clock, counters)
    watcher.start()
    watcher.scanned.wait()
    joining, budget = Joining(partials=False, exceptions=False), Budget()
    readers: list[Reader] = []
    records = 0
    while records < lines:
        while not found.empty():
            files = found.get()
            readers.append(Reader(EXPORTER, files, Assembler(joining, budget), {}, False, counters))
        progress = False
        for reader in readers:
            taken = reader.take(clock.monotonic())
            if taken is not None:
                progress = True
                records += len(taken.records)
                reader.sent(taken.boundary, taken.timestamp).settled = True
                reader.settle()
        if not progress:
            break
    watcher.stop()
    return records


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pods")
    parser.add_argument("lines", type=int)
    arguments = parser.parse_args()
    print(read(arguments.pods, arguments.lines), flush=True)


if __name__ == "__main__":
    main()
