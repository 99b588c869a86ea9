"""The TaskAction of an enqueued action, with its executor and what it inherits from its parent; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_pb2 import Action
from flyteidl2.core.tasks_pb2 import TaskTemplate
from flyteidl2.task.run_pb2 import RunSpec
from google.protobuf.json_format import MessageToDict, SerializeToJsonError

from taskaction.cluster.gateway import TASK_ACTIONS, Body
from taskaction.core.names import truncate
from taskaction.integrations.flyte.service.accounts import account
from taskaction.integrations.flyte.service.action_cache import CachedAction
from taskaction.integrations.flyte.service.literals import signal_type
from taskaction.integrations.flyte.service.places import PREFIX, ActionKey, labels, origin
from taskaction.integrations.flyte.service.policies import policies
from taskaction.plugin.origin import origin_problem, with_origin

FLYTE = "flyte"
_PROMPT_CHARS = 900


@dataclass(frozen=True, slots=True)
class Executors:
    """Mapping of task types to executors."""

    by_type: Mapping[str, str]

    def of(self, task_type: str) -> str:
        """Return the executor's name."""
        return self.by_type.get(task_type) or self.by_type.get("*") or FLYTE


@dataclass(frozen=True, slots=True)
class RunDefaults:
    """Settings of a run that its first request defines and children inherit; ``parameters`` are those of ``flyte``."""

    parameters: Mapping[str, Any]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    account: str = ""

    @classmethod
    def of(cls, parent: CachedAction | None, spec: RunSpec) -> "RunDefaults":
        """Return the settings of the parent, or those of the run's specification for the root."""
        if parent is not None:
            return cls(parent.handed_down or {}, parent.labels or {}, parent.annotations or {}, parent.account)
        return cls(
            parameters={
                "env": {one.key: one.value for one in spec.envs.values},
                "interruptible": spec.interruptible.value if spec.HasField("interruptible") else None,
                "rawDataPrefix": spec.raw_data_storage.raw_data_prefix,
                "runStartTime": spec.run_start_time.ToJsonString() if spec.HasField("run_start_time") else "",
            },
            labels=dict(spec.labels.values),
            annotations=dict(spec.annotations.values),
        )


def build_manifest(
    place: ActionKey,
    action: Action,
    parent: CachedAction | None,
    run_spec: RunSpec,
    executors: Executors,
    template: Mapping[str, str],
) -> Body:
    """Return the object that is to be created; ``template`` is how the executor of Flyte's tasks finds the action's.

    Raises:
        ConnectError: none can be made.
    """
    run = RunDefaults.of(parent, run_spec)
    kind = action.WhichOneof("spec") or ""
    own = labels(action.action_id, kind, is_root=parent is None)
    metadata: Body = {
        "name": place.name,
        "namespace": place.namespace,
        "labels": {name: value for name, value in run.labels.items() if not name.startswith(PREFIX)} | own,
    }
    if run.annotations:
        metadata["annotations"] = dict(run.annotations)
    spec = _condition(action) if kind == "condition" else _task(action, run, run_spec, executors, template)
    if parent is not None:
        metadata["ownerReferences"] = [
            {
                "apiVersion": TASK_ACTIONS.api_version,
                "kind": TASK_ACTIONS.kind,
                "name": parent.place.name,
                "uid": parent.uid,
                "controller": False,
            }
        ]
        spec["parentRef"] = {"kind": TASK_ACTIONS.kind, "name": parent.place.name, "uid": parent.uid}
    body = {"apiVersion": TASK_ACTIONS.api_version, "kind": TASK_ACTIONS.kind, "metadata": metadata, "spec": spec}
    return with_origin(body, origin(parent.uid if parent is not None else "", action.action_id.name))


def is_same_request(mine: Body, stored: Body) -> bool:
    """Whether the service created the stored object of this name for the same request."""
    return origin_problem(_without_template_place(mine), _without_template_place(stored)) is None


def _without_template_place(body: Body) -> Body:
    """Return the object without the place of a template, which is another one each day; its digest counts."""
    spec = body.get("spec") or {}
    parameters = {name: value for name, value in (spec.get("parameters") or {}).items() if name != "templateUri"}
    return {**body, "spec": spec | {"parameters": parameters}}


def _condition(action: Action) -> Body:
    condition = action.condition
    parameters: Body = {"type": signal_type(condition.type)}
    if condition.prompt:
        parameters["prompt"] = truncate(condition.prompt, _PROMPT_CHARS)
    seconds = condition.timeout.seconds + condition.timeout.nanos / 1e9
    if seconds > 0:
        parameters["timeout"] = f"{seconds:g}s"
    return {"executor": "approval", "parameters": parameters}


def _task(action: Action, run: RunDefaults, run_spec: RunSpec, executors: Executors, packed: Mapping[str, str]) -> Body:
    template = action.task.spec.task_template
    executor = executors.of(template.type)
    common = policies(template.metadata)
    who = account(template, run_spec, run.account)
    if who:
        common["runAs"] = {"serviceAccountName": who}
    if executor != FLYTE:
        return {"executor": executor, "parameters": _custom(template), **common}
    identifier = action.action_id
    parameters: dict[str, Any] = {
        **packed,
        "inputUri": action.input_uri,
        "runOutputBase": action.run_output_base,
        "org": identifier.run.org,
        "project": identifier.run.project,
        "domain": identifier.run.domain,
        "runName": identifier.run.name,
        "actionName": identifier.name,
        "group": action.group,
        "cacheKey": action.task.cache_key.value,
        **run.parameters,
        "taskType": template.type,
        "shortName": action.task.spec.short_name,
    }
    return {
        "executor": FLYTE,
        "parameters": {name: value for name, value in parameters.items() if value not in _UNSAID},
        **common,
    }


_UNSAID: tuple[object, ...] = ("", None, {})


def _custom(template: TaskTemplate) -> dict[str, Any]:
    try:
        found: dict[str, Any] = MessageToDict(template.custom)
    except (ValueError, SerializeToJsonError) as error:  # numbers that are none
        raise ConnectError(Code.INVALID_ARGUMENT, f"task_template.custom: invalid JSON: {error}") from error
    return found
