"""The API of NGINX Plus: JSON, one document for each kind of thing, flattened to names and tags as the Agent has them.

    GET /api/9/http/server_zones    {"site": {"requests": 7, "responses": {"2xx": 6, "codes": {"200": 6}}}}

    server_zone.requests        7   server_zone:site
    server_zone.responses.2xx   6   server_zone:site
    server_zone.responses.code  6   server_zone:site code:200

A mapping whose keys are names of things (zones, upstreams, caches, ...) becomes a tag and a shorter name; what has a
`server` gets that as a tag; a time is seconds since 1970.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

DOCUMENTS = {
    "nginx": (1, ()),
    "processes": (1, ("processes",)),
    "connections": (1, ("connections",)),
    "ssl": (1, ("ssl",)),
    "slabs": (1, ("slabs",)),
    "http/requests": (1, ("requests",)),
    "http/server_zones": (1, ("server_zones",)),
    "http/upstreams": (1, ("upstreams",)),
    "http/caches": (1, ("caches",)),
    "http/location_zones": (5, ("location_zones",)),
    "http/limit_reqs": (6, ("limit_reqs",)),
    "http/limit_conns": (6, ("limit_conns",)),
    "resolvers": (5, ("resolvers",)),
    "stream/server_zones": (1, ("stream", "server_zones")),
    "stream/upstreams": (1, ("stream", "upstreams")),
    "stream/zone_sync": (3, ("stream", "zone_sync")),
    "stream/limit_conns": (6, ("stream", "limit_conns")),
}
"""By path: the version of the API that it came with, and where what it says belongs."""

_NAMED = {
    "caches": "cache",
    "codes": "code",
    "limit_conns": "limit_conn",
    "limit_reqs": "limit_req",
    "location_zones": "location_zone",
    "resolvers": "resolver",
    "server_zones": "server_zone",
    "slabs": "slab",
    "slots": "slot",
    "upstreams": "upstream",
    "zones": "zone",
}
"""Mappings whose keys are names, and what one of the things is called."""

Told = tuple[str, int | float, dict[str, Any]]


def told(document: Any, place: tuple[str, ...]) -> Iterator[Told]:
    """Name, value and tags of everything in `document`, which belongs at `place`."""
    for key in reversed(place):
        document = {key: document}
    return _flat("", document, {})


def _flat(name: str, value: Any, tags: dict[str, Any]) -> Iterator[Told]:
    match value:
        case dict():
            yield from _mapping(name, value, tags)
        case list():
            for item in value:
                yield from _flat(name, item, tags)
        case int() | float():  # what is true or false too
            yield name, int(value) if isinstance(value, bool) else value, tags
        case str() if value.endswith("Z"):
            try:
                yield name, int(datetime.fromisoformat(value).timestamp()), tags
            except ValueError:
                return


def _mapping(name: str, value: dict[str, Any], tags: dict[str, Any]) -> Iterator[Told]:
    server = value.get("server")
    if isinstance(server, str) and server:
        tags = {**tags, "server": server}
    for key, inner in value.items():
        thing = _NAMED.get(key)
        deeper = f"{name}.{thing or key}" if name else thing or key
        if thing is None:
            if key != "server":
                yield from _flat(deeper, inner, tags)
        elif isinstance(inner, dict):
            for called, what in inner.items():
                yield from _flat(deeper, what, {**tags, thing: called})
