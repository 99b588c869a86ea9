"""Commands about flows: what is wrong with a definition."""

from typing import Annotated

import typer

from taskaction.cli.exits import Exit

app = typer.Typer(no_args_is_help=True, help="Flow definitions.")
_FILE = typer.Argument(metavar="FILE", help="A definition or an ActionFlow, as JSON or YAML; - reads standard input.")


@app.command()
def validate(
    file: Annotated[str, _FILE],
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Also refuse what Globus Flows does not have.")] = False,
) -> None:
    """Say what is wrong with a definition, without any cluster."""
    from taskaction.flow_files import checked

    problems = checked(file, strict=strict)
    for problem in problems:
        print(f"{file}: {problem}")
    if problems:
        raise typer.Exit(Exit.FAILED)
    print(f"{file}: valid")
