"""ZooKeeper's four-letter words, and what their answers say.

    ruok            imok
    mntr            zk_packets_sent\\t3                   a name and a value on each line
    stat, srvr      Latency min/avg/max: 0/0.0/0         for people: `srvr` is `stat` without a line for each client

Since 3.5.3 a server answers only to those in `4lw.commands.whitelist`, which is `srvr` alone unless somebody set it.

Source: the ZooKeeper administrator's guide, "The Four Letter Words".
"""

import re
from collections.abc import Mapping

from outrider.checks.check import AnswerError
from outrider.checks.numbers import Number, number
from outrider.checks.oneshot import ask
from outrider.checks.stream import Where, called
from outrider.checks.tls import TlsSettings

LARGEST = 4 << 20
"""Bytes of an answer. `stat` has a line of seventy bytes for each client: there is room for sixty thousand."""
MOST = 100_000
"""Lines of an answer."""
CURE = "4lw.commands.whitelist=ruok, mntr, stat in zoo.cfg, and start it anew"

_REFUSED = b"is not executed because it is not in the whitelist"
_IDLE = b"This ZooKeeper instance is not currently serving requests"
_LATENCY = re.compile(r"(-?[0-9.]+)/(-?[0-9.]+)/(-?[0-9.]+)")


class UnlistedError(Exception):
    """The word is not in the whitelist."""


class IdleError(Exception):
    """It runs, and serves nobody: it has no quorum, or is still looking for a leader."""


def said(where: Where, word: str, deadline: float, tls: TlsSettings | None) -> str:
    """The answer to `word`. Raises UnlistedError, IdleError and CheckError."""
    answer = ask(where, word.encode(), deadline, LARGEST, tls)
    if _REFUSED in answer[:200]:
        raise UnlistedError(word)
    if answer.startswith(_IDLE):
        raise IdleError(word)
    if answer.count(b"\n") > MOST:
        raise AnswerError(f"{called(where)} answers {word} with more than {MOST:,} lines")
    return answer.decode("utf-8", "replace")


def monitored(text: str, where: Where) -> dict[str, str]:
    """The values of an answer to `mntr` by name, without `zk_`. Raises AnswerError if it is none, or was cut."""
    lines = text.splitlines()
    if not lines or not lines[0].startswith("zk_version\t") or not text.endswith("\n"):
        raise _strange("mntr", text, where)
    found = (line.partition("\t") for line in lines)
    return {name.removeprefix("zk_"): value.strip() for name, tab, value in found if tab}


def told(text: str, word: str, where: Where) -> tuple[str, dict[str, Number]]:
    """Mode and values of an answer to `stat` or `srvr`. Raises AnswerError if it is none, or was cut."""
    found = _fields(text)
    latency = _LATENCY.fullmatch(found.get("Latency min/avg/max", ""))
    if latency is None or "Mode" not in found or "Node count" not in found or not text.endswith("\n"):
        raise _strange(word, text, where)
    try:
        zxid = int(found["Zxid"], 16)
        values: dict[str, Number | None] = {
            **dict(zip(("latency.min", "latency.avg", "latency.max"), map(float, latency.groups()), strict=True)),
            "received": int(found["Received"]),
            "sent": int(found["Sent"]),
            "connections": number(found.get("Connections")),  # since 3.4.4
            "outstanding": int(found["Outstanding"]),
            "zxid.epoch": zxid >> 32,
            "zxid.count": zxid & 0xFFFFFFFF,
            "nodes": int(found["Node count"]),
        }
    except (KeyError, ValueError):
        raise _strange(word, text, where) from None
    return found["Mode"].lower(), {name: value for name, value in values.items() if value is not None}


def _fields(text: str) -> Mapping[str, str]:
    split = (line.partition(": ") for line in text.splitlines() if not line.startswith(" "))  # those are clients
    return {name: value.strip() for name, _, value in split}


def _strange(word: str, text: str, where: Where) -> AnswerError:
    return AnswerError(
        f"{called(where)} does not answer {word} as ZooKeeper does, or not to the end (it says {text[:60]!r})"
    )
