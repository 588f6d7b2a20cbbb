"""Which process reads which container."""

import subprocess
import sys
import uuid
from collections import Counter
from random import Random

import pytest

from outrider.model.shard import ALONE, Shard, owner, owner_of_key
from outrider.model.stream import Stream


@pytest.mark.parametrize("of", [2, 3, 8, 64])
def test_containers_are_spread_evenly(of: int) -> None:
    rng = Random(7)
    counts = Counter(owner(str(uuid.UUID(int=rng.getrandbits(128))), "main", of) for _ in range(200 * of))
    assert set(counts) == set(range(of))
    assert 120 < min(counts.values()) <= max(counts.values()) < 280  # 200, give or take five deviations


def test_the_containers_of_one_pod_are_spread_too() -> None:
    assert {owner("uid-1", f"c{i}", 2) for i in range(10)} == {0, 1}


@pytest.mark.parametrize(
    ("uid", "container", "of", "index"),
    [
        ("6f3c1f5e-3b1a-4a52-a7f0-2b7d5a1c9e10", "main", 2, 0),
        ("6f3c1f5e-3b1a-4a52-a7f0-2b7d5a1c9e10", "main", 3, 2),
        ("6f3c1f5e-3b1a-4a52-a7f0-2b7d5a1c9e10", "sidecar", 2, 1),
        ("uid-1", "main", 64, 17),
    ],
)
def test_the_owner_never_changes(uid: str, container: str, of: int, index: int) -> None:
    """Cursors are kept by it: another result in another version would be a loss of them."""
    assert owner(uid, container, of) == index


def test_the_owner_is_the_same_in_every_process() -> None:
    ask = "from outrider.model.shard import owner; print(owner('uid-9', 'main', 64))"
    said = {subprocess.check_output([sys.executable, "-c", ask], env={"PYTHONHASHSEED": seed}) for seed in ("1", "2")}
    assert said == {b"%d\n" % owner("uid-9", "main", 64)}


def test_every_run_of_a_container_has_the_owner_of_the_container() -> None:
    for uid in (f"uid-{i}" for i in range(50)):
        keys = [Stream("shop", "web", uid, "main", restart).key for restart in (0, 1, 17)]
        assert {owner_of_key(key, 5) for key in keys} == {owner(uid, "main", 5)}


@pytest.mark.parametrize("key", ["", "odd", "a/b", "///", "ü_x_y/z"])
def test_what_is_no_key_belongs_to_somebody(key: str) -> None:
    assert owner_of_key(key, 3) in range(3)


def test_exactly_one_of_several_owns_a_container() -> None:
    for uid in (f"uid-{i}" for i in range(50)):
        assert sum(Shard(i, 4).owns(uid, "main") for i in range(4)) == 1
        assert ALONE.owns(uid, "main")


@pytest.mark.parametrize(("whole", "of", "parts"), [(4, 2, [2, 2]), (4, 3, [2, 1, 1]), (1, 3, [1, 1, 1]), (7, 1, [7])])
def test_what_is_divided(whole: int, of: int, parts: list[int]) -> None:
    assert [Shard(i, of).part(whole) for i in range(of)] == parts


def test_text_form() -> None:
    assert Shard.parse("1/3") == Shard(1, 3)
    assert str(Shard(1, 3)) == "1/3"
    for wrong in ("", "3/3", "-1/2", "1", "a/b"):
        with pytest.raises(ValueError):
            Shard.parse(wrong)
