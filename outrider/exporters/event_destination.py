"""What the pipeline asks of an exporter of Kubernetes events. Anything that has these is one."""

from collections.abc import Callable
from dataclasses import dataclass

from outrider.exporters.destination import Destination
from outrider.model.happening import Happening


@dataclass(frozen=True, slots=True)
class EventDestination:
    """`to`: where entries go; `entry` makes one of an event, as a JSON object: None if the destination does not want
    it. It raises ValueError for one that no entry can be made of.
    """

    to: Destination
    entry: Callable[[Happening], bytes | None]
