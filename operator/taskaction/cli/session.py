"""Connection of a command: its cluster, namespace and credentials; the only module that connects."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.console import Console

from taskaction.cli.errors import CommandError
from taskaction.cli.terminal import Terminal
from taskaction.cluster.gateway import Cluster, TextClient
from taskaction.cluster.informer import WatchClient
from taskaction.cluster.rest import FinishedRequest

_IN_FLIGHT = 32
_KUBECONFIG = Path(".kube", "config")


class Api(Cluster, WatchClient, TextClient, Protocol):
    """API server operations that commands need."""


@dataclass(frozen=True, slots=True)
class Flags:
    """Options of the command line that choose the cluster."""

    namespace: str | None = None
    context: str | None = None
    kubeconfig: Path | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """Connection and consoles of one command.

    Attributes:
        server: name of the cluster in messages.
        out: console for results; ``err`` is for all other output.
        authorization: returns the Authorization header of the user; None without a token, as with a certificate.
    """

    cluster: Api
    server: str
    namespace: str
    out: Console
    err: Console
    authorization: Callable[[], str | None] = lambda: None


Connect = Callable[[Flags], AbstractAsyncContextManager[Session]]
"""Function that opens a session; tests pass one for an in-memory cluster."""


def consoles() -> tuple[Terminal, Terminal]:
    """Return stdout and stderr; with colours only on a terminal, and not with NO_COLOR."""
    return Terminal(highlight=False, markup=False, emoji=False), Terminal(
        stderr=True, highlight=False, markup=False, emoji=False
    )


@asynccontextmanager
async def connect_to_cluster(flags: Flags) -> AsyncIterator[Session]:
    """Open a session to a real cluster."""
    from taskaction.cluster.credentials import current_namespace
    from taskaction.core.clock import SystemClock
    from taskaction.runtime.api_session import open_api_session

    file = kubeconfig_of(flags)
    own = current_namespace(file, flags.context) if file is not None else "default"
    out, err = consoles()
    shown: set[str] = set()

    def show_warnings(request: FinishedRequest) -> None:
        for text in dict.fromkeys(request.warnings):
            if text not in shown:
                shown.add(text)
                err.print(f"Warning: {text}", soft_wrap=True)

    async with open_api_session(
        SystemClock(), kubeconfig=file, context=flags.context, connections=_IN_FLIGHT, observe=show_warnings
    ) as api:
        yield Session(
            api.cluster, api.credentials.server, flags.namespace or own, out, err, api.credentials.authorization
        )


def kubeconfig_of(flags: Flags) -> Path | None:
    """Return the path of the kubeconfig, as kubectl chooses it; None in a pod without one."""
    if flags.kubeconfig is not None:
        if not flags.kubeconfig.exists():
            raise CommandError(f"kubeconfig {flags.kubeconfig} not found")
        return flags.kubeconfig
    named = os.environ.get("KUBECONFIG")
    own = Path.home() / _KUBECONFIG
    if named and os.pathsep not in named and not Path(named).exists():
        raise CommandError(f"KUBECONFIG: file {named} not found")
    return Path(named) if named else own if own.exists() else None
