"""Builders of Flyte's tasks as the ``flyte`` executor is given them, so that each test says only what it is about."""

import base64
from pathlib import Path
from typing import Any

from flyteidl2.core.execution_pb2 import ContainerError, ErrorDocument
from flyteidl2.core.tasks_pb2 import Container, Resources, TaskTemplate
from google.protobuf.json_format import ParseDict

BASE = "s3://runs/r1"
ARGS = ["a0", "--inputs", "{{.input}}", "--outputs-path", "{{.outputPrefix}}", "--run-name", "{{.runName}}"]


def container_task(**fields: Any) -> TaskTemplate:
    """Give a task that is a container; ``fields`` are the container's."""
    given = {"image": "registry.local/flyte:1", "args": ARGS} | fields
    return TaskTemplate(type="python", container=Container(**given))


def pod_task(spec: dict[str, Any], *, primary: str = "", **metadata: Any) -> TaskTemplate:
    """Give a task that is a pod."""
    task = TaskTemplate(type="python")
    task.k8s_pod.SetInParent()
    ParseDict({"podSpec": spec, "metadata": metadata, "primaryContainerName": primary}, task.k8s_pod)
    return task


def with_outputs(task: TaskTemplate) -> TaskTemplate:
    """Give the task with an output declared."""
    task.interface.outputs.variables.add().key = "o0"
    return task


def amount(name: str, value: str) -> Resources.ResourceEntry:
    """Give an amount of a resource, by Flyte's name of it."""
    return Resources.ResourceEntry(name=Resources.ResourceName.Value(name), value=value)


def parameters(task: TaskTemplate | None = None, **fields: Any) -> dict[str, Any]:
    """Give the parameters of action ``a1`` of a run."""
    content = (task or container_task()).SerializeToString(deterministic=True)
    given = {
        "template": base64.b64encode(content).decode(),
        "inputUri": f"{BASE}/a1/inputs.pb",
        "runOutputBase": BASE,
        "org": "acme",
        "project": "shop",
        "domain": "test",
        "runName": "r1",
        "actionName": "a1",
    }
    return {name: value for name, value in (given | fields).items() if value is not None}


def leave_error(folder: Path, code: str = "ValueError", message: str = "no such thing", **fields: Any) -> None:
    """Leave an error where an attempt does."""
    kinds: dict[str, Any] = {"kind": ContainerError.RECOVERABLE} | fields
    folder.mkdir(parents=True, exist_ok=True)
    document = ErrorDocument(error=ContainerError(code=code, message=message, **kinds))
    (folder / "error.pb").write_bytes(document.SerializeToString())
