"""Definitions of runs: reads and compiles them; runs of one flow share the compiled program."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import orjson

from taskaction.api.action_flow import ActionFlow
from taskaction.api.action_flow_run import ActionFlowRun, FlowVersion
from taskaction.api.reasons import Reason
from taskaction.cluster.gateway import ACTION_FLOWS, Cluster
from taskaction.control.flow_runs.vault import wrap_private
from taskaction.control.objects.objects import RetryingCall
from taskaction.core.names import digest
from taskaction.flows.errors import Problem
from taskaction.flows.program import FlowProgram, compile_definition, find_problems
from taskaction.plugin.evaluation import BudgetExceededError, Evaluator
from taskaction.plugin.json_schema import nesting_problem

_KEPT_BYTES = 4 * 1024 * 1024
"""Maximum size of the definitions whose programs are kept; a program takes about ten times as much memory."""

_QUICK_BYTES = 10_000
"""Maximum size of a definition that the event loop compiles itself, in at most 40 ms."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnableDefinition:
    """Compiled definition of a run."""

    program: FlowProgram
    version: FlowVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionProblem:
    """Reason why a run cannot start; ``final`` if waiting does not help."""

    reason: Reason
    message: str
    final: bool = True


class DefinitionLoader:
    """Cache of the most recently used programs."""

    def __init__(self, cluster: Cluster, persistently: RetryingCall, evaluator: Evaluator) -> None:
        self._cluster = cluster
        self._persistently = persistently
        self._evaluator = evaluator
        self._programs: OrderedDict[str, _KeptProgram] = OrderedDict()

    async def load_current(self, run: ActionFlowRun) -> RunnableDefinition | DefinitionProblem:
        """Return the definition with which a run starts: its flow in the current version."""
        too_deep = nesting_problem(run.spec.input or {}, "spec.input")
        if too_deep is not None:
            return DefinitionProblem(reason=Reason.INVALID_INPUT, message=too_deep)
        if run.spec.definition is not None:
            return await self._compile(
                run.spec.definition, FlowVersion(hash=_hash(run.spec.definition)), run.metadata.namespace
            )
        flow = await self._read_flow(run)
        if flow is None:
            name = run.spec.flow_ref.name if run.spec.flow_ref is not None else ""
            return DefinitionProblem(
                reason=Reason.FLOW_NOT_FOUND, message=f"spec.flowRef: ActionFlow {name!r} not found", final=False
            )
        problem = await self._input_problem(flow, run)
        if problem is not None:
            return problem
        definition = flow.spec.definition
        version = FlowVersion(
            name=flow.metadata.name,
            uid=flow.metadata.uid,
            generation=flow.metadata.generation,
            hash=_hash(definition),
            definition=definition,
        )
        return await self._compile(definition, version, run.metadata.namespace)

    async def load_recorded(
        self, run: ActionFlowRun, version: FlowVersion | None
    ) -> RunnableDefinition | DefinitionProblem:
        """Return the definition with which a started run continues."""
        if version is None or (definition := run.spec.definition or version.definition) is None:
            return DefinitionProblem(
                reason=Reason.SYSTEM_ERROR,
                message="status.flow: the definition is missing, because the status was edited",
            )
        return await self._compile(definition, version, run.metadata.namespace)

    async def _input_problem(self, flow: ActionFlow, run: ActionFlowRun) -> DefinitionProblem | None:
        namespace = run.metadata.namespace
        try:
            checker = await self._evaluator.compile_schema(namespace, flow.spec.input_schema, "spec.inputSchema")
            if checker is None:
                return None
            problem = await self._evaluator.find_problem(
                namespace, checker, wrap_private(run.spec.input or {}), "spec.input"
            )
        except ValueError as error:
            message = f"ActionFlow {flow.metadata.name!r}: {error}"
            return DefinitionProblem(reason=Reason.INVALID_SCHEMA, message=message)
        except BudgetExceededError as error:
            message = f"ActionFlow {flow.metadata.name!r}: {error}"
            return DefinitionProblem(reason=Reason.BUDGET_EXCEEDED, message=message)
        if problem is None:
            return None
        return DefinitionProblem(
            reason=Reason.INVALID_INPUT, message=f"spec.input: {problem} (inputSchema of the flow)"
        )

    async def _read_flow(self, run: ActionFlowRun) -> ActionFlow | None:
        ref, namespace = run.spec.flow_ref, run.metadata.namespace
        if ref is None:
            return None
        body = await self._persistently(lambda: self._cluster.get(ACTION_FLOWS, ref.name, namespace))
        return ActionFlow.from_body(body) if body is not None else None

    async def _compile(
        self, definition: dict[str, Any], version: FlowVersion, namespace: str
    ) -> RunnableDefinition | DefinitionProblem:
        kept = self._programs.get(version.hash)
        if kept is None:
            try:
                kept = await self._compile_new(definition, namespace)
            except BudgetExceededError as error:
                return DefinitionProblem(reason=Reason.BUDGET_EXCEEDED, message=str(error))
            self._programs[version.hash] = kept
            while len(self._programs) > 1 and sum(one.size for one in self._programs.values()) > _KEPT_BYTES:
                self._programs.popitem(last=False)
        else:
            self._programs.move_to_end(version.hash)
        found = kept.found
        if isinstance(found, FlowProgram):
            return RunnableDefinition(program=found, version=version)
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return DefinitionProblem(reason=Reason.INVALID_DEFINITION, message=f"{found[0]}{more}")

    async def _compile_new(self, definition: dict[str, Any], namespace: str) -> "_KeptProgram":
        """Compile a definition; a large one is first compiled in a worker process, which the budget can stop."""
        too_deep = nesting_problem(definition, "$")
        if too_deep is not None:
            return _KeptProgram((Problem(*too_deep.split(": ", 1)),), 0)
        size = len(orjson.dumps(definition))
        if size < _QUICK_BYTES:
            return _KeptProgram(compile_definition(definition), size)
        problems = await self._evaluator.run(namespace, "definition", find_problems, definition)
        if problems:
            return _KeptProgram(problems, size)
        return _KeptProgram(await asyncio.to_thread(compile_definition, definition), size)


@dataclass(frozen=True, slots=True)
class _KeptProgram:
    """Compiled program or the problems of a definition, and the size of the definition in bytes."""

    found: FlowProgram | tuple[Problem, ...]
    size: int


def _hash(definition: dict[str, Any]) -> str:
    try:
        return digest(orjson.dumps(definition, option=orjson.OPT_SORT_KEYS))
    except TypeError:
        return digest(b"")  # nested too deeply for JSON, and refused for that
