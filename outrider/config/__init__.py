"""The configuration: one YAML file, one typed model, errors that name the line.

`load(path)` and `parse(text)` give a `Config` or raise a `ConfigError` with every problem of the file. The JSON schema
(`outrider.config.schema`) and the reference page (`outrider.config.reference`) are written from the same model.
"""

from outrider.config.destinations import (
    Batch,
    Console,
    Datadog,
    Exporter,
    LogExporter,
    OpenTelemetry,
    ProcessingRule,
    Stackdriver,
    Tls,
)
from outrider.config.load import Report, examine, examine_text, load, parse
from outrider.config.model import (
    Check,
    ClusterConfig,
    Config,
    Hold,
    Join,
    Kube,
    Logs,
    Metrics,
    Redact,
    Route,
    Select,
    Selector,
    Telemetry,
    dump,
)
from outrider.config.problems import ConfigError, Problem
from outrider.config.secrets import Secret, SecretError

__all__ = [
    "Batch",
    "Check",
    "ClusterConfig",
    "Config",
    "ConfigError",
    "Console",
    "Datadog",
    "Exporter",
    "Hold",
    "Join",
    "Kube",
    "LogExporter",
    "Logs",
    "Metrics",
    "OpenTelemetry",
    "Problem",
    "ProcessingRule",
    "Redact",
    "Report",
    "Route",
    "Secret",
    "SecretError",
    "Select",
    "Selector",
    "Stackdriver",
    "Telemetry",
    "Tls",
    "dump",
    "examine",
    "examine_text",
    "load",
    "parse",
]
