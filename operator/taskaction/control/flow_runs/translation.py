"""Translation between the flow language and TaskActions: pure functions in both directions.

An action of a state becomes a TaskAction of the run; its end becomes an ActionStatus document (docs/flows.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from taskaction.api.action_flow_run import ActionFlowRun
from taskaction.api.base import format_time
from taskaction.api.enums import ParentKind, Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import TaskAction
from taskaction.cluster.accounts import account_user
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS, Body
from taskaction.core.constants import RUN_LABEL, STATE_ANNOTATION, VISIT_ANNOTATION
from taskaction.core.names import visit_name
from taskaction.flows import errors
from taskaction.flows.definition import YEAR
from taskaction.flows.effects import ActionEnded, ActionPaused, Event, StartAction
from taskaction.plugin.origin import with_origin

SCHEME = "taskaction://"
_PROVIDERS = {"provider": "ActionProvider", "cluster-provider": "ClusterActionProvider"}
_PROVIDER_EXECUTOR = "globus"
"""Executor of an action whose state has the URL of an Action Provider."""

_NOT_STARTED = frozenset({errors.ACTION_UNABLE_TO_RUN, errors.NO_TOKEN})


@dataclass(frozen=True, slots=True)
class StoredEnd:
    """End of the action of a visit whose output is in the storage, and must be read before the run continues."""

    visit: str
    action: TaskAction


RunEvent = Event | StoredEnd
"""What a run has to process in its next turn."""


class ActionNotRunnableError(Exception):
    """The action cannot be started; the message says why."""


def build_manifest(run: ActionFlowRun, start: StartAction, sources: list[dict[str, Any]]) -> Body:
    """Return the TaskAction of a visit; always the same for the same arguments.

    ``sources`` say where the action reads parameters that are not in ``start.body``.

    Raises:
        UnableToRunError: the action cannot be created.
    """
    if not isinstance(start.body, Mapping):
        raise ActionNotRunnableError("the input of an action must be an object; check InputPath and Parameters")
    metadata = run.metadata
    owner = {
        "apiVersion": ACTION_FLOW_RUNS.api_version,
        "kind": ACTION_FLOW_RUNS.kind,
        "name": metadata.name,
        "uid": metadata.uid,
    }
    spec: dict[str, Any] = {
        **build_target(run, start),
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
    body = {
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
    return with_origin(body, f"{metadata.uid}/{start.visit}")


def build_target(run: ActionFlowRun, start: StartAction) -> dict[str, Any]:
    """Return the executor or provider of a state's address, with its parameters."""
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
    return {"executor": _PROVIDER_EXECUTOR, "parameters": parameters}


def to_action_end(visit: str, action: TaskAction) -> ActionEnded | StoredEnd:
    """Return the event for the end of a visit's action, whose output may have to be read first."""
    return StoredEnd(visit, action) if action.status.output_digest is not None else to_action_ended(visit, action)


def to_action_ended(visit: str, action: TaskAction) -> ActionEnded:
    """Return the event for the end of a visit's action, whose phase is terminal and whose output is in its status."""
    status = action.status
    given = status.output
    known = _own_document(given)
    if status.phase is Phase.SUCCEEDED:
        return ActionEnded(visit, known or to_action_status(action, "SUCCEEDED", {} if given is None else given))
    code = status.error.code if status.error is not None else str(status.reason or "")
    why = {"code": code, "description": status.message or (status.error.message if status.error is not None else code)}
    if not status.attempt and (waited := _last_wait(action)):
        why["description"] += f"; it waited: {waited}"
    if status.phase is Phase.TIMED_OUT and not _was_never_started(action, code):
        if known is None and _is_without_answer(action):
            return unable_to_run(visit, f"{why['description']}; the provider did not answer, and may have started it")
        last = known or to_failure_status(action, "ACTIVE", why)
        return ActionEnded(visit, last, error=errors.ACTION_TIMEOUT, cause=last)
    if code in _NOT_STARTED:
        known = _own_document(given, needs_id=False)
    failed = known or to_failure_status(action, "FAILED", why)
    if code in {Reason.OUTPUT_TOO_LARGE, Reason.OUTPUT_LOST}:  # it took effect, so no Retry of the state may repeat it
        return ActionEnded(visit, failed, error=errors.DATA_LIMIT_EXCEEDED, cause=failed)
    if _was_never_started(action, code) and status.phase is not Phase.ABORTED:
        name = code if code in _NOT_STARTED else errors.ACTION_UNABLE_TO_RUN
        return ActionEnded(visit, failed, error=name, cause=failed)
    return ActionEnded(visit, failed)


