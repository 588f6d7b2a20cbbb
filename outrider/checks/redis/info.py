"""What INFO says, taken apart.

    # Keyspace
    db0:keys=2,expires=1,avg_ttl=0

Lines of a name and a value; a section's heading and lines of no such form are passed over, since modules and forks add
what they like.
"""

import re

from outrider.checks.check import AnswerError

DATABASE = re.compile(r"db[0-9]+$")
REPLICA = re.compile(r"slave([0-9]+)$")


def parsed(text: bytes, name: str) -> dict[str, str]:
    """Values by name. Raises AnswerError, with the `name` of the server, if no Redis said this."""
    lines = (line.partition(":") for line in text.decode("utf-8", "replace").splitlines() if line[:1] != "#")
    info = {key: value for key, colon, value in lines if colon}
    if "redis_version" not in info:
        raise AnswerError(f"{name} is no Redis: its INFO has no redis_version")
    return info


def fields(value: str) -> dict[str, str]:
    """`keys=2,expires=1` by name. A client that says `host:` as a command leaves a colon before the first."""
    pairs = (part.rpartition("=") for part in value.lstrip(":").split(","))
    return {key: text for key, equals, text in pairs if equals}
