"""Names of severities, as programs write them, to the nine that Cloud Logging knows.

The server's enumeration is google.logging.type.LogSeverity; the synonyms are the union of what both open Google
agents accept (letters of klog, names of java.util.logging, syslog's short forms), and a few more that they miss.
Numbers are LogSeverity's own scale, rounded down.
"""

from typing import Any

DEFAULT = "DEFAULT"

_SPELLINGS = {
    "EMERGENCY": "EMERGENCY EMERG",
    "ALERT": "ALERT A",
    "CRITICAL": "CRITICAL CRIT FATAL C F PANIC DPANIC",
    "ERROR": "ERROR ERR SEVERE E",
    "WARNING": "WARNING WARN W",
    "NOTICE": "NOTICE N",
    "INFO": "INFO INFORMATION I",
    "DEBUG": "DEBUG D TRACE TRACE_INT FINE FINER FINEST CONFIG VERBOSE",
    "DEFAULT": "DEFAULT",
}
NAMES = {word: severity for severity, words in _SPELLINGS.items() for word in words.split()}
"""The severity by the usual spellings of a name; `parse` knows more."""
_BY_HUNDREDS = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")

DEFAULTS = {b"stdout": "INFO", b"stderr": "ERROR", b"": "INFO"}
"""Severity by stream; b"" is a line of the file that no container runtime wrote, which stays text whatever it says."""

BY_LETTER = {"I": "INFO", "W": "WARNING", "E": "ERROR", "F": "CRITICAL", "D": "DEBUG"}
"""The first letter of a klog line."""


def parse(value: Any) -> str | None:
    """The severity that a decoded JSON value names; None if it names none."""
    if isinstance(value, str):
        if value in NAMES:
            return NAMES[value]
        word = value.strip().upper()
        if word.isascii() and word.isdigit():
            return _BY_HUNDREDS[min(int(word[:6]) // 100 if len(word) <= 6 else 8, 8)]
        return NAMES.get(word)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return _BY_HUNDREDS[min(value // 100, 8)]
    return None
