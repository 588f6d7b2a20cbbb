"""What watches the collector asks for what is there: dashboard, alerts and monitors."""

import json
import re

import yaml

from tests.charts.rendering import NODE, node, only
from tests.test_documents import ROOT

METRIC = re.compile(r"\boutrider_[a-z_0-9]+\b")
LABELS = re.compile(r"by \(([^)]*)\)")


def _known() -> set[str]:
    code = "".join(p.read_text("utf-8") for f in ("outrider", "collectors") for p in (ROOT / f).rglob("*.py"))
    return set(re.findall(r'"(outrider_[a-z_0-9]+)"', code))


def test_every_metric_that_is_asked_for_is_there() -> None:
    asked = {
        name
        for file in ("dashboard.json", "alerts.yaml")
        for name in METRIC.findall((NODE / "files" / file).read_text())
    }
    assert len(asked) > 10
    assert asked <= _known()


def test_the_dashboard_is_one() -> None:
    objects = node({"dashboard": {"enabled": True}})
    (config_map,) = [o for o in objects if o["metadata"]["name"] == "outrider-dashboard"]
    assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
    dashboard = json.loads(config_map["data"]["outrider.json"])
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in dashboard["panels"]]
    assert len(set(places)) == len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]) > 5
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            _legend_is_grouped_by(target["expr"], target["legendFormat"])


def test_alerts_keep_their_own_templates() -> None:
    rule = only(node({"alerts": {"enabled": True, "labels": {"release": "p"}}}), "PrometheusRule")
    assert rule["metadata"]["labels"]["release"] == "p"
    assert rule["spec"] == yaml.safe_load((NODE / "files" / "alerts.yaml").read_text("utf-8"))
    for alert in rule["spec"]["groups"][0]["rules"]:
        assert alert["annotations"].keys() == {"summary", "description"}
        _legend_is_grouped_by(alert["expr"], alert["annotations"]["summary"].replace("$labels.", ""))


def test_what_is_counted_for_the_first_time_is_an_increase() -> None:
    """To increase() a series that begins with 5 has grown by nothing (seen with promtool)."""
    alerts, dashboard = ((NODE / "files" / file).read_text("utf-8") for file in ("alerts.yaml", "dashboard.json"))
    asked = re.findall(r"increase\((\w+)\[([\w$]+)\]\)", alerts + dashboard)
    assert len(asked) > 5
    begun = re.findall(r"\((\w+) unless (\w+) offset ([\w$]+)\)\s+or increase", alerts + dashboard)
    assert [(first, within) for first, second, within in begun if first == second] == asked


def _legend_is_grouped_by(expression: str, words: str) -> None:
    """What a text puts in has to survive the aggregation."""
    grouped = {label.strip() for labels in LABELS.findall(expression) for label in labels.split(",")}
    assert set(re.findall(r"\{\{ ?(\w+) ?\}\}", words)) <= grouped, expression


def test_monitors_find_the_port_that_the_pods_have() -> None:
    objects = node({"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True, "interval": "30s"}})
    pod = only(objects, "DaemonSet")["spec"]["template"]
    service = only(objects, "Service")
    for kind, key, labels, ports in (
        ("PodMonitor", "podMetricsEndpoints", pod["metadata"]["labels"], pod["spec"]["containers"][0]["ports"]),
        ("ServiceMonitor", "endpoints", service["metadata"]["labels"], service["spec"]["ports"]),
    ):
        monitor = only(objects, kind)["spec"]
        assert monitor["selector"]["matchLabels"].items() <= labels.items()
        (endpoint,) = monitor[key]
        assert endpoint["port"] in {port["name"] for port in ports}
        assert endpoint["path"] == "/metrics"
        assert endpoint["honorLabels"] is True  # the namespace of a loss is not the collector's
    assert endpoint["interval"] == "30s"
