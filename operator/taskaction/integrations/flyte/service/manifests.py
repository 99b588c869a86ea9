"""The TaskAction of an enqueued action, with its executor and what it inherits from its parent; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_pb2 import Action
from flyteidl2.core.tasks_pb2 import TaskTemplate
from flyteidl2.task.run_pb2 import RunSpec
from flyteidl2.workflow.run_definition_pb2 import ConditionPromptType
from google.protobuf.json_format import MessageToDict, SerializeToJsonError

from taskaction.api.enums import ChildPolicy
from taskaction.cluster.gateway import TASK_ACTIONS, Body
from taskaction.core.names import truncate
from taskaction.integrations.flyte.service.accounts import account
from taskaction.integrations.flyte.service.action_cache import CachedAction, foreign
from taskaction.integrations.flyte.service.literals import signal_type
from taskaction.integrations.flyte.service.places import OUTPUT_BASE, ActionKey, labels, origin
from taskaction.integrations.flyte.service.policies import condition_timeout, policies
from taskaction.plugin.origin import origin_problem, with_origin

FLYTE = "flyte"
_DERIVED_FIELDS = frozenset({"timeouts", "childPolicy"})
_DERIVED_PARAMETERS = frozenset({"templateUri", "timeout", "title", "description", "promptType"})
_PROMPT_CHARS = 900
_TITLE_CHARS = 253
_DESCRIPTION_CHARS = 4096
_PROMPT_TYPES = {
    ConditionPromptType.CONDITION_PROMPT_TYPE_TEXT: "Text",
    ConditionPromptType.CONDITION_PROMPT_TYPE_MARKDOWN: "Markdown",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRules:
    """What the service's settings say about tasks.

    Attributes:
        executors: executors by task type.
        providers: ActionProviders by queue.
        child_policy: what happens to the children of a task that ends.
    """

    executors: Mapping[str, str] = field(default_factory=dict)
    providers: Mapping[str, str] = field(default_factory=dict)
    child_policy: ChildPolicy = ChildPolicy.ABORT_ON_FAILURE

    def executor(self, task_type: str) -> str:
        """Return the name of the executor of a task type."""
        return self.executors.get(task_type) or self.executors.get("*") or FLYTE

    def runner(self, task_type: str, queue: str) -> Body:
        """Return the part of a spec that says who runs a task: the provider of its queue, or the executor of its type.

        Raises:
            ConnectError: nothing is known about the queue.
        """
        if not queue:
            return {"executor": self.executor(task_type)}
        provider = self.providers.get(queue)
        if provider is None:
            raise ConnectError(
                Code.INVALID_ARGUMENT,
                f"queue: no ActionProvider is configured for {queue!r}; add it to TASKACTION_ACTIONS_QUEUES, or leave "
                "the queue out",
            )
        return {"providerRef": {"name": provider}}


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
            labels=foreign(spec.labels.values),
            annotations=foreign(spec.annotations.values),
        )


def build_manifest(
    place: ActionKey,
    action: Action,
    parent: CachedAction | None,
    run_spec: RunSpec,
    rules: TaskRules,
    template: Mapping[str, str],
) -> Body:
    """Return the object that is to be created; ``template`` is how the executor of Flyte's tasks finds the action's.

    Raises:
        ConnectError: none can be made.
    """
    run = RunDefaults.of(parent, run_spec)
    kind = action.WhichOneof("spec") or ""
    own = labels(action.action_id, kind, title=_title(action), is_root=parent is None)
    metadata: Body = {
        "name": place.name,
        "namespace": place.namespace,
        "labels": {**run.labels, **own},
    }
    metadata["annotations"] = {**run.annotations, OUTPUT_BASE: action.run_output_base}
    spec = _condition(action) if kind == "condition" else _task(action, run, run_spec, rules, template)
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
    return origin_problem(_comparable(mine), _comparable(stored)) is None


def _comparable(body: Body) -> Body:
    """Return the part of an object that only the request decides.

    A request may be repeated after an upgrade, or after a change of settings. The place of a template is another one
    each day; its digest counts.
    """
    spec = {name: value for name, value in (body.get("spec") or {}).items() if name not in _DERIVED_FIELDS}
    parameters = {n: v for n, v in (spec.get("parameters") or {}).items() if n not in _DERIVED_PARAMETERS}
    return {**body, "spec": spec | {"parameters": parameters}}


def _title(action: Action) -> str:
    """Return the name by which people know what an action does."""
    spec = action.task.spec
    return str(action.condition.name or spec.short_name or spec.task_template.id.name)


def _condition(action: Action) -> Body:
    condition = action.condition
    if condition.HasField("webhook"):
        raise ConnectError(
            Code.INVALID_ARGUMENT,
            "condition.webhook: webhooks of conditions are not called here; leave it out, and send the request from a "
            "task before the program waits for the condition",
        )
    given = {
        "prompt": truncate(condition.prompt, _PROMPT_CHARS),
        "title": truncate(condition.name, _TITLE_CHARS),
        "description": truncate(condition.description, _DESCRIPTION_CHARS),
        "promptType": _PROMPT_TYPES.get(condition.prompt_type, ""),
    }
    parameters = {"type": signal_type(condition.type)} | {name: text for name, text in given.items() if text}
    return {"executor": "approval", "parameters": parameters, **condition_timeout(condition.timeout)}


def _task(action: Action, run: RunDefaults, run_spec: RunSpec, rules: TaskRules, packed: Mapping[str, str]) -> Body:
    template = action.task.spec.task_template
    queue = action.task.queue or run_spec.queue
    common = (
        rules.runner(template.type, queue) | policies(template.metadata) | {"childPolicy": rules.child_policy.value}
    )
    who = account(template, run_spec, run.account)
    if who:
        common["runAs"] = {"serviceAccountName": who}
    if rules.executor(template.type) != FLYTE:
        return {"parameters": _custom(template), **common}
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
