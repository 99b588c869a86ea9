"""Fields of a pod's status: containers, conditions and times; pure, and for any status that the API server stores."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from taskaction.cluster.gateway import Body

Fields = Mapping[str, Any]


def status_of(body: Body) -> Fields:
    """Return the status of an object; empty if it has none."""
    return body.get("status") or {}


def condition_of(body: Body, kind: str, status: str = "True") -> Fields:
    """Return the condition of a type if it has a status; otherwise an empty one."""
    for condition in status_of(body).get("conditions") or ():
        if condition.get("type") == kind and condition.get("status") == status:
            return dict(condition)
    return {}


def containers_of(pod: Body) -> Sequence[Fields]:
    """Return the statuses of the regular containers."""
    return status_of(pod).get("containerStatuses") or ()


def init_containers_of(pod: Body) -> Sequence[Fields]:
    """Return the statuses of the init containers that end before the regular ones start."""
    names = sidecar_names(pod)
    return [one for one in status_of(pod).get("initContainerStatuses") or () if one.get("name") not in names]


def sidecars_of(pod: Body) -> Sequence[Fields]:
    """Return the statuses of the init containers that run next to the regular ones."""
    names = sidecar_names(pod)
    return [one for one in status_of(pod).get("initContainerStatuses") or () if one.get("name") in names]


def sidecar_names(pod: Body) -> frozenset[str]:
    """Return the names of the init containers with ``restartPolicy: Always``."""
    given = (pod.get("spec") or {}).get("initContainers") or ()
    return frozenset(one["name"] for one in given if one.get("restartPolicy") == "Always")


def state_of(container: Fields, kind: str) -> Fields | None:
    """Return the present state of a container if it is of a kind: waiting, running or terminated."""
    state = container.get("state") or {}
    return (state.get(kind) or {}) if kind in state else None


def ends_of(container: Fields) -> Iterator[Fields]:
    """Yield how a container ended, the last end first: the present one, and that before its restart."""
    for field in ("state", "lastState"):
        ended = (container.get(field) or {}).get("terminated")
        if ended:
            yield ended


def time_of(text: object) -> datetime | None:
    """Return a time of the API server; None if it is missing."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


def latest(*times: datetime | None) -> datetime | None:
    """Return the latest of the known times."""
    return max((one for one in times if one is not None), default=None)


def deletion_requested_at(pod: Body) -> datetime | None:
    """Return when the deletion of a pod was requested; None if it was not, or if the time is lost.

    The deletionTimestamp is the end of the grace period, until the kubelet requests the deletion again without one:
    then it is the time of that, after the end of the containers. The kubelet does so only after it has reported the
    deletion's generation; where it has not, nobody requested the deletion before.
    """
    metadata, seen = pod["metadata"], status_of(pod).get("observedGeneration")
    until, grace = time_of(metadata.get("deletionTimestamp")), metadata.get("deletionGracePeriodSeconds") or 0
    if until is None or (not grace and seen is not None and seen >= (metadata.get("generation") or 0)):
        return None
    return until - timedelta(seconds=grace)


def is_deleted(body: Body) -> bool:
    """Whether the deletion of an object was requested."""
    return bool(body["metadata"].get("deletionTimestamp"))
