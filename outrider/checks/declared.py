"""What a check declares in its `metrics.yaml`: the only truth for names, kinds, units and labels.

    product: redis
    attributes:                                  # how each vendor spells what tells values apart; null: not at all
      db: {datadog: redis_db, google: db}
      redis_host: {google: null}
    service_checks:
      redis.can_connect: Whether the server answers.
    metrics:
      - from: info.total_commands_processed      # the key under which the check reports the value
        kind: counter                            # what the server reports: gauge, counter, histogram
        description: Commands processed.
        datadog: {name: redis.net.commands, submit: rate, type: gauge, unit: command, per_unit: second}
        google: {name: redis.commands.processed, unit: "{command}"}
        needs: a primary                         # optional: when it cannot be had
      - from: info.used_cpu_sys
        kind: counter
        google: {name: redis.cpu.time, value_type: DOUBLE, unit: s, labels: {state: sys}}

Several metrics may come `from` one key. Google's kind follows from `kind`, and its type is the name behind
`workload.googleapis.com/` unless it has a domain of its own. Documentation and the tests of coverage are made from the
same file.
"""

import os
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import msgspec

from outrider.config.yaml_nodes import YamlError, read_nodes
from outrider.model.points import Attributes, DatadogName, GoogleName, Kind, Metric, Submission

WORKLOAD = "workload.googleapis.com/"


class _Datadog(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    submit: Submission | None = None
    type: Literal["gauge", "count", "rate"] | None = None
    unit: str = ""
    per_unit: str = ""
    tags: dict[str, str] = {}
    scale: float = 1


class _Google(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    kind: Literal["GAUGE", "CUMULATIVE"] | None = None
    value_type: Literal["INT64", "DOUBLE", "DISTRIBUTION"] = "INT64"
    unit: str = "1"
    labels: dict[str, str] = {}
    scale: float = 1


class _Spelling(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    datadog: str | msgspec.UnsetType | None = msgspec.UNSET
    google: str | msgspec.UnsetType | None = msgspec.UNSET


class _Metric(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    from_: str = msgspec.field(name="from")
    kind: Kind = "gauge"
    description: str = ""
    datadog: _Datadog | None = None
    google: _Google | None = None
    needs: str = ""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    product: str
    metrics: list[_Metric]
    attributes: dict[str, _Spelling] = {}
    service_checks: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Declared:
    """A `metrics.yaml`: metrics by the key that they come from; `needs` by key, where something is needed;
    descriptions of service checks by name.
    """

    product: str
    metrics: dict[str, tuple[Metric, ...]]
    needs: dict[str, str]
    service_checks: dict[str, str]
    datadog: dict[str, str | None]
    """Tag keys by attribute, where they differ; None: no tag."""

    def tags(self, attributes: Attributes) -> Attributes:
        """`attributes` as Datadog's tags."""
        spelled = [(self.datadog.get(key, key), value) for key, value in attributes]
        return tuple((key, value) for key, value in spelled if key is not None)


def declared(package: str) -> Declared:
    """The `metrics.yaml` of the check whose package has this name. Raises YamlError or msgspec.ValidationError if it is
    wrong.
    """
    # Not by importlib.resources, which loads what opens archives (1 MB), nor by the loader of PyYAML, whose tree of 800
    # lines takes another that is never given back.
    with open(os.path.join(import_module(package).__path__[0], "metrics.yaml"), encoding="utf-8") as f:
        root, faults = read_nodes(f.read())
    if faults:
        raise YamlError(faults[0])
    return declaration(root.plain)


def declaration(plain: Any) -> Declared:
    """The same of what such a file holds. Raises msgspec.ValidationError if it is wrong."""
    file = msgspec.convert(plain, _File)
    datadog = {key: s.datadog for key, s in file.attributes.items() if s.datadog is not msgspec.UNSET}
    google = {key: s.google for key, s in file.attributes.items() if s.google is not msgspec.UNSET}
    metrics: dict[str, tuple[Metric, ...]] = {}
    for m in file.metrics:
        one = Metric(
            m.from_,
            m.kind,
            m.description,
            None if m.datadog is None else _datadog_name(m.datadog, m.kind, datadog),
            None if m.google is None else _google_name(m.google, m.kind, google),
        )
        metrics[m.from_] = (*metrics.get(m.from_, ()), one)
    needs = {m.from_: m.needs for m in file.metrics if m.needs}
    return Declared(file.product, metrics, needs, file.service_checks, datadog)


def _datadog_name(name: _Datadog, kind: Kind, spelling: dict[str, str | None]) -> DatadogName:
    submit = name.submit or ("gauge" if kind == "gauge" else "monotonic_count")
    of_series = name.type or ("count" if submit == "monotonic_count" else "gauge")
    return DatadogName(name.name, submit, of_series, name.unit, name.per_unit, _pairs(name.tags), spelling, name.scale)


def _google_name(name: _Google, kind: Kind, spelling: dict[str, str | None]) -> GoogleName:
    of_series = name.kind or ("GAUGE" if kind == "gauge" else "CUMULATIVE")
    full = name.name if ".com/" in name.name else WORKLOAD + name.name
    return GoogleName(full, of_series, name.value_type, name.unit, _pairs(name.labels), spelling, name.scale)


def _pairs(plain: dict[str, str]) -> Attributes:
    return tuple(sorted(plain.items()))
