"""datadog.agentpayload.SketchPayload (DataDog/agent-payload, proto/metrics/agent_payload.proto), read by protobuf's own
library.
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_DOGSKETCH = {
    "ts": (1, "INT64"),
    "cnt": (2, "INT64"),
    "min": (3, "DOUBLE"),
    "max": (4, "DOUBLE"),
    "avg": (5, "DOUBLE"),
    "sum": (6, "DOUBLE"),
    "k": (7, "SINT32"),
    "n": (8, "UINT32"),
}
_SKETCH = {"metric": (1, "STRING"), "host": (2, "STRING"), "tags": (4, "STRING"), "dogsketches": (7, "Dogsketch")}
_REPEATED = {"k", "n", "tags", "dogsketches", "sketches"}


def _message_type() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="sketches.proto", package="agentpayload", syntax="proto3")
    messages = {"Dogsketch": _DOGSKETCH, "Sketch": _SKETCH, "SketchPayload": {"sketches": (1, "Sketch")}}
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            label = _Field.LABEL_REPEATED if field in _REPEATED else _Field.LABEL_OPTIONAL
            made = message.field.add(name=field, number=number, label=label)
            if kind in messages:
                made.type, made.type_name = _Field.TYPE_MESSAGE, f".agentpayload.{kind}"
            else:
                made.type = getattr(_Field, f"TYPE_{kind}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("agentpayload.SketchPayload"))


_PAYLOAD = _message_type()


def sketch_payload(data: bytes) -> dict[str, Any]:
    """The payload as a dict, every field in it; integers of 64 bits are numbers. Raises what the library raises, and
    ValueError for fields that the message does not have.
    """
    message = _PAYLOAD.FromString(data)
    plain: dict[str, Any] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    message.DiscardUnknownFields()
    if message.ByteSize() != len(data):
        raise ValueError("there are fields that the message does not have")
    for sketch in plain["sketches"]:
        for one in sketch["dogsketches"]:
            one["ts"], one["cnt"] = int(one["ts"]), int(one["cnt"])
    return plain