def _was_never_started(action: TaskAction, code: str) -> bool:
    """Whether an action has ended before its first start, or its executor has found that nothing started."""
    return code in _NOT_STARTED or not action.status.attempt


def _last_wait(action: TaskAction) -> str:
    """Return what an action last waited for, as far as it was recorded."""
    waits = (one for one in reversed(action.status.history) if not one.phase.is_terminal and one.message)
    return next((f"{one.reason}: {one.message}" for one in waits), "")


def _is_without_answer(action: TaskAction) -> bool:
    """Whether the Action Provider of an action has never given a status of it."""
    return action.spec.executor == _PROVIDER_EXECUTOR and action.status.external_id is None


def _own_document(output: Any, *, needs_id: bool = True) -> Mapping[str, Any] | None:
    """Return an output if it is an ActionStatus document of the provider; one that started nothing has no id."""
    fields = {"status", "details"} | ({"action_id"} if needs_id else set())
    return output if isinstance(output, Mapping) and fields <= output.keys() else None


def unable_to_run(visit: str, why: str) -> ActionEnded:
    """Return the event for the end of an action that could not be started."""
    details = {"code": errors.ACTION_UNABLE_TO_RUN, "description": why}
    result = {"status": "FAILED", "display_status": "FAILED", "details": details, "creator_id": ""}
    return ActionEnded(visit, result, error=errors.ACTION_UNABLE_TO_RUN, cause=result)


def deleted_action(visit: str, action: TaskAction) -> ActionEnded:
    """Return the event for the end of an action whose object was deleted."""
    why = {"code": "Deleted", "description": f"TaskAction {action.metadata.name} was deleted before it ended"}
    return ActionEnded(visit, to_failure_status(action, "FAILED", why))


def lost_output(visit: str, action: TaskAction, problem: str) -> ActionEnded:
    """Return the event for the end of an action that succeeded, and whose output the storage does not have."""
    why = {
        "code": str(Reason.OUTPUT_LOST),
        "description": f"TaskAction {action.metadata.name} succeeded, but {problem}",
    }
    failed = to_failure_status(action, "FAILED", why)
    return ActionEnded(visit, failed, error=errors.DATA_LIMIT_EXCEEDED, cause=failed)


def to_action_paused(visit: str, action: TaskAction) -> ActionPaused:
    """Return the event that the action of a visit is paused, or continues."""
    if action.status.phase is not Phase.PAUSED:
        return ActionPaused(visit, None)
    return ActionPaused(visit, {"code": action.status.reason, "description": action.status.message or ""})


def to_failure_status(action: TaskAction, status: str, details: Any) -> dict[str, Any]:
    """Return an ActionStatus document of an action that failed, with the provider's id of it or none."""
    document = to_action_status(action, status, details)
    del document["action_id"]
    known = action.status.external_id
    return document if known is None else {"action_id": known, **document}


def to_action_status(action: TaskAction, status: str, details: Any) -> dict[str, Any]:
    """Return an ActionStatus document of an action that has none of its own."""
    found, run_as = action.status, action.spec.run_as
    account = account_user(action.metadata.namespace, run_as.service_account_name) if run_as else ""
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
