"""A look at a server over HTTP: whether it is reached, who it says it is, and what time it has.

It has the collectors' client (`outrider.model.connections`) and trusts whom they trust. What goes wrong on the way is
told apart, since each has another cure.
"""

import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from outrider import __version__
from outrider.config.secrets import without_password
from outrider.doctor.finding import Finding, fail, ok, warn
from outrider.model.clock import Clock
from outrider.model.connections import FAILURES, Connections, headers_of, read

WAITING = 5.0
"""Seconds for the connection, and again for the answer."""
MAX_BODY = 8 << 20
EXPIRES_SOON = 7 * 86400.0
"""Seconds; who renews certificates by a program does so earlier."""
BEHIND, REFUSED = 5.0, 300.0
"""Seconds that a clock may be off: beyond the first, points and lines get times that make no sense side by side; beyond
the second, Cloud Monitoring takes no points (google/monitoring/v3/common.proto, TimeInterval: five minutes ahead)."""

_EXPIRED, _NOT_YET, _SELF_SIGNED, _HOST = {10}, {9}, {18, 19, 20, 21}, {62, 64}
"""X509_V_ERR_* of OpenSSL (x509_vfy.h)."""


class Seen(NamedTuple):
    """An answer. `certificate` is as `SSLSocket.getpeercert` has it, None without TLS or if it was not verified.
    `ahead`: seconds by which this machine's clock is ahead of the server's, None if it does not tell.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    certificate: Mapping[str, Any] | None
    ahead: float | None


class UnseenError(Exception):
    """There is no answer; the text says why, `cure` what to do. `nobody`: nobody listens there."""

    def __init__(self, text: str, cure: str, nobody: bool = False) -> None:
        super().__init__(text)
        self.cure, self.nobody = cure, nobody


def trust(ca: str | None, verify: bool = True, cluster: bool = False) -> ssl.SSLContext:
    """Whom to trust: `ca`, a file, else the system's authorities. `cluster`: its CA may lack extensions that Python
    asks for since 3.13 (as `outrider.kube.client` has it). Raises UnseenError if the file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError as e:  # ssl.SSLError is one
        raise UnseenError(
            f"the certificate authorities in {ca} cannot be used: {e.strerror or e}",
            "it has to be a PEM file that can be read",
        ) from e
    if cluster:
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def look(
    url: str,
    clock: Clock,
    context: ssl.SSLContext | None,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Seen:
    """What `url` answers; `context` is used for https alone. Raises UnseenError."""
    parts = urlsplit(url)
    certificates: list[Mapping[str, Any] | None] = []

    def sent(sock: socket.socket) -> None:
        certificates.append(sock.getpeercert() or None if isinstance(sock, ssl.SSLSocket) else None)

    secure = context if parts.scheme == "https" else None
    connections = Connections(url, 0, WAITING, WAITING, secure)
    asked = {"User-Agent": f"outrider/{__version__}", **(headers or {})}
    began = clock.now()
    try:
        with connections.request(method, body, asked, sent) as response:
            came = clock.now()
            said = read(response, MAX_BODY)
    except FAILURES as e:
        raise _unseen(parts.hostname or "", without_password(url), e) from e
    except ValueError:  # its text has what cannot be sent
        cure = "see what its file or variable holds: one line of letters, digits and signs is expected"
        raise UnseenError("what there is as key or token is none: no header can carry it", cure) from None
    answered = headers_of(response)
    return Seen(response.status, answered, said, certificates[0], _ahead(answered, (began + came) / 2))


def _ahead(headers: Mapping[str, str], now: float) -> float | None:
    """By the Date of an answer, which is cut to a second, and the Age that it may have in a proxy's memory."""
    try:
        date = parsedate_to_datetime(headers.get("Date", "")).timestamp()
    except (ValueError, TypeError):
        return None
    age = headers.get("Age", "0").strip()
    return now - (date + 0.5 + (int(age) if age.isascii() and age.isdigit() else 0))


def _unseen(host: str, url: str, error: Exception) -> UnseenError:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _untrusted(host, error)
    if isinstance(error, socket.gaierror):
        return UnseenError(
            f"{host} cannot be resolved: {error.strerror}",
            "is the name right, and can this pod ask the cluster's DNS (dnsPolicy, a NetworkPolicy for port 53)?",
        )
    if isinstance(error, ConnectionRefusedError):
        cure = "is the port right, and does anybody listen there?"
        return UnseenError(f"{url} refuses the connection", cure, nobody=True)
    if isinstance(error, TimeoutError):
        return UnseenError(
            f"{url} is silent for {WAITING:g} s",
            "a firewall or NetworkPolicy that drops packets? Egress to it has to be allowed",
        )
    if isinstance(error, ssl.SSLError):
        return UnseenError(
            f"no TLS with {url}: {error.reason or error}",
            "does it speak TLS on this port, or should the URL be http://?",
        )
    return UnseenError(f"{url} cannot be reached: {error}", "is there a route to it, and is egress allowed?")


def _untrusted(host: str, error: ssl.SSLCertVerificationError) -> UnseenError:
    words = f"the certificate of {host} is not trusted: {error.verify_message}"
    if error.verify_code in _EXPIRED:
        return UnseenError(words, "it has to be renewed there; if it was, look at the clock of this machine")
    if error.verify_code in _NOT_YET:
        return UnseenError(words, "look at the clock of this machine")
    if error.verify_code in _HOST:
        return UnseenError(words, "use a name that is in the certificate, or have one made for this name")
    if error.verify_code in _SELF_SIGNED:
        return UnseenError(
            words,
            "name the authority that signed it (PEM) as `ca`; if this should be the vendor, a proxy on the way opens "
            "the encryption, and its authority is needed",
        )
    return UnseenError(words, "name the right authority as `ca`, or have the certificate renewed")


# -- what is found of an answer ---------------------------------------------------------------------------------------


def reached(subject: str, url: str, seen: Seen, clock: Clock) -> Finding:
    """That the server of `url` answers, and how its certificate is."""
    parts = urlsplit(url)
    host = without_password(parts.netloc)
    if parts.scheme != "https":
        if parts.hostname in ("localhost", "::1") or (parts.hostname or "").startswith("127."):
            return ok(subject, f"{host} answers, without TLS, on this machine")
        return warn(subject, f"{host} answers, without TLS", "keys and logs can be read on the way: use https://")
    if seen.certificate is None:
        return ok(subject, f"{host} answers, over TLS; its certificate is not verified")
    ends = ssl.cert_time_to_seconds(str(seen.certificate["notAfter"]))
    day = datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%d")
    words = f"{host} answers, with a certificate by {_name(seen.certificate.get('issuer', ()))}, valid until {day}"
    if ends - clock.now() < EXPIRES_SOON:
        return warn(subject, words, "it has to be renewed there before that day")
    return ok(subject, words)


def _name(distinguished: Any) -> str:
    """Organization and common name."""
    fields = {key: value for part in distinguished for key, value in part}
    names = [fields[key] for key in ("organizationName", "commonName") if fields.get(key)]
    return ", ".join(names) or "nobody who has a name"


class Clocks:
    """How far this machine's clock is off, by the answers of several servers."""

    def __init__(self) -> None:
        self._ahead: dict[str, float] = {}

    def add(self, url: str, seen: Seen) -> None:
        if seen.ahead is not None:
            self._ahead[urlsplit(url).hostname or url] = seen.ahead

    def findings(self) -> list[Finding]:
        """One, or one for each server that has another time."""
        found = [_off(host, ahead) for host, ahead in sorted(self._ahead.items()) if abs(ahead) > BEHIND]
        if found or not self._ahead:
            return found
        return [ok("clock", f"within {BEHIND:g} s of {', '.join(sorted(self._ahead))}")]


def _off(host: str, ahead: float) -> Finding:
    words = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} {host}"
    cure = "have NTP set this machine's clock (chronyc tracking, timedatectl)"
    if abs(ahead) > REFUSED:
        return fail("clock", f"{words}: points of such times are refused, and tokens may be", cure)
    return warn("clock", words, cure)
