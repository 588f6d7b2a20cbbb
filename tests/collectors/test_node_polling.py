"""Where inotify is not to be had, everything is found by polling: a little later, but all of it.

The child is the same program with the same configuration; only its way to inotify answers what the kernel answers when
the instances of a user (fs.inotify.max_user_instances) or its watches are used up.
"""

import time
from pathlib import Path

import pytest

from outrider.demo.kubelet import PodLog
from outrider.model.clock import SystemClock
from tests.support.node import exporter_to, node_process
from tests.support.sink import Sink
from tests.support.tree import Numbered, assert_complete, await_lines
from tests.support.wait import until

NO_INSTANCES = """
import errno, os
from outrider.tail import inotify
def none_left(self):
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
inotify.Inotify.__init__ = none_left
from outrider.cli.main import main
main()
"""
FEW_WATCHES = """
import errno, os
from outrider.tail import inotify
add, made = inotify.Inotify._add, []
def few(self, path, mask):
    made.append(path)
    if len(made) > 12:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    return add(self, path, mask)
inotify.Inotify._add = few
from outrider.cli.main import main
main()
"""


@pytest.mark.parametrize("program", [NO_INSTANCES, FEW_WATCHES], ids=["no instances", "few watches"])
def test_without_inotify_nothing_is_lost(tmp_path: Path, program: str) -> None:
    with Sink() as sink, node_process(tmp_path, {"google": exporter_to(sink, batch={"wait": "50ms"})}) as node:
        node.main = ("-c", program)
        node.start()
        pods = [PodLog(node.pods, "shop", f"web-{n}", f"uid-{n}", SystemClock()) for n in range(8)]
        writers = [Numbered(pod.name, pod.container("main")) for pod in pods]
        delays = []
        for w in writers[:3]:
            began = time.monotonic()
            w.write()
            await_lines(sink, w)
            delays.append(sink.received(w.name)[0].at - began)
        print("by polling, first lines arrive after", ", ".join(f"{d * 1000:.0f} ms" for d in delays))
        assert max(delays) < 3.0
        for w in writers:
            w.write(100)
        await_lines(sink, *writers)
        writers[1].log.rotate()
        writers[2].log.copytruncate()
        writers[3].log.restart()
        if program is NO_INSTANCES:
            until(lambda: node.metric("outrider_streams_behind") == 0, timeout=15)
        for w in writers[:5]:
            w.write(20)
        pods[4].remove()
        writers[1].log.rotate()
        writers[1].write(20)
        await_lines(sink, *writers)
        for w in writers:
            assert_complete(sink, w)
        assert node.metric("outrider_inotify_fallbacks_total") == 1
        assert "inotify is not used" in node.said
        until(lambda: node.metric("outrider_streams") == 8)  # web-3 has two runs, web-4 is gone
        assert node.end() == 0
