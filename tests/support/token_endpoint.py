"""A token endpoint of Google's on a loopback port (OAuth, STS, service account impersonation, metadata server), and the
credentials files that lead there."""

import contextlib
import functools
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.support.http_server import HttpRequest, Said, http_server


@dataclass
class Asked:
    """One request: the form's fields, or the body under `json`."""

    path: str
    headers: dict[str, str]
    form: dict[str, str]


@dataclass
class Endpoint:
    """A token endpoint: answers `token-1`, `token-2`, … or what `replies` (a queue) says."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    replies: list[tuple[int, Any]] = field(default_factory=list)
    hold: threading.Event = field(default_factory=threading.Event)
    expires_in: Any = 3600

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")


@contextlib.contextmanager
def token_endpoint() -> Iterator[Endpoint]:
    """An endpoint on a free loopback port, for any path, GET and POST."""
    state = Endpoint()
    state.hold.set()

    def answer(asked: HttpRequest) -> Said:
        body = asked.body.decode()
        is_form = asked.headers.get("Content-Type") == "application/x-www-form-urlencoded"
        form = {k: v[0] for k, v in parse_qs(body).items()} if is_form else {"json": body}
        state.asked.append(Asked(asked.path, asked.lower, form))
        token = f"token-{len(state.asked)}"
        state.hold.wait(10)
        status, reply = state.replies.pop(0) if state.replies else (200, None)
        if reply is None:
            reply = {"access_token": token, "expires_in": state.expires_in, "token_type": "Bearer"}
            if "generateAccessToken" in asked.path:
                reply = {"accessToken": f"impersonated-{token}", "expireTime": "2099-01-01T00:00:00Z"}
        return status, reply, {"Metadata-Flavor": "Google"}

    with http_server(answer) as state.url:
        yield state
        state.hold.set()


@functools.cache
def rsa_key() -> rsa.RSAPrivateKey:
    """The key of the service account key files."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_file(path: Path, token_uri: str, **more: Any) -> Path:
    """A service account key at `path`; `more` replaces fields."""
    pem = rsa_key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    info = {
        "type": "service_account",
        "project_id": "acme",
        "private_key_id": "k1",
        "private_key": pem.decode(),
        "client_email": "outrider@acme.iam.gserviceaccount.com",
        "token_uri": token_uri,
    }
    path.write_text(json.dumps(info | more))
    return path


def federation_file(folder: Path, url: str, **more: Any) -> Path:
    """Workload Identity Federation with a subject token in a file (`folder`/subject); `more` adds fields."""
    (folder / "subject").write_text("subject-1")
    info = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/pool/providers/onprem",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{url}/v1/token",
        "credential_source": {"file": str(folder / "subject")},
    }
    path = folder / "federation.json"
    path.write_text(json.dumps(info | more))
    return path
