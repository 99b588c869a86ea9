"""Operators that die at a request, one after another over the same cluster, and effects outside that are counted."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

from support.fake_cluster import FakeCluster, Fault
from support.flow_stage import begin, run_of
from support.memory_operator import MemoryOperator
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import Body
from taskaction.lifecycle.outcomes import Outcome, Succeeded
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.toolbox import Toolbox
from taskaction.testing.clock import FakeClock

COUNT = "taskaction://executor/count"
LEASES: Mapping[str, Any] = {
    "lease_duration": timedelta(seconds=3),
    "lease_renew_deadline": timedelta(seconds=2),
    "lease_retry": timedelta(milliseconds=300),
    "interrupt_grace": timedelta(seconds=1),
}
ROUNDS = 40


@dataclass
class Effects:
    """Counts what was done outside, by idempotency key, across processes, and with what; a plug-in."""

    done: Counter[str] = field(default_factory=Counter)
    given: dict[str, Any] = field(default_factory=dict)

    def build(self, _: Toolbox) -> AbstractExecutor:
        """Give the executor."""
        return Counting(self)


class Counting(AbstractExecutor):
    """Does something outside, which its target does once for each key."""

    ACTION_NAME: ClassVar[str] = "count"
    IDEMPOTENT = True
    QUOTES_TARGET = False
    INLINE = True

    def __init__(self, effects: Effects) -> None:
        """Count there."""
        self.effects = effects

    async def execute(self, run: Run) -> Outcome:
        """Do it, and give back what may be seen."""
        self.effects.done[run.idempotency_key] += 1
        self.effects.given[run.idempotency_key] = dict(run.reveal())
        return Succeeded(output={name: value for name, value in run.reveal().items() if name != "hidden"})


class Crash:
    """Lets the n-th request be the last: it is not made, or its answer is lost; then nothing is answered."""

    def __init__(self, cluster: FakeCluster, number: int, *, after: bool) -> None:
        """Wait for it."""
        self._cluster, self._number, self._after = cluster, number, after
        self.happened = asyncio.Event()
        cluster.meanwhile = self

    def __call__(self, verb: str, name: str) -> None:
        """Hear of a request."""
        if name.startswith("taskaction-") or name == "leases":
            return  # leases are not what this is about
        self._number -= 1
        if self._number == 0:
            self._cluster.faults.append(Fault(verb, UnavailableError("nobody hears this"), self._after, name))
            self.strike()

    def strike(self) -> None:
        """Let it be now."""
        self.happened.set()
        self._cluster.close()


@dataclass
class Crashes:
    """One run, carried by operators that die one after another, and by a last one that does not.

    Attributes:
        people: called again and again, for what people do when they see how the run stands.
        elsewhere: given each crash, that it may come there, and not at a request of the API server.
        happened: how many of the crashes have come; the others were to come after the end.
    """

    points: Sequence[tuple[int, bool]]
    people: Callable[[MemoryOperator], Awaitable[None]] | None = None
    elsewhere: Callable[[Crash, int, bool], None] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    cluster: FakeCluster = field(default_factory=FakeCluster)
    clock: FakeClock = field(default_factory=FakeClock)
    effects: Effects = field(default_factory=Effects)
    happened: int = 0

    def operator(self) -> MemoryOperator:
        """Give the next operator."""
        return MemoryOperator(self.effects, cluster=self.cluster, clock=self.clock, **{**LEASES, **self.settings})

    async def survived(self, *bodies: Body) -> MemoryOperator:
        """Carry a run to its end; give the last operator, which has ended."""
        new = bodies
        for number, after in self.points:
            async with self.operator() as operator:
                crash = Crash(self.cluster, number if self.elsewhere is None else 0, after=after)
                if self.elsewhere is not None:
                    self.elsewhere(crash, number, after)
                await begin(operator, *new)
                await self._carried(operator, crash.happened)
            new = ()
            self.happened += crash.happened.is_set()
            self.cluster.meanwhile = None
            self.cluster.faults.clear()
            self.cluster.open()
        async with self.operator() as last:
            await begin(last, *new)
            await self._carried(last, asyncio.Event())
        return last

    async def _carried(self, operator: MemoryOperator, dead: asyncio.Event) -> None:
        death = asyncio.create_task(dead.wait())
        for _ in range(ROUNDS):
            if dead.is_set() or run_of(operator).status.phase.is_terminal:
                break
            second = asyncio.create_task(self._second(operator))
            await asyncio.wait({second, death}, return_when=asyncio.FIRST_COMPLETED)
            if second.done():
                await second
            second.cancel()  # a dead one waits for answers
        death.cancel()

    async def _second(self, operator: MemoryOperator) -> None:
        if self.people is not None:
            await self.people(operator)
        await operator.pass_time(1, step=1)
        if self.settings:  # what a storage or a provider does takes time of its own
            rounds = iter(range(3))
            await operator.until(lambda: next(rounds) == 2)
