"""The console as somebody uses it: a headless Chromium, keys pressed, what is then to be seen. Screenshots are kept in
build/console.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from outrider.checks.found import pairs
from outrider.intake import Intake
from outrider.model.counters import Counters
from outrider.pipeline.telemetry import Telemetry
from tests.support.chromium import Browser, Page, chromium
from tests.support.intake_http import DATADOG, call, entry, iso, submit, write
from tests.support.server import quiet_ports

EVIL = "<img src=x onerror=document.title='owned'>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="module")
def intake() -> Iterator[Intake]:
    with Intake(names=pairs) as intake:
        fill(intake)
        yield intake


@pytest.fixture
def page(browser: Browser, intake: Intake) -> Iterator[Page]:
    """A tab that shows the console; at the end, nothing may have gone wrong in it, nor come from elsewhere."""
    page = browser.page(intake.url)
    page.until("document.querySelectorAll('#list tbody tr').length > 0")
    yield page
    assert [said for said in page.complaints if "status of 400" not in said] == []  # what is refused is shown
    assert [url for url in page.requested if not url.startswith((intake.url + "/", "data:"))] == []


def fill(intake: Intake) -> None:
    """Some of everything."""
    for i in range(30):
        severity = ("INFO", "WARNING", "ERROR", "DEBUG")[i % 4]
        write(intake, entry(f"line {i}", severity=severity, timestamp=iso(i / 1000), insertId=f"i{i:02}"))
    write(intake, entry(EVIL, severity="ERROR", labels={"k8s-pod/app": "cart"}, insertId="i99"))
    tags = "kube_namespace:shop,pod_name:cart-0"
    submit(intake, [{"message": f"log {i}", "service": "cart", "ddtags": tags, "status": "error"} for i in range(5)])
    resource = {"type": "generic_node", "labels": {"location": "global", "namespace": "shop", "node_id": "n1"}}
    for at in range(-60, 0, 10):
        interval = {"endTime": iso(at)}
        clients = {
            "metric": {"type": "workload.googleapis.com/redis.clients.connected"}, "resource": resource,
            "metricKind": "GAUGE", "valueType": "INT64",
            "points": [{"interval": interval, "value": {"int64Value": str(60 + at)}}],
        }  # fmt: skip
        assert call(intake, "/v3/projects/acme/timeSeries", {"timeSeries": [clients]})[0] == 200
        points = [{"timestamp": int(time.time()) + at, "value": 60 + at}]
        named = [{"metric": name, "type": 3, "points": points} for name in ("redis.net.clients", "mine.alone")]
        assert call(intake, "/api/v2/series", {"series": named}, headers=DATADOG)[0] == 202


def rows(page: Page) -> list[str]:
    """The last cell of each row of the list."""
    return list(page.eval("[...document.querySelectorAll('#list tbody tr')].map(row => row.cells[3].innerText)"))


def look_for(page: Page, words: str) -> None:
    page.press("/")
    page.eval("document.activeElement.select()")
    page.type(words)
    page.press("Escape")


def test_what_arrives_is_shown_as_it_comes(page: Page, intake: Intake) -> None:
    assert rows(page)[:2] == [EVIL, "line 29"]
    write(intake, entry("just now"))
    page.until("document.querySelector('#list tbody tr').cells[3].innerText === 'just now'")
    assert page.eval("document.title") == "Outrider intake"
    assert "unique" in page.text("#tiles")
    page.until("document.querySelector('#requests-peak').innerText !== '0'")
    page.shot("cloud-logging")


def test_the_filter_is_the_vendors_own(page: Page) -> None:
    look_for(page, 'severity=WARNING AND textPayload:"line 1"')
    page.until("document.querySelectorAll('#list tbody tr').length === 3")
    assert rows(page) == ["line 17", "line 13", "line 1"]
    look_for(page, "severity=LOUD")
    assert "no such severity" in page.until("document.querySelector('#filter-trouble').innerText")
    look_for(page, 'textPayload="nothing like it"')
    page.until("!document.querySelector('#nothing').hidden")
    page.press("2")
    page.until("document.querySelectorAll('#list tbody tr').length === 5")
    page.until("document.querySelector('#groups button') !== null")
    page.click("#groups button")
    assert page.eval("document.querySelector('#filter').value") == "service:cart"
    page.until("document.querySelectorAll('#list tbody tr').length === 5")
    page.press("1")
    assert page.eval("document.querySelector('#filter').value") == 'textPayload="nothing like it"'


def test_one_entry_in_full_beside_the_rules_by_keys_alone(page: Page, intake: Intake) -> None:
    look_for(page, "severity=ERROR")
    page.until("document.querySelectorAll('#list tbody tr').length > 5")
    page.press("j")
    page.press("Enter")
    page.until("!document.querySelector('#detail').hidden")
    told = page.eval(
        "Object.fromEntries([...document.querySelectorAll('#detail tbody tr')].map(r => [r.cells[0].innerText, "
        "[r.cells[1].innerText, r.cells[2].innerText]]))"
    )
    assert told["textPayload"][0] == EVIL
    assert "Of severity, logging.googleapis.com/severity, level" in told["severity"][1]
    assert "docs/log-format.md#severity" in told["severity"][1]
    assert told["labels.k8s-pod/app"][1].startswith("A label of the pod.")
    assert told["resource.labels.namespace_name"][0] == "shop"
    page.shot("entry")
    page.press("j")
    page.until("document.querySelector('#detail').innerText.includes('line 2')")
    page.press("k")
    page.until("document.querySelector('#detail').innerText.includes('onerror')")
    write(intake, entry("meanwhile", severity="ERROR"))
    page.until("document.querySelector('#held').innerText.startsWith('held; ')")
    assert "meanwhile" not in rows(page)
    page.press("Escape")
    assert page.eval("document.querySelector('#detail').hidden") is True
    page.press("Escape")
    page.until("document.querySelector('#list tbody tr').cells[3].innerText === 'meanwhile'")


SEEN = """
(selector => {
  const { top, bottom, width } = document.querySelector(selector).getBoundingClientRect();
  return width > 150 && bottom > 0 && top < innerHeight;
})"""


@pytest.mark.parametrize(("width", "column"), [(1400, 300), (700, 200), (380, 300)])
def test_what_is_opened_far_down_the_list_is_in_sight(page: Page, width: int, column: int) -> None:
    """In one column it stands above the list; and the text of a row has room of its own."""
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=700, deviceScaleFactor=1, mobile=False)
    assert page.eval("document.documentElement.scrollWidth") <= width
    assert page.eval("document.querySelector('#list td:last-child').getBoundingClientRect().width") > column
    for _ in range(25):
        page.press("j")
    page.press("Enter")
    page.until("document.querySelector('#detail tbody') !== null")
    assert page.eval(f"{SEEN}('#detail h2')")
    if width > 960:
        assert page.eval(f"{SEEN}('#list tr[aria-selected=true]')")
    page.shot(f"entry-{width}")
    page.press("Escape")
    assert page.eval(f"{SEEN}('#list tr[aria-selected=true]')")
    page.call("Emulation.clearDeviceMetricsOverride")


def test_an_intake_to_which_nothing_has_come_says_how_it_comes(browser: Browser) -> None:
    with Intake() as intake:
        page = browser.page(intake.url)
        page.until("!document.querySelector('#nothing').hidden")
        assert page.text("#nothing").endswith(f"with logs_endpoint: {intake.url}")
        page.press("4")
        page.until("document.querySelector('#nothing').innerText.includes('metrics_endpoint')")
        page.press("5")
        page.until("!document.querySelector('#nothing-plotted').hidden")
        assert page.complaints == []


def test_the_list_can_be_held(page: Page, intake: Intake) -> None:
    page.press("p")
    write(intake, entry("while held"))
    page.until("/^held; [1-9]/.test(document.querySelector('#held').innerText)")
    assert "while held" not in rows(page)
    page.press("p")
    page.until("document.querySelector('#list tbody tr').cells[3].innerText === 'while held'")


def test_metrics_under_both_names(page: Page) -> None:
    page.press("5")
    page.until("document.querySelectorAll('#pairs svg').length === 3")
    found = page.eval(
        "[...document.querySelectorAll('.pair')].map(p => [...p.querySelectorAll('b')].map(b => b.innerText))"
    )
    assert found == [["redis.net.clients", "workload.googleapis.com/redis.clients.connected"], ["mine.alone"]]
    points = page.eval(
        "[...document.querySelectorAll('.pair:first-child polyline')]"
        ".map(line => line.getAttribute('points').split(' ').length)"
    )
    assert points == [6, 6]
    assert "0 … 50" in page.text(".pair")
    page.shot("plots")
    look_for(page, "alone")
    page.until("document.querySelectorAll('.pair').length === 1")


def test_faults_are_switched_by_hand(page: Page, intake: Intake) -> None:
    page.press("f")
    assert page.eval("document.activeElement.parentElement.innerText.trim()") == "401 who writes is not known"
    page.eval("document.querySelector('select[aria-label=\"How often 503\"]').value = '0.5'")
    page.click(".switch:nth-child(7) input")
    page.until("document.querySelector('.switch.on') !== null")
    assert call(intake, "/intake/faults")[1]["faults"] == ["503:0.5"]
    page.eval(
        "{ const s = document.querySelector('.switch.on select'); s.value = '1'; s.dispatchEvent(new Event('change')) }"
    )
    page.until("fetch('/intake/faults').then(a => a.json()).then(a => a.faults[0] === '503')")
    assert write(intake, entry())[0] == 503
    page.until("document.querySelector('#outcomes').innerText.includes('503')")
    page.shot("faults")
    intake.set_faults([])  # as somebody else may
    page.until("!document.querySelector('.switch.on')")
    assert write(intake, entry())[0] == 200


def stream(pod: str, **more: Any) -> dict[str, Any]:
    held = {
        "disk": 6000,
        "skipped": 100,
        "acknowledged": 5000,
        "in_flight": 300,
        "lost": {},
        "behind": 600,
        "read": 5300,
    }
    records = {"read": 53, "in_flight": 3, "accepted": 48, "rejected": 1, "left_out": 1}
    where = {"namespace": "shop", "pod": pod, "uid": pod, "container": "main", "restart": 0, "behind_seconds": 1.0}
    return {**where, "bytes": {"lost": {}, **held, **more}, "records": records}


def test_the_ledger_balances_or_says_what_does_not(page: Page) -> None:
    ledger: dict[str, Any] = {"time": 2.0, "started": 1.0, "exporters": {}}
    ledger["exporters"]["google"] = {"trouble": None, "streams": [stream("web-1"), stream("web-2")]}
    ledger["exporters"]["datadog"] = {"trouble": "HTTP 503", "streams": [stream("web-1"), stream("web-2", disk=6007)]}
    listen = f"127.0.0.1:{quiet_ports(1)[0]}"
    telemetry = Telemetry(listen, Counters(), lambda: None, lambda: None, lambda: ledger)
    telemetry.start()
    page.press("6")
    page.until("document.querySelector('#here').innerText.includes('Cloud Logging')")
    page.eval("document.querySelector('#collector').focus()")
    page.type(f"http://{listen}")
    page.press("Enter")
    page.until("document.querySelectorAll('#collectors table').length === 2")
    shown = page.text("#collectors")
    assert "google all 2 streams balance" in shown
    assert "datadog 1 of 2 streams do not balance" in shown
    assert "HTTP 503" in shown
    off = page.eval("[...document.querySelectorAll('#collectors tr.off')].map(r => r.innerText.split('\\t'))")
    assert [(cells[0], cells[7]) for cells in off] == [("shop/web-2/main/0", "7"), ("total of 2 streams", "7")]
    page.shot("ledger")
    page.eval("document.querySelector('#collector').value = 'http://10.0.0.1:1'")
    page.click("#ask button")
    assert "on this machine" in page.until("document.querySelector('#ask-trouble').innerText")
    telemetry.stop()


CONTRAST = """
(() => {
  const rgb = text => text.match(/[\\d.]+/g).map(Number);
  const linear = c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * linear(r / 255) + .7152 * linear(g / 255) + .0722 * linear(b / 255);
  const paper = one => {
    const colour = rgb(getComputedStyle(one).backgroundColor);
    return colour[3] === 0 ? paper(one.parentElement) : colour;
  };
  const low = [];
  for (const one of document.querySelectorAll("body *")) {
    const own = [...one.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own || !one.checkVisibility()) continue;
    const [a, b] = [light(rgb(getComputedStyle(one).color)), light(paper(one))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) low.push(one.outerHTML.slice(0, 100));
  }
  return low;
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read_in_light_and_dark(page: Page, intake: Intake, scheme: str) -> None:
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.until("document.querySelector('#groups button') !== null")
    page.press("j")
    page.press("Enter")
    page.until("document.querySelector('#detail tbody') !== null")
    papers = {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 29)"}
    paper = "getComputedStyle(document.body).backgroundColor"
    assert page.eval(paper) == papers[scheme]
    assert page.eval(CONTRAST) == []
    page.shot(scheme)
    page.press("t")
    other = papers["dark" if scheme == "light" else "light"]
    assert page.eval(paper) == other
    page.go(intake.url)
    assert page.eval(paper) == other, "the choice is kept"


def test_everything_that_can_be_used_has_a_name(page: Page) -> None:
    for view in "123456":
        page.press(view)
        page.call("Accessibility.enable")
        nodes = page.call("Accessibility.getFullAXTree")["nodes"]
        used = {"button", "searchbox", "textbox", "combobox", "checkbox", "link", "image"}
        found = [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node["ignored"] and node["role"]["value"] in used
        ]
        assert len(found) > 10
        assert [role for role, name in found if not name] == []


def test_the_keys_are_told_and_do_not_get_into_what_is_typed(page: Page) -> None:
    page.press("?")
    page.until("document.querySelector('#keys').open")
    page.shot("keys")
    page.press("Escape")
    page.until("!document.querySelector('#keys').open")
    page.press("/")
    page.press("2")
    page.press("j")
    assert page.eval("document.querySelector('#filter').value") == "2j"
    assert page.text("#arrivals-title") == "Cloud Logging"


def test_an_intake_that_is_away_is_told_and_found_again(browser: Browser) -> None:
    intake = Intake()
    with intake:
        page = browser.page(intake.url)
        page.until("document.querySelector('#tiles').children.length")
    page.until("document.querySelector('#state').innerText === 'the intake cannot be reached'")
    with intake:
        page.until("document.querySelector('#state').innerText === ''")
