"""Whatever users write as a schema, value or definition, its evaluation ends within its budget, outside the loop."""

import asyncio
import os
import time
from contextlib import suppress
from typing import Any

import pytest

from taskaction.api.reasons import Reason
from taskaction.plugin.errors import failure_of
from taskaction.plugin.evaluation import BudgetExceededError, Evaluator
from taskaction.plugin.json_schema import SchemaChecker

LOOP_MS = 50


def doubling(levels: int) -> dict[str, Any]:
    """Return a schema that evaluates one value 2**levels times."""
    twice = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": twice | {f"d{levels}": {"type": "object"}}, "$ref": "#/$defs/d0"}


HOSTILE = {
    "doubles by $ref": (doubling(19), {}),
    "doubles in each level of the value": (
        {"$defs": {"n": {"allOf": [{"properties": {"a": {"$ref": "#/$defs/n"}}}] * 2}}, "$ref": "#/$defs/n"},
        eval("{'a':" * 30 + "1" + "}" * 30),
    ),
    "unevaluated properties in each other": (
        {"$defs": {"n": {"unevaluatedProperties": {"$ref": "#/$defs/n"}}}, "$ref": "#/$defs/n"},
        eval("{'a':" * 30 + "1" + "}" * 30),
    ),
    "a pattern with a large automaton": ({"pattern": "(?:a?b?){500}c$"}, "ab" * 250_000),
    "a long list of alternatives": (
        {"items": {"enum": [[n] * 20 for n in range(800)]}},
        [[n] * 20 for n in range(9_000)],
    ),
}


@pytest.mark.parametrize(("schema", "value"), HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_schema_neither_blocks_the_loop_nor_outlasts_its_budget(schema: Any, value: Any) -> None:
    evaluator = Evaluator(cpu_seconds=1.0)
    before = time.thread_time()
    try:
        checker = await evaluator.compile_schema("team-a", schema, "spec.inputSchema")
        assert checker is not None
        await evaluator.find_problem("team-a", checker, value, "spec.parameters")
    except BudgetExceededError as error:
        assert str(error).startswith("spec.")  # noqa: PT017 - both ends are good ones
    assert (time.thread_time() - before) * 1000 < LOOP_MS * 3  # several callbacks


async def test_what_exceeds_its_budget_fails_with_its_own_reason_and_is_not_retried() -> None:
    with pytest.raises(
        BudgetExceededError, match=r"^spec.parameters: evaluation exceeds its budget of 0.1 s"
    ) as caught:
        await Evaluator(cpu_seconds=0.1).find_problem("team-a", SchemaChecker(doubling(25)), {}, "spec.parameters")
    failure = failure_of(caught.value)
    assert (failure.code, failure.retry_class) == (Reason.BUDGET_EXCEEDED, None)


USED = [
    ({"uniqueItems": True}, [{"number": n, "name": str(n)} for n in range(6_000)], None),
    ({"uniqueItems": True}, [{"a": 1}, {"a": 1.0}], "item 1 is not unique"),
    ({"uniqueItems": True}, [1, True, "1", [1], None], None),
    ({"items": {"type": "integer"}}, [*range(50_000), "x"], "50000: is not of type 'integer'"),
]


@pytest.mark.parametrize(("schema", "value", "problem"), USED, ids=["objects", "equal", "alike", "many"])
async def test_ordinary_schemas_of_large_values_are_within_the_budget(schema: Any, value: Any, problem: Any) -> None:
    assert await Evaluator().find_problem("team-a", SchemaChecker(schema), value, "spec.parameters") == problem


async def test_small_schemas_are_evaluated_without_a_worker_process() -> None:
    checker = SchemaChecker({"type": "object", "properties": {"a": {"type": "string", "pattern": "^x"}}})
    unusable: Any = None
    evaluator = Evaluator()
    evaluator.run = unusable  # type: ignore[method-assign]
    assert await evaluator.find_problem("team-a", checker, {"a": "y"}, "p") == "a: does not match '^x'"


def wait_for(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def allocate(size: int) -> int:
    return len(bytearray(size))


def die() -> None:
    os._exit(1)


def count_forever() -> None:
    while True:
        with suppress(Exception):  # as a library may
            sum(range(1000))


@pytest.mark.parametrize(
    ("function", "arguments"),
    [(count_forever, ()), (allocate, (1 << 30,)), (die, ()), (wait_for, (60,))],
    ids=["time", "memory", "death", "time that is no CPU time"],
)
async def test_no_function_outlasts_its_budget_and_the_next_one_is_served(function: Any, arguments: Any) -> None:
    evaluator = Evaluator(cpu_seconds=1.0, wall_seconds=10)
    with pytest.raises(BudgetExceededError, match=r"^it: "):
        await evaluator.run("team-a", "it", function, *arguments)
    assert await evaluator.run("team-a", "it", wait_for, 0) != os.getpid()


async def test_a_namespace_with_many_evaluations_delays_others_by_one() -> None:
    evaluator, order = Evaluator(), []
    await asyncio.gather(*(evaluator.run(namespace, "it", wait_for, 1) for namespace in "ab"))  # both workers run

    async def evaluate(namespace: str) -> None:
        await evaluator.run(namespace, "it", wait_for, 0.01)
        order.append(namespace)

    await asyncio.gather(*(evaluate("noisy") for _ in range(10)), evaluate("quiet"))
    assert order.index("quiet") <= 2
