"""What a key may hold, as data.

The model's annotations are turned into a tree of shapes once, and three interpreters walk that tree: `check` reads a
file by it, `schema` writes the JSON schema from it and `reference` the documentation. None of the three knows a key
by name, so they cannot disagree with the model.
"""

import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Literal, Union

import msgspec

from outrider.config.problems import either
from outrider.config.units import duration_text, size_text


class Doc(msgspec.Struct, frozen=True):
    """What a key means, in one or two sentences; `default` says in words what stands in when the key is missing."""

    text: str
    default: str = ""


class Bool(msgspec.Struct, frozen=True):
    """true or false."""


class Int(msgspec.Struct, frozen=True):
    """A whole number from `low` to `high`."""

    low: int
    high: int


class Duration(msgspec.Struct, frozen=True):
    """Seconds, more than `above` and at most `high`."""

    above: float
    high: float


class Size(msgspec.Struct, frozen=True):
    """Bytes from `low` to `high` (None: no upper bound)."""

    low: int = 0
    high: int | None = None


class Rate(msgspec.Struct, frozen=True):
    """Bytes per second, at least `low`."""

    low: int


class Fraction(msgspec.Struct, frozen=True):
    """A number from 0 to 1."""


class Text(msgspec.Struct, frozen=True):
    """A string: `pattern` is what the schema can say of it, `check` (raises ValueError with the reason) the rest.

    `role` is `exporter` for the name of an exporter, `file` for a path that should exist, and `verbatim` for a text in
    which `$` is no variable's.
    """

    allowed: str = "a string"
    pattern: str = r"\S"
    check: Callable[[str], object] | None = None
    role: Literal["", "exporter", "file", "verbatim"] = ""


class Choice(msgspec.Struct, frozen=True):
    """One of a few words."""

    words: tuple[str, ...]


class Hidden(msgspec.Struct, frozen=True):
    """A secret: one of `words`, `{file: path}`, and unless `only_file` also `{env: X}` or the value itself."""

    words: tuple[str, ...] = ()
    only_file: bool = False


class Nullable(msgspec.Struct, frozen=True):
    """The shape, or null."""

    item: "Shape"


class Many(msgspec.Struct, frozen=True):
    """A list of `item`; with `single`, one item may stand for a list of one."""

    item: "Shape"
    at_least: int = 0
    unique: bool = False
    single: bool = False


class Pairs(msgspec.Struct, frozen=True):
    """A mapping whose keys are free (`key` is a Text) or some of a few words (a Choice), all to values of `item`."""

    key: Text | Choice
    item: "Shape"


class CheckEntry(msgspec.Struct, frozen=True):
    """`{name: {settings}}`: what the settings are is known to the check of that name (`CheckTypes`)."""

    name: Text


CheckTypes = Mapping[str, type[msgspec.Struct]]
"""The settings of every check that is installed, by its name. To look one up, even by `in`, may raise ImportError: the
check is there and the library that it needs is not.
"""


class Key(msgspec.Struct, frozen=True):
    """One key of a record: its name in the file, its attribute in the model, and what it means."""

    name: str
    attribute: str
    shape: "Shape"
    doc: Doc
    required: bool
    default: Any


class Record(msgspec.Struct, frozen=True):
    """A mapping with known keys, read into the struct `type`.

    `either` (the struct's class attribute of that name) are groups of keys of which exactly one may be used; the
    first key of a group is required in it.
    """

    type: type[msgspec.Struct]
    keys: tuple[Key, ...]
    at_least: int = 0
    either: tuple[tuple[str, ...], ...] = ()

    @property
    def doc(self) -> str:
        """The struct's docstring, on one line."""
        return " ".join((self.type.__doc__ or "").split())

    def key(self, name: str) -> Key | None:
        """The key called `name` in the file."""
        return next((k for k in self.keys if k.name == name), None)


class Variants(msgspec.Struct, frozen=True):
    """A mapping from free names to records, told apart by their key `kind` (the first is meant if it is missing)."""

    name: Text
    records: dict[str, Record]

    @property
    def default(self) -> str:
        """The kind that is meant when none is given."""
        return next(iter(self.records))


