"""Runs of flows in a whole operator in memory: manifests, and what has become of them."""

from collections.abc import Mapping
from typing import Any

from support.memory_operator import MemoryOperator
from support.records import NAMESPACE
from taskaction.api.action_flow_run import ActionFlowRun
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, ACTION_FLOWS, Body
from taskaction.core.constants import API_VERSION, VISIT_ANNOTATION
from taskaction.testing.clock import START

NOOP = "taskaction://executor/noop"


def action(following: str | None = None, url: str = NOOP, parameters: Any = None, **more: Any) -> dict[str, Any]:
    """Give an Action state; without a state that follows it ends the flow."""
    way = {"End": True} if following is None else {"Next": following}
    return {"Type": "Action", "ActionUrl": url, "Parameters": parameters or {}, "ResultPath": "$.done", **way, **more}


def definition(states: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Give a definition that begins with its first state."""
    return {"StartAt": next(iter(states)), "States": dict(states), **more}


def _metadata(name: str) -> Body:
    return {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-of-{name}",
        "creationTimestamp": START.isoformat(),
        "generation": 1,
    }


def run_body(name: str, states: Mapping[str, Any] | None = None, **spec: Any) -> Body:
    """Give a run as the API server stores it, of its own definition unless ``spec`` names a flow."""
    own = {"definition": definition(states)} if states is not None else {}
    return {
        "apiVersion": API_VERSION,
        "kind": ACTION_FLOW_RUNS.kind,
        "metadata": _metadata(name),
        "spec": own | spec,
        "status": {"phase": "Queued"},
    }


def flow_body(name: str, states: Mapping[str, Any], **spec: Any) -> Body:
    """Give a flow as the API server stores it."""
    return {
        "apiVersion": API_VERSION,
        "kind": ACTION_FLOWS.kind,
        "metadata": _metadata(name),
        "spec": {"definition": definition(states)} | spec,
    }


async def begin(operator: MemoryOperator, *bodies: Body) -> None:
    """Create runs or flows as users do, and let the operator go as far as it can now."""
    for body in bodies:
        operator.cluster.store(ACTION_FLOWS if body["kind"] == ACTION_FLOWS.kind else ACTION_FLOW_RUNS, body)
    await operator.settle()


async def change_run(operator: MemoryOperator, name: str, **spec: Any) -> None:
    """Change a run as its user does."""
    found = operator.cluster.objects["actionflowruns", NAMESPACE, name]
    metadata = found["metadata"] | {"generation": found["metadata"]["generation"] + 1}
    operator.cluster.store(ACTION_FLOW_RUNS, found | {"metadata": metadata, "spec": found["spec"] | spec})
    await operator.settle()


def run_of(operator: MemoryOperator, name: str = "r") -> ActionFlowRun:
    """Give a run as the API server has it, read."""
    return ActionFlowRun.from_body(operator.cluster.objects["actionflowruns", NAMESPACE, name])


def children(operator: MemoryOperator) -> dict[str, Body]:
    """Give the actions of runs by their visits."""
    found = operator.of_kind("taskactions")
    return {one["metadata"]["annotations"][VISIT_ANNOTATION]: one for one in found if "annotations" in one["metadata"]}
