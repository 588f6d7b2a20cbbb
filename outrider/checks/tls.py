"""How a check speaks TLS with a server: the settings that all checks share, and the context that they make.

The context is made anew for every connection that a check opens, which is rare: certificates that were renewed on disk
are in use from the next connection on.
"""

import ssl
from typing import Annotated

import msgspec

from outrider.checks.check import CheckError
from outrider.config import forms
from outrider.config.shape import Doc


class TlsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """TLS with the server."""

    ca: Annotated[str | None, forms.EXISTING_FILE, Doc("Certificate authorities (PEM); null: those of the system.")] = (
        None
    )
    cert: Annotated[
        str | None, forms.EXISTING_FILE, Doc("Certificate of the client (PEM), if the server asks for one.")
    ] = None
    key: Annotated[str | None, forms.EXISTING_FILE, Doc("Its key (PEM); null: it is in the file of `cert`.")] = None
    verify: Annotated[
        bool, Doc("Whether the server's certificate has to be of these authorities and of the name that was asked for.")
    ] = True

    def context(self) -> ssl.SSLContext:
        """For one connection. Raises CheckError if a file cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except (OSError, ssl.SSLError) as e:
            raise CheckError(f"the certificate authorities in {self.ca} cannot be used ({e.strerror or e})") from None
        # Python 3.13 began to demand extensions that the CAs of many clusters do not carry.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert is not None:
            try:
                context.load_cert_chain(self.cert, self.key)
            except (OSError, ssl.SSLError) as e:
                files = " and ".join(file for file in (self.cert, self.key) if file)
                raise CheckError(f"the client's certificate in {files} cannot be used ({e.strerror or e})") from None
        return context
