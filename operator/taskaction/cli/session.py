"""Which cluster a command speaks to, in which namespace and as whom; the one place that connects."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from rich.console import Console

from taskaction.cli.errors import CommandError
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
