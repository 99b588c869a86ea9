"""From a task template to the pod of an attempt; pure, and the same for every call of an attempt."""

from typing import TYPE_CHECKING, Any

from taskaction.cluster.gateway import Body
from taskaction.core.constants import START_ANNOTATION
from taskaction.core.names import child_name
from taskaction.executors.workloads.manifests import complete_pod
from taskaction.integrations.flyte.executor import environment, resources
from taskaction.integrations.flyte.executor.layers import PRIMARY, overlay, overlay_template
from taskaction.integrations.flyte.executor.model import FlyteParameters
from taskaction.integrations.flyte.executor.places import fill_words, words
from taskaction.integrations.flyte.executor.settings import FlyteSettings
from taskaction.plugin.base import Run
from taskaction.plugin.errors import InvalidParametersError

if TYPE_CHECKING:
    from flyteidl2.core.tasks_pb2 import TaskTemplate

_PRIMARY_FIELD = "primary_container_name"
_IDENTITY = "flyte.org/"
_SHARES_PROCESSES = True
"""Default of a pod. The kernel discards a SIGTERM that process 1 does not handle, and Python does not handle it. Where
the containers share process ids, the program has another one, and ends when it is aborted, not after a grace period."""
_STAYS = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
_REPORTS_START = {START_ANNOTATION: "true"}


def build_task_pod(template: "TaskTemplate", settings: FlyteSettings) -> tuple[Body, str]:
    """Return the pod that a template describes, ``metadata`` and ``spec``, and the name of the task's own container.

    Raises:
        InvalidParametersError: it describes none.
    """
    kind = template.WhichOneof("target")
    if kind == "container":
        return {"metadata": {}, "spec": {"containers": [_container(template, settings)]}}, PRIMARY
    if kind == "k8s_pod":
        return _own_pod(template)
    what = f"a {kind}" if kind else "neither a container nor a pod"
    raise InvalidParametersError(
        f"parameters.template: is {what}, and only containers and pods are run here: give the type "
        f"{template.type!r} another executor by TASKACTION_ACTIONS_TASK_TYPES"
    )


def build_pod(
    template: "TaskTemplate",
    parameters: FlyteParameters,
    run: Run,
    settings: FlyteSettings,
    base: Body | None = None,
) -> Body:
    """Return the pod of an attempt; ``base`` is the PodTemplate's template that it is put on."""
    found, primary = build_task_pod(template, settings)
    requested = resources.requests_of(found["spec"], primary)
    extra, mounts = resources.build_extended_resources(template, settings)
    found["spec"] = overlay(found["spec"], extra)
    if base is not None:
        found = overlay_template(found, base, primary)
    if is_interruptible(template, parameters) and run.chances_left > 0:
        found["spec"] = overlay(settings.interruptible, found["spec"])
    name = child_name(run.name, run.uid, run.attempt)
    resources.limit_to_requests(found["spec"], primary, requested)
    if not found["spec"].get("hostPID"):  # Kubernetes refuses both
        found["spec"].setdefault("shareProcessNamespace", _SHARES_PROCESSES)
    _complete(found, template, parameters, run, settings, name=name, primary=primary, mounts=mounts)
    return complete_pod(found, run, name)


def is_interruptible(template: "TaskTemplate", parameters: FlyteParameters) -> bool:
    """Whether the pod may be taken away: by the run's word, else the task's."""
    if parameters.interruptible is not None:
        return parameters.interruptible
    return bool(template.metadata.interruptible)


def _complete(
    found: Body,
    template: "TaskTemplate",
    parameters: FlyteParameters,
    run: Run,
    settings: FlyteSettings,
    *,
    name: str,
    primary: str,
    mounts: list[Body],
) -> None:
    """Add what every task's pod has: its identity, its token, Secrets, and arguments without Flyte's words."""
    spec, metadata = found["spec"], found.setdefault("metadata", {})
    known = words(parameters, run, name)
    secret_env, secret_volumes, secret_mounts = resources.secrets(template)
    mounts = [*mounts, *secret_mounts]
    volumes = [*secret_volumes]
    if settings.endpoint is not None and settings.authentication:
        volumes.append(environment.token_volume(settings))
        mounts.append(environment.token_mount())
    below = {**settings.env, **environment.connection(settings)}
    above = {**parameters.env, **environment.identity(parameters, run)}
    for container in spec["containers"]:
        for field in ("command", "args"):
            if container.get(field):
                container[field] = [fill_words(str(word), known) for word in container[field]]
        if container["name"] != primary:
            continue
        # A PodTemplate in the cluster has Kubernetes' defaults, which its author has not asked for.
        container["terminationMessagePolicy"] = "FallbackToLogsOnError"
        own = [*(container.get("env") or ()), *secret_env]
        container["env"] = environment.merge_variables(own, below=below, above=above)
        if mounts:
            container["volumeMounts"] = overlay(
                {"volumeMounts": mounts}, {"volumeMounts": container.get("volumeMounts") or []}
            )["volumeMounts"]
    spec["restartPolicy"] = "Never"
    if volumes:
        spec["volumes"] = overlay({"volumes": volumes}, {"volumes": spec.get("volumes") or []})["volumes"]
    identity = {name: value for name, value in run.labels.items() if name.startswith(_IDENTITY)}
    metadata["labels"] = {**run.labels, **(metadata.get("labels") or {}), **identity}
    metadata["annotations"] = {**_STAYS, **(metadata.get("annotations") or {}), **_REPORTS_START}


def _container(template: "TaskTemplate", settings: FlyteSettings) -> Body:
    own = template.container
    if own.data_config.enabled:
        raise InvalidParametersError(
            "parameters.template: container.data_config asks for Flyte's copilot, which is not there: let the program "
            "read and write its files itself, by {{.input}} and {{.outputPrefix}}"
        )
    if not own.image:
        raise InvalidParametersError("parameters.template: container.image is empty: name the task's image")
    given: Body = {
        "command": list(own.command),
        "args": list(own.args),
        "env": [{"name": one.key, "value": one.value} for one in own.env],
        "ports": [
            {"containerPort": one.container_port} | ({"name": one.name} if one.name else {}) for one in own.ports
        ],
        "resources": resources.requirements(own, settings),
    }
    return {"name": PRIMARY, "image": own.image} | {name: value for name, value in given.items() if value}


def _own_pod(template: "TaskTemplate") -> tuple[Body, str]:
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415 - of the extra, as the template itself

    own = template.k8s_pod
    spec = _restore_integers(MessageToDict(own.pod_spec))
    containers = spec.get("containers")
    if not isinstance(containers, list) or not containers:
        raise InvalidParametersError(
            "parameters.template: k8s_pod.pod_spec.containers must name at least one container"
        )
    if not all(isinstance(one, dict) and one.get("name") for one in containers):
        raise InvalidParametersError("parameters.template: each of k8s_pod.pod_spec.containers must have a name")
    primary = own.primary_container_name or template.config.get(_PRIMARY_FIELD) or str(containers[0]["name"])
    if primary not in {one["name"] for one in containers}:
        raise InvalidParametersError(
            f"parameters.template: k8s_pod has no container {primary!r}, which is to be its primary one"
        )
    metadata = {"labels": dict(own.metadata.labels), "annotations": dict(own.metadata.annotations)}
    return {"metadata": metadata, "spec": spec}, primary


def _restore_integers(value: Any) -> Any:
    """Return JSON in which whole numbers are such: protobuf's own struct knows only fractions, and Kubernetes minds."""
    if isinstance(value, dict):
        return {name: _restore_integers(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_restore_integers(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
