"""Who leads: of several replicas the one that holds a Lease, by the rules of Kubernetes' own controllers (client-go,
`tools/leaderelection`), so that its tools, and people, read it as they are used to.

    every 2 s (RETRY)    the leader writes the time into the Lease; the others look at it
    after 10 s (RENEW)   without a write that succeeded, the leader stops: it may be cut off
    after 15 s (DURATION) without a change, as seen and measured by another replica, that one takes it

No clock is compared with that of another machine. What counts is how long, by one's own monotonic clock, the Lease has
looked the same; and for the leader, how long ago it *began* the last write that succeeded. So between the end of one
leader and the beginning of the next there are five seconds at least, and at most one of them leads at any time.

A leader that ends in order gives the Lease back (holder ""), and another one takes it at its next look.

`turn` does what is due and says when the next thing will be; the thread does nothing but take turns.
"""

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import replace

from outrider.kube.client import KubeError
from outrider.kube.lease import Held, Lease, micro_time
from outrider.kube.source import Pulse
from outrider.model.clock import Clock
from outrider.model.counters import Counters

log = logging.getLogger(__name__)

DURATION, RENEW, RETRY = 15, 10.0, 2.0
"""Seconds, as client-go's controllers have them."""
AGAIN = 0.2
"""Seconds after which the Lease is looked at that somebody else has just written or removed."""
REQUEST = 5.0
"""Seconds that a request to the API server may take."""
SILENCE = 325.0
"""Seconds without any answer after which something is wrong that a restart may cure; as for a watch."""


class Election:
    """Stands for `identity`. `note` says what a successor has to know; it is asked before each renewal.

    `leads`, `term` and `told` change from one turn to the next.
    """

    def __init__(self, lease: Lease, identity: str, note: Callable[[], str], clock: Clock, counters: Counters) -> None:
        self._lease, self.identity, self._note, self._clock = lease, identity, note, clock
        self.term = 0
        """How often this replica has begun to lead."""
        self.told = ""
        """The note of the Lease as it was when this replica began to lead."""
        self._looked = False
        self._pulse = Pulse(f"Lease {lease}", SILENCE, clock, counters)
        self._seen: Held | None = None
        self._holds = False
        self._seen_at = self._renewed_at = 0.0  # in monotonic seconds
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outrider-election", daemon=True)
        counters.gauge("outrider_leader", "Does this replica lead?", lambda: self.leads)
        self._terms = counters.counter("outrider_leader_terms_total", "Times that this replica began to lead.")

    @property
    def leads(self) -> bool:
        """Whether this replica leads, at this moment: even if a request hangs, it does so no longer than it may."""
        return self._holds and self._left() > 0

    def start(self) -> None:
        self._thread.start()

    def end(self, last: bool) -> None:
        """Take no more turns. If the Lease is ours, write the newest note into it, and the `last` of its name gives it
        back.
        """
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join(2 * REQUEST)
        if self.leads and self._seen is not None:
            self._leave(self._seen, last)

    def health(self, now: float) -> str | None:
        """None, or what a restart may cure."""
        if not self._thread.is_alive() and not self._ending.is_set():
            return f"Lease {self._lease}: the thread of the election has ended"
        return self._pulse.health(now)

    def ready(self) -> str | None:
        """None once this replica could lead if it had to."""
        return None if self._looked else f"the Lease {self._lease} could not be looked at yet"

    def turn(self) -> float:
        """Renew the Lease, or look whether it can be had. Seconds until the next turn; never raises."""
        pause = RETRY
        try:
            self._renew() if self._holds else self._reach()
            self._pulse.beat()
        except KubeError as e:
            if e.kind in ("conflict", "missing"):  # somebody else has written, or removed it
                self._pulse.beat()
                self._seen, pause = None, AGAIN  # look before writing again
            else:
                self._pulse.trouble(e)
        except Exception:  # a defect is no reason to leave the cluster without a leader
            log.exception("Lease %s: unexpected failure", self._lease)
        if self._holds and self._left() <= 0:
            self._lead(False, f"it could not be renewed for {RENEW:g} s")
        # Those who look do not all look at the same time.
        return min(pause, self._left()) if self._holds else pause * random.uniform(1.0, 1.2)

    def _leave(self, seen: Held, last: bool) -> None:
        now = micro_time(self._clock.now())
        left = replace(seen, renewed=now, note=self._note())
        if last:
            self._lead(False, "it is given back")
            left = replace(left, holder="", seconds=1, acquired=now)
        try:
            self._lease.write(left, REQUEST)
        except KubeError as e:
            log.warning("Lease %s: what was told last could not be written: %s", self._lease, e)

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._ending.is_set():
            self._clock.wait(self._ending, self.turn())

    def _left(self) -> float:
        """Seconds for which the leader may go on without another write."""
        return self._renewed_at + RENEW - self._clock.monotonic()

    def _renew(self) -> None:
        if self._seen is None:
            self._look()
        now = micro_time(self._clock.now())
        if self._seen is None:  # somebody has removed it
            self._write(Held(self.identity, DURATION, now, now, 0, self._note()))
        elif self._seen.holder == self.identity:
            self._write(replace(self._seen, seconds=DURATION, renewed=now, note=self._note()))
        else:
            self._lead(False, f"{self._seen.holder or 'nobody'} holds it")

    def _reach(self) -> None:
        self._look()
        self._looked = True
        seen, now = self._seen, micro_time(self._clock.now())
        if seen is None:
            self._write(Held(self.identity, DURATION, now, now, 0))
            self.told = ""
            self._lead(True, "there was none")
            return
        age = self._clock.monotonic() - self._seen_at
        if seen.holder not in ("", self.identity) and age <= (seen.seconds or DURATION):
            return
        taken = replace(seen, holder=self.identity, seconds=DURATION, renewed=now)
        if seen.holder != self.identity:
            taken = replace(taken, acquired=now, transitions=seen.transitions + 1)
        self._write(taken)
        self.told = seen.note
        self._lead(True, f"{seen.holder or 'nobody'} held it before")

    def _look(self) -> None:
        """See what the Lease says, and since when it has said that."""
        found = self._lease.read(self._patience())
        if found is None or self._seen is None or found.version != self._seen.version:
            self._seen_at = self._clock.monotonic()
        self._seen = found

    def _write(self, held: Held) -> None:
        began = self._clock.monotonic()
        self._seen = self._lease.write(held, self._patience())
        self._seen_at = self._renewed_at = began

    def _patience(self) -> float:
        """Seconds that a request may take. What a leader asks is of no use any more when it has stopped to lead."""
        return min(REQUEST, max(self._left(), 0.1)) if self._holds else REQUEST

    def _lead(self, leads: bool, why: str) -> None:
        if leads:
            self._terms.add()
            self.term += 1
        self._holds = leads
        what = "this replica leads" if leads else "this replica does not lead any more"
        log.info("Lease %s: %s; %s", self._lease, what, why)
