"""What the console is made of, and everything that it asks the intake for."""

import datetime
import http.client
import json
import re
import time
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml

from outrider.checks.found import pairs
from outrider.intake import Intake
from outrider.intake.requests import ENTRY_FIELDS
from outrider.model.clock import ManualClock
from outrider.model.counters import Counters
from outrider.pipeline.telemetry import NoLedgerError, Telemetry
from tests.support.intake_http import DATADOG, call, entry, refusal, submit, write
from tests.support.raw_server import answer, raw_server
from tests.support.server import quiet_ports

ROOT = Path(__file__).parents[2]
FILES = sorted(file.name for file in resources.files("outrider.intake").joinpath("page").iterdir())
RULES = json.loads(resources.files("outrider.intake").joinpath("page", "rules.json").read_text("utf-8"))
SERIES = "/v3/projects/acme/timeSeries"
LEDGER = {"time": 2.0, "started": 1.0, "exporters": {"google": {"trouble": None, "streams": []}}}


# -- the files ---------------------------------------------------------------------------------------------------------


def fetched(intake: Intake, path: str) -> tuple[int, str | None, str]:
    connection = http.client.HTTPConnection(intake.host, intake.port, timeout=5)
    connection.request("GET", path)
    found = connection.getresponse()
    text = found.read().decode()
    connection.close()
    return found.status, found.getheader("Content-Type"), text


def test_the_page_is_served_with_everything_it_needs(intake: Intake) -> None:
    status, kind, page = fetched(intake, "/")
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert "default-src 'self'" in page
    needed = set(re.findall(r'(?:src|href)="console/([\w.]+)"', page))
    for name in FILES:
        if name.endswith(".js"):
            text = fetched(intake, f"/console/{name}")[2]
            needed |= set(re.findall(r'from "\./([\w.]+)"', text)) | set(re.findall(r'"/console/([\w.]+)"', text))
    assert needed == set(FILES) - {"index.html"}


@pytest.mark.parametrize("name", FILES)
def test_no_file_asks_for_anything_from_elsewhere(intake: Intake, name: str) -> None:
    kinds = {"html": "text/html", "css": "text/css", "js": "text/javascript", "json": "application/json"}
    status, kind, text = fetched(intake, f"/console/{name}")
    assert (status, kind) == (200, f"{kinds[name.rpartition('.')[2]]}; charset=utf-8")
    foreign = text.replace("http://www.w3.org/2000/svg", "").replace("http://127.0.0.1:9464", "")
    assert [sign for sign in ("://", "@import", "url(", "innerHTML", "eval(") if sign in foreign] == []


@pytest.mark.parametrize("path", ["/console/", "/console/none.js", "/console/../api.py", "/console/%2e%2e/api.py"])
def test_nothing_else_is_served(intake: Intake, path: str) -> None:
    assert fetched(intake, path)[0] == 404


# -- the rules ---------------------------------------------------------------------------------------------------------


