"""An entry as a line that a collector of containers' logs makes the same entry of again.

    {"insertId":…,"severity":"ERROR","timestamp":…,"textPayload":"no disk"}
    -> {"severity":"ERROR","time":…,"logging.googleapis.com/insertId":…,"message":"no disk"}

GKE, and `outrider node`, take certain members of a JSON line for fields of the entry and leave the rest as its
payload, as a text if `message` alone is left (docs/log-format.md, "Special fields"). So everything that the line itself
said, and the id by which a repeat is known, survives the way over standard output. What the collector knows by itself
(the pod, its labels, the node) is left out.

What the payload has kept under such a name was of no use as a field, and is judged again, in the place of the field.
"""

import msgspec

from outrider.exporters.stackdriver.context import POD_LABELS

_NAMES = {
    "severity": "severity",
    "timestamp": "time",
    "insertId": "logging.googleapis.com/insertId",
    "trace": "logging.googleapis.com/trace",
    "spanId": "logging.googleapis.com/spanId",
    "traceSampled": "logging.googleapis.com/trace_sampled",
    "sourceLocation": "logging.googleapis.com/sourceLocation",
    "operation": "logging.googleapis.com/operation",
    "httpRequest": "httpRequest",
}
"""By the field of the entry: the member of a line that becomes it."""
_LABELS = "logging.googleapis.com/labels"


_PARTS = "httpRequest", "logging.googleapis.com/operation", "logging.googleapis.com/sourceLocation", _LABELS
"""Of these some members may have become a field, and others stayed."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_labels = msgspec.json.Decoder(dict[str, str]).decode
_encode = msgspec.json.Encoder().encode


def relayed(entry: bytes) -> bytes:
    """The line, without a line feed, for `entry`: a LogEntry in JSON with nothing left out. Values are copied and not
    read, so that no digit is lost.
    """
    fields = _members(entry)
    line = {name: fields[field] for field, name in _NAMES.items() if field in fields}
    labels = {k: v for k, v in _labels(fields["labels"]).items() if not k.startswith(POD_LABELS)}
    if labels:
        line[_LABELS] = _raw(labels)
    if "textPayload" in fields:
        return _encode(line | {"message": fields["textPayload"]})
    payload = _members(fields["jsonPayload"])
    for name in _PARTS:
        if name in line and bytes(payload.get(name, b"")).startswith(b"{"):
            payload[name] = _raw(_members(line[name]) | _members(payload[name]))
    return _encode(line | payload)


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(_encode(value))
