"""Asking a vendor for what was sent to it: the one question that says more than an answer to the sending does.

A reader is a function that asks once. It returns what it has found, in the vendor's words, or None as long as there is
nothing: vendors take from a second to minutes until what they have taken can be read.
"""

from collections.abc import Callable
from typing import Any

Reader = Callable[[], Any]


class ReadError(Exception):
    """The vendor does not let us read; the text says why, and the way out. `passing`: it may another time."""

    def __init__(self, text: str, passing: bool = False) -> None:
        super().__init__(text)
        self.passing = passing