def cases() -> set[str]:
    """The ids of all conformance cases."""
    found: set[str] = set()
    for path in (ROOT / "tests" / "conformance" / "data").rglob("*.yaml"):
        found |= set(re.findall(r"^\s*-?\s*id: [\"']?([\w.-]+)", path.read_text("utf-8"), re.MULTILINE))
    return found


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings."""
    heads = re.findall(r"^#+ (.+)$", (ROOT / "docs" / page).read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("rule", [*RULES["google"], *RULES["datadog"]], ids=lambda rule: rule["field"])
def test_a_rule_stands_where_it_says(rule: dict[str, Any]) -> None:
    if "page" in rule:
        assert rule["part"] in anchors(rule["page"])
    assert set(rule.get("cases", [])) <= cases()


def test_every_field_that_an_entry_may_have_has_its_rule() -> None:
    fields = {rule["field"].partition(".")[0] for rule in RULES["google"]}
    never = {"metadata", "protoPayload"}  # of what is written here; the API fills in the one, audit logs have the other
    assert fields >= (set(ENTRY_FIELDS) - never)
    ours = {"message", "status", "timestamp", "hostname", "service", "ddsource", "ddtags"}
    assert {rule["field"] for rule in RULES["datadog"]} == {*ours, "outrider.id", "outrider.timestamp"}


# -- what arrived, filtered --------------------------------------------------------------------------------------------


def shown(intake: Intake, store: str, query: str) -> list[Any]:
    status, found = call(intake, f"/intake/{store}?{query}")
    assert status == 200, found
    return list(found)


def test_the_newest_entries_that_a_filter_takes(intake: Intake) -> None:
    write(intake, *(entry(str(i), severity="ERROR" if i % 2 else "INFO") for i in range(9)))
    assert [e["textPayload"] for e in shown(intake, "entries", "newest=2")] == ["7", "8"]
    assert [e["textPayload"] for e in shown(intake, "entries", "newest=2&filter=severity%3E%3DERROR")] == ["5", "7"]
    assert [e["textPayload"] for e in shown(intake, "entries", "newest=9&since=6&filter=severity%3DINFO")] == ["6", "8"]
    assert "no such severity" in refusal(call(intake, "/intake/entries?newest=9&filter=severity%3DLOUD"))


def test_datadogs_logs_are_filtered_in_its_own_language(intake: Intake) -> None:
    logs = [{"message": f"m{i}", "service": "cart" if i % 2 else "web", "ddtags": f"n:{i}"} for i in range(5)]
    submit(intake, logs)
    assert [r["log"]["message"] for r in shown(intake, "logs", "newest=9&filter=service%3Acart")] == ["m1", "m3"]
    assert [r["log"]["message"] for r in shown(intake, "logs", "newest=9&filter=m4%20n%3A4")] == ["m4"]
    status, body = call(intake, "/intake/logs?newest=9&filter=%28a%20OR%20b%29")
    assert status == 400
    assert "query not understood at position 0" in json.dumps(body)


NOW = time.time()


def moment(seconds: float) -> str:
    """RFC 3339, `seconds` from a time that is the same for all points."""
    return datetime.datetime.fromtimestamp(NOW + seconds, datetime.UTC).isoformat()


def series(metric: str, value: float, seconds: float, *, start: float | None = None, **labels: str) -> dict[str, Any]:
    """A time series with one point, `seconds` from now."""
    resource = {"type": "generic_node", "labels": {"location": "global", "namespace": "shop", "node_id": "n1"}}
    kind, interval = ("GAUGE", {}) if start is None else ("CUMULATIVE", {"startTime": moment(start)})
    return {
        "metric": {"type": f"workload.googleapis.com/{metric}", "labels": labels},
        "resource": resource, "metricKind": kind, "valueType": "DOUBLE",
        "points": [{"interval": {**interval, "endTime": moment(seconds)}, "value": {"doubleValue": value}}],
    }  # fmt: skip


def measured(intake: Intake, *some: dict[str, Any]) -> None:
    for one in some:
        status, body = call(intake, SERIES, {"timeSeries": [one]})
        assert status == 200, body


def point(metric: str, kind: int, *values: tuple[float, float], interval: int = 0, tags: tuple[str, ...] = ()) -> Any:
    """A series of Datadog's with values and their seconds from now."""
    now = int(time.time())
    points = [{"timestamp": now + int(seconds), "value": value} for value, seconds in values]
    return {"metric": metric, "type": kind, "points": points, "interval": interval, "tags": list(tags)}


def submitted(intake: Intake, *some: Any) -> None:
    status, body = call(intake, "/api/v2/series", {"series": list(some)}, headers=DATADOG)
    assert status == 202, body


def test_metrics_are_found_by_words(intake: Intake) -> None:
    measured(intake, series("redis.uptime", 1, 0, role="master"), series("redis.uptime", 2, 0, role="replica"))
    submitted(intake, point("redis.net.clients", 3, (5, 0), tags=("a:b",)), point("redis.other", 3, (6, 0)))
    found = shown(intake, "time_series", "newest=9&filter=UPTIME%20replica")
    assert [r["timeSeries"]["metric"]["labels"] for r in found] == [{"role": "replica"}]
    assert [r["point"]["metric"] for r in shown(intake, "points", "newest=9&filter=clients%20a%3Ab")] == [
        "redis.net.clients"
    ]


