"""Where are logs? The question that the watcher leaves to somebody who knows the place.

The watcher has the thread, the directories under watch and the streams; a finder has the names. It lists directories
through the watcher, which from then on calls it back when they change, and hands over every log that it finds.
"""

from collections.abc import Callable
from typing import Protocol

from outrider.model.stream import Stream
from outrider.tail.forms import Form


class Watching(Protocol):
    """What a finder asks of the watcher; see `outrider.tail.watch.Watcher`."""

    def list(self, path: str, entry: int, rescan: Callable[[], None]) -> dict[str, int] | None: ...

    def is_new(self, path: str, entry: int) -> bool: ...

    def guarded(self, step: Callable[[], None]) -> bool: ...

    def followed_in(self, directory: str) -> set[str]: ...

    def look(self, path: str) -> None: ...

    def take_up(self, path: str, stream: Stream) -> None: ...

    def odd(self, path: str, why: str) -> None: ...


class Finder(Protocol):
    """`name` is what people call the place, `form` what its files look like. `roots` are the directories that it begins
    with: whether they are there, and still the same, is asked all the time.
    """

    @property
    def name(self) -> str: ...

    @property
    def roots(self) -> tuple[str, ...]: ...

    @property
    def form(self) -> Form: ...

    def scan(self, watching: Watching, root: str) -> None:
        """Look through everything under `root` that is not followed yet."""

    def path_of(self, stream: Stream) -> str:
        """Where the log of `stream` would be."""
