"""What an entry must be: like the case says, and, whatever the case says, one that the API would take.

`differences` compares one expected entry with one written entry and tells every difference in words. JSON is compared
with its types (`1`, `1.0` and `true` are three things); an exact spelling of numbers is compared on the written bytes.
`faults` is the part that holds for all entries of all cases: Google's own protobuf JSON parser accepts them, they keep
the API's limits, and they are about a container of this cluster.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from google.cloud.logging_v2.types import LogEntry
from google.protobuf import json_format

from tests.conformance.cases import line_bytes

ENTRY_LIMIT = 262_144
NODE_LABEL = "compute.googleapis.com/resource_name"
SEVERITIES = {"DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"}
FIELDS = {"logName", "resource", "labels", "timestamp", "severity", "insertId", "textPayload", "jsonPayload", "trace"}
FIELDS |= {"spanId", "traceSampled", "httpRequest", "sourceLocation", "operation", "split"}
RESOURCE_LABELS = {"project_id", "location", "cluster_name", "namespace_name", "pod_name", "container_name"}

_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+)')


def differences(expected: dict[str, Any], raw: bytes) -> list[str]:
    """What is wrong with the written entry `raw`, one sentence per difference; empty if it is as expected."""
    entry: dict[str, Any] = json.loads(raw)
    found: list[str] = []
    for key, want in expected.items():
        if matcher := MATCHERS.get(key):
            found += matcher(want, entry, raw)
        elif key in FIELDS:
            found += _field(key, want, entry)
        else:
            raise ValueError(f"{key!r} is neither a field of LogEntry nor a matcher")
    if expected.get("ordered"):
        want, got = json.dumps(expected["jsonPayload"]), json.dumps(entry.get("jsonPayload"))
        found += [] if want == got else [f"jsonPayload is {got}, in this order {want}"]
    return found


def _field(key: str, want: Any, entry: dict[str, Any]) -> list[str]:
    got = entry.get(key)
    if key == "severity":
        got = got or "DEFAULT"  # proto3 JSON may leave the zero value of an enum out
    if key == "httpRequest" and isinstance(got, dict):
        want, got = _with_plain_latency(want), _with_plain_latency(got)
    return [] if key_equal(want, got) else [f"{key} is {_shown(got)}, not {_shown(want)}"]


def key_equal(a: Any, b: Any) -> bool:
    """Equality of JSON values that tells 1, 1.0 and true apart and does not look at the order of keys."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def _with_plain_latency(request: dict[str, Any]) -> dict[str, Any]:
    """`1.5s` and `1.500000000s` are the same google.protobuf.Duration."""
    latency = request.get("latency")
    if isinstance(latency, str) and re.fullmatch(r"\d+(\.\d{1,9})?s", latency, re.ASCII):
        return {**request, "latency": str(Decimal(latency[:-1]).normalize()) + "s"}
    return request


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:200]}… ({len(text)} characters)"


def _absent(keys: list[str], entry: dict[str, Any], _raw: bytes) -> list[str]:
    return [f"{key} is there: {_shown(entry[key])}" for key in keys if key in entry]


def _present(keys: list[str], entry: dict[str, Any], _raw: bytes) -> list[str]:
    return [f"{key} is missing" for key in keys if key not in entry]


def _labels_include(want: dict[str, str], entry: dict[str, Any], _raw: bytes) -> list[str]:
    labels = entry.get("labels", {})
    return [f"label {k} is {labels.get(k)!r}, not {v!r}" for k, v in want.items() if labels.get(k) != v]


def _labels_match(want: dict[str, str], entry: dict[str, Any], _raw: bytes) -> list[str]:
    labels = entry.get("labels", {})
    return [
        f"label {k} is {labels.get(k)!r}, not like {v}" for k, v in want.items() if not re.search(v, labels.get(k, ""))
    ]


def _labels_absent(keys: list[str], entry: dict[str, Any], _raw: bytes) -> list[str]:
    return [f"label {key} is there" for key in keys if key in entry.get("labels", {})]


def _labels_count(want: int, entry: dict[str, Any], _raw: bytes) -> list[str]:
    count = len(entry.get("labels", {}))
    return [] if count == want else [f"{count} labels, not {want}"]


def _instant(want: str, entry: dict[str, Any], _raw: bytes) -> list[str]:
    got = entry.get("timestamp", "")
    return [] if instant(got) == instant(want) else [f"timestamp is {got!r}, not the instant {want}"]


