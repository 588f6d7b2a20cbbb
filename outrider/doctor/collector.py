"""A collector that runs with this configuration: what it says of its health, and how many series its checks bring.

Vendors charge by the series, and a label that says too much brings thousands of them; the collector counts, here it is
told. Where none runs there is nothing to be said.
"""

import re
from collections.abc import Iterator

from outrider.config import Config
from outrider.doctor.finding import Finding, fail, ok, warn
from outrider.doctor.look import UnseenError, look
from outrider.model.clock import Clock

MANY = 5000
"""Series of one check, beyond which somebody should have a look; of each Datadog bills every one (a host includes 100
or 200), and Cloud Monitoring takes 200,000 of one resource."""
_POINTS = re.compile(r'^outrider_check_points\{.*?check="((?:[^"\\]|\\.)*)".*?\} ([0-9.e+]+)$', re.MULTILINE)


def running(config: Config, clock: Clock) -> Iterator[Finding]:
    """What `/healthz`, `/readyz` and `/metrics` say."""
    host, _, port = config.telemetry.listen.rpartition(":")
    base = f"http://{'127.0.0.1' if host in ('', '0.0.0.0', '[::]') else host}:{port}"
    try:
        health, ready = (look(base + path, clock, None) for path in ("/healthz", "/readyz"))
        page = look(f"{base}/metrics", clock, None).body.decode("utf-8", "replace")
    except UnseenError as e:
        if e.nobody:
            yield ok("collector", f"none is running here (nobody listens at {base})")
        else:
            yield fail("collector", f"it does not say how it is: {e}", "its log says more; kubelet restarts it")
        return
    if health.status == 404:
        yield warn(
            "collector", f"what answers at {base} is no collector", "another program has the port: see telemetry.listen"
        )
        return
    if health.status != 200:
        yield fail("collector", f"it is not healthy: {_text(health.body)}", "its log says more; kubelet restarts it")
    elif ready.status != 200:
        yield fail(
            "collector",
            f"something does not arrive: {_text(ready.body)}",
            "see the exporters here, and `outrider audit`",
        )
    else:
        yield ok("collector", f"it runs, and all is well with it ({base})")
    yield from _series(page)


def _text(body: bytes) -> str:
    return body[:500].decode("utf-8", "replace").strip()


def _series(page: str) -> Iterator[Finding]:
    points = {check: float(value) for check, value in _POINTS.findall(page)}
    for check, count in points.items():
        if count > MANY:
            cure = "leave out what nobody looks at, and tags that tell too much apart: docs/checks.md"
            yield warn("cardinality", f"{check} brings {count:,.0f} series", cure)
    if points and max(points.values()) <= MANY:
        yield ok("cardinality", "series of each check: " + ", ".join(f"{c} {n:,.0f}" for c, n in points.items()))
