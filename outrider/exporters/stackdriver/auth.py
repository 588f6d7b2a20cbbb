"""Access tokens for Google's REST APIs.

A token source answers one question, `headers()`: what goes with a request now? While the token is valid that costs a
`stat` and a comparison. Nearing its end the token is renewed ahead, by the one thread that gets the lock; the others go
on with the old one. Only when there is no valid token does a caller wait, and no longer than the deadline (and what
the system takes to resolve a name).

Where the token comes from (Application Default Credentials,
https://cloud.google.com/docs/authentication/application-default-credentials):

1. the file that `GOOGLE_APPLICATION_CREDENTIALS` names: a service account key, Workload Identity Federation
   (`external_account`), or a user's own (`authorized_user`);
2. the file that `gcloud auth application-default login` leaves;
3. the metadata server of the node, on GKE with Workload Identity or the node's service account.

Files are handed to google-auth, which knows how to sign and exchange. It gets a transport of ours, so that every
exchange is bounded in time. Its search for defaults (`google.auth.default`) is not used: it runs `gcloud` and asks
Cloud Resource Manager for a project nobody asked about; nor is its metadata client, which imports requests (28 MB)
for what is one GET. The file is looked at before every answer: a replaced one is used from the next request on. The
token of another issuer that Workload Identity Federation exchanges is read again at every exchange; `changed` tells
whether it, or the file, is another one than at the last attempt, so that whoever waits need not wait any longer.
"""

import datetime
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from outrider.model.clock import Clock, SystemClock
from outrider.model.connections import FAILURES, Connections, TooLongError, headers_of, read

SCOPES = ("https://www.googleapis.com/auth/logging.write", "https://www.googleapis.com/auth/monitoring.write")
METADATA_HOST = "metadata.google.internal"
METADATA_TOKEN = "/computeMetadata/v1/instance/service-accounts/default/token"

# The metadata server hands out a new token from 5 minutes before the old one's end on, not earlier.
AHEAD = 225.0
AFTER_FAILURE = 10.0  # until the next attempt while the old token is still good
DEADLINE = 10.0  # of one renewal, with all its exchanges

_RETRYABLE = frozenset((408, 429, 500, 502, 503, 504))


class AuthError(Exception):
    """There is no token. The text names the file or server, and what to do.

    `retryable` is True if waiting alone may help (a server that is down), False if somebody has to change something
    (a key that is revoked). Both are worth trying again, as the file may be replaced; neither is worth an entry.
    """

    def __init__(self, text: str, retryable: bool) -> None:
        super().__init__(text)
        self.retryable = retryable


class TokenSource(Protocol):
    """What an exporter asks for the headers of its requests; safe to call from any thread."""

    def headers(self) -> dict[str, str]:
        """The headers that authorize a request now. Raises AuthError."""
        ...

    def invalidate(self) -> None:
        """The API has refused the headers (401): do not give them out again."""
        ...

    def changed(self) -> bool:
        """Are the files that the credentials come from others than at the last attempt? A request that was refused is
        worth another try then. Costs a `stat` or two.
        """
        ...


class NoToken:
    """`credentials: none`, for the intake: no headers."""

    def headers(self) -> dict[str, str]:
        return {}

    def invalidate(self) -> None:
        pass

    def changed(self) -> bool:
        return False


def token_source(
    credentials: str | os.PathLike[str],
    env: Mapping[str, str] = os.environ,
    clock: Clock | None = None,
    *,
    deadline: float = DEADLINE,
    scopes: Sequence[str] = SCOPES,
) -> TokenSource:
    """The token source for `credentials`: `adc`, `none`, or the path of a key file. `scopes` are what a token is for.

    Reads nothing and asks nobody yet; a bad file is an AuthError of the first `headers()`.
    """
    if credentials == "none":
        return NoToken()
    path = None if credentials == "adc" else Path(credentials)
    return GoogleToken(path, env, clock or SystemClock(), deadline, scopes)


def examine_key(path: str | os.PathLike[str]) -> None:
    """Raises AuthError if the file at `path` holds no usable credentials. Asks nobody."""
    _load(Path(path), SCOPES)


_Identity = tuple[str, int, int, int]
"""Path, modification time, inode and size: kubelet swaps a symbolic link, editors rename, others write in place."""
_Files = tuple[_Identity | None, _Identity | None]
"""The credentials file, and the file with another issuer's token that it names."""


class _Token(NamedTuple):
    headers: dict[str, str]
    renew: float  # monotonic time from which it is renewed ahead
    end: float  # monotonic time at which it expires
    files: _Files  # that it came from


