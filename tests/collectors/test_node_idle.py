"""A node full of containers that say nothing must cost next to nothing, and hear the one that speaks at once.

`python bench/idle.py` measures the same exactly.
"""

import time
from pathlib import Path

from outrider.demo.kubelet import PodLog
from outrider.model.clock import SystemClock
from tests.support.node import exporter_to, node_process
from tests.support.sink import Sink
from tests.support.tree import Numbered, assert_complete, await_lines
from tests.support.wait import until

FILES = 2000
SECONDS = 2.0


def test_two_thousand_idle_files(tmp_path: Path) -> None:
    with Sink() as sink, node_process(tmp_path, {"google": exporter_to(sink)}) as node:
        writers = []
        for n in range(FILES // 4):
            pod = PodLog(node.pods, f"team-{n % 40}", f"pod-{n}", f"uid-{n}", SystemClock())
            for c in range(4):
                log = pod.container(f"c{c}")
                log.write(f"pod-{n} 000000 c{c}")
                log.close()
        for n in range(5):
            quiet = PodLog(node.pods, "shop", f"quiet-{n}", f"uid-q{n}", SystemClock())
            writers.append(Numbered(quiet.name, quiet.container("main")))
        node.start()
        until(lambda: len(sink.received()) == FILES, timeout=20)
        until(lambda: node.metric("outrider_streams_behind") == 0, timeout=20)
        assert node.metric("outrider_streams") == FILES + len(writers)

        began, used = time.monotonic(), node.cpu_seconds()
        until(lambda: time.monotonic() - began > SECONDS, timeout=10, every=0.2)
        share = (node.cpu_seconds() - used) / (time.monotonic() - began)
        memory = node.resident_bytes()
        print(f"{FILES} idle files: {share:.2%} of a core, {memory / 1e6:.0f} MB")
        assert share < 0.10
        assert memory < 150e6

        for w in writers:
            began = time.monotonic()
            w.write()
            await_lines(sink, w)
            delay = sink.received(w.name)[0].at - began
            print(f"a line of a file that was idle arrived after {delay * 1000:.0f} ms")
            assert delay < 3.0
            assert_complete(sink, w)
