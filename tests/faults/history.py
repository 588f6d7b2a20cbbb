"""Random histories: any sequence of writes, rotations, kills and faults, drawn from whoever can draw a number."""

from collections.abc import Callable

from tests.faults.steps import (
    RESET,
    Always,
    Answer,
    DeletePod,
    Flow,
    Hang,
    Jump,
    Kill,
    Requests,
    RestartContainer,
    Rotate,
    Slow,
    Start,
    Still,
    Terminate,
    Well,
    Write,
    lost_acks,
)
from tests.faults.story import Pod, Step, Story

Draw = Callable[[int, int], int]
"""An integer from the first to the second, both included."""

PODS = (
    Pod("cart", max_files=40),
    Pod("web", max_size=32 * 1024, max_files=40),
    Pod("api", "pay"),
    Pod("cut", "pay", copytruncate=True),
)
STATUSES = (500, 503, 429, 401, 408, RESET)


def random_history(draw: Draw, steps: int) -> Story:
    """A story of `steps` steps. What no collector could survive (kubelet deleting unread files) is not in it."""
    makers: tuple[Callable[[], Step], ...] = (
        lambda: Write(draw(1, 120), _pods(draw)),
        lambda: Rotate(draw(1, 3), draw(0, 40), _pods(draw)),
        lambda: Flow(draw(1, 4), _pods(draw)),
        Still,
        lambda: Kill(draw(0, 250)),
        lambda: Kill(draw(0, 250)),
        Start,
        Start,
        Terminate,
        lambda: Requests(draw(1, 2)),
        lambda: RestartContainer(_pods(draw)),
        lambda: DeletePod(PODS[draw(0, 3)].name, draw(1, 50)),
        lambda: Answer(STATUSES[draw(0, len(STATUSES) - 1)], draw(1, 2)),
        lambda: lost_acks(draw(1, 2)),
        Hang,
        lambda: Always(503, seen=0),
        lambda: Slow(draw(1, 5) / 10_000),
        Well,
        Well,
        lambda: Jump(draw(-1800, 1800)),
    )
    played = [makers[draw(0, len(makers) - 1)]() for _ in range(steps)]
    begun = [Write(30), Flow(1), Start()]
    return Story("a random history", tuple(begun + _playable(played)), pods=PODS, out_of_order=True)


def _pods(draw: Draw) -> tuple[str, ...]:
    return (PODS[draw(0, len(PODS) - 1)].name,)


def _playable(steps: list[Step]) -> list[Step]:
    """Without waits that cannot end: for requests where nothing is written or everything hangs."""
    playable: list[Step] = []
    flowing, well, up = True, True, True
    for step in steps:
        match step:
            case Requests() if not (flowing and well and up):
                continue
            case Flow():
                flowing = True
            case Still():
                flowing = False
            case Kill() | Terminate():
                up = False
            case Start():
                up = True
            case Hang() | Always() | Slow():
                well = False
            case Well():
                well = True
            case DeletePod() if not well:
                continue
        playable.append(step)
    return playable
