"""`outrider wire`: a sidecar for somebody else's pod, to paste, or put into manifests on their way to the cluster."""

import re
import sys
from typing import TYPE_CHECKING, Any, TextIO

import click

from outrider.cli.options import config_option

if TYPE_CHECKING:
    from outrider.wiring.pod import Wiring

STYLES = ("include", "bitnami", "extra-containers", "kustomize", "policy", "plain")
LOGS = "/var/log/app"
"""Where files are followed if nothing is said of what the sidecar is for."""
LABEL = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
NAME = rf"(?=.{{1,253}}\Z){LABEL}(\.{LABEL})*"
"""What Kubernetes takes for the name of a container, and of a workload (RFC 1123)."""
EXIT_FINDINGS = 1
"""A manifest cannot be wired."""
EXIT_CONFIG = 78
"""The configuration cannot be used (EX_CONFIG of sysexits.h)."""


@click.command()
@click.argument("manifest", type=click.File("r", encoding="utf-8"), metavar="[FILE]", required=False)
@click.option("--style", type=click.Choice(STYLES), help="Print the fragment for this instead of wiring a FILE.")
@click.option(
    "--name", default="", metavar="NAME", help="The workload; of a FILE, the only one to be wired.  [default: app, all]"
)
@click.option(
    "--container", default="", metavar="NAME",
    help="The container that is measured, or writes the files.  [default: the name; of a FILE, the pod's first]",
)  # fmt: skip
@click.option(
    "--logs", multiple=True, metavar="DIR",
    help="The directory that the container writes its log files into.  [default: /var/log/app, if it is for no check]",
)  # fmt: skip
@click.option("--check", "checks", multiple=True, metavar="NAME", help="Measure this at 127.0.0.1; may be repeated.")
@config_option(
    "The configuration to begin with: exporters, settings of checks. Without one, everything goes to Google.",
    required=False,
)
@click.option("--image", default="", metavar="IMAGE", help="The sidecar's image.")
@click.pass_context
def wire(ctx: click.Context, /, manifest: TextIO | None, style: str | None, **wanted: Any) -> None:
    """Put a sidecar into the pods of manifests, or print what to paste.

    With a FILE (- for standard input) every workload in it gets the sidecar, and the stream goes to standard output
    with a ConfigMap at its end; whatever else is in it stays as it is, and doing it again changes nothing:

    \b
        helm template web . | outrider wire - --logs /var/log/web --image IMAGE | kubectl apply -f -

    With --style, prints the same sidecar for charts with initContainers and extraVolumes (bitnami), for charts with
    extraContainers, for a chart that includes the library outrider-sidecar (include), as a component of kustomize, as a
    policy by which the API server injects it (Kubernetes 1.36 and later), or as the plain pieces of a pod.

    Values of the configuration that are secret are written {env: NAME}, and read from the Secret outrider-sidecar.

    Exit codes: 0 done, 1 a manifest cannot be wired, 2 wrong usage, 78 the configuration is wrong.
    """
    if (manifest is None) == (style is None):
        raise click.UsageError("give either a FILE or --style")
    wanted["logs"] = _directory(wanted["logs"])
    for option, pattern in (("name", NAME), ("container", LABEL)):
        if wanted[option] and not re.fullmatch(pattern, wanted[option]):
            raise click.BadParameter("Kubernetes would not take that name: a-z, 0-9 and -", param_hint=f"--{option}")
    if not (wanted["path"] or wanted["checks"] or wanted["logs"]):
        wanted["logs"] = LOGS
        click.echo(f"the sidecar will follow {LOGS}/**/*.log: --logs, --check or --config say otherwise", err=True)
    wanted["image"] = wanted["image"] or _made_up()
    config = _config(wanted["path"], wanted["checks"], wanted["logs"])
    if style is not None:
        _print_fragment(style, config, wanted)
    else:
        assert manifest is not None
        ctx.exit(_wire(manifest, config, wanted))


def _directory(given: tuple[str, ...]) -> str:
    from outrider.wiring.pod import holds_logs

    if len(given) > 1:
        raise click.BadParameter("give one directory, it becomes a volume: one above all of them", param_hint="--logs")
    logs = "".join(given)
    if set(logs) & set("*?["):
        hint = "give the directory, whose *.log are followed; logs.files of --config says it otherwise"
        raise click.BadParameter(hint, param_hint="--logs")
    if logs and not holds_logs(logs.rstrip("/")):
        words = "give an absolute path that is neither in nor above one of the sidecar's own"
        raise click.BadParameter(words, param_hint="--logs")
    return logs.rstrip("/")


def _config(path: str | None, checks: tuple[str, ...], logs: str) -> dict[str, Any]:
    from outrider.checks.found import INSTALLED
    from outrider.config import ConfigError
    from outrider.wiring.settings import configuration

    try:
        return configuration(path, checks, logs, INSTALLED)
    except ConfigError as e:
        click.echo(str(e), err=True)
        sys.exit(EXIT_CONFIG)


def _made_up() -> str:
    from importlib.metadata import version

    image = f"registry.example/outrider/sidecar:{version('outrider')}"
    click.echo(f"the image {image} is made up, and pods would wait for it: --image says where yours is", err=True)
    return image


def _print_fragment(style: str, config: dict[str, Any], wanted: dict[str, Any]) -> None:
    from outrider.wiring.pod import Wiring
    from outrider.wiring.styles import fragment

    name = wanted["name"] or "app"
    wiring = Wiring(name, wanted["image"], config, wanted["container"] or name, wanted["logs"])
    click.echo(fragment(style, wiring), nl=False)


def _wire(manifest: TextIO, config: dict[str, Any], wanted: dict[str, Any]) -> int:
    from outrider.wiring.manifests import ManifestError
    from outrider.wiring.manifests import wire as wired
    from outrider.wiring.pod import Wiring

    def make(name: str, first: str) -> "Wiring":
        return Wiring(name, wanted["image"], config, wanted["container"] or first, wanted["logs"])

    try:
        result = wired(_text(manifest.buffer.read()), make, wanted["name"])
    except ManifestError as e:
        click.echo(f"{manifest.name}: {e}", err=True)
        return EXIT_FINDINGS
    click.echo(result.text, nl=False)
    for line in result.done:
        click.echo(line, err=True)
    return 0


def _text(data: bytes) -> str:
    """With its line ends as they are, which reading as text would not keep."""
    from outrider.wiring.manifests import ManifestError

    try:
        return data.decode()
    except UnicodeDecodeError as e:
        raise ManifestError(f"line {data.count(bytes([10]), 0, e.start) + 1}: is not UTF-8 text") from None
