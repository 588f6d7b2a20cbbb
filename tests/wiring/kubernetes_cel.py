"""Policies of the API server, evaluated by Google's own CEL (C++), on pods as they reach admission.

The types that only the API server has are made of Kubernetes' schema: `Object.spec.containers.env` becomes a protobuf
message with the fields that the schema gives it, so that a field which is not there, or of another type, is an error
when the expression is compiled. So is what CEL's checker itself finds. The few functions that Kubernetes adds to CEL
are those of its documentation. What a condition that fails to evaluate leads to is `failurePolicy: Ignore`.
"""

import copy
import functools
import json
import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import kubernetes_validate
from cel_expr_python import cel
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, json_format, struct_pb2

SCHEMAS = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema" / "v1.36.0-local" / "_definitions.json"
_OBJECT = re.compile(r"\bObject(?:\.\w+)+(?=\{)")
_SCALARS = {"string": 9, "integer": 5, "boolean": 8, "number": 1}
_PACKAGE = "kubernetes"
_TYPE, _OVERLOAD, _FUNCTION = cel.Type, cel.Overload, cel.FunctionDecl
_QUANTITY = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([KMGTPE]i)|[eE]([+-]?[0-9]+)|([numkMGTPE]?))")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def admit(policy: dict[str, Any], pod: dict[str, Any], parameters: dict[str, Any] | None) -> dict[str, Any]:
    """The pod after the policy: unchanged if a selector, a condition or missing parameters keep it out."""
    spec = policy["spec"]
    labels = pod["metadata"].get("labels", {})
    wanted = spec["matchConstraints"]["objectSelector"]["matchLabels"]
    if parameters is None or wanted.items() - labels.items():
        return pod
    names = {"object": pod, "params": parameters}
    expressions = [condition["expression"] for condition in spec["matchConditions"]]
    if not all(_holds(text, names) for text in expressions):
        return pod
    types = tuple(sorted({name for m in spec["mutations"] for name in _OBJECT.findall(m["jsonPatch"]["expression"])}))
    made: dict[str, Any] = {}
    for variable in spec["variables"]:
        made[variable["name"]] = _evaluate(variable["expression"], {**names, "variables": made}, ())
    for one in spec["mutations"]:
        operations = _evaluate(one["jsonPatch"]["expression"], {**names, "variables": made}, types)
        pod = _patched(pod, [_operation(operation) for operation in operations])
    return pod


def _holds(text: str, names: dict[str, Any]) -> bool:
    """Conditions see no variables: a name that is not declared does not compile."""
    compiled = _environment((), "variables" in names).compile(text)
    result = compiled.eval(data=names)
    return result.type() == _TYPE.BOOL and result.plain_value() is True


def _evaluate(text: str, names: dict[str, Any], types: tuple[str, ...]) -> Any:
    if types:
        text = _OBJECT.sub(lambda found: _message_name(found[0]), text)
        text = re.sub(r"\bvalue: (?=Object_)", "typed: ", text)
    result = _environment(types, True).compile(text).eval(data=names)
    assert result.type() != _TYPE.ERROR, result.value()
    return [one.value() for one in result.value()] if types else result.plain_value()


def _operation(message: Any) -> dict[str, Any]:
    """An operation of RFC 6902 out of a `JSONPatch{}`."""
    found: dict[str, Any] = json_format.MessageToDict(message, descriptor_pool=_pools[message.DESCRIPTOR.full_name])
    if "typed" in found:
        found["value"] = {k: v for k, v in found.pop("typed").items() if k != "@type"}
    return found


def _patched(pod: dict[str, Any], operations: list[dict[str, Any]]) -> dict[str, Any]:
    """`pod` after operations that add (RFC 6902, 4.1)."""
    pod = copy.deepcopy(pod)
    for operation in operations:
        assert operation["op"] == "add"
        *parents, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        place: Any = pod
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place[part]
        value = json.loads(json.dumps(operation["value"]))
        if not isinstance(place, list):
            place[last] = value
        else:
            index = len(place) if last == "-" else int(last)
            assert index <= len(place)
            place.insert(index, value)
    return pod


# -- the environment --------------------------------------------------------------------------------------------------


@functools.cache
def _environment(types: tuple[str, ...], variables: bool) -> Any:
    names = {"object": _TYPE.DYN, "params": _TYPE.DYN, **({"variables": _TYPE.DYN} if variables else {})}
    pool = _pool(types) if types else None
    return cel.NewEnv(descriptor_pool=pool, container=_PACKAGE, variables=names, functions=_functions())


