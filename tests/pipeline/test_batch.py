"""When a batch goes that is not full, as a table in seconds."""

import pytest

from outrider.pipeline.batch import Batch


@pytest.mark.parametrize(
    ("born", "last", "wait", "hurried", "due"),
    [
        (100.0, 0.0, 1.0, False, 100.05),  # a line after a quiet time goes at once
        (100.0, 99.5, 1.0, False, 100.5),  # in a trickle: one request per wait
        (100.0, 100.0, 1.0, False, 101.0),
        (100.0, 100.0, 1.0, True, 100.05),  # the first line of a container does not queue up
        (100.0, 103.0, 1.0, False, 101.0),  # never longer than wait
        (100.0, 0.0, 0.01, False, 100.01),
    ],
)
def test_due(born: float, last: float, wait: float, hurried: bool, due: float) -> None:
    assert Batch(born, hurried=hurried).due(last, wait) == pytest.approx(due)


def test_a_batch_knows_its_size() -> None:
    batch = Batch(0.0)
    batch.add([b"a", b"b"], 4)
    batch.add([b"c"], 2)
    assert (batch.entries, batch.size) == ([b"a", b"b", b"c"], 6)
