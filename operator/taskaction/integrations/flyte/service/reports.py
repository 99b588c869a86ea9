"""ActionEvents of what clients report of actions; pure."""

from datetime import datetime

from flyteidl2.actions.actions_service_pb2 import UpdateRequest
from flyteidl2.common.phase_pb2 import ActionPhase
from flyteidl2.core.catalog_pb2 import CatalogCacheStatus
from google.protobuf.json_format import MessageToDict

from taskaction.api.action_event import UPDATE
from taskaction.api.base import format_time
from taskaction.api.enums import CacheStatus
from taskaction.cluster.gateway import ACTION_EVENTS, Body
from taskaction.core.names import digest
from taskaction.integrations.flyte.service.action_cache import CachedAction
from taskaction.integrations.flyte.service.phases import PHASES

_PHASES = {number: str(name) for name, number in PHASES.items()} | {ActionPhase.ACTION_PHASE_RECOVERED: "Succeeded"}
_CACHE = {
    CatalogCacheStatus.CACHE_DISABLED: CacheStatus.DISABLED,
    CatalogCacheStatus.CACHE_MISS: CacheStatus.MISS,
    CatalogCacheStatus.CACHE_HIT: CacheStatus.HIT,
    CatalogCacheStatus.CACHE_POPULATED: CacheStatus.POPULATED,
    CatalogCacheStatus.CACHE_LOOKUP_FAILURE: CacheStatus.LOOKUP_FAILURE,
    CatalogCacheStatus.CACHE_PUT_FAILURE: CacheStatus.PUT_FAILURE,
    CatalogCacheStatus.CACHE_SKIPPED: CacheStatus.SKIPPED,
    CatalogCacheStatus.CACHE_EVICTED: CacheStatus.EVICTED,
}
_NAME_CHARS = 40


def attempt_of(request: UpdateRequest) -> int:
    """Return which attempt a report is about; a reporter that has counted more attempts has begun another one."""
    return max(int(request.attempt), int(request.status.attempts))


def phase_of(request: UpdateRequest) -> str:
    """Return the phase that is reported, in the words of a TaskAction; empty where none is."""
    return _PHASES.get(request.status.phase, "")


def update_event(known: CachedAction, request: UpdateRequest, sender: str, now: datetime) -> Body:
    """Return what the owner of the action is told of an ``Update``; equal updates have equal names.

    It names no attempt as its target: what is known here of attempts may be older than what the owner knows.
    """
    mark = digest(known.uid.encode() + request.SerializeToString(deterministic=True))
    payload = {
        "attempt": attempt_of(request),
        "phase": phase_of(request),
        "cacheStatus": _CACHE.get(request.status.cache_status, ""),
        "address": MessageToDict(request.address),
    }
    return {
        "apiVersion": ACTION_EVENTS.api_version,
        "kind": ACTION_EVENTS.kind,
        "metadata": {"name": f"{known.place.name[:_NAME_CHARS].rstrip('-')}-{mark[:16]}"},
        "spec": {
            "target": {"name": known.place.name, "uid": known.uid},
            "type": UPDATE,
            "payload": {name: value for name, value in payload.items() if value},
            "sender": sender[:253],
            "receivedAt": format_time(now),
        },
    }
