"""Ceilings that several processes share: what all of them read together, by a clock that is moved by hand."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outrider.model.clock import ManualClock
from outrider.pipeline.ceilings import ROWS, SIZE, WIDTH, Bucket, OwnBucket, SharedBuckets

LIMIT, CHUNK = 1000, 250
TENANT = ("shop", 0)


@pytest.fixture
def descriptor() -> Iterator[int]:
    found = SharedBuckets.create()
    yield found
    os.close(found)


def read(clock: ManualClock, seconds: int, *buckets: Bucket, chunk: int = CHUNK) -> list[int]:
    """What each of those who use the buckets reads within `seconds`, if all of them read whenever they may."""
    total = [0] * len(buckets)
    for _ in range(seconds * 100):
        for i, bucket in enumerate(buckets):
            if bucket.may_read(clock.monotonic()):
                bucket.charge(chunk)
                total[i] += chunk
        clock.advance(0.01)
    return total


def test_all_processes_together_get_the_limit(descriptor: int) -> None:
    each = [SharedBuckets(descriptor)("google", TENANT, LIMIT) for _ in range(4)]
    clock = ManualClock()
    assert 10 * LIMIT <= sum(read(clock, 10, *each)) <= 11 * LIMIT + 4 * CHUNK


def test_one_of_them_gets_all_of_it_if_the_others_have_nothing(descriptor: int) -> None:
    busy, *_ = [SharedBuckets(descriptor)("google", TENANT, LIMIT) for _ in range(4)]
    assert 10 * LIMIT <= read(ManualClock(), 10, busy)[0] <= 11 * LIMIT + CHUNK


def test_who_is_alone_notices_no_difference(descriptor: int) -> None:
    shared, own = SharedBuckets(descriptor)("google", TENANT, LIMIT), OwnBucket(LIMIT)
    for seconds in (1, 3, 7):
        assert read(ManualClock(), seconds, SharedBuckets(descriptor)("google", (str(seconds), 0), LIMIT)) == read(
            ManualClock(), seconds, OwnBucket(LIMIT)
        )
    assert read(ManualClock(), 5, shared, chunk=10 * LIMIT) == read(ManualClock(), 5, own, chunk=10 * LIMIT)


def test_no_more_than_a_second_is_saved_up(descriptor: int) -> None:
    bucket = SharedBuckets(descriptor)("google", TENANT, LIMIT)
    clock = ManualClock()
    read(clock, 1, bucket)
    clock.advance(3600)
    assert read(clock, 1, bucket)[0] <= 2 * LIMIT + CHUNK


def test_tenants_exporters_and_limits_have_buckets_of_their_own(descriptor: int) -> None:
    buckets = SharedBuckets(descriptor)
    now = 1000.0
    buckets("google", TENANT, LIMIT).may_read(now)
    first = buckets("google", TENANT, LIMIT)
    assert first.may_read(now)
    first.charge(100 * LIMIT)
    assert not SharedBuckets(descriptor)("google", TENANT, LIMIT).may_read(now)
    assert buckets("datadog", TENANT, LIMIT).may_read(now)
    assert buckets("google", ("other", 0), LIMIT).may_read(now)
    assert buckets("google", ("shop", 1), LIMIT).may_read(now)
    assert buckets("google", TENANT, LIMIT + 1).may_read(now)


@given(st.integers(1, 5000))
def test_thousands_of_tenants_hold_their_limits(seed: int) -> None:
    """Buckets that are full are given away; those that are not stay."""
    descriptor = SharedBuckets.create()
    try:
        shared = SharedBuckets(descriptor)
        clock = ManualClock()
        indebted = shared("google", ("indebted", seed), LIMIT)
        assert indebted.may_read(clock.monotonic())
        indebted.charge(50 * LIMIT)
        for i in range(200):
            clock.advance(0.2)
            passing = shared("google", (f"n{i}", seed), LIMIT)
            assert passing.may_read(clock.monotonic())
            passing.charge(1)
            assert not indebted.may_read(clock.monotonic())
    finally:
        os.close(descriptor)


def test_where_all_are_in_use_the_least_indebted_makes_room(descriptor: int) -> None:
    shared = SharedBuckets(descriptor)
    names = [(i * ROWS).to_bytes(8, "big") for i in range(1, WIDTH + 2)]  # of one row
    for i, name in enumerate(names[:-1]):
        shared.full_at(name, 100.0, lambda full, i=i: full + 10 + i)  # type: ignore[misc]
    shared.full_at(names[-1], 100.0, lambda full: full + 50)
    assert [shared.full_at(name, 100.0) for name in names] == [100.0, *(110.0 + i for i in range(1, WIDTH)), 150.0]


def test_a_process_that_is_killed_with_the_lock_leaves_no_lock(descriptor: int) -> None:
    program = (
        "import fcntl, os, signal\n"
        f"fcntl.lockf({descriptor}, fcntl.LOCK_EX, {SIZE}, 0)\n"
        "print('locked', flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], pass_fds=[descriptor], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"locked\n"
    bucket = SharedBuckets(descriptor)("google", TENANT, LIMIT)
    assert bucket.may_read(1.0)


def test_processes_charge_one_bucket(descriptor: int) -> None:
    """Every charge of every process counts: none is written over by another one's."""
    program = (
        "from outrider.pipeline.ceilings import SharedBuckets\n"
        f"buckets = SharedBuckets({descriptor})\n"
        "for _ in range(2000):\n"
        "    buckets.full_at(b'8 bytes.', 5.0, lambda full: full + 1.0)\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", program], pass_fds=[descriptor]) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert SharedBuckets(descriptor).full_at(b"8 bytes.", 5.0) == 5.0 + 3 * 2000
    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, SIZE, 0)
