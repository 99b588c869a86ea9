"""The command line in this process, on a cluster in memory, beside an operator at work."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Any

from taskaction.cli.program import run
from taskaction.cli.session import Flags, Session
from taskaction.cli.terminal import Terminal as Console
from taskaction.cluster.gateway import Body, Resource
from taskaction.cluster.memory import MemoryCluster
from taskaction.core.clock import SystemClock
from taskaction.local.operator import InProcessOperator

WIDTH = 200


@dataclass(frozen=True)
class Told:
    """How a command ended, and what it has printed."""

    code: int
    out: str
    err: str


@dataclass
class Terminal:
    """Runs commands one after the other on one cluster; each has an operator beside it while it lasts.

    Attributes:
        meanwhile: what others do when a command has begun.
    """

    cluster: MemoryCluster = field(default_factory=lambda: MemoryCluster(SystemClock()))
    works: bool = True
    width: int = WIDTH
    looks: bool = False
    meanwhile: Callable[[MemoryCluster], Any] | None = None

    def __call__(self, line: str, *more: str) -> Told:
        """Run ``taskaction LINE``; words with spaces are given one by one in ``more``."""
        out, err = (
            Console(file=StringIO(), width=self.width, force_terminal=self.looks, highlight=False) for _ in "12"
        )

        @asynccontextmanager
        async def connect(flags: Flags) -> AsyncIterator[Session]:
            session = Session(self.cluster, "the cluster in memory", flags.namespace or "default", out, err)
            beside = asyncio.create_task(self.meanwhile(self.cluster)) if self.meanwhile else None
            if self.works:
                async with InProcessOperator(self.cluster, SystemClock()):
                    yield session
            else:
                yield session
            if beside is not None:
                await beside

        code = run([*line.split(), *more], connect)
        return Told(code, out.file.getvalue(), err.file.getvalue())  # type: ignore[attr-defined]

    def idle(self) -> "Terminal":
        """Give one on the same cluster beside which no operator works."""
        return replace(self, works=False)

    def put(
        self, resource: Resource, name: str, *, namespace: str = "default", status: Any = None, **spec: Any
    ) -> Body:
        """Store an object as if it had been there before."""
        body = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {
                "name": name,
                "namespace": namespace,
                "creationTimestamp": "2026-01-01T12:00:00Z",
                "generation": 1,
            },
            "spec": spec,
            "status": status or {"phase": "Queued"},
        }
        return self.cluster.store(resource, body)
