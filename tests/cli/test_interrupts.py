"""Ctrl-C that comes at a moment when nobody can hear it."""

import signal

import pytest

from outrider.cli.interrupts import interruptible


class Last:
    """An object in whose finalizer the signal comes."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_a_finalizer_swallows_is_heard_at_the_next_pause() -> None:
    with interruptible() as pause:
        Last()
        with pytest.raises(KeyboardInterrupt):
            pause(60.0)


def test_what_was_before_holds_again() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interruptible() as pause:
        pause(0.0)
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
