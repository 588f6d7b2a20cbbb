"""The kubelet, read: what its node, pods and containers use, may use, and what has become of them.

    GET /pods               requests, limits, restarts, states; who there is
    GET /stats/summary      CPU, memory, network, file systems and volumes
    GET /metrics/resource   CPU and memory alone, where the summary is not for us or cannot be had
    GET /metrics/cadvisor   if it is asked for

Every point says by its attributes whose it is: a container's, a pod's, or the node's, if there are none. `outrider
node` parts the report by them, and gives everybody their own (`outrider.pipeline.parting`).

A right that is missing, or a page that the kubelet fails at, costs what it is for and nothing else: whatever could be
read is reported, and then the service check says what it was. Without the list of pods there is nothing.
"""

import logging
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from outrider.checks.check import AnswerError, CheckError, DeniedError, Reading
from outrider.checks.http import HttpServer, authorization, lines
from outrider.checks.kubelet import exposition
from outrider.checks.kubelet.pods import Pod, read_pods
from outrider.checks.kubelet.settings import KubeletSettings
from outrider.checks.kubelet.summary import read_summary
from outrider.checks.openmetrics.exposition import TEXT, FormatError, samples

log = logging.getLogger(__name__)

PODS, SUMMARY, RESOURCE, CADVISOR = "/pods", "/stats/summary", "/metrics/resource", "/metrics/cadvisor"
RIGHTS = {
    PODS: "give the service account `get` on nodes/pods, or before Kubernetes 1.33 on nodes/proxy",
    SUMMARY: "give the service account `get` on nodes/stats",
    RESOURCE: "give the service account `get` on nodes/metrics",
    CADVISOR: "give the service account `get` on nodes/metrics",
}
"""What the kubelet asks for (kubernetes.io/docs/reference/access-authn-authz/kubelet-authn-authz)."""
LARGEST = 64 << 20
"""Bytes of an answer. Two hundred pods have five megabytes."""


class KubeletCheck:
    """Reads one kubelet."""

    Settings = KubeletSettings
    can_connect = "kubernetes.kubelet.check"

    def __init__(self, settings: KubeletSettings) -> None:
        self._timeout, self._token, self._cadvisor = settings.timeout, settings.token, settings.cadvisor
        base = settings.url.rstrip("/")
        self._path = urlsplit(base).path
        self._server = HttpServer(base, settings.timeout, settings.tls)
        self._odd = 0

    def read(self, reading: Reading) -> None:
        """Everything of one node. Raises CheckError."""
        deadline = time.monotonic() + self._timeout
        headers = authorization(None, None, self._token)
        pods, odd = self._list(reading, deadline, headers)
        troubles: list[CheckError] = []
        try:
            odd += self._summary(pods, reading, deadline, headers)
        except (DeniedError, AnswerError) as e:
            troubles.append(e)
            self._add_page(RESOURCE, exposition.RESOURCE, pods, reading, deadline, headers, troubles)
        if self._cadvisor:
            self._add_page(CADVISOR, exposition.CADVISOR, pods, reading, deadline, headers, troubles)
        self._say(odd)
        if troubles:
            raise troubles[0]

    def close(self) -> None:
        self._server.close()

    def _list(self, reading: Reading, deadline: float, headers: Mapping[str, str]) -> tuple[dict[str, Pod], int]:
        body = self._ask(PODS, deadline, headers)
        try:
            return read_pods(body, reading)
        except ValueError as e:
            raise AnswerError(f"{self._server.url}{PODS}: {e}") from None

    def _summary(self, pods: Mapping[str, Pod], reading: Reading, deadline: float, headers: Mapping[str, str]) -> int:
        body = self._ask(SUMMARY, deadline, headers)
        try:
            return read_summary(body, pods, reading)
        except ValueError as e:
            raise AnswerError(f"{self._server.url}{SUMMARY}: {e}") from None

    def _ask(self, path: str, deadline: float, headers: Mapping[str, str]) -> bytes:
        answer = self._server.ask(deadline, LARGEST, {"Accept": "application/json", **headers}, self._path + path)
        self._judge(path, answer.status)
        return answer.body

    def _add_page(
        self,
        path: str,
        names: exposition.Names,
        pods: Mapping[str, Pod],
        reading: Reading,
        deadline: float,
        headers: Mapping[str, str],
        troubles: list[CheckError],
    ) -> None:
        """Add what a page in Prometheus' format says, which is read as it comes: it may have ten megabytes."""
        wanted = exposition.wanted(names)
        try:
            with self._server.get(deadline, {"Accept": TEXT, **headers}, self._path + path) as response:
                self._judge(path, response.status)
                exposition.report(samples(lines(response, LARGEST), wanted=wanted), names, pods, reading)
        except FormatError as e:
            troubles.append(AnswerError(f"{self._server.url}{path} does not answer with metrics: {e}"))
        except (DeniedError, AnswerError) as e:
            troubles.append(e)

    def _judge(self, path: str, status: int) -> None:
        """Raises CheckError for every status but 200."""
        where = f"{self._server.url}{path} answers with the status {status}"
        if status == 401:
            raise DeniedError(f"{where}: it does not know who asks", "see the token: is it there, has it expired?")
        if status == 403:
            raise DeniedError(where, RIGHTS[path])
        if status != 200:
            raise AnswerError(where, "is url the one of a kubelet?")

    def _say(self, odd: int) -> None:
        if odd and not self._odd:
            log.warning("%s: %d pods could not be read and are left out", self._server.url, odd)
        self._odd = odd
