"""Any sequence of writes, rotations, kills and faults: nothing is lost, and every repeat is the same entry again.

The examples are few here, each is a real process; `make soak` goes on for as long as it is told to.
"""

import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, given, note, settings

from tests.faults.history import random_history
from tests.faults.story import Story, play


@st.composite
def histories(draw: st.DrawFn) -> Story:
    """Stories of up to eight steps."""
    return random_history(lambda low, high: draw(st.integers(low, high)), draw(st.integers(4, 8)))


@settings(
    max_examples=5,
    phases=[Phase.explicit, Phase.generate],  # a history of real time does not shrink; its steps are printed
    suppress_health_check=list(HealthCheck),
)
@given(story=histories())
def test_any_history_ends_with_everything_delivered(story: Story) -> None:
    note("\n".join(map(str, story.steps)))
    with tempfile.TemporaryDirectory() as root:
        played = play(story, Path(root))
    for outcome in played.outcomes.values():
        assert outcome.sound, outcome
    assert played.alarms == {}
