"""An action with large parameters takes no memory for them while it waits, and is called with all of them."""

from typing import Any

import pytest

from support.memory_operator import MemoryOperator, actions
from support.records import body
from taskaction.api.parameters import MAX_BYTES, size_problem
from taskaction.api.reasons import Reason
from taskaction.cluster.gateway import ACTION_PROVIDERS, Body
from taskaction.control.objects.records import ActionRecord
from taskaction.control.task_actions.validation import KEPT_BYTES
from taskaction.testing.clock import START

LARGE = {"blob": "x" * (KEPT_BYTES * 4)}


def record_of(operator: MemoryOperator, name: str) -> ActionRecord:
    return next(record for record in operator.control.table if record.name == name)


async def test_large_parameters_are_dropped_while_an_action_waits_and_read_for_its_call() -> None:
    async with MemoryOperator() as operator:
        output = {"output": LARGE}
        await operator.create(*actions(["large", "small"], "noop", output, suspend=True))
        assert not record_of(operator, "large").has_parameters
        assert record_of(operator, "large").action.spec.parameters == {}
        await operator.change("large", suspend=False)
        await operator.until(lambda: operator.phase("large") == "Succeeded")
        assert operator.action("large").status.output == LARGE


async def test_small_parameters_stay() -> None:
    async with MemoryOperator() as operator:
        await operator.create(*actions(["small"], "noop", {"output": {"a": 1}}, suspend=True))
        assert record_of(operator, "small").has_parameters


def provider(generation: int, **spec: Any) -> Body:
    metadata = {
        "name": "shops",
        "namespace": "team-a",
        "uid": "uid-of-shops",
        "generation": generation,
        "creationTimestamp": START.isoformat(),
    }
    return {"metadata": metadata, "spec": {"executor": "noop", **spec}}


async def test_what_dropped_parameters_mean_follows_a_change_of_the_provider() -> None:
    parameters = LARGE | {"shop": {"name": "a", "town": "b"}}
    using = body("large", parameters=parameters, suspend=True, providerRef={"name": "shops"})
    del using["spec"]["executor"]
    async with MemoryOperator() as operator:
        await operator.create(using)  # before its provider
        for generation, (part, schema) in enumerate([("name", {}), ("town", {}), ("town", {"maxProperties": 1})], 1):
            spec = {"partitionKeyPath": f"shop.{part}", "inputSchema": schema}
            operator.cluster.store(ACTION_PROVIDERS, provider(generation, **spec))
            await operator.settle()
            record = next(iter(operator.control.table), None)
            if generation < 3:
                assert record is not None
                assert not record.has_parameters
                assert record.action.spec.partition_key == parameters["shop"][part]
        assert operator.action("large").status.reason == Reason.INVALID_PARAMETERS


async def test_parameters_beyond_the_limit_fail_with_their_own_reason() -> None:
    async with MemoryOperator() as operator:
        await operator.create(*actions(["huge"], "noop", {"output": {"blob": "x" * MAX_BYTES}}))
        status = operator.action("huge").status
        assert (status.phase, status.reason) == ("Failed", Reason.PARAMETERS_TOO_LARGE)
        assert (status.message or "").startswith("spec.parameters: 262")


@pytest.mark.parametrize("value", [{}, {"a": "x" * (MAX_BYTES - 20)}])
def test_parameters_of_the_largest_size_are_allowed(value: Any) -> None:
    assert size_problem(value) is None
