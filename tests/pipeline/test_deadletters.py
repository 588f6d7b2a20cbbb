"""Dead letters: whole lines of JSON with the destination's words, bounded, and never a reason to stop."""

from pathlib import Path

import orjson
import pytest

from outrider.model.clock import ManualClock
from outrider.model.counters import Counters
from outrider.pipeline import deadletters
from outrider.pipeline.deadletters import DeadLetters

ENTRY = b'{"insertId":"a","textPayload":"caf\xc3\xa9"}'


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def letters(tmp_path: Path, counters: Counters) -> DeadLetters:
    return DeadLetters(tmp_path / "dead-letters", "acme.a", ManualClock(1_790_000_000.0), counters)


def test_a_letter_says_what_when_and_why(letters: DeadLetters, counters: Counters) -> None:
    letters.bury(ENTRY, 'too "big"')
    assert letters.path.name == "acme.a.ndjson"
    assert orjson.loads(letters.path.read_bytes()) == {
        "time": "2026-09-21T14:13:20+00:00",
        "exporter": "acme.a",
        "error": 'too "big"',
        "entry": {"insertId": "a", "textPayload": "café"},
    }
    assert counters.value("outrider_entries_rejected_total", exporter="acme.a") == 1


def test_a_record_that_could_not_be_encoded_is_kept_as_it_was_read(letters: DeadLetters, counters: Counters) -> None:
    letters.bury_record("ns_pod_uid/c/0", (7, b"2026-05-16T09:19:06Z", b"stdout", b"a\xffb"), "ValueError: no")
    letter = orjson.loads(letters.path.read_bytes())
    assert letter["entry"] == {"stream": "ns_pod_uid/c/0", "timestamp": "2026-05-16T09:19:06Z", "line": "a\\xffb"}
    assert letter["error"] == "ValueError: no"
    assert counters.value("outrider_entries_rejected_total") == 1


def test_the_file_is_bounded(letters: DeadLetters, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadletters, "MAX_BYTES", 1000)
    for _ in range(100):
        letters.bury(ENTRY, "no")
    kept = sorted(letters.path.parent.iterdir())
    assert [p.name for p in kept] == ["acme.a.ndjson", "acme.a.old.ndjson"]
    assert all(p.stat().st_size < 1000 + 200 for p in kept)
    assert all(orjson.loads(line)["error"] == "no" for p in kept for line in p.read_bytes().splitlines())


def test_a_letter_that_cannot_be_kept_is_counted(tmp_path: Path, counters: Counters) -> None:
    (tmp_path / "file").write_text("")
    letters = DeadLetters(tmp_path / "file" / "dead-letters", "google", ManualClock(), counters)
    letters.bury(ENTRY, "no")
    assert counters.value("outrider_entries_rejected_total") == 1
    assert counters.value("outrider_state_write_errors_total", file="dead-letters") == 1


def test_a_full_disk_is_counted(tmp_path: Path, counters: Counters) -> None:
    letters = DeadLetters(tmp_path, "google", ManualClock(), counters)
    letters.path.symlink_to("/dev/full")
    letters.bury(ENTRY, "no")
    assert counters.value("outrider_state_write_errors_total", file="dead-letters") == 1


def test_the_same_words_are_said_once(letters: DeadLetters, caplog: pytest.LogCaptureFixture) -> None:
    for words in ("no", "no", "never", "never"):
        letters.bury(ENTRY, words)
    said = [r.getMessage() for r in caplog.records]
    assert [m.split(": ")[1].split(".")[0] for m in said] == ["no", "never"]
    assert all(str(letters.path) in m for m in said)
