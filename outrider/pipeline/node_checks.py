"""The checks that a node runs by itself: of the kubelet, if `metrics.kubelet` is enabled."""

from outrider.checks.kubelet.settings import KubeletSettings
from outrider.checks.tls import TlsSettings
from outrider.config import Check, Config
from outrider.config.secrets import Secret
from outrider.kube.client import TokenFile
from outrider.kube.pods import access
from outrider.pipeline.parting import SOURCE


def node_checks(config: Config) -> list[Check]:
    """What `metrics.checks` says, and the node's own. The kubelet is reached as for its list of pods."""
    if not config.metrics.kubelet.enabled:
        return config.metrics.checks
    url, token, ca, verify = access(config.kube)
    secret = Secret.from_file(str(token.path)) if isinstance(token, TokenFile) else config.kube.token
    settings = KubeletSettings(
        url=url,
        token=None if token is None else secret,
        tls=TlsSettings(ca=None if ca is None else str(ca), verify=verify),
        cadvisor=config.metrics.kubelet.cadvisor,
    )
    return [*config.metrics.checks, Check(SOURCE, settings)]
