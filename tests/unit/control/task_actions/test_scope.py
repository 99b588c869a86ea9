"""Replicas that leave out each other's actions, and still know whatever they need of them when they need it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.memory_operator import MemoryOperator, actions
from support.pairs import SHARING_SECONDS, Pair, known, name_of
from support.records import body
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import ACTION_PROVIDERS, TASK_ACTIONS
from taskaction.control.task_actions.scope_keeper import SETTLED_SECONDS
from taskaction.lifecycle.outcomes import Outcome, Pending, Succeeded
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.testing.clock import START

LEASE_SECONDS = 15


class Outside(AbstractExecutor):
    """Starts something that continues outside, under an id if its parameters name one."""

    ACTION_NAME = "outside"
    IDEMPOTENT = True

    async def execute(self, run: Run) -> Outcome:
        return Pending(poll_after=3600, external_id=run.parameters.get("id"))


class Steps(AbstractExecutor):
    """Keeps the order in which it is called."""

    ACTION_NAME = "steps"
    IDEMPOTENT = True
    CALLED: list[str]

    async def execute(self, run: Run) -> Outcome:
        self.CALLED.append(run.name)
        return Succeeded()


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    Steps.CALLED = []
    async with Pair(Outside, Steps) as pair:
        yield pair


async def test_a_replica_takes_only_its_own_actions_from_the_watch(pair: Pair) -> None:
    mine, others = name_of(pair.ada), name_of(pair.bob)
    await pair.create(*actions([mine, others], "outside"))
    assert (known(pair.ada), known(pair.bob)) == ({mine}, {others})
    await pair.pass_time(2)
    assert [pair.ada.phase(name) for name in (mine, others)] == ["Running", "Running"]
    pair.cluster.drop(TASK_ACTIONS, others, "team-a")
    await pair.settle()
    assert (known(pair.ada), known(pair.bob)) == ({mine}, set())


async def test_a_replica_alone_leaves_out_nothing() -> None:
    async with MemoryOperator() as operator:
        await operator.pass_time(SETTLED_SECONDS * 2)
        assert operator.control.base.scope.is_complete


async def test_who_takes_over_knows_what_it_had_left_out_and_keeps_its_order(pair: Pair) -> None:
    partition = name_of(pair.ada, "partition")
    owner = next(one for one in pair.living if owns_partition(one, partition))
    heir = next(one for one in pair.living if one is not owner)
    names = ["z-first", "m-second", "a-third"]
    await pair.crash(owner)
    await pair.create(*actions(names, "steps", partitionKey=partition))
    assert known(heir) == set()
    await pair.pass_time(LEASE_SECONDS * 2)
    assert heir.control.tenures.held_count == 4
    assert Steps.CALLED == names  # noqa: SIM300 - the first is what happened


async def test_a_shard_is_not_acquired_while_its_actions_cannot_be_listed(pair: Pair) -> None:
    name = name_of(pair.ada)
    await pair.create(*actions([name], "outside"))
    await pair.crash(pair.ada)
    pair.cluster.fail("list", *[UnavailableError("not now")] * 3, name="taskactions")
    await pair.pass_time(LEASE_SECONDS * 2)
    assert pair.bob.control.tenures.held_count == 4
    assert known(pair.bob) == {name}


async def test_what_ends_while_it_is_listed_does_not_come_back(pair: Pair) -> None:
    gone, stays, own = name_of(pair.ada, "gone"), name_of(pair.ada, "stays"), name_of(pair.bob)
    await pair.create(*actions([gone, stays], "outside"))
    intake = pair.bob.control.actions.intake
    intake.on_notification(None, body(own, executor="outside"))
    listing = asyncio.create_task(intake.list_unknown())
    await pair.settle()
    pair.cluster.drop(TASK_ACTIONS, gone, "team-a")
    await pair.settle()
    assert known(pair.bob) == set()
    await pair.pass_time(1)
    await listing
    assert known(pair.bob) == {stays, own}


# -- what a replica needs of the others' actions -----------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["Keep", "Abort"])
async def test_the_end_of_another_replica_s_parent_reaches_its_child(pair: Pair, policy: str) -> None:
    parent, child = name_of(pair.ada, "parent"), name_of(pair.bob, "child")
    await pair.create(body(parent, executor="outside", childPolicy=policy))
    assert known(pair.bob) == set()
    await pair.create(body(child, executor="outside", parentRef={"kind": "TaskAction", "name": parent}))
    assert pair.bob.action(child).metadata.owner_references[0].name == parent
    assert known(pair.bob) == {parent, child}
    assert known(pair.ada) == {parent, child}
    if policy == "Keep":
        await change(pair, parent, abort={"reason": "late"})
    else:
        end(pair, parent)
    await pair.settle()
    assert pair.bob.phase(child) == "Aborted"


@pytest.mark.parametrize("moment", [1, 2, 3])
async def test_a_parent_that_ends_while_it_is_read_is_not_taken_for_alive(pair: Pair, moment: int) -> None:
    parent, child = name_of(pair.ada, "parent"), name_of(pair.bob, "child")
    await pair.create(body(parent, executor="outside", childPolicy="Abort"))
    reads: list[str] = []

    def ends(verb: str, name: str) -> None:
        if verb == "get" and name == parent:
            reads.append(name)
            if len(reads) == moment:
                end(pair, parent)

    pair.cluster.meanwhile = ends
    await pair.create(body(child, executor="outside", parentRef={"kind": "TaskAction", "name": parent}))
    await pair.pass_time(5)
    assert pair.bob.action(child).status.phase.is_terminal
    assert parent not in known(pair.bob)


async def test_an_action_with_an_external_id_is_known_to_all(pair: Pair) -> None:
    name = name_of(pair.ada)
    await pair.create(*actions([name], "outside", {"id": "job-1"}))
    await pair.pass_time(2)
    assert pair.ada.action(name).status.external_id == "job-1"
    assert known(pair.bob) == {name}


async def test_actions_of_a_new_provider_of_the_same_name_are_known_to_its_owner(pair: Pair) -> None:
    names = [name_of(pair.ada), name_of(pair.bob)]
    pair.cluster.store(ACTION_PROVIDERS, offer("one", "Action"))
    await pair.settle()
    await pair.create(*(body(name, executor=None, providerRef=REF, suspend=True) for name in names))
    assert [known(one) for one in pair.living] == [{name} for name in names]
    pair.cluster.drop(ACTION_PROVIDERS, "offer", "team-a")
    pair.cluster.store(ACTION_PROVIDERS, offer("two", "Provider"))
    await pair.settle()
    await pair.pass_time(SHARING_SECONDS)
    (owner,) = [one for one in pair.living if one.control.tenures.owns_key("team-a/ActionProvider:offer")]
    assert known(owner) == set(names)
    assert {record.shard for record in owner.control.table} & set(owner.control.tenures.owned)


REF = {"kind": "ActionProvider", "name": "offer"}


def offer(uid: str, sharding: str) -> dict[str, Any]:
    metadata = {"name": "offer", "namespace": "team-a", "uid": uid, "generation": 1}
    spec = {"executor": "outside", "sharding": sharding}
    return {"metadata": metadata | {"creationTimestamp": START.isoformat()}, "spec": spec}


def owns_partition(operator: MemoryOperator, key: str) -> bool:
    return operator.control.tenures.owns_key(f"team-a/executor:steps/{key}")


async def change(pair: Pair, name: str, **spec: Any) -> None:
    await pair.ada.change(name, **spec)
    await pair.settle()


def end(pair: Pair, name: str) -> None:
    """Finish an action as its owner does."""
    found = pair.cluster.objects["taskactions", "team-a", name]
    status = found["status"] | {"phase": "Succeeded", "finishedAt": START.isoformat()}
    pair.cluster.store(TASK_ACTIONS, found | {"status": status})
