"""Which cluster a command speaks to, in which namespace and as whom; the one place that connects."""

import asyncio
import functools
import inspect
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer
from rich.console import Console

from taskaction.cli.errors import CommandError, explained
from taskaction.cli.exits import Exit
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import Cluster, Texts
from taskaction.cluster.informer import Watching

_IN_FLIGHT = 32
_KUBECONFIG = Path(".kube", "config")


class Api(Cluster, Watching, Texts, Protocol):
    """All that commands ask of an API server."""


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line says about the cluster."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: Path | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """One command's connection and its screen.

    Attributes:
        server: what the cluster is called in messages.
        out: for results; ``err`` is for everything else.
    """

    cluster: Api
    server: str
    namespace: str
    out: Console
    err: Console


Connect = Callable[[Flags], AbstractAsyncContextManager[Session]]
"""Opens a session; tests hand in one on a cluster in memory."""

_NAMESPACE = typer.Option("--namespace", "-n", metavar="NAME", help="The namespace. Default: the context's.")
_CONTEXT = typer.Option("--context", metavar="NAME", help="The kubeconfig's context. Default: its current one.")
_FILE = typer.Option("--kubeconfig", metavar="FILE", help="The kubeconfig. Default: $KUBECONFIG, else ~/.kube/config.")
_OPTIONS = {
    "namespace": Annotated[str | None, _NAMESPACE],
    "context": Annotated[str | None, _CONTEXT],
    "kubeconfig": Annotated[Path | None, _FILE],
}


def consoles() -> tuple[Console, Console]:
    """Give stdout and stderr; colours only where people look, and not with NO_COLOR."""
    return Console(highlight=False, markup=False, emoji=False), Console(
        stderr=True, highlight=False, markup=False, emoji=False
    )


@asynccontextmanager
async def connected(flags: Flags) -> AsyncIterator[Session]:
    """Open a session to a real cluster."""
    from taskaction.cluster.credentials import Credentials, current_namespace
    from taskaction.cluster.rest import RestCluster
    from taskaction.cluster.session import open_session
    from taskaction.core.clock import SystemClock

    file = kubeconfig_of(flags)
    own = current_namespace(file, flags.context) if file is not None else "default"
    credentials = Credentials.load(SystemClock(), kubeconfig=file, context=flags.context)
    out, err = consoles()
    async with open_session(credentials, in_flight=_IN_FLIGHT) as session:
        cluster = RestCluster(credentials.server, session, lambda _: None)
        yield Session(cluster, credentials.server, flags.namespace or own, out, err)


def kubeconfig_of(flags: Flags) -> Path | None:
    """Give the kubeconfig to read, as kubectl chooses it; None in a pod that has none."""
    if flags.kubeconfig is not None:
        if not flags.kubeconfig.exists():
            raise CommandError(f"there is no kubeconfig {flags.kubeconfig}")
        return flags.kubeconfig
    named = os.environ.get("KUBECONFIG")
    own = Path.home() / _KUBECONFIG
    if named and os.pathsep not in named and not Path(named).exists():
        raise CommandError(f"there is no kubeconfig {named}, which KUBECONFIG names")
    return Path(named) if named else own if own.exists() else None


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
