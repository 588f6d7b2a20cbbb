"""Memory that senders share: whoever takes much leaves as much again for the others.

A bound for all alone would let one program that makes a series of every request, by mistake, shut out everybody else on
the node. So nobody gets more once he has more than is left. One alone may have half; beside him a second one half of
the rest, and so on.

    of 100    A: 50     B: 25    C: 12
"""


class Room:
    """`most` bytes. Who asks first (`open_to`) is at most one thing beyond it."""

    __slots__ = ("_left", "_most", "_taken")

    def __init__(self, most: int) -> None:
        self._most = self._left = most
        self._taken: dict[str, int] = {}

    def open_to(self, who: str) -> bool:
        """Whether he may take more."""
        return self._taken.get(who, 0) < self._left

    def take(self, who: str, size: int) -> None:
        self._left -= size
        self._taken[who] = self._taken.get(who, 0) + size

    def give_back(self, who: str, size: int) -> None:
        self._left += size
        self._taken[who] -= size
        if not self._taken[who]:
            del self._taken[who]

    def clear(self) -> None:
        """All is given back."""
        self._left = self._most
        self._taken.clear()
