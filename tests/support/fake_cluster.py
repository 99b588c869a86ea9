"""The cluster in memory with what a real one cannot be made to do on cue: faults, lost answers and slow requests."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import Body, Resource
from taskaction.cluster.memory import MemoryCluster
from taskaction.cluster.memory.store import Key
from taskaction.testing.clock import FakeClock


@dataclass
class Fault:
    """How the next call of a verb fails: before it is done, or after, when only its answer is lost."""

    verb: str
    error: ClusterError
    after: bool = False
    name: str | None = None


class FakeCluster(MemoryCluster):
    """A cluster in memory that fails on cue, and keeps what it was asked.

    Attributes:
        calls: each request as verb and name, in the order of its arrival.
        faults: what goes wrong next; each fault is used once.
        meanwhile: called before each request is done, for what others do at just that moment.
        users: for whom each ``get`` was made.
        most_in_flight: the highest number of requests at a time.
    """

    def __init__(self, clock: FakeClock | None = None) -> None:
        super().__init__(clock or FakeClock())
        self.calls: list[tuple[str, str]] = []
        self.faults: list[Fault] = []
        self.users: list[str | None] = []
        self.meanwhile: Callable[[str, str], None] | None = None
        self.in_flight = 0
        self.most_in_flight = 0
        self._open = asyncio.Event()
        self._open.set()

    @property
    def objects(self) -> dict[Key, Body]:
        """What is stored; a test may put something else in its place, as a restored backup does."""
        return self._store.objects

    @objects.setter
    def objects(self, objects: dict[Key, Body]) -> None:
        self._store.objects = objects

    def fail(self, verb: str, *errors: ClusterError, after: bool = False, name: str | None = None) -> None:
        """Let the next calls of ``verb`` fail, one with each error."""
        self.faults += [Fault(verb, error, after, name) for error in errors]

    def close(self) -> None:
        """Let requests arrive and wait, until ``open``."""
        self._open.clear()

    def open(self) -> None:
        """Let requests be done."""
        self._open.set()

    def count(self, verb: str) -> int:
        """Give how many requests of a verb have arrived."""
        return sum(called == verb for called, _ in self.calls)

    async def get(
        self, resource: Resource, name: str, namespace: str = "", *, as_user: str | None = None, timeout: float = 10.0
    ) -> Body | None:
        """Give the object, and keep for whom."""
        self.users.append(as_user)
        return await super().get(resource, name, namespace, timeout=timeout)

    async def _call(self, verb: str, name: str, do: Callable[[], Any]) -> Any:
        self.calls.append((verb, name))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
            await self._open.wait()
            if self.meanwhile is not None:
                self.meanwhile(verb, name)
            fault = self._fault(verb, name)
            if fault is not None and not fault.after:
                raise fault.error
            answer = do()
            if fault is not None:
                raise fault.error
            return answer
        finally:
            self.in_flight -= 1

    def _fault(self, verb: str, name: str) -> Fault | None:
        for fault in self.faults:
            if fault.verb == verb and fault.name in {None, name}:
                self.faults.remove(fault)
                return fault
        return None
