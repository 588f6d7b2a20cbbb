"""The reference page of the configuration, written from the model's shapes and documentation."""

import json

import msgspec

from outrider.config.model import Config
from outrider.config.schema import default_of
from outrider.config.shape import CheckEntry, Key, Many, Nullable, Record, Shape, Variants, allowed, record_of

_HEAD = """\
# Configuration

One YAML file serves all three programs (`outrider node`, `outrider sidecar`, `outrider cluster`). `outrider validate
--config FILE` checks it and names every problem with its line; `outrider schema` prints a JSON schema for editors.
This page is generated: `outrider schema --reference > docs/configuration.md`.

```yaml
cluster: {project: my-project, name: on-prem-1, location: europe-north1, node: "${NODE_NAME:-node-1}"}
logs:
  select: {exclude: [{namespace: [kube-system, "*-sandbox"]}]}
  redact: [{pattern: 'password=\\S+', with: 'password=[redacted]'}, {set: keys}]
exporters:
  google: {kind: stackdriver, batch: {bytes: 4MiB, wait: 1s}}
  team-a: {kind: stackdriver, project: team-a-logs}
routes:
  - {namespaces: ["team-a-*"], to: [team-a], share: 2}
  - {name: quiet, labels: {tier: batch}, to: [google], limit: 1MiB/s, sample: {DEBUG: 0.1}}
  - {to: [google]}
```

## Values

- **Durations** are a number of seconds, or a number with `ms`, `s`, `m`, `h` or `d`: `250ms`, `1s`, `5m`.
- **Sizes** are a number of bytes, or a number with `B`, `kB`, `MB`, `GB`, `TB` (powers of 1000) or `KiB`, `MiB`,
  `GiB`, `TiB` (powers of 1024): `512KiB`, `10MB`.
- **Rates** are a number of bytes per second, or a size with `/s`: `512KiB/s`, `1MB/s`.
- **Patterns** are [RE2](https://github.com/google/re2/wiki/Syntax) regular expressions, which take linear time and
  therefore have no look-around and no back-references. `\\d`, `\\w`, `\\s` and `\\b` are about ASCII; `\\pL` is a
  letter of any script. Bytes that are no UTF-8 count as U+FFFD.
- **Variables**: `${VAR}` and `${VAR:-default}` are replaced in every string except `kind`; the default is taken if the
  variable is not set or empty, and a variable without default has to be set. `$$` is one `$`; a `$` before anything
  but `{` and `$` stays as it is. A value made of variables is read as if it stood there without quotes, so
  `workers: "${WORKERS:-2}"` is a number, and nothing is null where null is allowed.
- **Secrets** are written as `{env: X}` (the variable has to be set), as `{file: path}` (without its last line end; read
  again when the file changes; it may appear later), or as the value itself. They are never printed.
- **Globs** match the whole name: `*` any characters, `?` one, `[ab]` one of these.
- **YAML**: anchors, aliases and merge keys work; a key that stands twice in a mapping is an error.

## Keys
"""


def reference() -> str:
    """The page as Markdown."""
    sections: list[str] = []
    top: list[str] = []
    for key in record_of(Config).keys:
        if isinstance(key.shape, Record | Variants) or _item(key.shape) is not None:
            sections.append(_section(key))
        else:
            top.append(_row(key.name, key))
    return "\n".join([_HEAD, _table(top), *sections])


def settings_table(struct: type[msgspec.Struct]) -> str:
    """The keys of the settings of a check, as the page has those of the file."""
    return _table([row for key in record_of(struct).keys for row in _tree(key.name, key)])


def _section(key: Key) -> str:
    if not isinstance(key.shape, Variants):
        rows = _rows(key.name, key)
        return f"### `{key.name}`\n\n{_about(key)}\n\n{_table(rows)}"
    parts = [f"### `{key.name}`\n\n{_about(key)} A name is {allowed(key.shape.name).removeprefix('a name of ')}.\n"]
    for kind, record in key.shape.records.items():
        keys = (
            msgspec.structs.replace(k, required=k.name == "kind" and kind != key.shape.default) for k in record.keys
        )
        rows = [row for k in keys for row in _tree(f"{key.name}.<name>.{k.name}", k)]
        parts.append(f"#### `kind: {kind}`\n\n{record.doc}\n\n{_table(rows)}")
    return "\n".join(parts)


def _about(key: Key) -> str:
    record = key.shape if isinstance(key.shape, Record) else _item(key.shape)
    default = f"Default: {key.doc.default}." if key.doc.default else ""
    return " ".join(part for part in (key.doc.text, record.doc if record else "", default) if part)


def _rows(path: str, key: Key) -> list[str]:
    shape = key.shape.item if isinstance(key.shape, Nullable) else key.shape
    record, path = (shape, path) if isinstance(shape, Record) else (_item(shape), f"{path}[]")
    return [row for k in record.keys for row in _tree(f"{path}.{k.name}", k)] if record else []


def _tree(path: str, key: Key) -> list[str]:
    return [_row(path, key), *_rows(path, key)]


def _row(path: str, key: Key) -> str:
    text = key.doc.text or (key.shape.doc if isinstance(key.shape, Record) else "")
    return "| " + " | ".join(_cell(c) for c in (f"`{path}`", _type(key.shape), _default(key), text)) + " |"


def _default(key: Key) -> str:
    if key.required:
        return "required"
    if key.doc.default:
        return key.doc.default
    default = default_of(key)
    return "" if default is msgspec.UNSET else f"`{default if isinstance(default, str) else _flow(default)}`"


def _flow(value: object) -> str:
    """`value` as YAML would have it on one line: `{file: /x}`, `["*"]`, `null`."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {v}" for k, v in value.items()) + "}"
    return json.dumps(value)


def _type(shape: Shape) -> str:
    if isinstance(shape, Record):
        return "mapping"
    if isinstance(shape, Many) and _item(shape):
        return "list of mappings"
    if isinstance(shape, Many) and isinstance(shape.item, CheckEntry):
        return "list of checks"
    return allowed(shape)


def _item(shape: Shape) -> Record | None:
    return shape.item if isinstance(shape, Many) and isinstance(shape.item, Record) else None


def _table(rows: list[str]) -> str:
    return "\n".join(["| Key | Type | Default | Meaning |", "|---|---|---|---|", *rows]) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
