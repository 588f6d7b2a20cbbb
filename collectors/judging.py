"""What is wrong with a configuration that only the machine it is for can tell: files that it names, secrets, names.

A supervisor of workers has this done by a child that makes a whole node and ends: what a node needs takes more memory
than the supervisor itself, which has to be there all the time.
"""

import logging
import os
from collections.abc import Iterator, Sequence

import msgspec

from outrider.checks.found import INSTALLED
from outrider.config import Config, Exporter, Secret, SecretError, Stackdriver, examine_text
from outrider.config.model import SERVICE_ACCOUNT
from outrider.config.problems import UnusableError
from outrider.model.clock import SystemClock
from outrider.model.counters import Counters

JUDGEMENT_TAKES = 60.0
"""Seconds after which nothing is expected of a child any more."""


def problems(config: Config, first: bool) -> list[str]:
    """What keeps `config` from being used. `first`: there is no other one, and an exporter that cannot write yet is
    better than no collector.
    """
    return [*_unusable_authorities(config), *([] if first else _unreadable_credentials(config))]


def lies_outside(error: Exception) -> bool:
    """Whether the making of a node failed for something that is not in the file."""
    from outrider.kube.platform import PlatformError

    return isinstance(error, PlatformError | UnusableError | OSError)


def judge(text: bytes, path: str, first: bool) -> list[str]:
    """Everything that keeps the configuration `text` from being used; makes a node to find out."""
    from collectors.node import Node

    config = examine_text(text, path, checks=INSTALLED).config
    if config is None:
        return ["it is not valid"]
    found = problems(config, first)
    if not found:
        logging.disable()  # the node that will run says it all again
        try:
            Node(config, SystemClock(), Counters())
        except Exception as e:
            if not lies_outside(e):
                raise
            found = [str(e)]
    return found


def judged_by_child(command: Sequence[str], text: bytes) -> list[str]:
    """What `judge` says in a child: `command` reads the text from its standard input and prints the list as JSON."""
    import subprocess  # a program without workers goes without

    try:
        child = subprocess.run(command, input=text, capture_output=True, timeout=JUDGEMENT_TAKES, check=True)
        return msgspec.json.decode(child.stdout, type=list[str])
    except subprocess.CalledProcessError as e:
        words = e.stderr.decode("utf-8", "replace").strip().splitlines()
        return [words[-1] if words else str(e)]
    except (OSError, subprocess.TimeoutExpired, msgspec.DecodeError) as e:
        return [f"it could not be judged: {e}"]


def authorities(config: Config) -> list[str]:
    """Files of certificate authorities, those of `kube` not: these are read again when a handshake fails."""
    found = [getattr(exporter, "tls", None) for _, exporter in _used(config)]
    return [tls.ca for tls in found if tls is not None and tls.ca is not None]


def _unusable_authorities(config: Config) -> Iterator[str]:
    paths = authorities(config)
    if paths:
        import ssl  # three megabytes that a supervisor does without
    for path in paths:
        try:
            ssl.create_default_context(cafile=path)
        except OSError as e:  # ssl.SSLError is one
            yield f"the certificate authorities in {path} cannot be used: {e.strerror or e}"


def _unreadable_credentials(config: Config) -> Iterator[str]:
    """What is wrong with the files and variables that secrets are in, and with the keys that are in them."""
    from outrider.exporters.stackdriver.auth import AuthError, examine_key
    from outrider.pipeline.destinations import key_file

    secrets = [(f"exporters.{name}.{key}", s) for name, e in _used(config) for key, s in _secrets(e)]
    if config.kube.source != "none":
        secrets += [(f"kube.{k}", s) for k, s in _secrets(config.kube) if s.file != f"{SERVICE_ACCOUNT}/token"]
    for path, secret in secrets:
        try:
            secret.read()
        except SecretError as e:
            yield f"{path}: {e}"
    for name, exporter in _used(config):
        if isinstance(exporter, Stackdriver) and (file := key_file(exporter)) is not None and os.path.exists(file):
            try:
                examine_key(file)
            except AuthError as e:
                yield f"exporters.{name}.credentials: {e}"


def _secrets(struct: msgspec.Struct) -> list[tuple[str, Secret]]:
    found = [(f.encode_name, getattr(struct, f.name)) for f in msgspec.structs.fields(struct)]
    return [(name, value) for name, value in found if isinstance(value, Secret)]


def _used(config: Config) -> Iterator[tuple[str, Exporter]]:
    """The exporters that a route leads to, by name."""
    names = {name for route in config.routes for name in route.to}
    return ((name, exporter) for name, exporter in config.exporters.items() if name in names)