Shape = (
    Bool | Int | Duration | Size | Rate | Fraction | Text | Choice | Hidden
    | Nullable | Many | Pairs | CheckEntry | Record | Variants
)  # fmt: skip


class Members(msgspec.Struct, frozen=True):
    """In an annotation of a list: the bounds of `Many`. In one of a record: how many keys at least."""

    at_least: int = 0
    unique: bool = False
    single: bool = False


@cache
def record_of(struct: type[msgspec.Struct]) -> Record:
    """The shape of a struct, derived from its annotations, defaults and docstring."""
    keys = [_key(field) for field in msgspec.structs.fields(struct)]
    return Record(struct, tuple(keys), either=getattr(struct, "either", ()))


def _key(field: msgspec.structs.FieldInfo) -> Key:
    default = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    doc = next((m for m in _marks(field.type) if isinstance(m, Doc)), Doc(""))
    return Key(field.encode_name, field.name, shape_of(field.type), doc, field.required, default)


def shape_of(annotation: Any) -> Shape:
    """The shape that an annotation of the model stands for; TypeError if the model uses something unknown."""
    members = Members()
    for mark in _marks(annotation):
        if isinstance(mark, Members):
            members = mark
        elif isinstance(mark, Shape):
            return Nullable(mark) if _is_optional(_bare(annotation)) else mark
    bare = _bare(annotation)
    origin, arguments = typing.get_origin(bare), typing.get_args(bare)
    if _is_optional(bare):
        return Nullable(shape_of(next(a for a in arguments if a is not types.NoneType)))
    if origin is Literal:
        return Choice(arguments)
    if origin is list:
        return Many(shape_of(arguments[0]), members.at_least, members.unique, members.single)
    if bare is bool:
        return Bool()
    if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
        record = record_of(bare)
        return msgspec.structs.replace(record, at_least=members.at_least)
    raise TypeError(f"no shape for {annotation!r}")


def variants_of(name: Text, union: Any) -> Variants:
    """The shape of a mapping to a union of structs that each have a `kind`."""
    records = [record_of(struct) for struct in typing.get_args(union)]
    kinds = [next(k.default for k in record.keys if k.name == "kind") for record in records]
    return Variants(name, dict(zip(kinds, records, strict=True)))


def allowed(shape: Shape) -> str:
    """What may stand here, in words: the end of an error message and the type column of the reference."""
    match shape:
        case Hidden(words, only_file):
            return either([*words, *([] if only_file else ["a secret string", "{env: X}"]), "{file: path}"])
        case Nullable(item):
            return f"{allowed(item)}, or null"
        case Many(item, single=single):
            return f"{allowed(item)}, or a list of such" if single else f"a list ({allowed(item)} each)"
        case Pairs(key, item):
            keys = "keys" if isinstance(key, Text) else either(key.words)
            return f"a mapping of {keys} to {allowed(item)}"
        case CheckEntry():
            return "a mapping of one check name to its settings"
        case Record():
            return "a mapping with the keys " + ", ".join(k.name for k in shape.keys)
        case Variants():
            return "a mapping of names to mappings"
    return _allowed_scalar(shape)


def _allowed_scalar(shape: Shape) -> str:
    match shape:
        case Bool():
            return "true or false"
        case Int(low, high):
            return f"a whole number from {low} to {high}"
        case Duration(above, high):
            return f"a duration above {duration_text(above)} and up to {duration_text(high)}, such as 250ms or 15s"
        case Size(low, high):
            bounds = f" from {size_text(low)} to {size_text(high)}" if high else ""
            return f"a size{bounds}, such as 512KiB or 10MB"
        case Rate(low):
            return f"a rate of at least {size_text(low)}/s, such as 512KiB/s or 1MB/s"
        case Fraction():
            return "a number from 0 to 1"
        case Text():
            return shape.allowed
        case Choice(words):
            return either(words)
    raise TypeError(f"no words for {shape!r}")


def _marks(annotation: Any) -> tuple[Any, ...]:
    return getattr(annotation, "__metadata__", ())


def _bare(annotation: Any) -> Any:
    return annotation.__origin__ if _marks(annotation) else annotation


def _is_optional(bare: Any) -> bool:
    return typing.get_origin(bare) in (Union, types.UnionType) and types.NoneType in typing.get_args(bare)
