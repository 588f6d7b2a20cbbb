"""What an error of the server or of pymysql means, and what cures it.

    1227 you need (at least one of) the SUPER, SLAVE MONITOR privilege(s)  ->  GRANT SLAVE MONITOR ON *.* TO 'm'@'%'
    1142 SELECT command denied to user 'm'@'%' for table `threads`  ->  GRANT SELECT ON performance_schema.* TO 'm'@'%'

Numbers of errors are those of the manuals (dev.mysql.com, Server Error Message Reference; mariadb.com/kb, MariaDB Error
Code Reference); those from 2000 to 2999 are the client's own.
"""

import re
import ssl

from outrider.checks.check import AnswerError, CheckError, DeniedError, RefusedError, SilentError
from outrider.checks.stream import no_tls

LOST = frozenset({1053, 1077, 1079, 1152, 1184, 1927, 4031})
"""The server ends the connection: it stops, somebody killed it, it was idle for too long."""

_RIGHTS = re.compile(r"at least one of\) the ([A-Z_ ,]+) privilege")
_DENIED = frozenset({1044, 1142, 1143, 1227, 1370})
_STOPPED = frozenset({1317, 1969, 3024})
"""The server gave the statement up, since it took too long or somebody killed it."""
_TURNED_AWAY: dict[int, tuple[type[CheckError], str, str]] = {
    1040: (RefusedError, "has as many connections as it takes", "raise max_connections"),
    1203: (RefusedError, "has as many connections of {user} as it takes", "raise max_user_connections"),
    1226: (RefusedError, "lets {user} do no more than its limits", "raise the limits of the user (ALTER USER)"),
    1129: (RefusedError, "has blocked this host after many failed connections", "run FLUSH HOSTS on it"),
    1130: (DeniedError, "lets nobody in from this host", "CREATE USER '{user}'@'<this host>', or '{user}'@'%'"),
    1045: (
        DeniedError,
        "does not let {user} in",
        "correct username or password; is the user one of this host, and does it need TLS (tls: {{}})?",
    ),
    1698: (DeniedError, "does not let {user} in by a password", "give the user one, or another user"),
    1820: (DeniedError, "wants {user} to change the password", "ALTER USER '{user}' IDENTIFIED BY ..."),
    1862: (DeniedError, "says that the password of {user} has expired", "ALTER USER '{user}' IDENTIFIED BY ..."),
    3118: (DeniedError, "has locked the user {user}", "ALTER USER '{user}' ACCOUNT UNLOCK"),
    4151: (DeniedError, "has locked the user {user}", "ALTER USER '{user}' ACCOUNT UNLOCK"),
    3159: (DeniedError, "takes no connection without TLS", "set tls: {{}}"),
    2026: (RefusedError, "speaks no TLS", "leave tls out, or give the server a certificate (ssl_cert, ssl_key)"),
    2059: (DeniedError, "wants {user} to log in in a way that is not known here", "ALTER USER '{user}' IDENTIFIED ..."),
}

FATAL = LOST | _TURNED_AWAY.keys()
"""Whatever the statement was, there is no use in the next one."""


class QueryError(Exception):
    """The server understood a statement, and refused it: `code` is the number of the error."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code, self.words = code, words


def refused(error: QueryError, name: str, account: str, tables: str) -> CheckError:
    """What it means that the server called `name` refused a statement of `account` ('user'@'host') that reads `tables`,
    as GRANT names them.
    """
    rights = _RIGHTS.search(error.words)
    if rights is not None:
        one = [right.strip() for right in rights[1].split(",") if right.strip() != "SUPER"] or ["SUPER"]
        return DeniedError(f"{name}: {account} lacks a right", f"GRANT {one[-1]} ON *.* TO {account}")
    if error.code in _DENIED:
        return DeniedError(f"{name}: {account} may not read {tables}", f"GRANT SELECT ON {tables} TO {account}")
    if error.code in _STOPPED:
        return SilentError(f"{name}: it took too long", "raise timeout if the server is only slow")
    return AnswerError(f"{name} answers with error {error.code}: {error.words[:200]}")


def trouble(e: Exception, name: str, user: str, *, late: bool, tls: bool) -> CheckError:
    """What an exception of the connection means. `late`: the deadline is over; `tls`: it was to be spoken."""
    cause = getattr(e, "original_exception", e)
    if isinstance(cause, CheckError):
        return cause
    if late or isinstance(cause, TimeoutError):
        return SilentError(f"{name} did not answer in time", "raise timeout if it is only slow")
    if isinstance(cause, ssl.SSLError):
        return no_tls(name, cause)
    code = e.args[0] if e.args else None
    if code in _TURNED_AWAY:
        kind, words, cure = _TURNED_AWAY[code]
        return kind(f"{name} {words.format(user=user)}", cure.format(user=user))
    if isinstance(code, int) and (2000 <= code < 3000 or code in LOST):
        cure = "is its certificate of the client (tls.cert) missing?" if tls and code == 2003 else ""
        return RefusedError(f"{name} hung up ({e.args[-1]})", cure)
    if isinstance(cause, OSError):
        return RefusedError(f"{name} cut the connection ({cause.strerror or cause})")
    if isinstance(code, int):
        return AnswerError(f"{name} answers with error {code}: {str(e.args[-1])[:200]}")
    return AnswerError(f"{name} does not speak MySQL's protocol ({str(e)[:100]})")
