"""Every fault in turn, small enough for every change: nothing lost, and every repeat the same entry again.

Stories wait most of their time (for a pause to end, for a record to be whole), so a few are played side by side.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.faults.stories import BY_NAME
from tests.faults.story import VENDORS, NotBuiltError, Played, play

AT_A_TIME = 3


@pytest.fixture(scope="module")
def plays(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Played]]]:
    """The stories that were asked for, on their way."""
    asked = [item.callspec.params["name"] for item in request.session.items if item.path == request.path]  # type: ignore[attr-defined]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {name: pool.submit(play, BY_NAME[name], tmp_path_factory.mktemp("story")) for name in asked}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("name", BY_NAME)
def test_nothing_is_lost_and_every_repeat_is_the_same_entry(plays: dict[str, Future[Played]], name: str) -> None:
    story = BY_NAME[name]
    try:
        played = plays[name].result()
    except NotBuiltError as e:
        pytest.skip(f"not built: {e}")
    for note in played.notes:
        print(note)
    assert {v for v in story.vendors if v in VENDORS} <= played.outcomes.keys()
    for outcome in played.outcomes.values():
        print(outcome)
        assert outcome.written > 0
        assert outcome.sound, outcome
        assert story.repeats or outcome.repeated == 0, outcome
        assert story.out_of_order or outcome.out_of_order == 0, outcome
    assert played.alarms.keys() <= set(story.alarms), played.alarms