# -- curves ------------------------------------------------------------------------------------------------------------


def values(plot: dict[str, Any]) -> list[list[float]]:
    return [[round(value, 3) for _, value in curve["points"]] for curve in plot["curves"]]


def plotted(intake: Intake, *names: str) -> dict[str, Any]:
    status, plots = call(intake, "/intake/plots?" + "&".join(f"metric={name}" for name in names))
    assert status == 200, plots
    return dict(plots)


def test_curves_of_cloud_monitoring(intake: Intake) -> None:
    measured(
        intake,
        *(series("gauge", value, at, role="a") for value, at in ((3, -60), (4, -30))),
        series("gauge", 9, -30, role="b"),
        *(series("counter", value, at, start=-100) for value, at in ((10, -90), (30, -80), (30, -70))),
        *(series("counter", value, at, start=-69) for value, at in ((5, -60), (25, -50))),
    )
    base = "workload.googleapis.com/"
    plots = plotted(intake, base + "gauge", base + "counter", base + "none")
    assert set(plots) == {base + "gauge", base + "counter"}
    gauge, counter = plots[base + "gauge"], plots[base + "counter"]
    assert values(gauge) == [[3, 4], [9]]
    assert ["role:a" in curve["labels"] for curve in gauge["curves"]] == [True, False]
    assert (gauge["rate"], counter["rate"], gauge["more"]) == (False, True, 0)
    (growth,) = values(counter)
    assert growth == pytest.approx([2, 0, 2], abs=0.01)


def test_curves_of_datadog(intake: Intake) -> None:
    submitted(
        intake,
        point("a.gauge", 3, (4, -10), (3, -20), tags=("x:1", "y:2")),
        point("a.gauge", 3, (7, -10), tags=("x:2",)),
        point("a.count", 1, (50, -10), interval=10),
        point("a.rate", 2, (5, -10), interval=10),
    )
    distribution = {"series": [{"metric": "a.dist", "points": [[int(time.time()), [1.0, 2.0, 6.0]]]}]}
    assert call(intake, "/api/v1/distribution_points", distribution, headers=DATADOG)[0] == 202
    plots = plotted(intake, "a.gauge", "a.count", "a.rate", "a.dist")
    assert {name: values(plot) for name, plot in plots.items()} == {
        "a.gauge": [[3, 4], [7]], "a.count": [[5]], "a.rate": [[5]], "a.dist": [[3]],
    }  # fmt: skip
    assert {name: plot["rate"] for name, plot in plots.items()} == {
        "a.gauge": False, "a.count": True, "a.rate": True, "a.dist": False,
    }  # fmt: skip
    assert plots["a.gauge"]["curves"][0]["labels"] == ["x:1", "y:2"]


def test_curves_are_no_more_than_can_be_told_apart(intake: Intake) -> None:
    submitted(intake, *(point("a.b", 3, (1, 0), tags=(f"n:{i}",)) for i in range(20)))
    plot = plotted(intake, "a.b")["a.b"]
    assert (len(plot["curves"]), plot["more"]) == (12, 8)
    many = "&".join(f"metric=m{i}" for i in range(61))
    assert "At most 60 metrics" in refusal(call(intake, f"/intake/plots?{many}"))


def test_what_is_one_metric_is_told_by_the_checks() -> None:
    known = pairs()
    assert ("redis.net.clients", (), "workload.googleapis.com/redis.clients.connected", ()) in known
    told_apart = {pair.labels for pair in known if pair.google == "workload.googleapis.com/redis.cpu.time"}
    assert ("state:sys",) in told_apart
    with Intake(names=lambda: known) as intake:
        assert call(intake, "/intake/names")[1] == [[p[0], list(p[1]), p[2], list(p[3])] for p in known]


