"""What the flow engine itself can do: states that need nothing from outside, and the validation of a large flow."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from statistics import median
from typing import Any

from benchmarks.figures.group import Group
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import Stage
from taskaction.flows.machine import start, step
from taskaction.flows.program import FlowProgram, compile_definition
from taskaction.flows.validation import validate_definition

ROUNDS = 5
LOOPS = 5_000
STATES = 1_000
RATE = Figure("flow_states_per_s", "states/s", Target(20_000, at_least=True))
VALIDATION = Figure("flow_validate_ms", "ms", Target(200))
COUNTING = {
    "StartAt": "Count",
    "States": {
        "Count": {"Type": "ExpressionEval", "Parameters": {"n.=": "i.n + 1"}, "ResultPath": "$.i", "Next": "Note"},
        "Note": {"Type": "Pass", "Parameters": {"last.$": "$.i.n"}, "ResultPath": "$.note", "Next": "Enough?"},
        "Enough?": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.i.n", "NumericGreaterThanEquals": LOOPS, "Next": "Done"}],
            "Default": "Count",
        },
        "Done": {"Type": "Pass", "End": True},
    },
}
"""A third each: an expression, parameters with a path, and a choice."""


def measure(stage: Stage) -> Iterator[Row]:
    """Take the middle of several rounds."""
    rates = [rate() for _ in range(ROUNDS)]
    stage.say(f"states/s of {3 * LOOPS} states: {', '.join(f'{one:.0f}' for one in rates)}")
    yield RATE.measured(median(rates))
    times = [validation(number) for number in range(ROUNDS)]
    stage.say(f"ms for {STATES} states: {', '.join(f'{one:.0f}' for one in times)}")
    yield VALIDATION.measured(median(times))


def rate() -> float:
    """Give the states per second of one run, which is woken whenever it has used up its step."""
    program = compile_definition(COUNTING)
    if not isinstance(program, FlowProgram):
        raise TypeError(program)
    now = datetime.now(UTC)
    begun = time.perf_counter()
    decision = start(program, "run", {"i": {"n": 0}}, {}, now)
    while decision.outcome is None:
        decision = step(program, decision.state, (), decision.wake_at or now)
    seconds = time.perf_counter() - begun
    if decision.outcome.failure is not None:
        raise RuntimeError(decision.outcome.failure)
    return (3 * LOOPS + 1) / seconds


def large(seed: int) -> dict[str, Any]:
    """Give a flow of actions with expressions of their own, none of which was read before."""
    states: dict[str, Any] = {}
    for number in range(STATES):
        states[f"S{number}"] = {
            "Type": "Action",
            "ActionUrl": "https://target/ap",
            "Parameters": {
                "a.=": f"x{seed}.n{number} + {number}",
                "b.$": f"$.y{seed}.n{number}",
                "c": [{"d.$": "$.z"}],
            },
            "ResultPath": f"$.results.n{number}",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "End", "ResultPath": "$.error"}],
            "Next": f"S{number + 1}" if number + 1 < STATES else "End",
        }
    states["End"] = {"Type": "Pass", "End": True}
    return {"StartAt": "S0", "States": states}


def validation(seed: int) -> float:
    """Give the milliseconds that a large flow takes to be validated."""
    document = large(seed)
    begun = time.perf_counter()
    problems = validate_definition(document, strict=True)
    seconds = time.perf_counter() - begun
    if problems:
        raise RuntimeError(problems[0])
    return seconds * 1000


GROUP = Group("flows", (RATE, VALIDATION), measure)
