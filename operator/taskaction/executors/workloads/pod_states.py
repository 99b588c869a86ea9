"""The verdict on a pod: one for every status that a kubelet, a scheduler or a controller can report; pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from taskaction.cluster.gateway import Body
from taskaction.core.json_values import JsonValueError, parse_text
from taskaction.core.names import truncate
from taskaction.executors.verdicts import Bound, Finished, Running, Verdict, Waiting
from taskaction.executors.workloads.pod_failures import LOG_LIMIT, find_interruption, pod_failure
from taskaction.executors.workloads.pod_fields import (
    condition_of,
    containers_of,
    ends_of,
    init_containers_of,
    is_deleted,
    latest,
    sidecars_of,
    state_of,
    status_of,
    time_of,
)
from taskaction.plugin.errors import InvalidOutputError

_STARTING = frozenset({"ContainerCreating", "PodInitializing", ""})
"""Reasons of a container that waits during a normal start."""
_BOUNDS: Mapping[str, Bound] = {
    "InvalidImageName": Bound.HOPELESS,
    "ErrImageNeverPull": Bound.HOPELESS,
    "CreateContainerConfigError": Bound.CONFIGURATION,
    "ErrImagePull": Bound.IMAGE,
    "ImagePullBackOff": Bound.IMAGE,
    "ImageInspectError": Bound.IMAGE,
    "RegistryUnavailable": Bound.IMAGE,
    "SignatureValidationFailed": Bound.IMAGE,
}
"""Bounds by the reason of a container that waits; every other reason has that of the start."""


def read_pod_state(pod: Body, container: str) -> Verdict:
    """Return the verdict on ``pod``; its output is the termination message of ``container``."""
    match status_of(pod).get("phase"):
        case "Succeeded":
            return find_interruption(pod, container) or Finished(output_of(pod, container))
        case "Failed":
            return pod_failure(pod)
        case "Running":
            return Running(_find_hint(pod, container))
        case "Pending" | "" | None:
            return _read_pending(pod)
        case other:
            shown = f"pod {pod['metadata']['name']!r} reports the unknown phase {other!r}"
            return Running(shown) if _has_started(pod) else _waiting(pod, shown, Bound.UNLIMITED)


def output_of(pod: Body, container: str) -> Any:
    """Return what the termination message of ``container`` stands for; None if it is empty.

    Raises:
        InvalidOutputError: it is JSON, and a reader would change a value in it.
    """
    text = next(
        (
            (state_of(one, "terminated") or {}).get("message") or ""
            for one in containers_of(pod)
            if one.get("name") == container
        ),
        "",
    )
    if not text.strip():
        return None
    try:
        found = parse_text(text)
    except JsonValueError as error:
        raise InvalidOutputError(error.under("output")) from error
    return found.rstrip("\n") if found is text else found


def _read_pending(pod: Body) -> Verdict:
    """Return the verdict on a pod of which not every container has started."""
    name, scheduled = pod["metadata"]["name"], condition_of(pod, "PodScheduled", "False")
    gates = [gate.get("name") or "" for gate in (pod.get("spec") or {}).get("schedulingGates") or ()]
    if scheduled.get("reason") == "SchedulingGated" or gates:
        which = f": {', '.join(gates)}" if gates else ""
        return _waiting(pod, f"pod {name!r} waits until its scheduling gates are removed{which}", Bound.UNLIMITED)
    if scheduled:
        said = scheduled.get("message") or scheduled.get("reason") or "no details from Kubernetes"
        return _waiting(pod, f"pod {name!r} cannot be scheduled: {said}", Bound.START)
    problem, bound = _find_problem(pod)
    # Sidecars do not count: one runs for as long as the container that it serves cannot start.
    if any(state_of(one, "running") is not None for one in (*init_containers_of(pod), *containers_of(pod))):
        return Running(problem)
    if not problem and is_deleted(pod):
        problem = f"pod {name!r} is being deleted"
    return _waiting(pod, problem, bound)


def _waiting(pod: Body, problem: str, bound: Bound) -> Waiting:
    return Waiting(problem=problem, bound=bound, since=_wait_began_at(pod), uid=pod["metadata"].get("uid") or "")


def _wait_began_at(pod: Body) -> datetime | None:
    """Return when a pod began to wait for what it waits for now: each step of its start is a wait of its own."""
    steps = [
        condition_of(pod, kind).get("lastTransitionTime") for kind in ("PodScheduled", "PodReadyToStartContainers")
    ]
    for one in (*init_containers_of(pod), *containers_of(pod)):
        steps += [(state_of(one, "running") or {}).get("startedAt"), *(end.get("finishedAt") for end in ends_of(one))]
    return latest(time_of(pod["metadata"].get("creationTimestamp")), *map(time_of, steps))


def _find_problem(pod: Body) -> tuple[str, Bound]:
    """Return what the first container that has trouble says, and the bound of its wait."""
    for one in (*init_containers_of(pod), *sidecars_of(pod), *containers_of(pod)):
        waiting = state_of(one, "waiting") or {}
        reason = waiting.get("reason") or ""
        if reason not in _STARTING:
            said = truncate((waiting.get("message") or "").strip(), LOG_LIMIT)
            what = f"container {one.get('name')!r} of pod {pod['metadata']['name']!r} is waiting: {reason}"
            return f"{what}: {said}" if said else what, _BOUNDS.get(reason, Bound.START)
    return "", Bound.START


def _find_hint(pod: Body, container: str) -> str:
    """Return what people should know about a running pod: who ends it, what it waits for, why it does not end."""
    name = pod["metadata"]["name"]
    disrupted = condition_of(pod, "DisruptionTarget")
    if disrupted or is_deleted(pod):
        why = f": {disrupted.get('message') or disrupted.get('reason')}" if disrupted else ""
        return f"pod {name!r} is being ended{why}"
    problem, _ = _find_problem(pod)
    if problem:
        return problem
    if not any(one.get("name") == container and state_of(one, "terminated") is not None for one in containers_of(pod)):
        return ""
    others = [str(one.get("name")) for one in containers_of(pod) if state_of(one, "running") is not None]
    return (
        f"container {container!r} of pod {name!r} has ended, and the pod continues until these end: "
        f"{', '.join(others)}; make them initContainers with restartPolicy Always, which Kubernetes ends with the pod"
        if others
        else ""
    )


def _has_started(pod: Body) -> bool:
    containers = (*init_containers_of(pod), *containers_of(pod))
    return any(state_of(one, "running") is not None or any(ends_of(one)) for one in containers)
