"""Threads for jobs that may hang: started when they are needed, ended when they are not, and never more than so many.

The standard library's pool waits for its threads when the interpreter ends; these are daemons, so that a job which
never comes back keeps nobody from ending.
"""

import logging
import queue
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

Job = Callable[[], None]
IDLE = 60.0
"""Seconds after which a thread ends that has had nothing to do."""


class Pool:
    """Runs jobs, `most` at a time."""

    def __init__(self, name: str, most: int) -> None:
        self._name, self._most = name, most
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = self._free = 0

    def run(self, job: Job) -> None:
        """Have it done as soon as a thread is free."""
        with self._lock:
            self._free -= 1  # below 0: so many jobs wait for a thread
            more = self._free < 0 and self._threads < self._most
            if more:
                self._threads += 1
                self._free += 1
        self._jobs.put(job)
        if more:
            threading.Thread(target=self._work, name=self._name, daemon=True).start()

    def end(self) -> None:
        """Threads end after what they do now. Nothing is run after this."""
        for _ in range(self._threads):
            self._jobs.put(None)

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=IDLE)
            except queue.Empty:
                with self._lock:
                    if self._free > 0:  # else a job has just been meant for this thread
                        self._free -= 1
                        self._threads -= 1
                        return
                continue
            if job is None:
                return
            try:
                job()
            except Exception:
                log.exception("%s: unexpected failure", self._name)
            with self._lock:
                self._free += 1
