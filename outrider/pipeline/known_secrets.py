"""The ready sets of `logs.redact`: what keys, tokens, card numbers and e-mail addresses look like.

Each follows a format that its issuer has published, with its fixed prefix, so that ordinary lines do not match. Where
a value has no form of its own (passwords, `Authorization`, Datadog's keys) the word before it is required and kept.
A card number has to have an issuer's prefix and length and a right check digit (ISO/IEC 7812), because log lines are
full of long numbers.

Keys and tokens that a program prints over several lines are found if the lines are one record.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_GONE = "[redacted]"


@dataclass(frozen=True, slots=True)
class Known:
    """A pattern, and what is put in place of a match: a replacement as of `Pattern.sub`, or a function of the match.
    `screen`, if given, matches wherever the pattern does and costs less.
    """

    pattern: str
    made: str | Callable[[Any], bytes] = _GONE
    screen: str = ""


_ISSUERS = (
    (re.compile(rb"4"), (13, 16, 19)),  # Visa
    (re.compile(rb"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),  # Mastercard
    (re.compile(rb"3[47]"), (15,)),  # American Express
    (re.compile(rb"30[0-5]|3[689]"), (14, 16)),  # Diners Club
    (re.compile(rb"6011|64[4-9]|65"), (16, 19)),  # Discover
    (re.compile(rb"352[89]|35[3-8]"), (16,)),  # JCB
    (re.compile(rb"62"), (16, 17, 18, 19)),  # UnionPay
    (re.compile(rb"5018|5020|5038|5893|6304|6759|676[1-3]"), (13, 14, 15, 16, 17, 18, 19)),  # Maestro
)
_BEFORE = re.compile(rb"[0-9]\.\Z")
_BEHIND = re.compile(rb"\.[0-9]")
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")  # the digit sum of twice the digit


def is_card(digits: bytes) -> bool:
    """Whether `digits` are those of a card: prefix and length of an issuer, and the Luhn check digit."""
    if not any(len(digits) in lengths and prefix.match(digits) for prefix, lengths in _ISSUERS):
        return False
    odd, even = digits[-1::-2], digits[-2::-2].translate(_DOUBLED)
    return (sum(odd) + sum(even) - 48 * len(digits)) % 10 == 0


def _without_cards(m: Any) -> bytes:
    """A run of digit groups with the groups that are a card replaced. A card never begins or ends inside a group, and
    what stands before or behind a decimal point is none.
    """
    run: bytes = m.group()
    groups = [(g.start(), g.end()) for g in re.finditer(rb"[0-9]++", run)]
    if _BEFORE.search(m.string, max(m.start() - 2, 0), m.start()):
        del groups[0]
    if _BEHIND.match(m.string, m.end()):
        del groups[-1:]
    pieces: list[bytes] = []
    done = i = 0
    while i < len(groups):
        found = _card_from(run, groups, i)
        if found:
            pieces += (run[done : groups[i][0]], _GONE.encode())
            i, done = found, groups[found - 1][1]
        else:
            i += 1
    return b"".join([*pieces, run[done:]])


def _card_from(run: bytes, groups: list[tuple[int, int]], first: int) -> int:
    """The number of the group after the longest card that begins with group `first`; 0 if none does."""
    digits, found = b"", 0
    for i in range(first, len(groups)):
        start, end = groups[i]
        if len(digits) + end - start > 19 or (i > first and groups[i - 1][1] - groups[i - 1][0] < 4):
            break  # cards are printed in groups of four and more, but for the last one
        digits += run[start:end]
        if len(digits) >= 13 and is_card(digits):
            found = i + 1
    return found


def _without_password(m: Any) -> bytes:
    """RFC 7617: behind the word stands base64 of `user:password`; otherwise it is just a word."""
    value = m.group(1).rstrip(b"=")
    try:
        credentials = base64.b64decode(value + b"=" * (-len(value) % 4))
    except binascii.Error:
        return bytes(m.group())
    return b"Basic " + _GONE.encode() if b":" in credentials else bytes(m.group())


_KEYS = (
    # RFC 7468; also with its line feeds written as \n, and cut off before its end
    Known(
        r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----(?s:.*?)"
        r"(?:-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----|\z)",
        screen=r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----",
    ),
    # AWS: identifiers of access keys (IAM user guide, "Unique identifiers"), and secret keys behind their name
    Known(r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"),
    Known(
        r"""(?i)(aws_?secret_?(?:access_?)?key\\?["']?\s*[:=]\s*\\?["']?)[A-Za-z0-9/+]{40}""",
        r"\1" + _GONE,
    ),
    # Google: API keys, OAuth client secrets
    Known(r"\bAIza[0-9A-Za-z_-]{35}"),
    Known(r"\bGOCSPX-[0-9A-Za-z_-]{28}"),
    # Azure storage: AccountKey= of a connection string
    Known(r"(\bAccountKey=)[A-Za-z0-9+/]{86}==", r"\1" + _GONE),
    # age, and the keys of two AI vendors, SendGrid, DigitalOcean
    Known(r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}\b"),
    Known(r"\bsk-(?:ant-|proj-|svcacct-)[0-9A-Za-z_-]{20,}"),
    Known(r"\bSG\.[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}"),
    Known(r"\bdo[opr]_v1_[0-9a-f]{64}\b"),
)

