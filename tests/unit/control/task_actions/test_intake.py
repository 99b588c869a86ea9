"""What the intake does for many actions at once: each on its own, and no more reads than changes need."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from support.memory_operator import MemoryOperator, actions
from support.records import body
from taskaction.api.enums import ProviderKind
from taskaction.cluster.gateway import ACTION_PROVIDERS, TASK_ACTIONS
from taskaction.control.task_actions.validation import KEPT_BYTES
from taskaction.core.constants import FINALIZER
from taskaction.executors.basic import NoopExecutor
from taskaction.lifecycle.traits import Traits
from taskaction.testing.clock import START

OFFER = (ProviderKind.ACTION_PROVIDER, "team-a", "offer")


class Moody(NoopExecutor):
    """A plug-in that raises for some parameters."""

    ACTION_NAME = "moody"

    def traits(self, parameters: Mapping[str, Any], config: Mapping[str, Any]) -> Traits:
        if parameters.get("output") == "bad":
            raise RuntimeError("the plug-in does not like it")
        return super().traits(parameters, config)


def offer(generation: int) -> dict[str, Any]:
    metadata = {"name": "offer", "namespace": "team-a", "uid": "uid-of-offer", "generation": generation}
    spec = {"executor": "moody", "description": f"version {generation}"}
    return {"metadata": metadata | {"creationTimestamp": START.isoformat()}, "spec": spec}


async def test_an_action_about_which_a_plug_in_raises_holds_up_no_other() -> None:
    async with MemoryOperator(Moody) as operator:
        using = [
            body(name, executor=None, providerRef={"name": "offer"}, parameters={"output": name}, suspend=True)
            for name in ("bad", "good")
        ]
        await operator.create(*using)
        operator.cluster.store(ACTION_PROVIDERS, offer(1))
        await operator.settle()
        operator.control.actions.intake.on_provider_changed(OFFER)
        for shard in range(operator.control.base.tenures.shards):
            operator.control.actions.intake.on_shard_acquired(shard)
        await operator.change("good", suspend=False)
        await operator.until(lambda: operator.phase("good") == "Succeeded")


async def test_changes_that_come_together_read_an_action_once() -> None:
    async with MemoryOperator() as operator:
        large = {"output": {"blob": "x" * (KEPT_BYTES * 4)}}
        await operator.create(*actions(["large"], "noop", large, suspend=True))
        (record,) = operator.control.table
        before = operator.cluster.count("get")
        for _ in range(100):
            operator.control.actions.intake.on_missing(record)
        await operator.settle()
        assert operator.cluster.count("get") == before + 1
        operator.control.actions.intake.on_missing(record)
        await operator.settle()
        assert operator.cluster.count("get") == before + 2


async def test_an_action_that_its_former_owner_finished_is_freed() -> None:
    async with MemoryOperator() as operator:
        await operator.create(*actions(["one"], "noop", suspend=True))
        (record,) = operator.control.table
        stored = operator.cluster.objects["taskactions", "team-a", "one"]
        ended = {
            **stored["status"],
            "phase": "Succeeded",
            "claim": {"holder": "former", "epoch": 1, "at": START.isoformat()},
        }
        metadata = stored["metadata"] | {"finalizers": [FINALIZER]}
        operator.cluster.store(TASK_ACTIONS, {**stored, "metadata": metadata, "status": ended})
        operator.control.actions.intake.on_missing(record)
        await operator.settle()
        assert not list(operator.control.table)
        assert not operator.cluster.objects["taskactions", "team-a", "one"]["metadata"].get("finalizers")


async def test_a_read_that_is_older_than_an_own_write_changes_nothing() -> None:
    async with MemoryOperator() as operator:
        await operator.create(*actions(["one"], "approval", {"prompt": "?"}))
        await operator.until(lambda: operator.phase("one") == "Paused")
        (record,) = operator.control.table
        known = record.status
        before = deepcopy(operator.cluster.objects["taskactions", "team-a", "one"])
        before["metadata"]["resourceVersion"], before["status"] = "1", {"phase": "Queued"}
        operator.control.actions.intake._on_examined(record, before)
        assert record.status is known
        await operator.settle()
        assert operator.phase("one") == "Paused"
