"""How the language of flows and TaskActions mean the same: pure functions in both directions.

A state's action becomes a TaskAction of the run; how that ends becomes an ActionStatus document (reference, 1.4).
"""

from collections.abc import Mapping
from typing import Any

from taskaction.api.action_flow_run import ActionFlowRun
from taskaction.api.base import format_time
from taskaction.api.enums import ParentKind, Phase
from taskaction.api.task_action import TaskAction
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS, Body
from taskaction.core.constants import RUN_LABEL, STATE_ANNOTATION, VISIT_ANNOTATION
from taskaction.core.names import visit_name
from taskaction.flows import errors
from taskaction.flows.definition import YEAR
from taskaction.flows.effects import ActionEnded, ActionPaused, StartAction

SCHEME = "taskaction://"
_PROVIDERS = {"provider": "ActionProvider", "cluster-provider": "ClusterActionProvider"}
_NOT_STARTED = frozenset({errors.ACTION_UNABLE_TO_RUN, errors.NO_TOKEN})


class UnableToRunError(Exception):
    """The action cannot be started; says why."""


def manifest(run: ActionFlowRun, start: StartAction, sources: list[dict[str, Any]]) -> Body:
    """Give the TaskAction of a visit; the same whenever and by whomever it is asked for.

    ``sources`` say where it reads what it is given beside ``start.body``.

    Raises:
        UnableToRunError: there can be none.
    """
    if not isinstance(start.body, Mapping):
        raise UnableToRunError("what an action is given must be an object: InputPath or Parameters give something else")
    metadata = run.metadata
    owner = {
        "apiVersion": ACTION_FLOW_RUNS.api_version,
        "kind": ACTION_FLOW_RUNS.kind,
        "name": metadata.name,
        "uid": metadata.uid,
    }
    spec: dict[str, Any] = {
        **target(run, start),
        "parentRef": {"kind": str(ParentKind.ACTION_FLOW_RUN), "name": metadata.name, "uid": metadata.uid},
        "idempotencyKey": f"{metadata.uid}/{start.visit}"[:253],
    }
    if sources:
        within = "" if start.url.startswith(SCHEME) else "body."
        spec["parametersFrom"] = [one | {"parameter": within + one["parameter"]} for one in sources]
    if start.wait_time < YEAR:
        spec["timeouts"] = {"total": f"{start.wait_time}s"}
    if run.spec.run_as is not None:
        spec["runAs"] = run.spec.run_as.to_json()
    return {
        "apiVersion": TASK_ACTIONS.api_version,
        "kind": TASK_ACTIONS.kind,
        "metadata": {
            "name": visit_name(metadata.name, metadata.uid, start.visit),
            "namespace": metadata.namespace,
            "labels": {RUN_LABEL: metadata.name},
            "annotations": {
                VISIT_ANNOTATION: start.visit,
                STATE_ANNOTATION: start.state_name,
            },
            "ownerReferences": [owner],
        },
        "spec": spec,
    }


def target(run: ActionFlowRun, start: StartAction) -> dict[str, Any]:
    """Give the executor or provider that a state's address means, with its parameters."""
    if start.url.startswith(SCHEME):
        kind, _, name = start.url.removeprefix(SCHEME).partition("/")
        if kind in _PROVIDERS:
            return {"providerRef": {"kind": _PROVIDERS[kind], "name": name}, "parameters": start.body}
        return {"executor": name, "parameters": start.body}
    parameters: dict[str, Any] = {"url": start.url, "body": start.body, "runAs": start.run_as}
    if start.scope is not None:
        parameters["scope"] = start.scope
    if run.spec.tokens:
        parameters["tokens"] = run.spec.tokens
    if run.spec.label is not None:
        parameters["label"] = run.spec.label
    return {"executor": "globus", "parameters": parameters}


def ended(visit: str, action: TaskAction) -> ActionEnded:
    """Give how the action of a visit has ended, from an action whose phase is terminal."""
    status = action.status
    given = status.output
    known = given if isinstance(given, Mapping) and {"action_id", "status", "details"} <= given.keys() else None
    if status.phase is Phase.SUCCEEDED:
        return ActionEnded(visit, known or document(action, "SUCCEEDED", {} if given is None else given))
    code = status.error.code if status.error is not None else str(status.reason or "")
    why = {"code": code, "description": status.message or (status.error.message if status.error is not None else code)}
    if status.phase is Phase.TIMED_OUT:
        last = document(action, "ACTIVE", why) | {"action_id": status.external_id or action.metadata.uid}
        return ActionEnded(visit, last, error=errors.ACTION_TIMEOUT, cause=last)
    failed = known or document(action, "FAILED", why)
    if code in _NOT_STARTED or (status.phase is Phase.FAILED and not status.attempt):
        name = code if code in _NOT_STARTED else errors.ACTION_UNABLE_TO_RUN
        return ActionEnded(visit, failed, error=name, cause=failed)
    return ActionEnded(visit, failed)


def unable(visit: str, why: str) -> ActionEnded:
    """Give the end of an action that could not be started at all."""
    details = {"code": errors.ACTION_UNABLE_TO_RUN, "description": why}
    result = {"action_id": "", "status": "FAILED", "display_status": "FAILED", "details": details, "creator_id": ""}
    return ActionEnded(visit, result, error=errors.ACTION_UNABLE_TO_RUN, cause=result)


def lost(visit: str, action: TaskAction) -> ActionEnded:
    """Give the end of an action whose object somebody has deleted."""
    why = {"code": "Deleted", "description": f"TaskAction {action.metadata.name} was deleted before it had ended"}
    return ActionEnded(visit, document(action, "FAILED", why))


def paused(visit: str, action: TaskAction) -> ActionPaused:
    """Give that the action of a visit is paused, or goes on."""
    if action.status.phase is not Phase.PAUSED:
        return ActionPaused(visit, None)
    return ActionPaused(visit, {"code": action.status.reason, "description": action.status.message or ""})


def document(action: TaskAction, status: str, details: Any) -> dict[str, Any]:
    """Give an ActionStatus document of an action that has none of its own (reference sections 1.4 and 2.7)."""
    found, run_as = action.status, action.spec.run_as
    account = f"system:serviceaccount:{action.metadata.namespace}:{run_as.service_account_name}" if run_as else ""
    return {
        "action_id": action.metadata.uid,
        "status": status,
        "display_status": str(found.phase),
        "details": details,
        "start_time": format_time(found.started_at or action.metadata.creation_timestamp),
        "completion_time": format_time(found.finished_at) if found.finished_at is not None else None,
        "creator_id": account,
        "label": None,
        "manage_by": [],
        "monitor_by": [],
        "release_after": None,
    }
