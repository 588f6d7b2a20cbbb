"""`outrider schema`: the configuration's JSON schema for editors and charts, or its reference page."""

import click


@click.command()
@click.option(
    "--reference", "as_reference", is_flag=True, envvar="OUTRIDER_REFERENCE", show_envvar=True,
    help="Print the reference page (Markdown) instead.",
)  # fmt: skip
def schema(as_reference: bool) -> None:
    """Print the JSON schema of the configuration file (draft 2020-12)."""
    if as_reference:
        from outrider.config.reference import reference

        click.echo(reference(), nl=False)
        return
    import json

    from outrider.config.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2))
