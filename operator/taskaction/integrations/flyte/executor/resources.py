"""What a task asks of a node, in Kubernetes' words: resources, GPUs, shared memory, Secrets; pure."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from taskaction.cluster.gateway import Body
from taskaction.core.names import dns_label
from taskaction.integrations.flyte.executor.settings import FlyteSettings
from taskaction.plugin.errors import InvalidParametersError

if TYPE_CHECKING:
    from flyteidl2.core.tasks_pb2 import Container, TaskTemplate

_KINDS = {1: "cpu", 3: "memory", 4: "ephemeral-storage", 5: "ephemeral-storage"}
_GPU = 2
_SHARED_MEMORY = "flyte-shared-memory"
_SECRETS_FOLDER = "/etc/flyte/secrets"
_NAME_CHARS = 48
_FILE = 2
"""Flyte's numbers for the kinds of resources, and for a Secret that is mounted as a file."""


def requirements(container: "Container", settings: FlyteSettings) -> Body:
    """Return a container's requests and limits, as the task states them."""
    found: Body = {}
    for field, entries in (("requests", container.resources.requests), ("limits", container.resources.limits)):
        said = _amounts(entries, settings)
        if said:
            found[field] = said
    return found


def requests_of(spec: Body, container: str) -> Mapping[str, str]:
    """Return what a container of a pod requests."""
    found = next(one for one in spec["containers"] if one["name"] == container)
    return (found.get("resources") or {}).get("requests") or {}


def limit_to_requests(spec: Body, container: str, requests: Mapping[str, str]) -> None:
    """Set the limit of each request that has none to the request, as Flyte does.

    Programs rely on it: they retry with more memory when they run out of it. Kubernetes also requires it of GPUs.
    """
    found = next(one for one in spec["containers"] if one["name"] == container)
    if requests:
        given = found["resources"]
        given["limits"] = {**requests, **(given.get("limits") or {})}


def _amounts(entries: Iterable[Any], settings: FlyteSettings) -> dict[str, str]:
    found: dict[str, str] = {}
    for entry in entries:
        name = settings.gpu_resource if entry.name == _GPU else _KINDS.get(entry.name)
        if name is None:
            raise InvalidParametersError(
                f"parameters.template: container.resources has a kind that is not known: {entry.name}"
            )
        if entry.value:
            found[name] = entry.value
    return found


def build_extended_resources(template: "TaskTemplate", settings: FlyteSettings) -> tuple[Body, list[Body]]:
    """Return what a pod's spec has besides for GPUs and shared memory, and what its container mounts for that."""
    wanted = template.extended_resources
    spec: Body = {}
    mounts: list[Body] = []
    if wanted.gpu_accelerator.device:
        spec["nodeSelector"] = {settings.gpu_label: wanted.gpu_accelerator.device}
        spec["tolerations"] = [{"key": settings.gpu_resource, "operator": "Exists", "effect": "NoSchedule"}]
    if wanted.HasField("shared_memory"):
        memory = wanted.shared_memory
        name = memory.mount_name or _SHARED_MEMORY
        folder: Body = {"medium": "Memory"} | ({"sizeLimit": memory.size_limit} if memory.size_limit else {})
        spec["volumes"] = [{"name": name, "emptyDir": folder}]
        mounts.append({"name": name, "mountPath": memory.mount_path or "/dev/shm"})  # noqa: S108 - Flyte's default
    return spec, mounts


def secrets(template: "TaskTemplate") -> tuple[list[Body], list[Body], list[Body]]:
    """Return a container's variables, a pod's volumes and a container's mounts for the Secrets that a task asks for.

    A Secret of Flyte's is a key of a Secret of Kubernetes' in the action's namespace: ``group`` is its name.
    """
    env: list[Body] = []
    volumes: dict[str, Body] = {}
    mounts: dict[str, Body] = {}
    for wanted in template.security_context.secrets:
        name = wanted.group or wanted.key.lower().replace("_", "-")
        if wanted.mount_requirement == _FILE:
            volume = f"secret-{dns_label(name)[:_NAME_CHARS]}"
            volumes[volume] = {"name": volume, "secret": {"secretName": name}}
            mounts[volume] = {"name": volume, "mountPath": f"{_SECRETS_FOLDER}/{name}", "readOnly": True}
            continue
        variable = wanted.env_var or "_".join(filter(None, (wanted.group, wanted.key))).upper().replace("-", "_")
        env.append({"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": wanted.key}}})
    return env, list(volumes.values()), list(mounts.values())
