"""ActionEvents of what clients report of actions; pure."""

from datetime import datetime

from flyteidl2.actions.actions_service_pb2 import UpdateRequest
from flyteidl2.core.catalog_pb2 import CatalogCacheStatus

from taskaction.actions.mirror import Known
from taskaction.actions.updates import PHASES
from taskaction.api.base import format_time
from taskaction.cluster.gateway import ACTION_EVENTS, Body
from taskaction.core.names import digest

_NAMES = {number: name for name, number in PHASES.items()}
_NAME_CHARS = 40


def update_event(known: Known, request: UpdateRequest, sender: str, now: datetime) -> Body:
    """Give what the owner of the action is told of an ``Update``; equal updates have equal names."""
    mark = digest(known.uid.encode() + request.SerializeToString(deterministic=True))
    payload = {
        "attempt": request.attempt,
        "phase": _NAMES.get(request.status.phase, "Running"),
        "cacheStatus": CatalogCacheStatus.Name(request.status.cache_status),
    }
    return {
        "apiVersion": ACTION_EVENTS.api_version,
        "kind": ACTION_EVENTS.kind,
        "metadata": {"name": f"{known.place.name[:_NAME_CHARS].rstrip('-')}-{mark[:16]}"},
        "spec": {
            "target": {"name": known.place.name, "uid": known.uid, "attempt": request.attempt},
            "type": "Update",
            "payload": payload,
            "sender": sender[:253],
            "receivedAt": format_time(now),
        },
    }
