"""How a client shows who it is (SASL): with its password (PLAIN), or with a proof that it knows it (SCRAM).

SCRAM in four messages, of which the second and the fourth are the server's (RFC 5802, RFC 7677):

    n,,n=user,r=<nonce>
    r=<nonce><more>,s=<salt>,i=<iterations>
    c=biws,r=<nonce><more>,p=<proof>
    v=<signature>, with which the server proves that it knows the password as well

No I/O.
"""

import base64
import binascii
import hashlib
import hmac
import secrets

DIGESTS = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
MOST_ITERATIONS = 1 << 20
"""Kafka makes 16,384 at most; a server could have us count for hours."""


class SaslError(Exception):
    """The server does not keep to it, or does not know the password itself."""


def plain(username: str, password: str) -> bytes:
    """The one message of PLAIN (RFC 4616)."""
    return b"\0" + username.encode() + b"\0" + password.encode()


class Scram:
    """One exchange. `nonce` is for tests."""

    def __init__(self, mechanism: str, username: str, password: str, nonce: str | None = None) -> None:
        self._digest, self._password = DIGESTS[mechanism], password.encode()
        self._nonce = nonce or secrets.token_urlsafe(24)
        escaped = username.replace("=", "=3D").replace(",", "=2C")
        self._bare = f"n={escaped},r={self._nonce}"
        self._signature = b""

    def first(self) -> bytes:
        return f"n,,{self._bare}".encode()

    def final(self, said: bytes) -> bytes:
        """The answer to the server's first message. Raises SaslError."""
        nonce, salt, iterations = self._challenge(said)
        salted = hashlib.pbkdf2_hmac(self._digest, self._password, salt, iterations)
        client = self._hmac(salted, b"Client Key")
        without_proof = f"c=biws,r={nonce}"
        signed = f"{self._bare},{said.decode()},{without_proof}".encode()
        proof = self._hmac(hashlib.new(self._digest, client).digest(), signed)
        mixed = bytes(a ^ b for a, b in zip(client, proof, strict=True))
        self._signature = self._hmac(self._hmac(salted, b"Server Key"), signed)
        return f"{without_proof},p={base64.b64encode(mixed).decode()}".encode()

    def verify(self, said: bytes) -> None:
        """Look at the server's last message. Raises SaslError."""
        wanted = b"v=" + base64.b64encode(self._signature)
        if not hmac.compare_digest(said.split(b",")[0], wanted):
            raise SaslError("it does not know the password of this user itself")

    def _challenge(self, said: bytes) -> tuple[str, bytes, int]:
        try:
            parts = dict(part.split("=", 1) for part in said.decode("ascii").split(","))
            nonce, salt, iterations = parts["r"], base64.b64decode(parts["s"], validate=True), int(parts["i"])
        except (ValueError, KeyError, binascii.Error):
            raise SaslError(f"it does not speak SCRAM (it says {said[:40]!r})") from None
        if not nonce.startswith(self._nonce) or nonce == self._nonce or not 1 <= iterations <= MOST_ITERATIONS:
            raise SaslError("its challenge is not for us")
        return nonce, salt, iterations

    def _hmac(self, key: bytes, data: bytes) -> bytes:
        return hmac.digest(key, data, self._digest)
