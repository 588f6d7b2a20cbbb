"""The DogStatsD server: one thread that reads all sockets, and says every ten seconds what came.

A turn waits for a socket that has something (no longer than the interval lasts), takes what it has, and adds it up.
When the interval is over, a portion of the reports is made in each turn, beside what the sockets bring. They may be
very many: so the next one waits until whoever takes them has room, but no longer than the next interval lasts.

One server may take over from another (a new configuration): sockets that it listens at too are handed on as they are,
with what waits in them, and so is everything that was added up so far.
"""

import contextlib
import logging
import os
import select
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from outrider.model.clock import Clock
from outrider.model.counters import Counters
from outrider.model.points import Report, Subject
from outrider.receivers.dogstatsd.aggregation import Aggregation
from outrider.receivers.dogstatsd.datagrams import Datagrams
from outrider.receivers.dogstatsd.lines import Origin
from outrider.receivers.dogstatsd.listeners import MAX_CONNECTIONS, Listener, Stream

log = logging.getLogger(__name__)

LAST_TURN = 2.0
"""Seconds that the thread gets, at the end, to notice that it is over; and that reports then may wait for room."""
LOOK = 0.01
"""Seconds between two looks whether there is room for reports."""


class DogStatsd:
    """Listens at `addresses`. `subject` says who an origin is, `hand_on` gets the reports, when it `has_room`. Made,
    started and ended once.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        subject: Callable[[Origin], Subject],
        hand_on: Callable[[Report], None],
        has_room: Callable[[], bool],
        clock: Clock,
        counters: Counters,
    ) -> None:
        self._addresses, self._clock, self._counters = addresses, clock, counters
        self._hand_on, self._has_room = hand_on, has_room
        self.trouble: str | None = None
        """The address that cannot be had, and why; None if all can."""
        self._datagrams = Datagrams()
        self._listeners: dict[str, Listener] = {}
        self._streams: dict[int, Stream] = {}
        self._aggregation = Aggregation(subject, clock, counters)
        self._reports: Iterator[Report] = iter(())
        self._poll = select.poll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._over = self._silent = False
        self._thread = threading.Thread(target=self._run, name="outrider-dogstatsd", daemon=True)
        self._packets = {
            kind: counters.counter("outrider_dogstatsd_packets_total", "Datagrams and frames that came.", socket=kind)
            for kind in ("udp", "unixgram", "unixstream")
        }
        lost = "Datagrams and frames that did not come whole, by reason."
        self._lost = {
            reason: counters.counter("outrider_dogstatsd_lost_total", lost, reason=reason)
            for reason in ("kernel", "cut", "frame", "connections")
        }
        counters.gauge(
            "outrider_dogstatsd_series", "Series that are added up.", lambda: float(self._aggregation.series)
        )

    def start(self) -> None:
        """Begin to listen. An address that cannot be had is said and lived without."""
        for address in self._addresses:
            if address not in self._listeners:
                try:
                    self._listeners[address] = Listener(address)
                except OSError as e:
                    self.trouble = f"dogstatsd.listen: {address} cannot be had: {e.strerror or e}"
                    log.error("%s", self.trouble)
        for listener in self._listeners.values():
            self._poll.register(listener.sock, select.POLLIN)
        for stream in self._streams.values():
            self._poll.register(stream.sock, select.POLLIN)
        self._poll.register(self._wake, select.POLLIN)
        self._thread.start()
        log.info("dogstatsd: listening at %s", ", ".join(map(str, self._listeners.values())) or "nothing")

    def inherit(self, before: "DogStatsd") -> None:
        """Before `start`: go on where `before` has ended."""
        for address in [a for a in before._listeners if a in self._addresses]:
            self._listeners[address] = before._listeners.pop(address)
        if any(one.kind == "unixstream" for one in self._listeners.values()):
            self._streams, before._streams = before._streams, {}
        before.let_go()
        before._aggregation.subject = self._aggregation.subject
        self._aggregation, self._reports = before._aggregation, before._reports

    def health(self) -> str | None:
        """None, or why this will not go on by itself."""
        return None if self._thread.is_alive() or self._over else "dogstatsd: the thread has ended"

    def hush(self) -> None:
        """Go on to listen, and keep everything for a successor: whoever takes the reports is about to end."""
        self._silent = True

    def stop(self, last: bool) -> None:
        """End. The `last` one says what came until now; else that is for the successor."""
        self._over = True
        os.eventfd_write(self._wake, 1)
        if self._thread.is_alive():
            self._thread.join(LAST_TURN)
        if last and not self._thread.is_alive():
            until = self._clock.monotonic() + LAST_TURN
            while self._listen(0) and self._clock.monotonic() < until:
                pass  # what programs have sent and nobody has taken
            for report in chain(self._reports, self._aggregation.close()):
                while not self._has_room() and self._clock.monotonic() < until:
                    self._clock.wait(threading.Event(), LOOK)
                self._hand_on(report)

    def let_go(self) -> None:
        """It has ended and nobody takes over from it: close the sockets."""
        for stream in self._streams.values():
            stream.sock.close()
        for listener in self._listeners.values():
            listener.close()
        os.close(self._wake)

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._over:
            try:
                self._turn()
            except Exception:  # a defect is no reason to hear nothing more
                log.exception("dogstatsd: unexpected failure")
                self._clock.wait(threading.Event(), 0.1)

    def _turn(self) -> None:
        """Take what is there, or wait for something; then a portion of the reports."""
        wait = not self._silent and not self._has_room() and self._aggregation.due() > 0
        report = None if self._silent or wait else next(self._reports, None)
        if report is not None:
            self._hand_on(report)
        patience = 0.0 if report is not None else LOOK if wait else max(self._aggregation.due(), 0.0)
        self._listen(None if self._silent else patience * 1000)
        if report is None and not wait and not self._silent and self._aggregation.due() <= 0:
            self._reports = self._aggregation.close()
            self._lost["kernel"].add(sum(one.newly_lost() for one in self._listeners.values()))

    def _listen(self, milliseconds: float | None) -> bool:
        """Take what is there, or wait so long for something. Whether a socket had something."""
        ready = [fd for fd, _ in self._poll.poll(milliseconds) if fd != self._wake]
        for listener in [one for one in self._listeners.values() if one.sock.fileno() in ready]:
            if listener.kind == "unixstream":
                self._accept(listener)
            else:
                self._receive(listener)
        for fd in ready:
            if fd in self._streams:
                self._read(fd, self._streams[fd])
        return bool(ready)

    def _receive(self, listener: Listener) -> None:
        datagrams, cut = self._datagrams.receive(listener.sock)
        if datagrams:
            self._aggregation.take(b"\n".join(datagrams))
            self._lost["cut"].add(cut)
            self._packets[listener.kind].add(len(datagrams))

    def _accept(self, listener: Listener) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            sock, _ = listener.sock.accept()
            if len(self._streams) >= MAX_CONNECTIONS:
                self._lost["connections"].add()
                sock.close()
                return
            self._streams[sock.fileno()] = Stream(sock)
            self._poll.register(sock, select.POLLIN)

    def _read(self, fd: int, stream: Stream) -> None:
        frames: list[bytes] = []
        try:
            goes_on = stream.read(frames.append)
        except ValueError as e:
            log.debug("dogstatsd: a stream is given up: %s", e)
            self._lost["frame"].add()
            goes_on = False
        if frames:
            self._aggregation.take(b"\n".join(frames))
            self._packets["unixstream"].add(len(frames))
        if not goes_on:
            self._poll.unregister(fd)
            del self._streams[fd]
            stream.sock.close()
