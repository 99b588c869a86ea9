"""What is said of a run outside its call is stored for the run's owner before the caller goes on."""

import asyncio
from typing import Any

import pytest

from support.fake_cluster import FakeCluster
from support.memory_operator import MemoryOperator, actions
from taskaction.api.action_event import ActionEventSpec
from taskaction.cluster.errors import UnavailableError
from taskaction.integrations.port.ocean import AbstractExecutor, ActionRun, RunStatus, UnknownRunError, hosted, ocean

CLIENT = ocean.port_client


class Detached(AbstractExecutor):
    """Goes on in a task of its own after ``execute``, as Ocean executors do."""

    ACTION_NAME = "detached"

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    async def execute(self, run: ActionRun[Any]) -> None:
        await CLIENT.update_run_started(run, "https://target/7", f"x-{run.id}")
        self.tasks.append(asyncio.create_task(self.work(run)))

    async def work(self, run: ActionRun[Any]) -> None:
        await self.go.wait()
        await CLIENT.post_run_log(run, "half done")
        found = await CLIENT.find_run_by_external_id(f"x-{run.id}")
        assert found is not None
        await CLIENT.patch_run(found.id, {"status": RunStatus.SUCCESS, "summary": "done"})


async def test_a_report_after_the_call_becomes_an_event_for_the_owner() -> None:
    executor = Detached()
    async with MemoryOperator(hosted(executor)) as operator:
        await operator.create(*actions(["one"], "detached"))
        assert operator.action("one").status.external_id == "x-uid-of-one"
        executor.go.set()
        await asyncio.gather(*executor.tasks)
        stored = operator.of_kind("actionevents")
        first, second = (ActionEventSpec.model_validate(found["spec"]) for found in stored)
        assert {found["metadata"]["namespace"] for found in stored} == {"team-a"}
        assert first.target is not None
        assert (first.target.name, first.target.uid, first.target.attempt) == ("one", "uid-of-one", 1)
        assert (first.type, first.sender) == ("Report", "ocean")
        assert first.payload == {"logs": ["half done"]}
        assert second.payload == {"status": "SUCCESS", "summary": "done"}


async def test_the_owner_takes_what_was_reported_later_and_lets_the_events_go() -> None:
    executor = Detached()
    async with MemoryOperator(hosted(executor)) as operator:
        await operator.create(*actions(["one"], "detached"))
        executor.go.set()
        await asyncio.gather(*executor.tasks)
        await operator.settle()
        status = operator.action("one").status
        assert (str(status.phase), status.message) == ("Succeeded", "done")
        assert status.progress is not None
        assert status.progress.message == "done"
        assert operator.of_kind("actionevents") == []


async def test_a_report_that_nobody_could_apply_is_applied_by_the_next_owner() -> None:
    executor = Detached()
    async with MemoryOperator(hosted(executor), identity="first") as operator:
        await operator.create(*actions(["one"], "detached"))
        executor.go.set()
        await asyncio.gather(*executor.tasks)  # stored, and seen by nobody
        cluster, clock = operator.cluster, operator.clock
    assert [found["spec"]["payload"].get("status") for key, found in cluster.objects.items() if "actionevents" in key]
    cluster.objects = {key: found for key, found in cluster.objects.items() if key[0] != "leases"}
    async with MemoryOperator(hosted(Detached()), cluster=cluster, clock=clock, identity="second") as operator:
        await operator.settle()
        assert (operator.phase("one"), operator.action("one").status.attempt) == ("Succeeded", 1)


async def test_ocean_d09_a_report_is_tried_until_it_is_stored_and_stored_once() -> None:
    executor = Detached()
    cluster = FakeCluster()
    async with MemoryOperator(hosted(executor), cluster=cluster) as operator:
        await operator.create(*actions(["one"], "detached"))
        cluster.fail("create", UnavailableError("down"), UnavailableError("down"))
        cluster.fail("create", UnavailableError("the answer is lost"), after=True)
        executor.go.set()
        await operator.pass_time(10)
        await asyncio.gather(*executor.tasks)
        tried = [name for verb, name in cluster.calls if verb == "create" and "-report-" in name]
        assert (len(tried), len(set(tried))) == (5, 2)  # two refused, one whose answer is lost and one more for it
        assert (operator.phase("one"), operator.of_kind("actionevents")) == ("Succeeded", [])


async def test_what_is_said_after_the_end_is_dropped() -> None:
    class Chatty(Detached):
        async def execute(self, run: ActionRun[Any]) -> None:
            self.tasks.append(asyncio.create_task(self.work(run)))
            await CLIENT.report_run_completed(run, True)

        async def work(self, run: ActionRun[Any]) -> None:
            await self.go.wait()
            await CLIENT.post_run_log(run, "by the way")

    executor = Chatty()
    async with MemoryOperator(hosted(executor)) as operator:
        await operator.create(*actions(["one"], "detached"))
        assert operator.phase("one") == "Succeeded"
        executor.go.set()
        await asyncio.gather(*executor.tasks)
        assert operator.of_kind("actionevents") == []


async def test_what_a_task_of_an_earlier_attempt_says_is_not_said_of_a_later_one() -> None:
    class Twice(Detached):
        async def execute(self, run: ActionRun[Any]) -> None:
            if not self.tasks:
                self.tasks.append(asyncio.create_task(self.work(run)))
                raise RuntimeError("the first attempt fails")
            await CLIENT.update_run_started(run, None, "second")

        async def work(self, run: ActionRun[Any]) -> None:
            await self.go.wait()
            await CLIENT.report_run_completed(run, True, "of the first attempt")

    executor = Twice()
    async with MemoryOperator(hosted(executor)) as operator:
        await operator.create(*actions(["one"], "detached", retryPolicy={"limit": 1}))
        await operator.pass_time(2)
        assert (operator.phase("one"), operator.action("one").status.attempt) == ("Running", 2)
        executor.go.set()
        await asyncio.gather(*executor.tasks)
        assert operator.of_kind("actionevents") == []


async def test_r41_an_aborted_run_is_found_as_one_that_has_ended() -> None:
    executor = Detached()
    async with MemoryOperator(hosted(executor)) as operator:
        await operator.create(*actions(["one"], "detached"))
        await operator.change("one", abort={"reason": "enough"})
        assert operator.phase("one") == "Aborted"
        executor.tasks[0].cancel()
        ended = await CLIENT.find_run_by_external_id("x-uid-of-one")
        assert ended is not None
        assert not CLIENT.is_run_in_progress(ended)


async def test_a_report_on_a_run_of_nobody_is_an_error_where_it_is_made() -> None:
    async with MemoryOperator(hosted(Detached())):
        with pytest.raises(UnknownRunError, match="uid-of-nobody"):
            await CLIENT.patch_run("uid-of-nobody", {"status": RunStatus.SUCCESS})
