"""What the demo's programs print: one function per program, each giving the next item of its log.

An item is what is printed in one go. Most are one line; a stack trace is several, which a collector makes one entry
again, and the item says how many lines disappear that way. All chance comes from the generator passed in, all time
from the argument, so a seed gives the same log again. Every trace is of the shape its language really prints, and no
other line looks like the start of one.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

MAX_LINE = 120_000
"""Bytes of the longest line: with its labels an entry stays well below Cloud Logging's 256 KiB, so none is split."""

_PATHS = ("/", "/cart", "/checkout", "/products/42", "/products/1007", "/search?q=saddle", "/healthz", "/api/v1/orders")
_AGENTS = ("Mozilla/5.0 (X11; Linux x86_64)", "curl/8.5.0", "kube-probe/1.31", "okhttp/4.12.0")
_WORDS = ("saddle", "stirrup", "bridle", "lantern", "harness", "wagon", "axle", "spur", "blanket", "bell")


@dataclass(frozen=True, slots=True)
class Item:
    """Lines printed in one go, each with its stream; `joined` of them belong to the entry of an earlier one."""

    lines: list[tuple[str, str]]
    joined: int = 0


Printer = Callable[[random.Random, float], Item]
"""The next item of a program, given the chance and the wall time in seconds."""


def _iso(now: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"


def _json(fields: dict[str, Any], stream: str = "stdout") -> Item:
    return Item([(stream, orjson.dumps(fields).decode())])


def _hex(rng: random.Random, digits: int) -> str:
    return f"{rng.getrandbits(digits * 4):0{digits}x}"


def web(rng: random.Random, now: float) -> Item:
    """A storefront that logs Google's structured JSON: severity, time, httpRequest, trace, labels."""
    status = rng.choices((200, 204, 302, 404, 429, 500, 503), (70, 5, 8, 9, 3, 3, 2))[0]
    severity = "ERROR" if status >= 500 else "WARNING" if status >= 400 else "INFO"
    path = rng.choice(_PATHS)
    request = {
        "requestMethod": "POST" if path.startswith("/api") else "GET",
        "requestUrl": path,
        "status": status,
        "responseSize": str(rng.randrange(200, 90_000)),
        "userAgent": rng.choice(_AGENTS),
        "remoteIp": f"10.8.{rng.randrange(4)}.{rng.randrange(2, 250)}",
        "latency": f"{rng.lognormvariate(-3.5, 0.8):.6f}s",
    }
    return _json(
        {
            "severity": severity,
            "time": _iso(now),
            "message": f"{request['requestMethod']} {path} {status}",
            "httpRequest": request,
            "logging.googleapis.com/trace": f"projects/demo/traces/{_hex(rng, 32)}",
            "logging.googleapis.com/spanId": _hex(rng, 16),
            "logging.googleapis.com/trace_sampled": rng.random() < 0.1,
            "logging.googleapis.com/labels": {"release": "2026.08.1"},
            "region": "eu",
            "cart": None,
        }
    )


def cart(rng: random.Random, now: float) -> Item:
    """A service with a logger of the zap and pino kind: `level`, `ts`, `msg`; some lines of plain text on stderr."""
    if rng.random() < 0.04:
        return Item([("stderr", "(node:1) DeprecationWarning: Buffer() is deprecated")])
    level = rng.choices(("debug", "info", "warn", "error"), (20, 70, 7, 3))[0]
    return _json(
        {
            "level": level,
            "ts": round(now, 6),
            "msg": f"{rng.choice(('added', 'removed', 'reserved'))} {rng.choice(_WORDS)}",
            "order.id": rng.randrange(10**9),
            "items": [rng.choice(_WORDS) for _ in range(rng.randrange(1, 4))],
        },
        "stderr" if level == "error" else "stdout",
    )


def gateway(rng: random.Random, now: float) -> Item:
    """A Go service that logs through klog, to stderr as klog does."""
    letter = rng.choices("IWE", (88, 9, 3))[0]
    text = {
        "I": f'"Authorized payment" account="acc-{rng.randrange(9999):04d}" took="{rng.randrange(2, 90)}ms"',
        "W": f'"Retrying the acquirer" attempt={rng.randrange(1, 4)}',
        "E": f'"Acquirer refused" err="code {rng.randrange(40, 60)}" account="acc-{rng.randrange(9999):04d}"',
    }[letter]
    return _klog(letter, "authorize.go", rng.randrange(20, 180), text, now)


def kube_proxy(rng: random.Random, now: float) -> Item:
    """A system component: klog lines."""
    took = f'"Syncing iptables rules" ipFamily="IPv4" endpoints={rng.randrange(20, 90)} elapsed="{rng.random():.6f}s"'
    return _klog("I", "proxier.go", 812, took, now)


def _klog(letter: str, file: str, line: int, text: str, now: float) -> Item:
    stamp = time.strftime("%m%d %H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}"
    return Item([("stderr", f"{letter}{stamp}       1 {file}:{line}] {text}")])


def panic(rng: random.Random, now: float) -> Item:  # noqa: ARG001
    """A Go service's last words; the container ends with it."""
    trace = [
        "panic: runtime error: invalid memory address or nil pointer dereference",
        f"[signal SIGSEGV: segmentation violation code=0x1 addr=0x{_hex(rng, 2)} pc=0x{_hex(rng, 6)}]",
        "",
        f"goroutine {rng.randrange(2, 900)} [running]:",
        f"main.(*Gateway).authorize(0xc000{_hex(rng, 6)}, {{0x0, 0x0}})",
        "\t/src/gateway/authorize.go:88 +0x1f",
        f"main.(*Gateway).ServeHTTP(0xc000{_hex(rng, 6)}, {{0x7f3a80, 0xc0001b2000}})",
        "\t/src/gateway/serve.go:41 +0x2b4",
        "created by net/http.(*Server).Serve in goroutine 1",
        "\t/usr/local/go/src/net/http/server.go:3285 +0x4b4",
    ]
    return Item([("stderr", line) for line in trace], joined=len(trace) - 1)


def ledger(rng: random.Random, now: float) -> Item:
    """A Java service: logback lines, and now and then an exception with its cause."""
    if rng.random() < 0.02:
        return _java_trace(rng, now)
    level = rng.choices(("DEBUG", "INFO", "WARN"), (10, 84, 6))[0]
    return Item([("stdout", _logback(rng, now, level))])


def _logback(rng: random.Random, now: float, level: str) -> str:
    text = f"posted entry {rng.randrange(10**7)} of {rng.randrange(1, 90_000) / 100:.2f} EUR"
    return f"{_iso(now)[:-4]}Z {level:>5} 1 --- [exec-{rng.randrange(1, 9)}] c.a.ledger.PostingService : {text}"


def _java_trace(rng: random.Random, now: float) -> Item:
    frames = [f"\tat com.acme.ledger.Posting.step{n}(Posting.java:{rng.randrange(20, 400)})" for n in range(4, 0, -1)]
    trace = [
        f"java.lang.IllegalStateException: account {rng.randrange(9999)} is locked",
        *frames[: rng.randrange(1, 5)],
        "\tat org.springframework.web.servlet.FrameworkServlet.service(FrameworkServlet.java:885)",
        f"Caused by: java.sql.SQLTransientException: lock wait timeout after {rng.randrange(1, 50)} s",
        f"\tat org.postgresql.jdbc.PgStatement.execute(PgStatement.java:{rng.randrange(300, 500)})",
        "\t... 27 common frames omitted",
    ]
    lines = [("stderr", line) for line in trace]
    if rng.random() < 0.25:  # another thread prints to the other stream meanwhile; the trace is still one
        lines.insert(rng.randrange(1, len(lines)), ("stdout", _logback(rng, now, "INFO")))
    return Item(lines, joined=len(trace) - 1)


def fraud(rng: random.Random, now: float) -> Item:
    """A Python worker: text lines, tracebacks, and long lines when it prints what it scored."""
    chance = rng.random()
    if chance < 0.01:
        return _python_trace(rng)
    if chance < 0.03:
        features = [rng.randrange(10**6) for _ in range(rng.randrange(2_400, 9_000))]
        return Item([("stdout", f"{_iso(now)} DEBUG fraud.model features={features}")])
    return Item([("stdout", f"{_iso(now)} INFO fraud.worker scored order={rng.randrange(10**9)} p={rng.random():.4f}")])


def _python_trace(rng: random.Random) -> Item:
    trace = [
        "Traceback (most recent call last):",
        '  File "/app/fraud/worker.py", line 71, in run',
        "    score = model.score(order)",
        f'  File "/app/fraud/model.py", line {rng.randrange(20, 90)}, in score',
        "    return self.weights[order.country]",
        f"KeyError: '{rng.choice(_WORDS)}'",
    ]
    return Item([("stderr", line) for line in trace], joined=len(trace) - 1)


def report(rng: random.Random, now: float) -> Item:
    """A batch job: JSON, sometimes a page of it in one line."""
    done = {"severity": "NOTICE", "time": _iso(now), "message": f"page {rng.randrange(900)} written", "job": "report"}
    if rng.random() < 0.06:
        words = rng.choices(_WORDS, k=rng.randrange(2_500, 12_000))
        return _json(done | {"rows": [w for w in words if w != "bell"], "text": 'a "quoted" tail\n' * 5})
    return _json(done)
