"""The kubelet and the API server: are they reached, is the token taken, and does it carry the rights that are needed?

The kubelet is asked for what the collector asks it for. The API server is asked whether it would allow it
(SelfSubjectAccessReview, which every service account may create), since some rights cannot be tried without a trace.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from outrider.config import Config
from outrider.doctor.finding import Finding, fail, ok
from outrider.doctor.look import Clocks, Seen, UnseenError, look, reached, trust
from outrider.kube.lease import home_namespace
from outrider.kube.pods import Access, KubeConfigError, access
from outrider.model.clock import Clock

REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
KUBELET_RIGHTS = {
    "/pods": "`get` on nodes/pods (fine-grained kubelet authorization) or nodes/proxy",
    "/stats/summary": "`get` on nodes/stats",
    "/metrics/resource": "`get` on nodes/metrics",
    "/metrics/cadvisor": "`get` on nodes/metrics",
}
"""By the path that is asked for: the right that it takes."""
CHART = "the chart `outrider` has them in its ClusterRole (rbac.create)"


class Right(NamedTuple):
    """One thing that a token has to allow. `namespace` "" is all of them, `name` "" anything of the kind."""

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f" in {self.namespace}" if self.namespace else "")


WATCHING_PODS = (Right("list", "pods"), Right("watch", "pods"))


def of_cluster(config: Config, env: Mapping[str, str]) -> tuple[Right, ...]:
    """What the cluster program needs: to read events, and to hold its Lease."""
    home = home_namespace(env) or "default"
    events = (Right("list", "events"), Right("watch", "events")) if config.events.enabled else ()
    lease = partial(Right, resource="leases", group="coordination.k8s.io", namespace=home)
    return *events, lease("create"), lease("get", name=config.kube.lease), lease("update", name=config.kube.lease)


class Server:
    """One of both servers, asked with the token of the configuration. Raises UnseenError and KubeConfigError."""

    def __init__(self, found: Access, clock: Clock) -> None:
        self.url, self._token, self._clock = found.url.rstrip("/"), found.token, clock
        self._context = trust(None if found.ca is None else str(found.ca), found.verify, cluster=True)

    def ask(self, path: str, method: str = "GET", body: bytes | None = None) -> Seen:
        """Raises UnseenError."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._read()}"
        return look(self.url + path, self._clock, self._context, method, headers, body)

    def _read(self) -> str:
        assert self._token is not None, "else nobody asks"
        try:
            return self._token.read()
        except Exception as e:  # a token source raises what it likes; its text holds no secret
            cure = "mount the service account's token (automountServiceAccountToken), or let kube.token name its file"
            raise UnseenError(f"the bearer token cannot be read: {e}", cure) from e

    def allows(self, right: Right) -> bool:
        """Raises UnseenError."""
        attributes = {
            "verb": right.verb,
            "group": right.group,
            "resource": right.resource,
            "namespace": right.namespace,
            "name": right.name,
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        seen = self.ask(REVIEW, "POST", json.dumps(review).encode())
        if seen.status not in (200, 201):
            raise UnseenError(
                f"{self.url}{REVIEW} answers {seen.status}", _CURES.get(seen.status, "is kube.url right?")
            )
        try:
            return bool(json.loads(seen.body)["status"]["allowed"])
        except (ValueError, KeyError, TypeError) as e:
            raise UnseenError(f"what {self.url} answers is no review", "is kube.url that of an API server?") from e


_CURES = {
    401: "the token is not accepted: see kube.token, and whether the service account is still there",
    403: "the service account lacks a right: " + CHART,
}


def kubelet(config: Config, clock: Clock, clocks: Clocks, env: Mapping[str, str]) -> Iterator[Finding]:
    """Does it tell of its pods and, if they are asked for, of its metrics?"""
    paths = ["/pods"]
    if config.metrics.kubelet.enabled:
        paths += ["/stats/summary", "/metrics/resource"] + ["/metrics/cadvisor"] * config.metrics.kubelet.cadvisor
    try:
        server = Server(access(config.kube, env), clock)
        for i, path in enumerate(paths):
            seen = server.ask(path)
            if i == 0:
                clocks.add(server.url, seen)
                yield reached("kubelet", server.url, seen, clock)
            yield _answered(server, path, seen)
    except UnseenError as e:
        yield fail("kubelet", str(e), e.cure)


def _answered(server: Server, path: str, seen: Seen) -> Finding:
    if seen.status == 200:
        return ok("kubelet", f"{path} may be read")
    words = f"GET {server.url}{path} answers {seen.status}"
    if seen.status == 403:
        return fail("kubelet", words, f"give the service account {KUBELET_RIGHTS[path]}; {CHART}")
    return fail("kubelet", words, _CURES.get(seen.status, "is kube.url that of the kubelet of this node?"))


def api_server(
    config: Config, rights: Sequence[Right], clock: Clock, clocks: Clocks, env: Mapping[str, str]
) -> Iterator[Finding]:
    """Is it there, and does it allow `rights`?"""
    try:
        server = to_api_server(config, clock, env)
        seen = server.ask("/version")
        clocks.add(server.url, seen)
        yield reached("API server", server.url, seen, clock)
        denied = [str(right) for right in rights if not server.allows(right)]
    except UnseenError as e:
        yield fail("API server", str(e), e.cure)
    except KubeConfigError as e:
        yield fail("API server", str(e), "run this in the cluster, or give kube.url and kube.token")
    else:
        if denied:
            yield fail("API server", f"the service account may not {', '.join(denied)}", CHART)
        else:
            yield ok("API server", f"the service account may {', '.join(map(str, rights))}")


def to_api_server(config: Config, clock: Clock, env: Mapping[str, str]) -> Server:
    """The API server, also if pods are asked for at the kubelet, whose address is another one then. Raises
    KubeConfigError and UnseenError.
    """
    kube = config.kube if config.kube.source == "api" else msgspec.structs.replace(config.kube, source="api", url=None)
    return Server(access(kube, env), clock)


def items(server: Server, path: str) -> list[Any]:
    """All objects of a list, page by page. Raises UnseenError."""
    found: list[Any] = []
    more = ""
    while True:
        seen = server.ask(f"{path}{'&' if '?' in path else '?'}limit=500{more}")
        if seen.status != 200:
            words = f"GET {server.url}{path.partition('?')[0]} answers {seen.status}"
            raise UnseenError(words, _CURES.get(seen.status, "is kube.url right?"), nobody=seen.status == 404)
        try:
            page = json.loads(seen.body)
            found += page.get("items") or []
            token = page["metadata"].get("continue")
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            raise UnseenError(f"what {server.url} answers is no list", "is kube.url that of an API server?") from e
        if not token:
            return found
        more = f"&continue={token}"
