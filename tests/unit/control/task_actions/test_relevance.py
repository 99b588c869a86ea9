"""What a replica can do without: never anything of its shards, and nothing that it is not sure about."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from support.memory_operator import MemoryOperator
from support.records import body
from taskaction.api.enums import ProviderKind
from taskaction.cluster.gateway import ACTION_PROVIDERS, Body
from taskaction.control.objects.tables import ActionTable
from taskaction.control.objects.tree import OwnerTree
from taskaction.control.sharding.scope import WatchScope
from taskaction.control.sharding.tenures import ShardTenure, ShardTenures
from taskaction.control.task_actions.relevance import ActionRelevance
from taskaction.core.names import shard_of
from taskaction.executors.basic import NoopExecutor
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.testing.clock import START

SHARDS = 8
KEYS = [(ProviderKind.ACTION_PROVIDER, "team-a", name) for name in ("whole", "parts", "single")]


class Keyed(NoopExecutor):
    """Its actions are partitioned by a parameter."""

    ACTION_NAME = "keyed"
    PARTITION_KEY = "account"


class Asked(NoopExecutor):
    """It is asked for the partition of each action."""

    ACTION_NAME = "asked"

    async def _get_partition_key(self, run: Run) -> str | None:  # the name that Port Ocean's executors use
        return "x"


class Broken(NoopExecutor):
    """A plug-in that raises where it should say something."""

    ACTION_NAME = "broken"

    @property
    def partitions_itself(self) -> bool:
        raise RuntimeError("the plug-in does not like it")


def offer(name: str, sharding: str, **spec: Any) -> Body:
    metadata = {"name": name, "namespace": "team-a", "uid": f"uid-of-{name}", "generation": 1}
    created = {"creationTimestamp": START.isoformat()}
    return {"metadata": metadata | created, "spec": {"executor": "noop", "sharding": sharding} | spec}


@pytest.fixture
async def operator() -> AsyncIterator[MemoryOperator]:
    async with MemoryOperator(Keyed, Asked, shards=SHARDS) as operator:
        for one in (
            offer("whole", "Provider"),
            offer("parts", "Partition", partitionKeyPath="a"),
            offer("single", "Action"),
        ):
            operator.cluster.store(ACTION_PROVIDERS, one)
        await operator.settle()
        yield operator


class Judge:
    """A judge for a replica that holds some shards, with the providers and executors of an operator."""

    def __init__(self, operator: MemoryOperator, shards: set[int]) -> None:
        self.scope, self.table, self.tree = WatchScope(), ActionTable(), OwnerTree()
        self.scope.reduce()
        tenures = ShardTenures(operator.clock, shards=SHARDS, renew_deadline=10)
        for shard in shards:
            tenures.add(ShardTenure(shard=shard, epoch=1, written=0, lease={}))
        self.relevance = ActionRelevance(
            scope=self.scope,
            tenures=tenures,
            table=self.table,
            tree=self.tree,
            providers=operator.control.providers.providers,
            registry=operator.control.registry,
        )
        for key in KEYS:
            assert not self.relevance.on_provider_changed(key)


def by(provider: str) -> Body:
    return {"executor": None, "providerRef": {"kind": "ActionProvider", "name": provider}}


CERTAIN = [
    {"executor": "noop"},
    {"executor": "noop", "partitionKey": "p"},
    {"executor": "keyed", "partitionKey": "p"},
    {"executor": "asked", "partitionKey": "p"},
    by("whole"),
    by("whole") | {"partitionKey": "p"},
    by("parts") | {"partitionKey": "p"},
    by("single"),
]
UNCERTAIN = [
    {"executor": "keyed", "parameters": {"account": "7"}},
    {"executor": "asked"},
    {"executor": "unheard-of"},
    by("parts") | {"parameters": {"a": "b"}},
    by("missing"),
]


def raw(name: str, **spec: Any) -> Body:
    """Give an action as the API server sends it: without fields that are not set."""
    stored = body(name, **spec)
    return stored | {"spec": {key: value for key, value in stored["spec"].items() if value is not None}}


@pytest.mark.parametrize("spec", CERTAIN, ids=str)
async def test_an_action_is_unneeded_exactly_where_another_replica_holds_its_shard(
    operator: MemoryOperator, spec: Body
) -> None:
    for number in range(12):
        action = raw(f"one-{number}", suspend=True, **spec)
        await operator.create(action)
        (shard,) = (record.shard for record in operator.control.table if record.name == action["metadata"]["name"])
        assert not Judge(operator, {shard}).relevance.is_unneeded(action)
        assert Judge(operator, set(range(SHARDS)) - {shard}).relevance.is_unneeded(action)


@pytest.mark.parametrize("spec", UNCERTAIN, ids=str)
async def test_an_action_whose_shard_takes_more_to_find_is_needed(operator: MemoryOperator, spec: Body) -> None:
    assert not Judge(operator, set()).relevance.is_unneeded(raw("one", **spec))


RELATED = [
    {"spec": {"parentRef": {"kind": "TaskAction", "name": "above"}}},
    {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "1"}]}},
    {"status": {"phase": "Running", "externalId": "job-1"}},
]


@pytest.mark.parametrize("change", RELATED, ids=str)
async def test_an_action_that_may_concern_others_is_needed(operator: MemoryOperator, change: Body) -> None:
    judge, action = Judge(operator, set()), raw("one")
    assert judge.relevance.is_unneeded(action)
    assert not judge.relevance.is_unneeded(action | {part: action[part] | new for part, new in change.items()})


async def test_a_known_action_is_needed_until_it_leaves(operator: MemoryOperator) -> None:
    judge, action = Judge(operator, set()), raw("one", suspend=True)
    await operator.create(action)
    (record,) = operator.control.table
    judge.table.add(record)
    assert not judge.relevance.is_unneeded(action)
    judge.table.drop(record)
    assert judge.relevance.is_unneeded(action)


async def test_nothing_is_unneeded_while_all_must_be_known(operator: MemoryOperator) -> None:
    judge, action = Judge(operator, set()), raw("one")
    judge.scope.expand()
    assert not judge.relevance.is_unneeded(action)
    judge.scope.complete()
    assert not judge.relevance.is_unneeded(action)
    judge.scope.reduce()
    assert judge.relevance.is_unneeded(action)


@pytest.mark.parametrize(
    "action",
    [
        {"metadata": {"uid": "1"}},
        {"metadata": {"uid": "1", "name": "a", "namespace": "b"}, "spec": {}},
        {"metadata": {"uid": "1", "name": "a", "namespace": "b"}, "spec": {"providerRef": {"kind": "No", "name": "x"}}},
        {"metadata": {"uid": "1", "name": "a", "namespace": "b"}, "spec": {"executor": "broken"}},
    ],
    ids=["no spec", "no executor", "an unknown kind", "a plug-in that raises"],
)
async def test_what_cannot_be_judged_is_left_to_the_intake(operator: MemoryOperator, action: Body) -> None:
    broken: AbstractExecutor = Broken.__new__(Broken)
    operator.control.registry._executors["broken"] = broken
    assert not Judge(operator, set()).relevance.is_unneeded(action)
    del operator.control.registry._executors["broken"]


async def test_only_another_sharding_or_a_deletion_moves_the_actions_of_a_provider(operator: MemoryOperator) -> None:
    judge, key = Judge(operator, set()).relevance, KEYS[0]
    assert not judge.on_provider_changed(key)
    operator.cluster.drop(ACTION_PROVIDERS, "whole", "team-a")
    await operator.settle()
    assert judge.on_provider_changed(key)
    assert not judge.on_provider_changed(key)
    operator.cluster.store(ACTION_PROVIDERS, offer("whole", "Action"))
    await operator.settle()
    assert not judge.on_provider_changed(key)  # while there was none, all its actions were needed


BY_SCHEDULE = {"apiVersion": "taskaction.dev/v1alpha1", "kind": "ActionSchedule", "name": "nightly", "uid": "2"}
BY_PARENT = {"apiVersion": "taskaction.dev/v1alpha1", "kind": "TaskAction", "name": "above", "uid": "3"}


async def test_a_schedule_as_the_owner_relates_an_action_to_no_other_one(operator: MemoryOperator) -> None:
    judge, action = Judge(operator, set()), raw("one")
    assert judge.relevance.is_unneeded(action | {"metadata": action["metadata"] | {"ownerReferences": [BY_SCHEDULE]}})

    of_schedule = action["metadata"] | {"ownerReferences": [BY_SCHEDULE]}
    shard = shard_of(BY_SCHEDULE["uid"], SHARDS)
    assert not Judge(operator, {shard}).relevance.is_unneeded(action | {"metadata": of_schedule})

    both = action["metadata"] | {"ownerReferences": [BY_SCHEDULE, BY_PARENT]}
    assert not judge.relevance.is_unneeded(action | {"metadata": both})
