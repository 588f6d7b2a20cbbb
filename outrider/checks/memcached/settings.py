"""What the check `memcached` may be told."""

from typing import Annotated

from outrider.checks.check import CheckSettings
from outrider.checks.tls import TlsSettings
from outrider.config import forms
from outrider.config.secrets import Secret
from outrider.config.shape import Doc, Hidden, Int, Text


class MemcachedSettings(CheckSettings, frozen=True, kw_only=True):
    """A memcached, and what is read of it beyond the server as a whole."""

    host: Annotated[str, Text("a host name or an address"), Doc("Where it listens.")] = "127.0.0.1"
    port: Annotated[int, Int(1, 65535), Doc("Its port.")] = 11211
    unix_socket_path: Annotated[str | None, forms.PATH, Doc("Its Unix socket, instead of a host and a port.")] = None
    username: Annotated[str | None, forms.NAME, Doc("User of its file of users (`-Y`); null: nobody is asked for.")] = (
        None
    )
    password: Annotated[Secret | None, Hidden(), Doc("Password of the user.")] = None
    tls: Annotated[TlsSettings | None, Doc("How to speak TLS with it; null: without.")] = None
    items: Annotated[bool, Doc("What is stored, by slab class (`stats items`).")] = False
    slabs: Annotated[bool, Doc("Memory, by slab class (`stats slabs`).")] = False
