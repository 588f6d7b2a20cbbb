"""Nodes one after the other, with nodes that only say what happens to them."""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from collectors import reload
from collectors.reload import Nodes, RefusedError
from outrider.config import Config
from outrider.kube.platform import PlatformError
from outrider.model.clock import Clock, ManualClock
from outrider.model.counters import Counters
from tests.support.certificates import self_signed
from tests.support.wait import until

BASE = "kube: {source: none}\ntelemetry: {listen: '127.0.0.1:0'}\n"


class FakeNode:
    """Works until it is stopped, or until `fail` is set, of which it dies."""

    def __init__(self, config: Config, counters: Counters) -> None:
        self.config, self.counters = config, counters
        self.stop, self.ended = threading.Event(), threading.Event()
        self.fail: Exception | None = None
        self.last_words: Exception | None = None
        counters.counter("outrider_nodes_total", "Nodes.").add()

    def inherit(self, before: Any) -> None:
        self.before = before

    def run(self) -> None:
        while not self.stop.wait(0.005):
            if self.fail is not None:
                raise self.fail
        self.ended.set()
        if self.last_words is not None:
            raise self.last_words


class Rig:
    """A `Nodes` that runs in a thread, and the nodes it has made."""

    def __init__(self, root: Path) -> None:
        self.path = root / "outrider.yaml"
        self.clock = ManualClock()
        self.made: list[FakeNode] = []
        self.check: Callable[[Config], object] = lambda _: None
        """Raises what making a node raises."""
        self.nodes = Nodes(str(self.path), self.clock, self._make)
        self.died_of: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _make(self, config: Config, clock: Clock, counters: Counters) -> FakeNode:
        assert clock is self.clock
        self.check(config)
        node = FakeNode(config, counters)
        self.made.append(node)
        return node

    def _run(self) -> None:
        try:
            self.nodes.run()
        except Exception as e:
            self.died_of = e

    def write(self, text: str) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(text)
        os.replace(new, self.path)

    def start(self, text: str = BASE) -> "Rig":
        self.write(text)
        self._thread.start()
        until(lambda: self.made or not self._thread.is_alive())
        return self

    def join(self) -> None:
        self._thread.join(5)
        assert not self._thread.is_alive()

    def end(self) -> None:
        self.nodes.end()
        self.join()

    def results(self) -> dict[str, int]:
        return {
            r: n
            for r in ("applied", "refused", "unchanged")
            if (n := self.nodes.counters.value("outrider_reloads_total", result=r))
        }

    def valid(self) -> float:
        (family,) = self.nodes.counters.families("outrider_config_valid")
        return family.samples[0][1]


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    monkeypatch.setattr(reload, "LOOK", 0.02)
    monkeypatch.setattr(reload, "SETTLE", 0.01)
    rig = Rig(tmp_path)
    yield rig
    rig.nodes.end()


def test_a_change_makes_a_successor_before_the_old_one_ends(rig: Rig) -> None:
    rig.start()
    seen: list[bool] = []
    rig.check = lambda _: seen.append(rig.made[0].ended.is_set())
    rig.write(BASE + "state: /other\n")
    until(lambda: rig.results() == {"applied": 1})
    assert seen == [False]
    assert rig.made[0].ended.is_set()
    assert rig.made[1].config.state == "/other"
    assert rig.nodes.counters is rig.made[1].counters
    assert rig.nodes.counters.value("outrider_nodes_total") == 2
    assert rig.valid() == 1
    rig.end()
    assert rig.made[1].ended.is_set()
    assert rig.died_of is None


def test_there_is_nothing_to_begin_with(rig: Rig) -> None:
    rig.start("nonsense: 1\n")
    rig.join()
    assert isinstance(rig.died_of, RefusedError)
    assert 'unknown key "nonsense"' in str(rig.died_of)


def test_a_file_that_is_not_there_is_an_error_to_begin_with(rig: Rig) -> None:
    with pytest.raises(RefusedError, match=r"outrider\.yaml: cannot be read: No such file"):
        rig.nodes.run()


def test_an_end_before_the_beginning_begins_nothing(rig: Rig) -> None:
    rig.write(BASE)
    rig.nodes.end()
    rig.nodes.run()
    assert not any(node.ended.is_set() for node in rig.made)


def test_a_file_that_goes_away_changes_nothing_until_somebody_asks(rig: Rig) -> None:
    rig.start()
    rig.path.unlink()
    rig.nodes.reload()
    until(lambda: rig.results() == {"refused": 1})
    rig.write(BASE)
    until(lambda: rig.results() == {"refused": 1, "unchanged": 1})
    assert len(rig.made) == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PlatformError({"cluster.project": "not given"}), "cluster.project: not given"),
        (RuntimeError("a slip"), "RuntimeError: a slip"),
    ],
)
def test_whatever_goes_wrong_with_a_successor_the_old_node_stays(
    rig: Rig, error: Exception, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    rig.start()

    def check(_: Config) -> None:
        raise error

    rig.check = check
    rig.write(BASE + "state: /other\n")
    until(lambda: rig.results() == {"refused": 1})
    assert rig.valid() == 0
    until(lambda: words in caplog.text)
    assert not rig.made[0].stop.is_set()


def test_what_is_refused_for_something_outside_is_judged_again(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    """A ConfigMap that names a key whose Secret kubelet brings a minute later."""
    rig.start()
    key = rig.path.parent / "api-key"
    exporters = f"exporters: {{dd: {{kind: datadog, api_key: {{file: {key}}}}}}}\n"
    rig.write(BASE + exporters)
    until(lambda: rig.results() == {"refused": 1})
    until(lambda: f"exporters.dd.api_key: the secret file {key} cannot be read" in caplog.text)
    rig.clock.advance(31)
    threading.Event().wait(0.2)  # it is refused again, which nobody has to be told
    assert rig.results() == {"refused": 1}
    key.write_text("k")
    rig.clock.advance(31)
    until(lambda: rig.results() == {"refused": 1, "applied": 1})


def test_a_renewed_certificate_authority_is_taken_up(rig: Rig) -> None:
    _, ca = self_signed(rig.path.parent)
    rig.start(BASE + f"exporters: {{google: {{kind: stackdriver, tls: {{ca: {ca}}}}}}}\n")
    old = ca.read_bytes()
    while ca.read_bytes() == old:
        self_signed(rig.path.parent)
    until(lambda: rig.results() == {"applied": 1})
    ca.write_text("junk")
    until(lambda: rig.results() == {"applied": 1, "refused": 1})


def test_a_comment_is_no_change(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    rig.start()
    rig.write(BASE + "# a comment\n")
    until(lambda: rig.results() == {"unchanged": 1})
    until(lambda: "nothing has changed" in caplog.text)
    assert len(rig.made) == 1


def test_a_node_that_dies_ends_the_program_with_its_words(rig: Rig) -> None:
    rig.start()
    rig.made[0].fail = RuntimeError("broken")
    rig.join()
    assert str(rig.died_of) == "broken"


def test_a_node_that_does_not_end_in_order_is_followed_all_the_same(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    rig.start()
    rig.made[0].last_words = RuntimeError("disk is gone")
    rig.write(BASE + "state: /other\n")
    until(lambda: rig.results() == {"applied": 1})
    until(lambda: "disk is gone" in caplog.text)
    rig.end()
    assert rig.died_of is None