def _payload_text(want: str, _entry: dict[str, Any], raw: bytes) -> list[str]:
    payload = msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).get("jsonPayload", msgspec.Raw(b"null"))
    got = bytes(payload).decode()
    return [] if tokens(got) == tokens(want) else [f"jsonPayload is written {got}, not {want}"]


def _shortened(want: dict[str, Any], entry: dict[str, Any], _raw: bytes) -> list[str]:
    payload = entry.get("jsonPayload")
    if not isinstance(payload, dict):
        return ["no jsonPayload"]
    wanted = {**want["keep"], **want["cut"]}
    found = [] if set(payload) == set(wanted) else [f"keys are {sorted(payload)}, not {sorted(wanted)}"]
    found += [f"{k} is {_shown(payload.get(k))}" for k, v in want["keep"].items() if not key_equal(payload.get(k), v)]
    for key, start in want["cut"].items():
        if not str(payload.get(key)).startswith(start):
            found.append(f"{key} does not begin with {start!r}: {_shown(payload.get(key))}")
    return found


def _text_start(want: dict[str, Any], entry: dict[str, Any], _raw: bytes) -> list[str]:
    start = line_bytes(want["of"]).decode()[: want["characters"]]
    got = entry.get("textPayload", "")
    return [] if got.startswith(start) else [f"textPayload ({len(got)} characters) does not begin as the line does"]


MATCHERS: dict[str, Callable[[Any, dict[str, Any], bytes], list[str]]] = {
    "absent": _absent,
    "present": _present,
    "labels_include": _labels_include,
    "labels_match": _labels_match,
    "labels_absent": _labels_absent,
    "labels_count": _labels_count,
    "instant": _instant,
    "payload_text": _payload_text,
    "ordered": lambda _want, _entry, _raw: [],  # compared together with jsonPayload
    "shortened": _shortened,
    "text_start": _text_start,
}


def tokens(text: str) -> list[str]:
    """The tokens of a JSON text: numbers and names as spelt, strings by their value, white space left out."""
    return [json.dumps(json.loads(t)) if t.startswith('"') else t for t in _TOKEN.findall(text)]


def instant(timestamp: str) -> tuple[datetime, str] | None:
    """The moment that an RFC 3339 UTC timestamp names, as (second, nine digits); None if it is no valid one."""
    match = _TIMESTAMP.fullmatch(timestamp)
    if not match:
        return None
    try:
        second = datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return second, (match[2] or "").ljust(9, "0")


def faults(raw: bytes, now: float) -> list[str]:
    """Why the API would refuse this entry, or a reader could not place it; empty if neither."""
    try:
        entry = json.loads(raw.decode(), parse_constant=_no_constant)
        json_format.Parse(raw.decode(), LogEntry.pb()())
    except (ValueError, json_format.ParseError) as e:
        return [f"not a LogEntry: {e}"]
    found = [f"{key} is no field that is written" for key in entry if key not in FIELDS]
    if len(raw) > ENTRY_LIMIT:
        found.append(f"{len(raw)} bytes, over the limit of {ENTRY_LIMIT}")
    if sum(key in entry for key in ("textPayload", "jsonPayload")) != 1:
        found.append("not exactly one payload")
    if not re.fullmatch(r"projects/[a-z0-9-]+/logs/(stdout|stderr)", entry.get("logName", "")):
        found.append(f"logName is {entry.get('logName')!r}")
    if entry.get("severity", "DEFAULT") not in SEVERITIES:
        found.append(f"severity is {entry['severity']!r}, not the name of one")
    if not isinstance(entry.get("insertId"), str) or not entry["insertId"]:
        found.append("no insertId")
    return found + _place_faults(entry) + _time_faults(entry, now)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _place_faults(entry: dict[str, Any]) -> list[str]:
    found = []
    resource = entry.get("resource", {})
    if resource.get("type") != "k8s_container" or set(resource.get("labels", {})) != RESOURCE_LABELS:
        found.append(f"resource is {_shown(resource)}")
    labels = entry.get("labels", {})
    if labels.get(NODE_LABEL) != "node-1":
        found.append(f"label {NODE_LABEL} is {labels.get(NODE_LABEL)!r}")
    if len(labels) > 64:
        found.append(f"{len(labels)} labels, over the limit of 64")
    return found


def _time_faults(entry: dict[str, Any], now: float) -> list[str]:
    if "timestamp" not in entry:
        return []
    moment = instant(entry["timestamp"])
    if moment is None:
        return [f"timestamp {entry['timestamp']!r} is no RFC 3339 time in UTC"]
    latest = datetime.fromtimestamp(now, UTC) + timedelta(days=1)
    return [f"timestamp {entry['timestamp']} is more than a day ahead"] if moment[0] > latest else []
