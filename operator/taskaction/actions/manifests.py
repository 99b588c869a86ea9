"""Makes a TaskAction of what is enqueued; pure. What children inherit, and which executor a task gets, is said here."""

import base64
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_pb2 import Action
from flyteidl2.core.tasks_pb2 import TaskTemplate
from flyteidl2.task.run_pb2 import RunSpec
from google.protobuf.json_format import MessageToDict

from taskaction.actions.literals import signal_type
from taskaction.actions.mirror import Known
from taskaction.actions.places import PREFIX, Place, labels
from taskaction.actions.policies import policies
from taskaction.cluster.gateway import TASK_ACTIONS, Body
from taskaction.core.names import truncated

FLYTE = "flyte"
TEMPLATE_LIMIT_BYTES = 256 * 1024
"""How much of an object a template may take, packed; etcd refuses objects of about 1.5 MiB."""
_PLAIN_BYTES = 4 * 1024
_PROMPT_CHARS = 900
_START_TIME = "{{.runStartTime}}"


@dataclass(frozen=True, slots=True)
class Executors:
    """Which task type is run by which executor."""

    by_type: Mapping[str, str]

    def of(self, task_type: str) -> str:
        """Give the executor's name."""
        return self.by_type.get(task_type) or self.by_type.get("*") or FLYTE


@dataclass(frozen=True, slots=True)
class Run:
    """What an action has from its run: by the first request, and from parent to child."""

    env: Mapping[str, str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    interruptible: bool | None

    @classmethod
    def of(cls, parent: Known | None, spec: RunSpec) -> "Run":
        """Give what a child inherits from its parent, or what the run's specification says for its root."""
        if parent is not None:
            return cls(parent.env or {}, parent.labels or {}, parent.annotations or {}, parent.interruptible)
        return cls(
            env={one.key: one.value for one in spec.envs.values},
            labels=dict(spec.labels.values),
            annotations=dict(spec.annotations.values),
            interruptible=spec.interruptible.value if spec.HasField("interruptible") else None,
        )


def manifest(place: Place, action: Action, parent: Known | None, run_spec: RunSpec, executors: Executors) -> Body:
    """Give the object that is to be created; raises ``ConnectError`` where none can be made."""
    run = Run.of(parent, run_spec)
    kind = action.WhichOneof("spec") or ""
    own = labels(action.action_id, kind, is_root=parent is None)
    metadata: Body = {
        "name": place.name,
        "namespace": place.namespace,
        "labels": {name: value for name, value in run.labels.items() if not name.startswith(PREFIX)} | own,
    }
    if run.annotations:
        metadata["annotations"] = dict(run.annotations)
    spec = _condition(action) if kind == "condition" else _task(action, run, run_spec, executors)
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
    return {"apiVersion": TASK_ACTIONS.api_version, "kind": TASK_ACTIONS.kind, "metadata": metadata, "spec": spec}


def says_the_same(mine: Body, stored: Body) -> bool:
    """Say whether two objects of one name ask for the same."""
    names = ("executor", "parameters", "parentRef", "retryPolicy", "timeouts")
    return all(mine["spec"].get(name) == (stored.get("spec") or {}).get(name) for name in names)


def _condition(action: Action) -> Body:
    condition = action.condition
    parameters: Body = {"type": signal_type(condition.type)}
    if condition.prompt:
        parameters["prompt"] = truncated(condition.prompt, _PROMPT_CHARS)
    seconds = condition.timeout.seconds + condition.timeout.nanos / 1e9
    if seconds > 0:
        parameters["timeout"] = f"{seconds:g}s"
    return {"executor": "approval", "parameters": parameters}


def _task(action: Action, run: Run, run_spec: RunSpec, executors: Executors) -> Body:
    template = action.task.spec.task_template
    executor = executors.of(template.type)
    if executor != FLYTE:
        return {"executor": executor, "parameters": MessageToDict(template.custom), **policies(template.metadata)}
    encoding, packed = _packed(_started(template, run_spec))
    identifier = action.action_id
    parameters: dict[str, Any] = {
        "template": packed,
        "encoding": encoding,
        "inputUri": action.input_uri,
        "runOutputBase": action.run_output_base,
        "org": identifier.run.org,
        "project": identifier.run.project,
        "domain": identifier.run.domain,
        "runName": identifier.run.name,
        "actionName": identifier.name,
        "group": action.group,
        "cacheKey": action.task.cache_key.value,
        "env": dict(run.env),
        "interruptible": run.interruptible,
        "taskType": template.type,
        "shortName": action.task.spec.short_name,
    }
    return {
        "executor": FLYTE,
        "parameters": {name: value for name, value in parameters.items() if value not in _UNSAID},
        **policies(template.metadata),
    }


_UNSAID: tuple[object, ...] = ("", None, {})


def _started(template: TaskTemplate, run_spec: RunSpec) -> TaskTemplate:
    """Give the template with the moment of the run's start where its arguments ask for it."""
    if not run_spec.HasField("run_start_time") or not any(_START_TIME in one for one in template.container.args):
        return template
    moment = run_spec.run_start_time.ToJsonString()
    found = TaskTemplate()
    found.CopyFrom(template)
    found.container.args[:] = [one.replace(_START_TIME, moment) for one in template.container.args]
    return found


def _packed(template: TaskTemplate) -> tuple[str, str]:
    """Give encoding and text of a template, the same for equal templates."""
    content = template.SerializeToString(deterministic=True)
    encoding = "base64"
    if len(content) > _PLAIN_BYTES:
        content, encoding = zlib.compress(content), "zlib"
    text = base64.b64encode(content).decode()
    if len(text) > TEMPLATE_LIMIT_BYTES:
        raise ConnectError(
            Code.INVALID_ARGUMENT,
            f"task_template takes {len(text)} bytes, packed; at most {TEMPLATE_LIMIT_BYTES} fit into an object: "
            "move large values out of the template into inputs or storage",
        )
    return encoding, text
