"""The page of counters that every nginx can have (ngx_http_stub_status_module).

Active connections: 3
server accepts handled requests
 12 12 31
Reading: 0 Writing: 1 Waiting: 2
"""

import re

_PAGE = re.compile(
    rb"Active connections:\s*(\d+)\s+server accepts handled requests(?: request_time)?\s+"
    rb"(\d+)\s+(\d+)\s+(\d+)(?:\s+\d+)?\s+Reading:\s*(\d+)\s+Writing:\s*(\d+)\s+Waiting:\s*(\d+)"
)
_NAMES = ("active", "accepted", "handled", "requests", "reading", "writing", "waiting")


def counters(page: bytes) -> dict[str, int] | None:
    """The counters by name; None if this is another page."""
    found = _PAGE.search(page)
    if found is None:
        return None
    told = dict(zip(_NAMES, map(int, found.groups()), strict=True))
    return {**told, "dropped": told["accepted"] - told["handled"]}
