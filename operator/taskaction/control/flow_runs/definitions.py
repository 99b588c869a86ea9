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
from taskaction.control.objects.objects import RetryingCall
from taskaction.core.names import digest
from taskaction.flows.errors import Problem
from taskaction.flows.program import FlowProgram, compile_definition
from taskaction.plugin.json_schema import compile_schema, nesting_problem

_KEPT = 256
_QUICK_BYTES = 20_000


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

    def __init__(self, cluster: Cluster, persistently: RetryingCall) -> None:
        self._cluster = cluster
        self._persistently = persistently
        self._programs: OrderedDict[str, FlowProgram | tuple[Problem, ...]] = OrderedDict()

    async def load_current(self, run: ActionFlowRun) -> RunnableDefinition | DefinitionProblem:
        """Return the definition with which a run starts: its flow in the current version."""
        too_deep = nesting_problem(run.spec.input or {}, "spec.input")
        if too_deep is not None:
            return DefinitionProblem(reason=Reason.INVALID_INPUT, message=too_deep)
        if run.spec.definition is not None:
            return await self._compile(run.spec.definition, FlowVersion(hash=_hash(run.spec.definition)))
        flow = await self._read_flow(run)
        if flow is None:
            name = run.spec.flow_ref.name if run.spec.flow_ref is not None else ""
            return DefinitionProblem(
                reason=Reason.FLOW_NOT_FOUND, message=f"spec.flowRef: ActionFlow {name!r} not found", final=False
            )
        problem = _input_problem(flow, run)
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
        return await self._compile(definition, version)

    async def load_recorded(
        self, run: ActionFlowRun, version: FlowVersion | None
    ) -> RunnableDefinition | DefinitionProblem:
        """Return the definition with which a started run continues."""
        if version is None or (definition := run.spec.definition or version.definition) is None:
            return DefinitionProblem(
                reason=Reason.SYSTEM_ERROR,
                message="status.flow: the definition is missing, because the status was edited",
            )
        return await self._compile(definition, version)

    async def _read_flow(self, run: ActionFlowRun) -> ActionFlow | None:
        ref, namespace = run.spec.flow_ref, run.metadata.namespace
        if ref is None:
            return None
        body = await self._persistently(lambda: self._cluster.get(ACTION_FLOWS, ref.name, namespace))
        return ActionFlow.from_body(body) if body is not None else None

    async def _compile(
        self, definition: dict[str, Any], version: FlowVersion
    ) -> RunnableDefinition | DefinitionProblem:
        found = self._programs.get(version.hash)
        if found is None:
            too_deep = nesting_problem(definition, "$")
            if too_deep is not None:
                found = (Problem(*too_deep.split(": ", 1)),)
            elif len(orjson.dumps(definition)) < _QUICK_BYTES:
                found = compile_definition(definition)
            else:
                found = await asyncio.to_thread(compile_definition, definition)
            self._programs[version.hash] = found
            while len(self._programs) > _KEPT:
                self._programs.popitem(last=False)
        else:
            self._programs.move_to_end(version.hash)
        if isinstance(found, FlowProgram):
            return RunnableDefinition(program=found, version=version)
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return DefinitionProblem(reason=Reason.INVALID_DEFINITION, message=f"{found[0]}{more}")


def _input_problem(flow: ActionFlow, run: ActionFlowRun) -> DefinitionProblem | None:
    try:
        checker = compile_schema(flow.spec.input_schema, "spec.inputSchema")
    except ValueError as error:
        return DefinitionProblem(reason=Reason.INVALID_SCHEMA, message=f"ActionFlow {flow.metadata.name!r}: {error}")
    problem = checker.problem(run.spec.input or {}) if checker is not None else None
    if problem is None:
        return None
    return DefinitionProblem(reason=Reason.INVALID_INPUT, message=f"spec.input: {problem} (inputSchema of the flow)")


def _hash(definition: dict[str, Any]) -> str:
    try:
        return digest(orjson.dumps(definition, option=orjson.OPT_SORT_KEYS))
    except TypeError:
        return digest(b"")  # nested too deeply for JSON, and refused for that
