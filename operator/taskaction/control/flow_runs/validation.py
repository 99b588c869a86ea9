"""What is wrong with an ActionFlow, and the status that says so; pure, and slow enough to be kept off the main loop."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskaction.api.action_flow import PROBLEMS_KEPT, ActionFlow, ActionFlowStatus, FlowProblem
from taskaction.api.enums import ConditionStatus
from taskaction.api.metadata import Condition
from taskaction.api.reasons import ConditionType, Reason
from taskaction.control.flow_runs.inputs import Inputs, NoInputs, input_problems
from taskaction.core.constants import MESSAGE_LIMIT_CHARS
from taskaction.core.names import truncated
from taskaction.flows.errors import Problem
from taskaction.flows.validation import validated
from taskaction.plugin.json_schema import compile_schema, nesting_problem

NOTHING_KNOWN = NoInputs()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a flow can be run, and everything that stands against it."""

    reason: Reason
    problems: tuple[Problem, ...] = ()

    @property
    def message(self) -> str:
        """The first problem, and how many more there are."""
        if not self.problems:
            return ""
        more = f" (and {len(self.problems) - 1} more: see status.problems)" if len(self.problems) > 1 else ""
        return truncated(str(self.problems[0]), MESSAGE_LIMIT_CHARS - len(more)) + more


def judged(flow: ActionFlow, inputs: Inputs = NOTHING_KNOWN) -> Verdict:
    """Judge a flow by its definition, by what its actions take, and by its input schema."""
    spec = flow.spec
    return verdict(
        spec.definition, spec.input_schema, namespace=flow.metadata.namespace, strict=bool(spec.strict), inputs=inputs
    )


def verdict(
    definition: Any, input_schema: Mapping[str, Any] | None, *, namespace: str, strict: bool, inputs: Inputs
) -> Verdict:
    """Judge a definition and its input schema, wherever they are kept."""
    too_deep = nesting_problem(definition, "")
    if too_deep is not None:
        return Verdict(Reason.INVALID_DEFINITION, (Problem("$", too_deep.removeprefix(": ")),))
    problems = validated(definition, strict=strict) or tuple(input_problems(definition, namespace, inputs))
    if problems:
        return Verdict(Reason.INVALID_DEFINITION, problems)
    try:
        compile_schema(input_schema, "spec.inputSchema")
    except ValueError as error:
        path, _, message = str(error).partition(": ")
        return Verdict(Reason.INVALID_SCHEMA, (Problem(path, message),))
    return Verdict(Reason.VALID)


def flow_status(flow: ActionFlow, verdict: Verdict, now: datetime) -> ActionFlowStatus:
    """Give the status that says what was found; ``Valid`` keeps its time where it stays what it was."""
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
            path=truncated(problem.path, MESSAGE_LIMIT_CHARS), message=truncated(problem.message, MESSAGE_LIMIT_CHARS)
        )
        for problem in verdict.problems[:PROBLEMS_KEPT]
    )
    return ActionFlowStatus(conditions=(valid,), observed_generation=generation, problems=shown or None)
