"""The work desk next to the run queue: waiting workers are one more limit; order and limits stay the queue's."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from support.stage import Stage, run, submitted
from taskaction.execution.assignments import Credential, Finish, Release, RemoteWorker
from taskaction.execution.limits import SourceLimits
from taskaction.execution.manager import ExecutionManager
from taskaction.execution.runs import QueuedRun
from taskaction.execution.work_desk import WorkDesk, WorkRequest
from taskaction.lifecycle.outcomes import Succeeded
from taskaction.testing.clock import settle


@dataclass
class Provider:
    """Provider whose actions are for remote workers: a queue, a desk, and turns that assign what the queue selects."""

    manager: ExecutionManager
    limits: SourceLimits = field(default_factory=SourceLimits)
    desk: WorkDesk = field(default_factory=lambda: WorkDesk(per_identity=100))
    runs: dict[str, QueuedRun] = field(default_factory=dict)
    assigned: list[tuple[str, str]] = field(default_factory=list)
    parked: list[str] = field(default_factory=list)

    def open(self) -> None:
        self.manager.start_processing_action_runs(self.process)
        self.limit()

    def limit(self) -> None:
        most = self.desk.capacity if self.limits.concurrent is None else min(self.limits.concurrent, self.desk.capacity)
        self.manager.set_limits("noop", replace(self.limits, concurrent=most), None)

    async def process(self, name: str) -> None:
        worker = self.desk.reserve(name)
        if worker is None:
            self.parked.append(name)
            self.manager.park(self.runs[name], "worker", 10.0)
            return
        await asyncio.sleep(0)  # the status is written
        handout = self.desk.hand_out(name, Credential(attempt=1, number=1, worker=worker), 60.0, 0.0)
        assert handout is not None
        self.assigned.append((name, worker.name))
        self.runs[name] = replace(self.runs[name], under_way=True)
        self.manager.hold(self.runs[name])
        self.limit()

    async def submit(self, *names: str, **place: object) -> None:
        self.runs |= {name: run(name, **place) for name in names}
        await submitted(self.manager, *names, **place)

    async def ask(self, name: str, places: int = 1) -> None:
        worker = RemoteWorker(identity="builder", name=name)
        self.desk.add_request(WorkRequest(id=name, worker=worker, places=places))
        self.limit()
        await settle()

    async def end(self, name: str) -> None:
        assignment = self.desk.find_assignment(name)
        assert assignment is not None
        assert assignment.credential is not None
        self.desk.apply(name, Finish(by=assignment.credential, now=1.0, result=Succeeded()))
        self.desk.forget(name)
        self.limit()  # before the queue has a free place, which no worker waits for
        self.manager.forget(name)
        await settle()


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    stage = Stage()
    found = Provider(stage.manager(workers=3, begun=False))
    found.open()
    yield found
    await stage.close()


async def test_nothing_leaves_the_queue_before_a_worker_asks(provider: Provider) -> None:
    await provider.submit("a", "b", "c")
    assert (provider.assigned, provider.manager.waiting_count("noop")) == ([], 3)

    await provider.ask("ann")

    assert (provider.assigned, provider.manager.waiting_count("noop")) == ([("a", "ann")], 2)
    assert provider.parked == [], "nothing is started to find out that there is no worker"


async def test_actions_go_out_in_the_order_of_the_queue(provider: Provider) -> None:
    await provider.submit("late", "later", priority=0)
    await provider.submit("urgent", priority=9)
    await provider.ask("ann", places=2)
    await provider.ask("bob")

    assert provider.assigned == [("urgent", "ann"), ("late", "ann"), ("later", "bob")]


async def test_a_partition_is_in_order_however_many_workers_wait(provider: Provider) -> None:
    await provider.submit("a", "b", partition="x")
    await provider.ask("ann", places=5)
    assert provider.assigned == [("a", "ann")]

    await provider.end("a")

    assert provider.assigned == [("a", "ann"), ("b", "ann")]


async def test_the_limit_of_the_provider_holds_however_many_workers_wait(provider: Provider) -> None:
    provider.limits = SourceLimits(concurrent=2)
    await provider.submit(*"abcd")
    await provider.ask("ann", places=4)
    assert [name for name, _ in provider.assigned] == ["a", "b"]

    await provider.end("a")

    assert [name for name, _ in provider.assigned] == ["a", "b", "c"]


async def test_many_slots_start_no_more_attempts_than_there_are_places(provider: Provider) -> None:
    await provider.submit(*"abcdef")
    await provider.ask("ann", places=2)
    await provider.end("a")

    assert [name for name, _ in provider.assigned] == ["a", "b"]
    assert provider.parked == []


async def test_a_worker_that_leaves_takes_its_places_with_it(provider: Provider) -> None:
    await provider.ask("ann", places=2)
    provider.desk.close_request("ann")
    provider.limit()
    await provider.submit("a")
    assert provider.assigned == []

    await provider.ask("bob")

    assert provider.assigned == [("a", "bob")]


async def test_a_released_action_keeps_its_place_among_the_limits(provider: Provider) -> None:
    provider.limits = SourceLimits(concurrent=1)
    await provider.submit("a", "b")
    await provider.ask("ann")
    assignment = provider.desk.find_assignment("a")
    assert assignment is not None
    assert assignment.credential is not None
    provider.desk.apply("a", Release(by=assignment.credential, now=1.0))

    await provider.ask("bob")

    assert provider.assigned == [("a", "ann")], "b may not overtake"
    assert (provider.desk.take_matched(), provider.desk.capacity) == (["a"], 1)
