"""What the check `etcd` may be told."""

from typing import Annotated

from outrider.checks.check import CheckSettings
from outrider.checks.tls import TlsSettings
from outrider.config import forms
from outrider.config.shape import Doc


class EtcdSettings(CheckSettings, frozen=True, kw_only=True):
    """A member of an etcd cluster."""

    url: Annotated[forms.Url, Doc("Where it serves clients, or its metrics alone (`listen-metrics-urls`).")] = (
        "http://127.0.0.1:2379"
    )
    tls: Annotated[TlsSettings, Doc("TLS, if the URL says https; with `client-cert-auth` too.")] = TlsSettings()
