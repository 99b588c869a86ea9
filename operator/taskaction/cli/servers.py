"""The group of commands of each server, for its help and for what is done around it."""

import asyncio
import os
from typing import Annotated

import typer

from taskaction.cli.serve import SERVERS

_HELP = {
    "operator": "The operator itself.",
    "port-agent": "The agent that claims runs from Port.",
    "webhooks": "The inbox that takes webhooks in.",
    "actions": "Flyte's Actions service.",
}


def release(
    timeout: Annotated[str, typer.Option(metavar="DURATION", help="How long aborts may take.")] = "60s",
) -> None:
    """Before uninstalling: abort unfinished actions, and let go of them."""
    from taskaction.app.operator import released
    from taskaction.core.durations import parse_duration
    from taskaction.runtime.config import OperatorConfig

    seconds = parse_duration(timeout).total_seconds()
    config = OperatorConfig.from_environment(os.environ)
    asyncio.run(released(config, seconds, lambda text: print(text, flush=True)))


def groups() -> dict[str, typer.Typer]:
    """Give the servers' groups by their names."""
    found = {name: typer.Typer(no_args_is_help=True, help=text) for name, text in _HELP.items()}
    for (group, name), serve in SERVERS.items():
        found[group].command(name)(serve)
    found["operator"].command("release")(release)
    return found
