"""Decorator for commands that use a cluster: adds the options that choose it, and explains its errors."""

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from taskaction.cli import completion
from taskaction.cli.errors import explain_error
from taskaction.cli.exit_codes import Exit
from taskaction.cli.session import Connect, Flags, Session, connect_to_cluster
from taskaction.cluster.errors import ClusterError

_NAMESPACE = typer.Option(
    "--namespace",
    "-n",
    metavar="NAME",
    help="Namespace. Default: that of the context.",
    autocompletion=completion.namespaces,
)
_CONTEXT = typer.Option(
    "--context",
    metavar="NAME",
    help="Context of the kubeconfig. Default: its current context.",
    autocompletion=completion.contexts,
)
_FILE = typer.Option(
    "--kubeconfig", metavar="FILE", help="Path of the kubeconfig. Default: $KUBECONFIG, otherwise ~/.kube/config."
)
_OPTIONS = {
    "namespace": Annotated[str | None, _NAMESPACE],
    "context": Annotated[str | None, _CONTEXT],
    "kubeconfig": Annotated[Path | None, _FILE],
}


def on_cluster(function: Callable[..., Coroutine[Any, Any, int | None]]) -> Callable[..., None]:
    """Return a command for a coroutine function that takes a session and returns an exit code, or None for success.

    The command has the options that choose the cluster in addition to its own, and explains errors of the cluster.
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
        connect: Connect = ctx.obj or connect_to_cluster
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
            raise explain_error(error, session.server, session.namespace) from error
