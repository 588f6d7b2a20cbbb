"""What keeps an annotation within its own pod: where a check goes, and what of this machine it may read.

Whoever may write an annotation is not whoever runs the node. So of the settings that an annotation gives

- an address may be the pod's own (`%%host%%`) or `localhost`, which means the pod too, and is put in as the pod's; the
  pod is also where a check goes if nothing is said;
- a unix socket, a file of certificates, a secret in a file or a variable would be the node's, and are refused.

Addresses are taken apart by strict patterns and put together anew with the pod's address, so nothing hangs on how
somebody else would read an odd URL.
"""

import re
from collections.abc import Sequence
from typing import Any

from outrider.config import forms
from outrider.config.secrets import without_password
from outrider.config.shape import Hidden, Many, Nullable, Record, Shape, Text
from outrider.discovery.wish import FaultError

_URL = re.compile(
    r"(https?|tcp)://((?:[^\s@/\\?#\[\]]*@)?)(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?([/?#].*|)"
)
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_BARE_IPV6 = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*")
_THE_POD = frozenset({"localhost", "127.0.0.1", "::1", "0.0.0.0", "::"})
_PORTS = {"http": 80, "https": 443, "tcp": 0}


def confined(settings: dict[str, Any], record: Record, addresses: Sequence[str], ip: str) -> tuple[dict[str, Any], int]:
    """`settings` of the check with the shape `record`, with `ip` for every host in its `addresses`, and the port that
    is asked (0: it is not said). Raises FaultError for what an annotation may not have.
    """
    _refuse_what_is_the_nodes(settings, record, "")
    made, ports = dict(settings), []
    for name in addresses:
        key = record.key(name)
        if key is None:
            continue
        value = settings.get(name, None if key.required else key.default)
        several = value if isinstance(value, list) else [value]
        found = [_address(name, one, ip) for one in several if one is not None]
        if found:
            ports += [port for _, port in found if port]
            made[name] = [text for text, _ in found] if isinstance(value, list) else found[0][0]
    keys = [name for name in addresses if record.key(name) is not None]
    if not keys:
        raise FaultError("an annotation cannot ask for this check: say it in metrics.checks")
    if all(made.get(name) is None for name in keys):
        raise FaultError(f"it is not said where the server is: give {' or '.join(keys)}")
    port = record.key("port")
    if not ports and port is not None:
        given = made.get("port", port.default)
        ports = [int(given)] if str(given).isdecimal() else []
    return made, ports[0] if ports else 0


def _address(name: str, value: Any, ip: str) -> tuple[str, int]:
    """The same place in the pod, and the port in it."""
    if not isinstance(value, str):
        raise FaultError(f"{name} is no address")
    url = _URL.fullmatch(value)
    if url is not None:
        scheme, user, host, port, rest = url.groups()
        _must_be_the_pod(name, host, ip)
        return f"{scheme}://{user}{_bracketed(ip)}{f':{port}' if port else ''}{rest}", int(port or _PORTS[scheme])
    if _BARE_IPV6.fullmatch(value):
        _must_be_the_pod(name, value, ip)
        return ip, 0
    plain = _HOST.fullmatch(value)
    if plain is None:
        raise FaultError(
            f'{name}: "{without_password(value)[:80]}" cannot be asked for by an annotation, which reaches its own pod '
            "over TCP alone: write %%host%%"
        )
    _must_be_the_pod(name, plain[1], ip)
    return (f"{_bracketed(ip)}:{plain[2]}", int(plain[2])) if plain[2] else (ip, 0)


def _must_be_the_pod(name: str, host: str, ip: str) -> None:
    bare = host.strip("[]").lower()
    if bare not in _THE_POD and bare != ip.lower():
        raise FaultError(
            f'{name}: "{host}" is not this pod, and an annotation reaches its own pod alone: write %%host%%'
        )


def _bracketed(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip


def _refuse_what_is_the_nodes(value: Any, shape: Shape, path: str) -> None:
    if isinstance(shape, Nullable):
        shape = shape.item
    if isinstance(shape, Record) and isinstance(value, dict):
        for name, one in value.items():
            key = shape.key(name)
            if key is not None:
                _refuse_what_is_the_nodes(one, key.shape, f"{path}.{name}" if path else name)
    elif isinstance(shape, Many) and isinstance(value, list):
        for one in value:
            _refuse_what_is_the_nodes(one, shape.item, path)
    elif isinstance(shape, Hidden) and isinstance(value, dict):
        raise FaultError(
            f"{path}: secrets of the node cannot be named by a pod's annotation: write %%env_NAME%% for a plain "
            "variable of the container, or have a sidecar measure, which has the pod's own Secret"
        )
    elif is_of_the_node(shape) and value is not None:
        raise FaultError(f"{path}: files and sockets of the node cannot be named by a pod's annotation: leave it out")


def is_of_the_node(shape: Shape) -> bool:
    """Whether a text of this shape is a path on this machine."""
    return isinstance(shape, Text) and (shape.role == "file" or shape == forms.PATH)
