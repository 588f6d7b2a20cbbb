"""The key that Datadog's APIs ask for in `DD-API-KEY`."""

import hmac
from collections.abc import Callable

from outrider.intake.datadog.errors import DatadogError

Header = Callable[[str], str]
"""The value of a header by its name, stripped; empty if it is not there."""


class Key:
    """The one key that is right; None takes any, but not none. It may change at any time."""

    def __init__(self, value: str | None) -> None:
        self.value = value

    def check(
        self, header: Header, kind: type[DatadogError], missing: tuple[int, str, str], wrong: tuple[int, str, str]
    ) -> None:
        """Raises an error of the `kind` if the key is `missing` or `wrong`."""
        given = header("DD-API-KEY")
        if not given:
            raise kind(*missing)
        right = self.value
        if right is not None and not hmac.compare_digest(given.encode(), right.encode()):
            raise kind(*wrong)
