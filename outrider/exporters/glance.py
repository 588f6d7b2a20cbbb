"""An entry at a glance: what somebody who follows a stream of entries wants to see of each, whatever the vendor."""

from typing import NamedTuple


class Glance(NamedTuple):
    """`time` is RFC 3339 in UTC ("": the entry has none, and the vendor takes that of its arrival), `severity` in
    capitals and the vendor's words. Names that the entry does not have are "".
    """

    time: str
    severity: str
    namespace: str
    pod: str
    container: str
    text: str