_TOKENS = (
    # RFC 7519 in its compact form: header and payload begin with {" in base64url; an unsigned one has no third part
    Known(r"\beyJ[0-9A-Za-z_-]{5,}\.eyJ[0-9A-Za-z_-]{5,}\.[0-9A-Za-z_-]*"),
    # RFC 9110 11.6.2; behind the header's name, or with a credential long enough not to be a word
    Known(
        r"(?i)(\bauthorization\\?[\"']?\s*[:=]\s*\\?[\"']?(?:bearer|basic|token|digest)\s+)[^\s\"'\\,;]+", r"\1" + _GONE
    ),
    Known(r"(\b[Bb]earer )[0-9A-Za-z_~+/.-]{16,}=*", r"\1" + _GONE),
    Known(r"\bBasic ([0-9A-Za-z+/]{8,}={0,2})", _without_password),
    # GitHub, GitLab, Slack, Stripe, npm, PyPI
    Known(r"\bgh[pousr]_[0-9A-Za-z]{36,255}"),
    Known(r"\bgithub_pat_[0-9A-Za-z]{22}_[0-9A-Za-z]{59}"),
    Known(r"\bgl(?:pat|ptt|dt|rt|cbt|ft|imt|agent|soat)-[0-9A-Za-z_.-]{20,}"),
    Known(r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}"),
    Known(r"\bxapp-[0-9]-[0-9A-Za-z-]{10,}"),
    Known(r"(hooks\.slack\.com/(?:services|workflows|triggers)/)[0-9A-Za-z/_-]{20,}", r"\1" + _GONE),
    Known(r"\b(?:[sr]k_(?:live|test)|whsec)_[0-9A-Za-z]{16,}"),
    Known(r"\bnpm_[0-9A-Za-z]{36}\b"),
    Known(r"\bpypi-[0-9A-Za-z_-]{50,}"),
    # Datadog's keys are plain hexadecimal digits: only behind their names
    Known(
        r"""(?i)((?:dd-(?:api|application)-key|\b(?:dd_|datadog_)?(?:api|app)_?key)\\?["']?\s*[:=]\s*\\?["']?)"""
        r"(?:[0-9a-f]{40}|[0-9a-f]{32})\b",
        r"\1" + _GONE,
    ),
)

_CARDS = (Known("[0-9](?:[ -]?[0-9]){12,}", _without_cards),)

_EMAILS = (
    # any local part without quotes, and a domain that ends in letters
    Known(r"[0-9\pL._%+'-]+@(?:[0-9\pL-]+\.)+\pL{2,24}", screen=r"@(?:[0-9\pL-]+\.)+\pL{2}"),
)

SETS: Mapping[str, tuple[Known, ...]] = {"keys": _KEYS, "tokens": _TOKENS, "cards": _CARDS, "emails": _EMAILS}
"""By the names that `logs.redact[].set` takes."""
