"""What a queued action waits for, and its position, computed from the objects that the user may read.

The operator does not write this into statuses: each start would change the position of all others.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from taskaction.api.bodies import at, phase_of
from taskaction.api.enums import TERMINAL_PHASES, Phase
from taskaction.cli.session import Session
from taskaction.cluster.errors import ForbiddenError
from taskaction.cluster.gateway import ACTION_PROVIDERS, CLUSTER_ACTION_PROVIDERS, TASK_ACTIONS, Body
from taskaction.plugin.registry import Registry

LIVE = ",".join(f"status.phase!={phase}" for phase in TERMINAL_PHASES)
"""Field selector for what has not ended."""
_NAMED = 3


async def explain_wait(session: Session, body: Body) -> str | None:
    """Return what an action in the queue waits for; None if it is not queued."""
    if body["kind"] != TASK_ACTIONS.kind or phase_of(body) != Phase.QUEUED or at(body, "spec.suspend"):
        return None
    if at(body, "status.nextAttemptAt") is not None:
        return "the time of its next attempt"
    try:
        provider = await _provider_of(session, body)
        key = partition_key_of(body, provider)
        if key is not None and (found := explain_partition(body, await _rivals(session, body), provider)) is not None:
            return found
        if provider is not None and (found := explain_provider(provider)) is not None:
            return found
        where = body["metadata"]["namespace"]
        queued = session.cluster.list(TASK_ACTIONS, where, field_selector=f"status.phase={Phase.QUEUED}")
        return explain_queue(body, [one async for one in queued])
    except ForbiddenError as error:
        return f"unknown, because you may not read what is before it: {error}"


def partition_key_of(body: Body, provider: Body | None) -> str | None:
    """Return the partition key of an action; None without one, or if only its executor can compute it."""
    parameters = at(body, "spec.parameters", {})
    path = at(provider, "spec.partitionKeyPath") if provider is not None else None
    executor = Registry.find_installed(at(provider or body, "spec.executor", ""))
    name = executor.PARTITION_KEY if executor is not None else None
    found = (
        at(body, "spec.partitionKey"),
        at(parameters, path) if path else None,
        parameters.get(name) if name else None,
        at(body, "status.partitionKey"),
    )
    return next((str(one) for one in found if one not in (None, "")), None)


def explain_partition(body: Body, rivals: Iterable[Body], provider: Body | None) -> str | None:
    """Return the position of an action in its partition; None if nothing in it is ahead of the action."""
    key = partition_key_of(body, provider)
    members = [one for one in rivals if partition_key_of(one, provider) == key]
    running = [one for one in members if has_started(one)]
    queued = sorted((one for one in members if not has_started(one)), key=_order)
    place = _place_of(body, queued)
    capacity = at(provider, "spec.limits.maxConcurrentPerPartition", 1) if provider is not None else 1
    if place == 1 and len(running) < capacity:
        return None
    ahead = [*running, *queued[: place - 1]]
    return f"{_names(ahead)} in partition {key!r}; position {place} of {len(queued)} in the queue"


def explain_provider(provider: Body) -> str | None:
    """Return which limit of a provider is reached; None if none is known to be."""
    limit, running = at(provider, "spec.limits.maxConcurrent"), at(provider, "status.running", 0)
    if limit is None or running < limit:
        return None
    name = f"{provider['kind']} {provider['metadata']['name']!r}"
    return f"{name}: {running} of {limit} concurrent attempts are running (limits.maxConcurrent)"


def explain_queue(body: Body, queued: Iterable[Body]) -> str:
    """Return the position of an action among those of its namespace that wait for a worker."""
    ordered = sorted(queued, key=lambda one: (-at(one, "spec.priority", 0), _order(one)))
    place = _place_of(body, ordered)
    return (
        f"a free worker; position {place} of {len(ordered)} in the queue of namespace {body['metadata']['namespace']} "
        "(`taskaction doctor` shows whether an operator runs)"
    )


def has_started(body: Body) -> bool:
    """Whether an action has begun an attempt, and so occupies its partition."""
    return phase_of(body) not in {Phase.QUEUED, Phase.WAITING_FOR_RESOURCES} or bool(at(body, "status.attempt"))


async def _provider_of(session: Session, body: Body) -> Body | None:
    name = at(body, "spec.providerRef.name")
    if name is None:
        return None
    if at(body, "spec.providerRef.kind") == CLUSTER_ACTION_PROVIDERS.kind:
        return await session.cluster.get(CLUSTER_ACTION_PROVIDERS, name)
    return await session.cluster.get(ACTION_PROVIDERS, name, body["metadata"]["namespace"])


async def _rivals(session: Session, body: Body) -> list[Body]:
    """Return the live actions of the same provider, or of the same executor in the namespace."""
    provider, where = at(body, "spec.providerRef"), body["metadata"]["namespace"]
    if provider is None:
        return await _list_live(session, where, f"spec.executor={at(body, 'spec.executor')}")
    fields = f"spec.providerRef.name={provider['name']}"
    shared = _kind_of(provider) == CLUSTER_ACTION_PROVIDERS.kind
    try:
        found = await _list_live(session, "" if shared else where, fields)
    except ForbiddenError:
        found = await _list_live(session, where, fields)
    return [one for one in found if _kind_of(at(one, "spec.providerRef")) == _kind_of(provider)]


async def _list_live(session: Session, namespace: str, fields: str) -> list[Body]:
    listed = session.cluster.list(TASK_ACTIONS, namespace, field_selector=f"{fields},{LIVE}")
    return [one async for one in listed]


def _kind_of(reference: Mapping[str, Any]) -> str:
    return str(reference.get("kind", ACTION_PROVIDERS.kind))


def _order(body: Body) -> tuple[str, int]:
    """Return the sort key of the order of creation, as the operator knows it."""
    version = str(at(body, "metadata.resourceVersion", "0"))
    return str(at(body, "metadata.creationTimestamp", "")), int(version) if version.isdecimal() else 0


def _place_of(body: Body, ordered: list[Body]) -> int:
    uids = [one["metadata"]["uid"] for one in ordered]
    uid = body["metadata"]["uid"]
    return uids.index(uid) + 1 if uid in uids else len(uids) + 1


def _names(bodies: list[Body]) -> str:
    shown = ", ".join(f"{one['metadata']['name']} ({phase_of(one)})" for one in bodies[:_NAMED])
    return shown + (f" and {len(bodies) - _NAMED} more" if len(bodies) > _NAMED else "")