# -- requests, faults --------------------------------------------------------------------------------------------------


def test_requests_are_counted_by_the_second() -> None:
    clock = ManualClock(now=time.time())
    with Intake(clock=clock, faults=["503"]) as intake:
        for _ in range(3):
            write(intake, entry())
        clock.advance(2)
        intake.set_faults([])
        write(intake, entry(), entry())
        submit(intake, {"message": "x"})
        stats = intake.stats()
        assert stats["requests_per_second"][-3:] == [3, 0, 1]
        assert stats["per_second"][-3:] == [0, 0, 2]
        assert stats["datadog"]["requests_per_second"][-3:] == [0, 0, 1]
        clock.advance(60)
        assert sum(intake.stats()["requests_per_second"]) == 0


def test_faults_that_can_be_switched_are_known(intake: Intake) -> None:
    told = call(intake, "/intake/faults")[1]
    assert told["faults"] == []
    for name in told["known"]:
        assert call(intake, "/intake/faults", {"faults": [f"{name}:0.5"]})[1]["faults"] == [f"{name}:0.5"]
    assert {"429", "503", "hang", "reset", "lost-ack", "partial"} <= set(told["known"])
    assert 'must be {"faults": ["503:0.2", ...]}' in refusal(call(intake, "/intake/faults", {"faults": "503"}))


# -- ledgers -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def collector() -> Iterator[str]:
    listen = f"127.0.0.1:{quiet_ports(1)[0]}"
    telemetry = Telemetry(listen, Counters(), lambda: None, lambda: None, lambda: LEDGER)
    telemetry.start()
    yield f"http://{listen}"
    telemetry.stop()


def test_ledgers_of_collectors_are_shown(intake: Intake, collector: str) -> None:
    assert call(intake, "/intake/ledgers")[1] == []
    told = {"collectors": [collector + "/"]}
    assert call(intake, "/intake/collectors", told) == (200, {"collectors": [collector]})
    assert call(intake, "/intake/ledgers")[1] == [{"url": collector, "ledger": LEDGER}]


def test_why_there_is_no_ledger_is_said(intake: Intake) -> None:
    def ledger() -> object:
        raise NoLedgerError("worker 1 does not run")

    listen, nobody = (f"127.0.0.1:{port}" for port in quiet_ports(2))
    telemetry = Telemetry(listen, Counters(), lambda: None, lambda: None, ledger)
    telemetry.start()
    page = b"HTTP/1.0 200 OK\r\n\r\n"
    with raw_server(answer(page + b"[]")) as list_, raw_server(answer(page + b"<")) as html:
        urls = [f"http://{address}" for address in (listen, nobody, list_, html)]
        call(intake, "/intake/collectors", {"collectors": urls})
        troubles = [one["trouble"] for one in call(intake, "/intake/ledgers")[1]]
    telemetry.stop()
    assert troubles[0] == "it answers 503: worker 1 does not run"
    assert troubles[1].startswith("no answer: ")
    assert troubles[2:] == ["what it answers is no ledger"] * 2


@pytest.mark.parametrize(
    "url",
    ["http://10.0.0.1:9464", "https://127.0.0.1:9464", "http://127.0.0.1", "x", "http://[", "http://127.0.0.1:1?x"],
)
def test_only_collectors_of_this_machine_are_asked(intake: Intake, url: str) -> None:
    assert "on this machine" in refusal(call(intake, "/intake/collectors", {"collectors": [url]}))
    with pytest.raises(ValueError, match="on this machine"):
        Intake(collectors=[url])


def test_rules_and_cases_are_read_as_they_stand() -> None:
    """The ids above are looked for by a pattern; it finds what YAML does."""
    path = ROOT / "tests" / "conformance" / "data" / "datadog" / "agent.yaml"
    read = yaml.safe_load(path.read_text("utf-8"))
    listed = read if isinstance(read, list) else read["cases"]
    assert {case["id"] for case in listed} <= cases()
