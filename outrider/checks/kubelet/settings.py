"""What the check `kubelet` may be told."""

from typing import Annotated, ClassVar

from outrider.checks.check import CheckSettings
from outrider.checks.tls import TlsSettings
from outrider.config import forms
from outrider.config.secrets import Secret
from outrider.config.shape import Doc, Duration, Hidden


class KubeletSettings(CheckSettings, frozen=True, kw_only=True):
    """A kubelet. `outrider node` makes these from the block `kube` where `metrics.kubelet` is enabled.

    No pod is one, and whatever plays one speaks for all pods: an annotation cannot ask for it.
    """

    addresses: ClassVar[tuple[str, ...]] = ()

    timeout: Annotated[
        float, Duration(above=0, high=60), Doc("How long it may take for one answer, and for one run.")
    ] = 10.0
    url: Annotated[
        str, forms.URL, Doc("Where it listens; also the way through the API server, `.../api/v1/nodes/NAME/proxy`.")
    ] = "https://127.0.0.1:10250"
    token: Annotated[Secret | None, Hidden(), Doc("Bearer token of an account that has the rights.")] = None
    tls: Annotated[TlsSettings, Doc("TLS, if the URL says https; most kubelets sign their own certificate.")] = (
        TlsSettings()
    )
    cadvisor: Annotated[
        bool,
        Doc("Also read `/metrics/cadvisor`, some 100 KB a pod: throttling, I/O, dropped packets, counted OOM kills."),
    ] = False
