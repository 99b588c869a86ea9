"""Finds the definition of a run and makes it ready to be run; many runs of one flow share what is made of it."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import orjson

from taskaction.api.action_flow import ActionFlow
from taskaction.api.action_flow_run import ActionFlowRun, FlowVersion
from taskaction.api.reasons import Reason
from taskaction.cluster.gateway import ACTION_FLOWS, Cluster
from taskaction.control.objects.objects import Persistently
from taskaction.core.names import digest
from taskaction.flows.errors import Problem
from taskaction.flows.program import FlowProgram, compiled
from taskaction.plugin.json_schema import compile_schema, nesting_problem

_KEPT = 256
_QUICK_BYTES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Defined:
    """What a run is to run."""

    program: FlowProgram
    version: FlowVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Undefined:
    """Why a run cannot begin; ``final`` when waiting cannot help."""

    reason: Reason
    message: str
    final: bool = True


class Definitions:
    """Keeps the programs that were used last."""

    def __init__(self, cluster: Cluster, persistently: Persistently) -> None:
        self._cluster = cluster
        self._persistently = persistently
        self._programs: OrderedDict[str, FlowProgram | tuple[Problem, ...]] = OrderedDict()

    async def first(self, run: ActionFlowRun) -> Defined | Undefined:
        """Give what a run begins with: its flow as it is now."""
        too_deep = nesting_problem(run.spec.input or {}, "spec.input")
        if too_deep is not None:
            return Undefined(reason=Reason.INVALID_INPUT, message=too_deep)
        if run.spec.definition is not None:
            return await self._defined(run.spec.definition, FlowVersion(hash=_hash(run.spec.definition)))
        flow = await self._flow(run)
        if flow is None:
            name = run.spec.flow_ref.name if run.spec.flow_ref is not None else ""
            return Undefined(
                reason=Reason.FLOW_NOT_FOUND, message=f"spec.flowRef: there is no ActionFlow {name!r}", final=False
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
        return await self._defined(definition, version)

    async def again(self, run: ActionFlowRun, version: FlowVersion | None) -> Defined | Undefined:
        """Give what a run that has begun goes on with."""
        if version is None or (definition := run.spec.definition or version.definition) is None:
            return Undefined(reason=Reason.SYSTEM_ERROR, message="status.flow has no definition: it was edited")
        return await self._defined(definition, version)

    async def _flow(self, run: ActionFlowRun) -> ActionFlow | None:
        ref, namespace = run.spec.flow_ref, run.metadata.namespace
        if ref is None:
            return None
        body = await self._persistently(lambda: self._cluster.get(ACTION_FLOWS, ref.name, namespace))
        return ActionFlow.from_body(body) if body is not None else None

    async def _defined(self, definition: dict[str, Any], version: FlowVersion) -> Defined | Undefined:
        found = self._programs.get(version.hash)
        if found is None:
            too_deep = nesting_problem(definition, "$")
            if too_deep is not None:
                found = (Problem(*too_deep.split(": ", 1)),)
            elif len(orjson.dumps(definition)) < _QUICK_BYTES:
                found = compiled(definition)
            else:
                found = await asyncio.to_thread(compiled, definition)
            self._programs[version.hash] = found
            while len(self._programs) > _KEPT:
                self._programs.popitem(last=False)
        else:
            self._programs.move_to_end(version.hash)
        if isinstance(found, FlowProgram):
            return Defined(program=found, version=version)
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        return Undefined(reason=Reason.INVALID_DEFINITION, message=f"{found[0]}{more}")


def _input_problem(flow: ActionFlow, run: ActionFlowRun) -> Undefined | None:
    try:
        checker = compile_schema(flow.spec.input_schema, "spec.inputSchema")
    except ValueError as error:
        return Undefined(reason=Reason.INVALID_SCHEMA, message=f"ActionFlow {flow.metadata.name!r}: {error}")
    problem = checker.problem(run.spec.input or {}) if checker is not None else None
    if problem is None:
        return None
    return Undefined(reason=Reason.INVALID_INPUT, message=f"spec.input: {problem} (by the flow's inputSchema)")


def _hash(definition: dict[str, Any]) -> str:
    try:
        return digest(orjson.dumps(definition, option=orjson.OPT_SORT_KEYS))
    except TypeError:
        return digest(b"")  # nested too deeply to be written, and refused for that