@dataclass(frozen=True, slots=True)
class _Answer:
    """A response in the form google-auth reads."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class GoogleToken:
    """Access tokens from one key file, or by the order of ADC if `path` is None."""

    def __init__(
        self, path: Path | None, env: Mapping[str, str], clock: Clock, deadline: float, scopes: Sequence[str]
    ) -> None:
        self._path, self._env, self._clock, self._deadline, self._scopes = path, env, clock, deadline, scopes
        self._lock = threading.Lock()
        self._token: _Token | None = None
        self._not_before = 0.0  # monotonic time until which a renewal ahead is not tried again
        self._tried: _Files | None = None  # what the last attempt came from
        self._subject: Path | None = None  # another issuer's token, if the file names one

    def headers(self) -> dict[str, str]:
        token, now = self._token, self._clock.monotonic()
        path = key_path(self._path, self._env)
        if token is not None and now < token.end:
            files = self._files(path)
            if (now < token.renew and files == token.files) or (now < self._not_before and files == self._tried):
                return dict(token.headers)
            # Another thread that is at it already is not waited for: this token is good.
            if not self._lock.acquire(blocking=False):
                return dict(token.headers)
        elif not self._lock.acquire(timeout=self._deadline):
            raise AuthError(f"no access token: another thread has waited for one for {self._deadline:g} s", True)
        try:
            current = self._token
            if current is None or current is token:
                current = self._renew(path, token)
            return dict(current.headers)
        finally:
            self._lock.release()

    def invalidate(self) -> None:
        self._token = None

    def changed(self) -> bool:
        return self._tried is not None and self._tried != self._files(key_path(self._path, self._env))

    def _files(self, path: Path | None) -> _Files:
        return _identity(path), _identity(self._subject)

    def _renew(self, path: Path | None, old: _Token | None) -> _Token:
        now = self._clock.monotonic()
        try:
            fresh = self._fetch(path)
        except AuthError:
            if old is None or self._token is not old or now >= old.end:
                raise
            self._not_before = now + AFTER_FAILURE
            return old
        self._token = fresh
        return fresh

    def _fetch(self, path: Path | None) -> _Token:
        transport = _Transport(self._clock, self._deadline)
        now = self._clock.monotonic()
        self._tried = tried = self._files(path)
        if path is None:
            headers, lifetime = _from_metadata(transport, self._env, self._scopes)
        else:
            credentials, self._subject = _load(path, self._scopes)
            self._tried = tried = tried[0], _identity(self._subject)
            headers, lifetime = _exchange(transport, path, credentials)
        return _Token(headers, now + max(lifetime - AHEAD, lifetime / 2), now + lifetime, tried)


class _Transport:
    """The `google.auth.transport.Request` that google-auth calls: all exchanges of one renewal share one deadline."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds, self._end = seconds, clock.monotonic() + seconds
        self.status = 0  # of the last answer

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **more: Any,
    ) -> _Answer:
        del more  # client certificates: the answer to a request without one says what is missing
        left = self._end - self._clock.monotonic()
        wait = max(min(left, timeout or left), 0.001)
        try:
            with Connections(url, 0, min(wait, 5.0), wait).request(method, body, headers or {}) as response:
                data = read(response, 1 << 20, lambda: self._clock.monotonic() > self._end)
        except TooLongError as e:
            raise AuthError(f"{url} did not answer in full within {self._seconds:g} s", True) from e
        except (*FAILURES, ValueError) as e:
            raise AuthError(f"{url} cannot be reached: {e}", True) from e
        self.status = response.status
        return _Answer(response.status, headers_of(response), data)


class _MetadataToken(msgspec.Struct):
    access_token: str
    expires_in: float


