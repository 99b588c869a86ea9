"""Command groups of the servers, with their help and maintenance commands."""

import asyncio
import os
import sys
from typing import Annotated

import typer

from taskaction.cli import durations, past
from taskaction.cli.console import open_console, unless_subcommand
from taskaction.cli.escaping import write_text
from taskaction.cli.serve import SERVERS
from taskaction.core.errors import ConfigurationError

_HELP = {
    "operator": "Run and release the operator.",
    "port-agent": "Run the agent that claims runs from Port.",
    "webhooks": "Run the inbox that accepts webhooks.",
    "actions": "Run Flyte's Actions service.",
    "history": "Ask for past actions and runs; serve them, and prepare their database.",
    "console": "Open the web console for the kubeconfig's cluster, or serve it for others.",
}


def release(
    timeout: Annotated[str, typer.Option(metavar="DURATION", help="Maximum time for aborts.")] = "60s",
    deployment: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Then also stop the operator of this Deployment, and remove its Leases."),
    ] = None,
) -> None:
    """Before uninstalling: abort unfinished actions and remove the finalizers."""
    from taskaction.app.operator import run_uninstall
    from taskaction.runtime.config import OperatorConfig

    seconds = durations.parse_seconds(timeout)
    config = OperatorConfig.from_environment(os.environ)
    asyncio.run(run_uninstall(config, seconds, lambda text: write_text(text, sys.stdout), deployment=deployment))


def migrate() -> None:
    """Create the tables in the database that TASKACTION_HISTORY names, or bring them to this release."""
    from taskaction.app.history_wiring import database_url
    from taskaction.runtime.config import OperatorConfig

    url = database_url(OperatorConfig.from_environment(os.environ))
    from taskaction.history.errors import HistoryError
    from taskaction.history.schema import migrate_tables

    try:
        asyncio.run(migrate_tables(url))
    except HistoryError as error:
        raise ConfigurationError(f"TASKACTION_HISTORY: {error}") from error
    write_text(
        f"history: the tables in {url.render_as_string(hide_password=True)} are those of this release", sys.stdout
    )


def server_groups() -> dict[str, typer.Typer]:
    """Return the command groups of the servers by name."""
    found = {name: typer.Typer(no_args_is_help=name != "console", help=text) for name, text in _HELP.items()}
    for (group, name), serve in SERVERS.items():
        found[group].command(name)(serve)
    found["operator"].command("release")(release)
    found["history"].command("migrate")(migrate)
    for name, command in past.COMMANDS.items():
        found["history"].command(name)(command)
    found["console"].callback(invoke_without_command=True)(unless_subcommand(open_console))
    return found
