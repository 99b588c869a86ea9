"""Each ActionFlow gets one verdict for each change, by the replica that owns its shard, whatever happens meanwhile.

A change of a provider that it names is one, too; a verdict that stays what it was is written by nobody.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from support.fake_cluster import FakeCluster
from support.work_requests import OwnedShards, no_requests
from taskaction.api.action_flow import ActionFlow
from taskaction.api.enums import ProviderKind
from taskaction.app.observer import OperatorRecorder
from taskaction.app.operator_metrics import OperatorMetrics
from taskaction.cluster.errors import ConflictError, NotFoundError
from taskaction.cluster.gateway import ACTION_FLOWS, Body
from taskaction.cluster.retry import Retrier
from taskaction.control.flow_runs.catalogue import SETTLE_SECONDS, FlowCatalogue
from taskaction.control.flow_runs.inputs import ActionInput, InputRegistry, UnknownInputs
from taskaction.control.flow_runs.tables import RunTable
from taskaction.control.objects.background import Background
from taskaction.control.objects.requests import ProviderKey
from taskaction.core.names import shard_of
from taskaction.plugin.evaluation import Evaluator
from taskaction.plugin.json_schema import compile_schema
from taskaction.testing.clock import START, FakeClock

GOOD = {"StartAt": "Only", "States": {"Only": {"Type": "Pass", "End": True}}}
BAD = {"StartAt": "Gone", "States": GOOD["States"]}
SHARDS = 4
UID = "uid-of-f"


@dataclass
class Desk:
    """A catalogue over a cluster in memory, and the shards that it owns."""

    cluster: FakeCluster = field(default_factory=FakeCluster)
    tenures: OwnedShards = field(default_factory=lambda: OwnedShards(SHARDS))
    failures: list[str] = field(default_factory=list)
    clock: FakeClock = field(default_factory=FakeClock)
    inputs: InputRegistry = field(default_factory=UnknownInputs)
    sought: set[ProviderKey] = field(default_factory=set)
    evaluator: Evaluator = field(default_factory=Evaluator)

    def __post_init__(self) -> None:
        clock, metrics = self.clock, OperatorMetrics()
        self.background = Background(lambda task, error: self.failures.append(f"{task}: {error}"))
        self.catalogue = FlowCatalogue(
            cluster=self.cluster,
            clock=clock,
            persistently=Retrier(clock, lambda: 0.5, lambda _: None),
            background=self.background,
            journal=OperatorRecorder(metrics, clock),
            inputs=self.inputs,
            evaluator=self.evaluator,
            offers=cast("Any", self),
            tenures=self.tenures,
            runs=RunTable(),
            requests=no_requests(),
        )

    def look_up_pending(self, key: ProviderKey) -> bool:
        """Stand in for the intake of providers."""
        return key in self.sought

    def apply(self, definition: Any, *, generation: int = 1) -> Body:
        """Store a flow as its user does; what its status says stays."""
        before = self.cluster.objects.get(("actionflows", "team-a", "f"), {})
        metadata = {
            "name": "f",
            "namespace": "team-a",
            "uid": UID,
            "generation": generation,
            "creationTimestamp": START.isoformat(),
        }
        kept = {"status": before["status"]} if "status" in before else {}
        return self.cluster.store(ACTION_FLOWS, {"metadata": metadata, "spec": {"definition": definition}, **kept})

    async def settle(self) -> None:
        """Wait for everything that has begun, and for changes of providers to be taken up."""
        await self.clock.advance(SETTLE_SECONDS)
        await self.background.finish(30)
        assert self.failures == []

    @property
    def verdict(self) -> tuple[str, str, int] | None:
        """What the stored flow says of itself."""
        status = ActionFlow.from_body(self.cluster.objects["actionflows", "team-a", "f"]).status
        return next(((one.status, one.reason, one.observed_generation or 0) for one in status.conditions), None)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    yield desk
    await desk.background.finish(0)


async def test_a_flow_is_judged_with_one_write_and_its_echo_with_none(desk: Desk) -> None:
    desk.catalogue.on_notification("ADDED", desk.apply(GOOD))
    await desk.settle()
    assert desk.verdict == ("True", "Valid", 1)
    desk.catalogue.on_notification("MODIFIED", desk.cluster.objects["actionflows", "team-a", "f"])
    await desk.settle()
    assert desk.cluster.calls == [("replace_status", "f")]


async def test_a_change_is_judged_anew(desk: Desk) -> None:
    for generation, (definition, expected) in enumerate([(GOOD, "True"), (BAD, "False"), (GOOD, "True")], start=1):
        desk.catalogue.on_notification("MODIFIED", desk.apply(definition, generation=generation))
        await desk.settle()
        assert desk.verdict is not None
        assert (desk.verdict[0], desk.verdict[2]) == (expected, generation)


async def test_a_change_that_comes_during_the_verdict_is_judged_instead(desk: Desk) -> None:
    def change(verb: str, _: str) -> None:
        if verb == "replace_status":
            desk.cluster.meanwhile = None
            desk.apply(BAD, generation=2)

    desk.cluster.meanwhile = change
    desk.catalogue.on_notification("ADDED", desk.apply(GOOD))
    await desk.settle()
    assert desk.verdict == ("False", "InvalidDefinition", 2)


async def test_a_verdict_whose_answer_was_lost_is_not_written_twice(desk: Desk) -> None:
    desk.cluster.fail("replace_status", ConflictError("was it stored?"), after=True)
    desk.catalogue.on_notification("ADDED", desk.apply(GOOD))
    await desk.settle()
    assert desk.verdict == ("True", "Valid", 1)
    assert desk.cluster.count("replace_status") == 1


async def test_a_flow_of_another_replica_is_left_alone_until_its_shard_is_taken_over(desk: Desk) -> None:
    shard = shard_of(UID, SHARDS)
    desk.tenures.mine.discard(shard)
    desk.catalogue.on_notification(None, desk.apply(GOOD))
    await desk.settle()
    assert desk.cluster.calls == []
    desk.tenures.mine.add(shard)
    for one in range(SHARDS):
        desk.catalogue.on_shard_acquired(one)
    await desk.settle()
    assert desk.verdict == ("True", "Valid", 1)
    assert desk.cluster.count("replace_status") == 1


def gone(desk: Desk) -> None:
    desk.cluster.drop(ACTION_FLOWS, "f", "team-a")


def gone_by_notice(desk: Desk) -> None:
    body = desk.cluster.objects["actionflows", "team-a", "f"]
    gone(desk)
    desk.catalogue.on_notification("DELETED", body)


@pytest.mark.parametrize("vanish", [gone, gone_by_notice])
async def test_a_flow_that_is_gone_is_forgotten(desk: Desk, vanish: Callable[[Desk], None]) -> None:
    shard = shard_of(UID, SHARDS)
    desk.tenures.mine.discard(shard)
    desk.catalogue.on_notification(None, desk.apply(GOOD))
    vanish(desk)
    desk.tenures.mine.add(shard)
    desk.catalogue.on_shard_acquired(shard)
    await desk.settle()
    asked = desk.cluster.count("get")
    desk.catalogue.on_shard_acquired(shard)
    await desk.settle()
    assert desk.cluster.count("get") == asked
    assert desk.cluster.count("replace_status") == 0


async def test_a_flow_that_goes_during_the_verdict_stops_nothing(desk: Desk) -> None:
    desk.cluster.fail("replace_status", NotFoundError("the object is gone"))
    desk.catalogue.on_notification("ADDED", desk.apply(GOOD))
    await desk.settle()
    assert desk.verdict is None


async def test_a_large_flow_is_validated_in_a_worker_process(desk: Desk) -> None:
    states = {f"S{number}": {"Type": "Pass", "Next": f"S{number + 1}"} for number in range(300)}
    large = {"StartAt": "S0", "States": states | {"S300": {"Type": "Pass", "Next": "Missing"}}}
    desk.catalogue.on_notification("ADDED", desk.apply(large))
    assert desk.verdict is None
    await desk.settle()
    assert desk.verdict == ("False", "InvalidDefinition", 1)


async def test_a_flow_that_exceeds_the_budget_is_invalid() -> None:
    desk = Desk(evaluator=Evaluator(cpu_seconds=0.01))
    states = {f"S{number}": {"Type": "Pass", "Next": f"S{number + 1}"} for number in range(3000)}
    desk.catalogue.on_notification("ADDED", desk.apply({"StartAt": "S0", "States": states}))
    await desk.settle()
    assert desk.verdict == ("False", "BudgetExceeded", 1)


COPY: ProviderKey = (ProviderKind.ACTION_PROVIDER, "team-a", "copy")
SHARED: ProviderKey = (ProviderKind.CLUSTER_ACTION_PROVIDER, "", "shared")
USING = {
    "StartAt": "Copy",
    "States": {
        "Copy": {
            "Type": "Action",
            "ActionUrl": "taskaction://provider/copy",
            "Parameters": {"path": "/a"},
            "Next": "Each",
        },
        "Each": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemProcessor": {
                "StartAt": "Tell",
                "States": {
                    "Tell": {
                        "Type": "Action",
                        "ActionUrl": "taskaction://cluster-provider/shared",
                        "Parameters": {},
                        "End": True,
                    }
                },
            },
            "End": True,
        },
    },
}


class Schemas(UnknownInputs):
    """What providers take, as the test says."""

    def __init__(self) -> None:
        self.required: dict[str, str] = {}

    def provider_input(self, kind: ProviderKind, namespace: str, name: str) -> ActionInput:
        required = self.required.get(name)
        return ActionInput(compile_schema({"required": [required]}, "inputSchema") if required is not None else None)


@pytest.fixture
async def using() -> AsyncIterator[tuple[Desk, Schemas]]:
    schemas = Schemas()
    desk = Desk(inputs=schemas)
    desk.catalogue.on_notification("ADDED", desk.apply(USING))
    await desk.settle()
    assert desk.verdict == ("True", "Valid", 1)
    desk.cluster.calls.clear()
    yield desk, schemas
    await desk.background.finish(0)


@pytest.mark.parametrize("provider", [COPY, SHARED], ids=["of the namespace", "of the cluster"])
async def test_a_flow_is_judged_again_when_a_provider_that_it_names_has_changed(
    using: tuple[Desk, Schemas], provider: ProviderKey
) -> None:
    desk, schemas = using
    for required, expected in [("other", "False"), ("path", "True"), ("other", "False"), (None, "True")]:
        schemas.required = {} if required is None else {"copy": required}
        desk.catalogue.on_provider_changed(provider)
        await desk.settle()
        assert desk.verdict is not None
        assert (desk.verdict[0], desk.verdict[2]) == (expected, 1)
    assert desk.cluster.count("replace_status") == 4


async def test_a_change_that_changes_no_verdict_writes_nothing(using: tuple[Desk, Schemas]) -> None:
    desk, schemas = using
    schemas.required = {"copy": "path"}
    desk.catalogue.on_provider_changed(COPY)
    await desk.settle()
    assert desk.cluster.calls == [("get", "f")]


async def test_changes_that_come_together_are_one(using: tuple[Desk, Schemas]) -> None:
    desk, schemas = using
    for required in ["other", "path"] * 50:
        schemas.required = {"copy": required}
        desk.catalogue.on_provider_changed(COPY)
        desk.catalogue.on_provider_changed(SHARED)
        await desk.clock.advance(SETTLE_SECONDS / 200)
    await desk.settle()
    assert desk.cluster.calls == [("get", "f")]


async def test_a_provider_that_no_flow_names_costs_nothing(using: tuple[Desk, Schemas]) -> None:
    desk, _ = using
    desk.catalogue.on_provider_changed((ProviderKind.ACTION_PROVIDER, "team-b", "copy"))
    desk.catalogue.on_provider_changed((ProviderKind.CLUSTER_ACTION_PROVIDER, "", "copy"))
    await desk.settle()
    assert desk.cluster.calls == []


async def test_a_flow_waits_for_a_provider_that_is_being_looked_up(using: tuple[Desk, Schemas]) -> None:
    desk, schemas = using
    desk.sought.add(SHARED)
    schemas.required = {"copy": "other"}
    desk.catalogue.on_provider_changed(COPY)
    await desk.settle()
    assert desk.cluster.calls == []
    desk.sought.clear()
    desk.catalogue.on_provider_changed(SHARED)  # found, or found not to be there
    await desk.settle()
    assert desk.verdict == ("False", "InvalidDefinition", 1)


async def test_who_takes_a_shard_over_judges_by_what_has_changed_before(using: tuple[Desk, Schemas]) -> None:
    desk, schemas = using
    shard = shard_of(UID, SHARDS)
    desk.tenures.mine.discard(shard)
    schemas.required = {"copy": "other"}
    desk.catalogue.on_provider_changed(COPY)
    await desk.settle()
    assert desk.cluster.calls == []
    desk.tenures.mine.add(shard)
    desk.catalogue.on_shard_acquired(shard)
    await desk.settle()
    assert desk.verdict == ("False", "InvalidDefinition", 1)


async def test_who_starts_anew_judges_by_what_has_changed_while_nobody_was_there(using: tuple[Desk, Schemas]) -> None:
    before, schemas = using
    schemas.required = {"copy": "other"}
    desk = Desk(cluster=before.cluster, inputs=schemas)
    desk.catalogue.on_notification(None, desk.cluster.objects["actionflows", "team-a", "f"])
    await desk.settle()
    assert desk.verdict == ("False", "InvalidDefinition", 1)
    assert desk.cluster.count("replace_status") == 1


async def test_e09_a_sweep_forgets_a_flow_whose_deletion_was_missed(desk: Desk) -> None:
    desk.catalogue.on_notification("ADDED", desk.apply(GOOD))
    await desk.settle()
    await desk.catalogue.sweep()
    assert len(desk.catalogue._seen) == 1
    desk.cluster.drop(ACTION_FLOWS, "f", "team-a")
    await desk.catalogue.sweep()
    assert desk.catalogue._seen == {}
