"""Finished actions go when their time has come, not before, and not while somebody still needs them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Self

import pytest

from support.fake_cluster import FakeCluster
from support.records import NAMESPACE, body, recorded
from support.work_requests import no_requests
from support.write_slots import write_slots
from taskaction.api.enums import ParentKind, Phase
from taskaction.api.task_action import TaskAction
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import TASK_ACTIONS
from taskaction.control.flow_runs.tables import LiveRecords, RunTable
from taskaction.control.objects.background import Background
from taskaction.control.objects.expiry import REMEMBERED, ExpiryCollector
from taskaction.control.objects.history import ExpiredObject, NoHistory
from taskaction.control.objects.objects import ObjectEditor
from taskaction.control.objects.owned import OwnedObject
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.tables import ActionTable
from taskaction.control.objects.tree import NodeFacts, OwnerTree, ParentLink
from taskaction.core.constants import API_VERSION, FINALIZER, HELD_LABEL, SCHEDULED_TIME_ANNOTATION
from taskaction.plugin.storage import StorageError
from taskaction.testing.clock import START, FakeClock, settle

DONE = {"phase": "Succeeded"}
MINUTE = 60.0
OWNED = {"apiVersion": API_VERSION, "kind": "TaskAction", "name": "parent", "uid": "uid-of-parent"}


class Files:
    """Files of actions, of which those in ``named`` have some."""

    def __init__(self) -> None:
        self.named: set[str] = set()
        self.cleared: list[str] = []
        self.away = False

    def are_named(self, action: TaskAction) -> bool:
        return action.metadata.name in self.named

    may_exist = are_named

    async def clear(self, namespace: str, uid: str) -> None:
        if self.away:
            raise StorageError("away")
        self.cleared.append(f"{namespace}/{uid}")


class Histories(NoHistory):
    """History that has the actions in ``recorded``, and all if that is None."""

    def __init__(self) -> None:
        self.recorded: set[str] | None = None
        self.compared: list[str] = []

    async def compare(self, kind: ParentKind, finished: Sequence[OwnedObject]) -> None:
        self.compared += [one.metadata.name for one in finished]

    async def may_delete(self, expired: ExpiredObject) -> bool:
        return self.recorded is None or expired.name in self.recorded


class Keeper:
    """An expiry that runs; finished actions expire ten minutes after ``START`` unless ``expires`` says otherwise."""

    def __init__(self) -> None:
        self.cluster, self.clock, self.table, self.tree = FakeCluster(), FakeClock(), ActionTable(), OwnerTree()
        self.failures: list[str] = []
        self.files, self.history = Files(), Histories()
        self.expires: dict[str, datetime | None] = {}
        self.recorded_times: set[tuple[str, datetime]] = set()
        background = Background(self.failed)
        self.expiry = ExpiryCollector(
            cluster=self.cluster,
            clock=self.clock,
            kind=ParentKind.TASK_ACTION,
            editor=ObjectEditor(self.cluster, once, no_requests(), write_slots(5)),
            background=background,
            members=LiveRecords(self.table, RunTable()),
            tree=self.tree,
            expires_at=self.judge,
            files=self.files,
            is_recorded=lambda schedule, time: (schedule, time) in self.recorded_times,
            history=self.history,
            to_record=lambda action: recorded(self.cluster.objects["taskactions", "team-a", action.metadata.name]),
        )

    def judge(self, action: TaskAction) -> datetime | None:
        return self.expires.get(action.metadata.name, START + timedelta(minutes=10))

    def failed(self, task: str, error: BaseException) -> None:
        self.failures.append(task)

    def store(self, name: str, status: dict[str, Any] | None = None, **metadata: Any) -> ActionRecord:
        one = body(name, status=status or DONE)
        return recorded(self.cluster.store(TASK_ACTIONS, one | {"metadata": one["metadata"] | metadata}))

    def live(self, name: str, parent: str | None = None) -> ActionRecord:
        """Let an action be live, in the table and in the tree."""
        record = self.store(name, {"phase": "Running"})
        self.table.add(record)
        self.place(name, parent, live=True)
        return record

    def place(self, name: str, parent: str | None, *, live: bool) -> None:
        link = ParentLink(uid=f"uid-of-{parent}", name=parent) if parent is not None else None
        facts = NodeFacts(name=name, phase=Phase.RUNNING if live else Phase.SUCCEEDED)
        self.tree.update_node(f"uid-of-{name}", facts, link, live=live)

    def names(self) -> list[str]:
        return [name for _, _, name in self.cluster.objects]

    async def __aenter__(self) -> Self:
        failed = self.failed
        runs = (
            self.expiry.run_agenda(failed),
            self.expiry.run_finalizer_cleanup(failed),
            self.expiry.run_scans(300.0, failed),
        )
        self.tasks = [asyncio.create_task(run) for run in runs]
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)


async def once(call: Callable[[], Awaitable[Any]]) -> Any:
    return await call()


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


async def test_a_finished_action_is_deleted_when_its_time_has_come(keeper) -> None:
    keeper.expires["one"] = START + timedelta(minutes=5)
    async with keeper:
        keeper.expiry.schedule(keeper.store("one").action, START + timedelta(minutes=5))
        await keeper.clock.advance(5 * MINUTE - 1)
        assert keeper.names() == ["one"]

        await keeper.clock.advance(1)
        assert keeper.names() == []


async def test_an_action_of_a_schedule_is_kept_until_the_status_of_the_schedule_has_its_time(keeper) -> None:
    owner = {"apiVersion": API_VERSION, "kind": "ActionSchedule", "name": "s", "uid": "uid-of-s"}
    annotations = {SCHEDULED_TIME_ANNOTATION: START.isoformat()}
    made = keeper.store("made", annotations=annotations, ownerReferences=[owner | {"controller": True}])
    by_hand = keeper.store("by-hand", annotations=annotations, ownerReferences=[owner])
    keeper.expires |= dict.fromkeys(("made", "by-hand"), START + timedelta(minutes=5))
    async with keeper:
        for record in (made, by_hand):
            keeper.expiry.schedule(record.action, START + timedelta(minutes=5))
        await keeper.clock.advance(8 * MINUTE)
        assert keeper.names() == ["made"]
        keeper.recorded_times.add(("uid-of-s", START))
        await keeper.clock.advance(31)
        assert keeper.names() == []


async def test_actions_that_others_have_finished_are_found_by_looking_through(keeper) -> None:
    keeper.store("one")
    async with keeper:
        await keeper.clock.advance(11 * MINUTE)

        assert keeper.names() == []


async def test_an_action_that_is_not_recorded_is_deleted_when_a_later_scan_finds_it_recorded(keeper) -> None:
    keeper.history.recorded = {"two"}
    keeper.store("one")
    keeper.store("two")
    async with keeper:
        await keeper.clock.advance(14 * MINUTE)
        assert keeper.names() == ["one"]
        keeper.history.recorded = {"one"}
        await keeper.clock.advance(6 * MINUTE)
        assert keeper.names() == []


async def test_every_scan_compares_all_owned_finished_actions_with_the_history(keeper) -> None:
    keeper.expires |= {"theirs": None, "late": START + timedelta(days=1)}
    for name in ("theirs", "late", *(f"a{number}" for number in range(250))):
        keeper.store(name)
    await keeper.expiry.scan()
    assert sorted(keeper.history.compared) == sorted(["late", *(f"a{number}" for number in range(250))])


async def test_what_another_process_answers_for_is_left_to_it(keeper) -> None:
    keeper.store("theirs")
    keeper.expires["theirs"] = None
    async with keeper:
        await keeper.clock.advance(60 * MINUTE)

        assert keeper.names() == ["theirs"]


async def test_only_what_expires_soon_is_remembered_and_the_rest_is_found_again(keeper) -> None:
    late = START + 4 * REMEMBERED
    keeper.expires["late"] = late
    async with keeper:
        keeper.expiry.schedule(keeper.store("late").action, late)
        await keeper.clock.advance(2 * MINUTE)
        assert len(keeper.expiry._remembered) == 0

        await keeper.clock.advance((late - keeper.clock.now()).total_seconds() + 1)
        assert keeper.names() == []
        assert len(keeper.expiry._remembered) == 0


async def test_a_parent_stays_until_its_last_live_child_has_ended(keeper) -> None:
    keeper.store("parent")
    child = keeper.live("child", "parent")
    keeper.place("parent", None, live=False)
    async with keeper:
        await keeper.clock.advance(20 * MINUTE)
        assert keeper.names() == ["parent", "child"]

        keeper.table.drop(child)
        keeper.place("child", "parent", live=False)
        await keeper.clock.advance(MINUTE)
        assert "parent" not in keeper.names()


@pytest.mark.parametrize("noted", [True, False], ids=["finished here", "found by looking through"])
async def test_a_child_stays_for_its_parent_to_look_at_until_that_has_ended(keeper, noted) -> None:
    parent = keeper.live("parent")
    child = keeper.store("child", ownerReferences=[OWNED])
    keeper.place("child", "parent", live=False)
    async with keeper:
        if noted:
            keeper.expiry.schedule(child.action, START + timedelta(minutes=10))
        await keeper.clock.advance(20 * MINUTE)
        assert "child" in keeper.names()

        keeper.table.drop(parent)
        await keeper.clock.advance(MINUTE)
        assert "child" not in keeper.names()


async def test_a_namesake_does_not_expire_in_its_forerunner_s_place(keeper) -> None:
    async with keeper:
        keeper.expiry.schedule(keeper.store("one").action, START + timedelta(seconds=30))
        keeper.cluster.drop(TASK_ACTIONS, "one", NAMESPACE)
        keeper.store("one", {"phase": "Running"}, uid="another")
        await keeper.clock.advance(45)

        assert keeper.names() == ["one"]


async def test_a_scan_that_fails_is_told_and_comes_again(keeper) -> None:
    keeper.store("one")
    keeper.cluster.fail("list", UnavailableError("away"))
    async with keeper:
        await keeper.clock.advance(MINUTE)
        assert keeper.failures == ["scan finished objects"]

        await keeper.clock.advance(11 * MINUTE)
        assert keeper.names() == []


HELD = {"finalizers": [FINALIZER], "labels": {HELD_LABEL: "true"}}


async def test_what_a_crash_left_held_is_freed_after_a_take_over(keeper) -> None:
    keeper.store("done", **HELD)
    keeper.store("running", {"phase": "Running"}, **HELD)
    keeper.store("theirs", **HELD)
    keeper.expires["theirs"] = None
    ours = keeper.store("under-way", **HELD)
    keeper.table.add(ours)
    async with keeper:
        keeper.expiry.on_shard_acquired()
        await settle()

    finalizers = {name: one["metadata"]["finalizers"] for (_, _, name), one in keeper.cluster.objects.items()}
    assert finalizers == {"done": [], "running": [FINALIZER], "theirs": [FINALIZER], "under-way": [FINALIZER]}


async def test_freeing_that_fails_is_told_and_tried_again(keeper) -> None:
    keeper.store("done", **HELD)
    keeper.cluster.fail("list", UnavailableError("away"))
    async with keeper:
        keeper.expiry.on_shard_acquired()
        await settle()
        assert keeper.failures == ["remove stale finalizers"]

        await keeper.clock.advance(10)
        assert keeper.cluster.objects[TASK_ACTIONS.plural, NAMESPACE, "done"]["metadata"]["finalizers"] == []