def _from_metadata(
    transport: _Transport, env: Mapping[str, str], scopes: Sequence[str]
) -> tuple[dict[str, str], float]:
    """(headers, lifetime in seconds) from the node's metadata server."""
    host = env.get("GCE_METADATA_HOST") or METADATA_HOST
    way_out = "outside Google Cloud set GOOGLE_APPLICATION_CREDENTIALS, or `credentials` to a key file"
    url = f"http://{host}{METADATA_TOKEN}?scopes={','.join(scopes)}"
    try:
        answer = transport(url, headers={"Metadata-Flavor": "Google"})
    except AuthError as e:
        raise AuthError(f"no credentials file, and the metadata server gives no token ({e}); {way_out}", True) from e
    if answer.status != 200:
        retryable = answer.status in _RETRYABLE
        text = f"the metadata server {host} answered {answer.status} when asked for a token: {_excerpt(answer.data)}"
        raise AuthError(f"{text}; does the node or the Kubernetes service account have a service account?", retryable)
    try:
        token = msgspec.json.decode(answer.data, type=_MetadataToken, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise AuthError(f"what answers as metadata server at {host} sends no token ({e}); {way_out}", True) from e
    return {"Authorization": f"Bearer {token.access_token}"}, token.expires_in


def _exchange(transport: _Transport, path: Path, credentials: Any) -> tuple[dict[str, str], float]:
    """(headers, lifetime in seconds) for the google-auth credentials that file `path` holds."""
    from google.auth import exceptions

    try:
        credentials.refresh(transport)
        lifetime = _lifetime(credentials.expiry)
        headers = {"Authorization": f"Bearer {_checked(credentials.token)}"}
    except AuthError as e:
        raise AuthError(f"the credentials in {path} gave no token: {e}", e.retryable) from e
    except exceptions.GoogleAuthError as e:
        retryable = bool(e.retryable) or transport.status in _RETRYABLE
        raise AuthError(f"the credentials in {path} were not accepted: {e}", retryable) from e
    except Exception as e:  # google-auth trips over answers that are not what the RFCs say, in ways of its own
        raise AuthError(
            f"the credentials in {path} gave no token: {type(e).__name__}: {e}", transport.status != 0
        ) from e
    if credentials.quota_project_id:
        headers["x-goog-user-project"] = credentials.quota_project_id
    return headers, lifetime


def key_path(path: Path | None, env: Mapping[str, str] = os.environ) -> Path | None:
    """The file that the credentials are in now; None: there is none, the metadata server is asked."""
    if path is not None:
        return path
    if named := env.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return Path(named)
    folder = env.get("CLOUDSDK_CONFIG") or os.path.join(env.get("HOME", "/"), ".config", "gcloud")
    well_known = Path(folder, "application_default_credentials.json")
    return well_known if well_known.exists() else None


def _load(path: Path, scopes: Sequence[str]) -> tuple[Any, Path | None]:
    """The google-auth credentials of a file, and the file that they read another issuer's token from, if they do.
    Raises AuthError naming the file.
    """
    try:
        info = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
    except OSError as e:
        raise AuthError(f"the credentials file {path} cannot be read: {e.strerror}", False) from e
    except (ValueError, RecursionError) as e:
        raise AuthError(f"the credentials file {path} is no JSON object: {e}", False) from e
    kind = info.get("type")
    make = _KINDS.get(kind) if isinstance(kind, str) else None
    if make is None:
        raise AuthError(f"the credentials file {path} is of type {kind!r}; known are {', '.join(_KINDS)}", False)
    try:
        return make(info, scopes), _subject(info)
    except KeyError as e:
        raise AuthError(f"the credentials file {path} is not a usable {kind} file: it lacks {e}", False) from e
    except Exception as e:  # ValueError, TypeError, ...: whatever google-auth finds wrong with the content
        raise AuthError(f"the credentials file {path} is not a usable {kind} file: {e}", False) from e


def _subject(info: dict[str, Any]) -> Path | None:
    source = info.get("credential_source")
    named = source.get("file") if isinstance(source, dict) else None
    return Path(named) if isinstance(named, str) else None


def _service_account(info: dict[str, Any], scopes: Sequence[str]) -> Any:
    from google.oauth2 import service_account

    return service_account.Credentials.from_service_account_info(info, scopes=scopes)


def _external_account(info: dict[str, Any], scopes: Sequence[str]) -> Any:
    """Workload Identity Federation: a token of another issuer, from a file, URL, AWS or a program, is exchanged."""
    from google.auth import aws, identity_pool, pluggable

    source = info.get("credential_source") or {}
    if info.get("subject_token_type") == "urn:ietf:params:aws:token-type:aws4_request":
        return aws.Credentials.from_info(info, scopes=scopes)
    if "executable" in source:
        return pluggable.Credentials.from_info(info, scopes=scopes)
    return identity_pool.Credentials.from_info(info, scopes=scopes)


def _authorized_user(info: dict[str, Any], scopes: Sequence[str]) -> Any:
    del scopes  # they were chosen at the login
    from google.oauth2 import credentials

    return credentials.Credentials(
        None,
        refresh_token=info["refresh_token"],
        token_uri=info.get("token_uri") or "https://oauth2.googleapis.com/token",
        client_id=info["client_id"],
        client_secret=info["client_secret"],
        quota_project_id=info.get("quota_project_id"),
    )


_KINDS: dict[str, Callable[[dict[str, Any], Sequence[str]], Any]] = {
    "service_account": _service_account,
    "external_account": _external_account,
    "authorized_user": _authorized_user,
}


def _lifetime(expiry: datetime.datetime | None) -> float:
    """Seconds until `expiry`, which google-auth has just stamped with this machine's wall clock (UTC, no zone)."""
    if expiry is None:
        return 3600.0
    return (expiry - datetime.datetime.now(datetime.UTC).replace(tzinfo=None)).total_seconds()


def _checked(token: object) -> str:
    if not (isinstance(token, str) and token and token.isascii() and token.isprintable()):
        raise ValueError("the answer holds no access token")
    return token


def _identity(path: Path | None) -> _Identity | None:
    if path is None:
        return None
    try:
        found = os.stat(path)
    except OSError:
        return None
    return str(path), found.st_mtime_ns, found.st_ino, found.st_size


def _excerpt(data: bytes) -> str:
    return data[:200].decode("utf-8", "replace").strip()
