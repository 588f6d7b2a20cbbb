"""What the check `nginx` may be told."""

from typing import Annotated

from outrider.checks.check import CheckSettings
from outrider.checks.tls import TlsSettings
from outrider.config import forms
from outrider.config.secrets import Secret
from outrider.config.shape import Doc, Hidden


class NginxSettings(CheckSettings, frozen=True, kw_only=True):
    """An nginx."""

    url: Annotated[
        forms.Url, Doc("Its page of counters (`stub_status`), or with `use_plus_api` its API without a version.")
    ] = "http://127.0.0.1/nginx_status"
    username: Annotated[str | None, forms.NAME, Doc("User, if it asks for one (`auth_basic`).")] = None
    password: Annotated[Secret | None, Hidden(), Doc("Password of the user.")] = None
    tls: Annotated[TlsSettings, Doc("How to speak TLS with it, if the URL says https.")] = TlsSettings()
    use_plus_api: Annotated[bool, Doc("Whether it is NGINX Plus, and `url` its API.")] = False
