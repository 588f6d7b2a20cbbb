"""The command group. Commands are imported when they are called, so that `--help` stays instant."""

import importlib

import click

from outrider.cli.main import COMMANDS


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"outrider.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "OUTRIDER"})
@click.version_option(package_name="outrider", message="%(prog)s %(version)s")
def main() -> None:
    """Logs and metrics of Kubernetes, brought to Google Cloud and Datadog.

    \b
    Exit codes: 0 done, 1 findings, 2 wrong usage, 69 a destination or server is out of reach,
    78 the configuration is wrong, 130 interrupted.
    """
