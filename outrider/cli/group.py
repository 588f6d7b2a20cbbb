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
        _name_variables(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _name_variables(command: click.Command) -> None:
    """Every option is an environment variable as well, and `--help` says which: `--read-back` is OUTRIDER_READ_BACK."""
    for option in command.params:
        if isinstance(option, click.Option):
            name = max(option.opts, key=len).lstrip("-").replace("-", "_").upper()
            option.envvar = option.envvar or f"OUTRIDER_{name}"
            option.show_envvar = True
    for one in command.commands.values() if isinstance(command, click.Group) else ():
        _name_variables(one)


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="outrider", message="%(prog)s %(version)s")
def main() -> None:
    """Logs and metrics of Kubernetes, brought to Google Cloud and Datadog.

    Every option is an environment variable as well; the --help of each command has its name.

    Exit codes: 0 done, 1 findings, 2 wrong usage, 69 a destination or server is out of reach, 74 standard output cannot
    be written, 78 the configuration is wrong, 130 interrupted, 141 nobody reads it any more. What a command means by
    them says its --help.
    """
