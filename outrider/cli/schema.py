"""`outrider schema`: the configuration's JSON schema for editors and charts, or its reference page."""

import click


@click.command()
@click.option(
    "--reference", "as_reference", is_flag=True,
    help="Print the reference page (Markdown) instead.",
)  # fmt: skip
def schema(as_reference: bool) -> None:
    """Print the JSON schema of the configuration file (draft 2020-12), with the settings of every check installed.

    Exit codes: 0 printed, 2 wrong usage.
    """
    if as_reference:
        from outrider.config.reference import reference

        click.echo(reference(), nl=False)
        return
    import json

    from outrider.checks.found import INSTALLED
    from outrider.config.schema import json_schema

    click.echo(json.dumps(json_schema(INSTALLED), indent=2))
