"""Validation of ActionFlows, and the status that reports it; pure, and often too slow for the event loop."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from taskaction.api.action_flow import PROBLEMS_KEPT, ActionFlow, ActionFlowStatus, FlowProblem
from taskaction.api.enums import ConditionStatus
from taskaction.api.metadata import Condition
from taskaction.api.reasons import ConditionType, Reason
from taskaction.control.flow_runs.inputs import InputRegistry, KnownInputs, UnknownInputs, find_input_problems
from taskaction.core.constants import MESSAGE_LIMIT_CHARS
from taskaction.core.names import truncate
from taskaction.flows.errors import Problem
from taskaction.flows.validation import validate_definition
from taskaction.plugin.json_schema import compile_schema, is_cheap_schema, nesting_problem

NOTHING_KNOWN = UnknownInputs()
_CHEAP_BYTES = 4_000
"""Maximum size of a definition that the event loop validates itself, about 5 ms."""


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """Result of a validation: whether a flow can be run, and all problems."""

    reason: Reason
    problems: tuple[Problem, ...] = ()

    @property
    def message(self) -> str:
        """The first problem, and the number of others."""
        if not self.problems:
            return ""
        more = f" (and {len(self.problems) - 1} more: see status.problems)" if len(self.problems) > 1 else ""
        return truncate(str(self.problems[0]), MESSAGE_LIMIT_CHARS - len(more)) + more


def is_cheap_flow(flow: ActionFlow, inputs: KnownInputs) -> bool:
    """Whether the event loop may validate a flow."""
    spec = flow.spec
    try:
        small = len(orjson.dumps(spec.definition)) <= _CHEAP_BYTES
        simple = spec.input_schema is None or is_cheap_schema(spec.input_schema, "")
    except (TypeError, ValueError):
        return True  # refused without a look at its contents
    return small and simple and inputs.are_cheap_for(spec.definition)


def validate_flow(flow: ActionFlow, inputs: InputRegistry = NOTHING_KNOWN) -> ValidationResult:
    """Validate a flow: its definition, the input of its actions, and its input schema."""
    spec = flow.spec
    return validate_definition_and_schema(
        spec.definition, spec.input_schema, namespace=flow.metadata.namespace, strict=bool(spec.strict), inputs=inputs
    )


def validate_definition_and_schema(
    definition: Any, input_schema: Mapping[str, Any] | None, *, namespace: str, strict: bool, inputs: InputRegistry
) -> ValidationResult:
    """Validate a definition and its input schema."""
    too_deep = nesting_problem(definition, "")
    if too_deep is not None:
        return ValidationResult(Reason.INVALID_DEFINITION, (Problem("$", too_deep.removeprefix(": ")),))
    problems = validate_definition(definition, strict=strict, input_schema=input_schema) or tuple(
        find_input_problems(definition, namespace, inputs)
    )
    if problems:
        return ValidationResult(Reason.INVALID_DEFINITION, problems)
    try:
        compile_schema(input_schema, "spec.inputSchema")
    except ValueError as error:
        path, _, message = str(error).partition(": ")
        return ValidationResult(Reason.INVALID_SCHEMA, (Problem(path, message),))
    return ValidationResult(Reason.VALID)


def flow_status(flow: ActionFlow, verdict: ValidationResult, now: datetime) -> ActionFlowStatus:
    """Return the status that reports the result; ``Valid`` keeps its transition time if its value stays."""
    known = next((one for one in flow.status.conditions if one.type == ConditionType.VALID), None)
    state = ConditionStatus.FALSE if verdict.problems else ConditionStatus.TRUE
    generation = flow.metadata.generation
    valid = Condition(
        type=ConditionType.VALID,
        status=state,
        reason=verdict.reason,
        message=verdict.message,
        last_transition_time=known.last_transition_time if known is not None and known.status is state else now,
        observed_generation=generation,
    )
    shown = tuple(
        FlowProblem(
            path=truncate(problem.path, MESSAGE_LIMIT_CHARS), message=truncate(problem.message, MESSAGE_LIMIT_CHARS)
        )
        for problem in verdict.problems[:PROBLEMS_KEPT]
    )
    return ActionFlowStatus(conditions=(valid,), observed_generation=generation, problems=shown or None)
