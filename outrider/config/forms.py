"""The kinds of string that the configuration knows: names, paths, globs, patterns, addresses.

Each form pairs a pattern (which the JSON schema carries too) with a check for what a pattern cannot say.
"""

from typing import Annotated
from urllib.parse import urlsplit

from outrider.config.shape import Members, Text
from outrider.model.patterns import PatternError, compiled


def _regex(text: str) -> None:
    try:
        compiled(text)
    except PatternError as e:
        raise ValueError(f"does not compile: {e}") from None


def _url(text: str) -> None:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as e:
        raise ValueError(f"is not a URL: {e}") from None
    if not parts.hostname:
        raise ValueError("names no host")
    if port == 0:
        raise ValueError("names port 0")
    if parts.query or parts.fragment:
        raise ValueError("carries a query or a fragment")


def _port(text: str) -> None:
    port = text.rpartition(":")[2]
    if port.isdecimal() and int(port) > 65535:
        raise ValueError(f"names port {port}, and 65535 is the highest")


NAME = Text("a name without blanks and slashes", r"^[^\s/]+$")
OBJECT_NAME = Text(
    "a name of up to 63 small letters, digits and '-', as objects of Kubernetes have",
    r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
)
PATH = Text("a path")
EXISTING_FILE = Text("the path of a file", role="file")
GLOB = Text("a glob such as team-*")
REGEX = Text("a regular expression", check=_regex)
URL = Text("a URL such as https://host:443", r"^https?://[^\s/?#]+(/[^\s?#]*)?$", _url)
LISTEN = Text('an address such as "0.0.0.0:9464"', r"^([A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}$", _port)
STATSD = Text(
    "udp://host:port or unix:///path",
    r"^(udp://([^\s/:]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}|unix(gram|stream)?:///\S+)$",
    _port,
)
STATSD_LISTEN = Text(
    "udp://address:port, unix:///path or unixstream:///path",
    r"^(udp://([^\s/:]*|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}|unix(gram|stream)?:///\S+)$",
    _port,
)
HOST = Text("a host name such as datadoghq.eu", r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")
EXPORTER_NAME = Text("a name of up to 63 letters, digits, '.', '_' and '-'", r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")
EXPORTER = Text("the name of an exporter", EXPORTER_NAME.pattern, role="exporter")
ROUTE_NAME = Text("a name of up to 63 letters, digits, '.', '_' and '-'", EXPORTER_NAME.pattern)
LABEL_KEY = Text("a label or annotation key such as app.kubernetes.io/name", r"^[^\s/]+(/[^\s/]+)?$")
TAG = Text("a tag such as env:prod, without blanks and commas", r"^[^\s,]+$")
RULE_NAME = Text("a name")
CHECK_NAME = Text("the name of a check", r"^[a-z][a-z0-9_-]*$")

Name = Annotated[str, NAME]
Path = Annotated[str, PATH]
File = Annotated[str, EXISTING_FILE]
Glob = Annotated[str, GLOB]
Regex = Annotated[str, REGEX]
Url = Annotated[str, URL]
Globs = Annotated[list[Glob], Members(at_least=1, unique=True, single=True)]
