"""Two replicas in memory that share the shards, and have settled: each leaves out what only the other one needs."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, Self

from support.memory_operator import MemoryOperator
from taskaction.cluster.gateway import TASK_ACTIONS, Body
from taskaction.control.task_actions.scope_keeper import SETTLED_SECONDS
from taskaction.core.names import shard_of
from taskaction.plugin.registry import Plugin

SHARDS = 4
SHARING_SECONDS = 10
"""Time in which a newcomer gets its share."""
_STEP = 0.5


class Pair:
    """Replicas ``ada`` and ``bob`` with two of four shards each; the test moves their clock."""

    def __init__(self, *plugins: Plugin, **settings: Any) -> None:
        self.ada = MemoryOperator(*plugins, identity="ada", shards=SHARDS, **settings)
        self.bob = MemoryOperator(
            *plugins, identity="bob", shards=SHARDS, cluster=self.ada.cluster, clock=self.ada.clock, **settings
        )
        self.cluster, self.clock = self.ada.cluster, self.ada.clock
        self.living = [self.ada, self.bob]
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for one in self.living:
            await self._exits.enter_async_context(one)
        await self.pass_time(SHARING_SECONDS + SETTLED_SECONDS)
        assert [one.control.tenures.held_count for one in self.living] == [SHARDS // 2] * 2
        assert all(one.control.base.scope.is_reduced for one in self.living)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exits.aclose()

    async def create(self, *bodies: Body) -> None:
        """Create actions as users do."""
        for one in bodies:
            self.cluster.store(TASK_ACTIONS, one)
        await self.settle()

    async def settle(self) -> None:
        """Tell the replicas what they have not heard of, until nothing is new."""
        for _ in range(3):
            for one in self.living:
                await one.settle()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, with rounds of the leases of all living replicas."""
        for _ in range(round(seconds / _STEP)):
            await self.clock.advance(_STEP)
            for one in self.living:
                await one.control.leases.run_round()
            await self.settle()

    async def crash(self, operator: MemoryOperator) -> None:
        """End a replica as a crash does."""
        self.living.remove(operator)
        await operator.crash()


def known(operator: MemoryOperator) -> set[str]:
    """Give the names of the actions that a replica knows."""
    return {record.name for record in operator.control.table}


def name_of(operator: MemoryOperator, tag: str = "own") -> str:
    """Give a name whose uid (see ``support.records.body``) is in a shard of a replica."""
    return _first(lambda name: operator.control.tenures.owns(shard_of(f"uid-of-{name}", SHARDS)), tag)


def _first(fits: Callable[[str], bool], tag: str) -> str:
    return next(name for number in range(100) if fits(name := f"{tag}-{number}"))
