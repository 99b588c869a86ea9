"""What makes a command of a function on a cluster: the options that choose the cluster, and the end of errors."""

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from taskaction.cli import completion
from taskaction.cli.errors import explained
from taskaction.cli.exit_codes import Exit
from taskaction.cli.session import Connect, Flags, Session, connected
from taskaction.cluster.errors import ClusterError

_NAMESPACE = typer.Option(
    "--namespace",
    "-n",
    metavar="NAME",
    help="The namespace. Default: the context's.",
    autocompletion=completion.namespaces,
)
_CONTEXT = typer.Option(
    "--context",
    metavar="NAME",
    help="The kubeconfig's context. Default: its current one.",
    autocompletion=completion.contexts,
)
_FILE = typer.Option("--kubeconfig", metavar="FILE", help="The kubeconfig. Default: $KUBECONFIG, else ~/.kube/config.")
_OPTIONS = {
    "namespace": Annotated[str | None, _NAMESPACE],
    "context": Annotated[str | None, _CONTEXT],
    "kubeconfig": Annotated[Path | None, _FILE],
}


def on_cluster(function: Callable[..., Coroutine[Any, Any, int | None]]) -> Callable[..., None]:
    """Make a command of a coroutine function that takes a session first and gives an exit code, or none for success.

    The command gets the options that choose the cluster beside the function's own, and says what went wrong there.
    """
    signature = inspect.signature(function, eval_str=True)
    own = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in list(signature.parameters.values())[1:]]
    chosen = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in _OPTIONS.items()
    ]
    ctx = inspect.Parameter("ctx", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)

    @functools.wraps(function)
    def command(*, ctx: typer.Context, **given: Any) -> None:
        flags = Flags(*(given.pop(name) for name in _OPTIONS))
        connect: Connect = ctx.obj or connected
        code = asyncio.run(_run(connect, flags, lambda session: function(session, **given)))
        if code:
            raise typer.Exit(code)

    command.__signature__ = signature.replace(parameters=[ctx, *own, *chosen])  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in (ctx, *own, *chosen)}
    return command


async def _run(connect: Connect, flags: Flags, work: Callable[[Session], Coroutine[Any, Any, int | None]]) -> int:
    async with connect(flags) as session:
        try:
            return await work(session) or Exit.DONE
        except ClusterError as error:
            raise explained(error, session.server, session.namespace) from error
