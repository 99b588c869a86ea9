"""People's commands put together; runs one of them and gives its exit code."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from taskaction import __version__
from taskaction.cli import flows, servers

PLUGIN = "kubectl-taskaction"
"""The name under which kubectl finds this program: ``kubectl taskaction``."""


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        print(__version__)
        raise typer.Exit


def root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Actions on Kubernetes: one resource is one action."""


def program() -> typer.Typer:
    """Give the whole command line."""
    app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, callback=root)
    app.add_typer(flows.app, name="flow")
    for name, group in servers.groups().items():
        app.add_typer(group, name=name)
    return app


def run(words: Sequence[str]) -> int:
    """Run one command; give its exit code."""
    try:
        program()(args=list(words), prog_name=called())
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    return 0


def called() -> str:
    """Give what the program is called by whoever started it."""
    return "kubectl taskaction" if Path(sys.argv[0]).name == PLUGIN else "taskaction"
