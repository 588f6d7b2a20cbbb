"""`--help`: every command says how it ends, and every option which environment variable it is."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from outrider.cli.group import main
from outrider.cli.main import COMMANDS


def commands(name: str) -> Iterator[tuple[list[str], click.Command]]:
    """The command, and those below it."""
    command = main.get_command(click.Context(main), name)  # type: ignore[attr-defined]
    yield [name], command
    if isinstance(command, click.Group):
        yield from (([name, below], one) for below, one in command.commands.items())


def shown(*words: str, **env: str) -> str:
    got = CliRunner().invoke(main, [*words, "--help"], env={"COLUMNS": "200", **env}, terminal_width=200)
    assert got.exit_code == 0
    return got.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_how_it_ends(name: str) -> None:
    assert "Exit codes" in shown(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_an_environment_variable_and_says_so(name: str) -> None:
    for words, command in commands(name):
        text = " ".join(shown(*words).split())
        options = [one for one in command.params if isinstance(one, click.Option)]
        for option in options:
            assert f"[env var: {option.envvar}" in text, option.opts
            assert option.metavar or not isinstance(option.type, click.types.StringParamType) or option.is_flag


@pytest.mark.parametrize(
    ("command", "env", "words"),
    [
        (["wire"], {"OUTRIDER_STYLE": "plain", "OUTRIDER_CHECK": "redis nginx", "OUTRIDER_IMAGE": "i:1"}, "- nginx:"),
        (["schema"], {"OUTRIDER_REFERENCE": "1"}, "# "),
        (["doctor", "-c", "nowhere.yaml"], {"OUTRIDER_JSON": "1"}, '"findings": ['),
        (["doctor", "-c", "nowhere.yaml"], {"OUTRIDER_OUTPUT": "json"}, '"findings": ['),
        (["validate"], {"OUTRIDER_CONFIG": "nowhere.yaml"}, "nowhere.yaml: cannot be read"),
    ],
)
def test_the_variables_are_heard(command: list[str], env: dict[str, str], words: str) -> None:
    assert words in CliRunner().invoke(main, command, env=env).output
