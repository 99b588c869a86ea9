"""``console``: opens the web console on this machine, with the credentials of the kubeconfig."""

import asyncio
import functools
import webbrowser
from collections.abc import Callable
from typing import Annotated, Any

import typer

from taskaction.cli.commands import on_cluster
from taskaction.cli.errors import CommandError
from taskaction.cli.output import print_line
from taskaction.cli.session import Session
from taskaction.core.errors import ConfigurationError


@on_cluster
async def open_console(
    session: Session,
    *,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port on 127.0.0.1.")] = 8098,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
) -> None:
    """Open the web console for the kubeconfig's cluster on this machine, until Ctrl-C.

    Pages and buttons have the rights of the kubeconfig's user. The address contains a key that works once.
    """
    try:
        from taskaction.services.console.errors import PageError
        from taskaction.services.console.local import serve_local_console
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{error}: install the extra `console` of taskaction-operator") from error

    def show(address: str) -> None:
        print_line(session.out, address)
        print_line(session.err, "the address works once; Ctrl-C ends the console")
        if browser:
            webbrowser.open(address)

    from taskaction.runtime.process import stop_on_signals

    stop = asyncio.Event()
    with stop_on_signals(stop):
        try:
            await serve_local_console(session.cluster, session.server, session.namespace, port, show, stop)
        except PageError as error:
            raise CommandError(str(error)) from error


def unless_subcommand(command: Callable[..., None]) -> Callable[..., None]:
    """Return the callback of a group that runs a command if no other one of the group is named."""

    @functools.wraps(command)
    def callback(*, ctx: typer.Context, **given: Any) -> None:
        if ctx.invoked_subcommand is None:
            command(ctx=ctx, **given)

    return callback