_pools: dict[str, Any] = {}


def _pool(types: tuple[str, ...]) -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="pod.proto", package=_PACKAGE, syntax="proto2")
    pool = descriptor_pool.DescriptorPool()
    for module in (struct_pb2, any_pb2):
        known = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(known)
        pool.Add(known)
        file.dependency.append(known.name)
    patch = file.message_type.add(name="JSONPatch")
    for number, name in enumerate(("op", "path"), 1):
        patch.field.add(name=name, number=number, label=1, type=9)
    patch.field.add(name="value", number=3, label=1, type=11, type_name=".google.protobuf.Value")
    patch.field.add(name="typed", number=4, label=1, type=11, type_name=".google.protobuf.Any")
    for name in types:
        _add_message(file, name, types)
    pool.Add(file)
    _pools[f"{_PACKAGE}.JSONPatch"] = pool
    return pool


def _message_name(name: str) -> str:
    return name.replace(".", "_")


def _add_message(file: Any, name: str, types: tuple[str, ...]) -> None:
    """The message of a type that an expression makes: of what it makes itself messages again, of the rest any JSON."""
    message = file.message_type.add(name=_message_name(name))
    for number, (field, schema) in enumerate(sorted(_properties(name).items()), 1):
        kinds = {"null", *schema.get("items", schema).get("type", ())} - {"null"}
        kind = kinds.pop() if len(kinds) == 1 else ""
        added = message.field.add(name=field, json_name=field, number=number, label=3 if "items" in schema else 1)
        if f"{name}.{field}" in types:
            added.type, added.type_name = 11, f".{_PACKAGE}.{_message_name(f'{name}.{field}')}"
        elif kind in _SCALARS:
            added.type = _SCALARS[kind]
        else:
            added.type, added.type_name = 11, ".google.protobuf.Value"


@functools.cache
def _definitions() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SCHEMAS.read_text("utf-8"))["$defs"]
    return found


def _properties(name: str) -> dict[str, Any]:
    """What Kubernetes' schema has at this path of a pod."""
    schema = _definitions()["io.k8s.api.core.v1.Pod"]
    for part in name.split(".")[1:]:
        schema = _resolved(schema["properties"][part])
        schema = _resolved(schema.get("items", schema))
    return {field: _resolved(one) for field, one in schema.get("properties", {}).items()}


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = _definitions()[schema["$ref"].rpartition("/")[2]]
    return schema


# -- what Kubernetes adds to CEL (https://kubernetes.io/docs/reference/using-api/cel/) --------------------------------


def _functions() -> list[Any]:
    text, strings = _TYPE.STRING, _TYPE.List(_TYPE.STRING)
    return [
        _function("isQuantity", _TYPE.BOOL, [text], _is_quantity, member=False),
        _function("quantity", _TYPE.DOUBLE, [text], lambda one: float(_quantity(one)), member=False),
        _function("compareTo", _TYPE.INT, [_TYPE.DOUBLE, _TYPE.DOUBLE], lambda a, b: (a > b) - (a < b)),
        _function("indexOf", _TYPE.INT, [_TYPE.LIST, text], lambda of, one: [_plain(x) for x in of].index(one)),
        _function("split", strings, [text, text], lambda one, by: one.split(by)),
        _function("replace", text, [text, text, text], lambda one, old, new: one.replace(old, new)),
    ]


def _function(name: str, result: Any, parameters: list[Any], does: Any, member: bool = True) -> Any:
    overload = _OVERLOAD(f"{name}_1", return_type=result, parameters=parameters, is_member=member, impl=does)
    return _FUNCTION(name, [overload])


def _plain(value: Any) -> Any:
    return value.plain_value() if hasattr(value, "plain_value") else value


def _quantity(text: str) -> Decimal:
    found = _QUANTITY.fullmatch(text)
    if not found:
        raise ValueError(text)
    number, binary, exponent, suffix = Decimal(found[1]), found[2], found[3], found[4]
    if binary:
        return number * 1024 ** ("KMGTPE".index(binary[0]) + 1)
    return number.scaleb(int(exponent) if exponent else _DECIMAL[suffix])


def _is_quantity(text: str) -> bool:
    try:
        _quantity(text)
    except (ValueError, InvalidOperation):
        return False
    return True
