"""Names of severities, as programs write them, to the nine that Cloud Logging knows.

The server's enumeration is google.logging.type.LogSeverity; the synonyms are the union of what both open Google
agents accept (letters of klog, names of java.util.logging, syslog's short forms), and a few more that they miss.
Numbers are LogSeverity's own scale, rounded down.
"""

from typing import Any

DEFAULT = b"DEFAULT"

_NAMES = {
    b"EMERGENCY": "EMERGENCY EMERG",
    b"ALERT": "ALERT A",
    b"CRITICAL": "CRITICAL CRIT FATAL C F PANIC DPANIC",
    b"ERROR": "ERROR ERR SEVERE E",
    b"WARNING": "WARNING WARN W",
    b"NOTICE": "NOTICE N",
    b"INFO": "INFO INFORMATION I",
    b"DEBUG": "DEBUG D TRACE TRACE_INT FINE FINER FINEST CONFIG VERBOSE",
    b"DEFAULT": "DEFAULT",
}
_BY_NAME = {word: severity for severity, words in _NAMES.items() for word in words.split()}
_BY_HUNDREDS = (b"DEFAULT", b"DEBUG", b"INFO", b"NOTICE", b"WARNING", b"ERROR", b"CRITICAL", b"ALERT", b"EMERGENCY")

BY_LETTER = {b"I": b"INFO", b"W": b"WARNING", b"E": b"ERROR", b"F": b"CRITICAL", b"D": b"DEBUG"}
"""The first letter of a klog line."""


def parse(value: Any) -> bytes | None:
    """The severity that a decoded JSON value names; None if it names none."""
    if isinstance(value, str):
        if value in _BY_NAME:
            return _BY_NAME[value]
        word = value.strip().upper()
        if word.isascii() and word.isdigit():
            return _BY_HUNDREDS[min(int(word[:6]) // 100 if len(word) <= 6 else 8, 8)]
        return _BY_NAME.get(word)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return _BY_HUNDREDS[min(value // 100, 8)]
    return None
