"""Cache of pods and Jobs that attempts created, fed by the watch; requests polls of their actions, reads nothing.

Without it, every change would cost a read, and every end would be noticed late.
"""

from taskaction.cluster.gateway import JOBS, PODS, Body, Resource
from taskaction.control.objects.requests import Requests
from taskaction.control.objects.tables import ActionTable
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.core.constants import UID_LABEL

FOLLOWED = {resource.kind: resource for resource in (PODS, JOBS)}
_KEPT = 64
"""Maximum number of objects of one action: a Job may have thousands of pods."""


class ChildObjectCache:
    """Implementation of ``plugin.toolbox.Followed``."""

    def __init__(self, table: ActionTable, tenures: ShardTenures, requests: Requests) -> None:
        """Create a cache; it requests a poll of an action one of whose own objects changed.

        Objects of actions in shards of others are followed by their owners.
        """
        self._table = table
        self._tenures = tenures
        self._requests = requests
        self._objects: dict[str, dict[tuple[str, str], Body]] = {}
        self._news: dict[str, set[tuple[str, str]]] = {}

    def __len__(self) -> int:
        """Return the number of actions with cached objects."""
        return len(self._objects)

    def on_notification(self, kind: str, event: str | None, body: Body) -> None:
        """Process one notification about an object of ``kind``; ``event`` is the type of the watch event."""
        metadata = body["metadata"]
        uid = (metadata.get("labels") or {}).get(UID_LABEL, "")
        record = self._table.get(uid)
        if record is None or not self._tenures.owns(record.shard) or metadata["namespace"] != record.namespace:
            return  # users who can label objects elsewhere must not affect this action
        key = (FOLLOWED[kind].plural, metadata["name"])
        objects = self._objects.setdefault(uid, {})
        told = key in self._news.get(uid, ())  # and not read yet
        _keep_first_deletion(objects.pop(key, None), body)
        if event == "DELETED" and not _has_ended(body):
            self._news.get(uid, set()).discard(key)
        else:
            _reduce_spec(body)
            objects[key] = body
            self._news.setdefault(uid, set()).add(key)
            if len(objects) > _KEPT:
                oldest = next(iter(objects))
                del objects[oldest]
                self._news[uid].discard(oldest)
        if not told and _requires_poll(uid, body):
            self._requests.polls.add(uid)

    def take_change(self, resource: Resource, uid: str, name: str) -> Body | None:
        """Return an object that changed since the last read, otherwise None."""
        key = (resource.plural, name)
        news = self._news.get(uid)
        if news is None or key not in news:
            return None
        news.discard(key)
        return self._objects[uid][key]

    def list_observed(self, resource: Resource, uid: str) -> list[Body]:
        """Return the cached objects of an action."""
        objects = {key: body for key, body in self._objects.get(uid, {}).items() if key[0] == resource.plural}
        self._news.get(uid, set()).difference_update(objects)  # otherwise the next change would not request a poll
        return list(objects.values())

    def forget(self, uid: str) -> None:
        """Remove the objects of an action that this process no longer follows."""
        self._objects.pop(uid, None)
        self._news.pop(uid, None)


def _has_ended(body: Body) -> bool:
    """Whether an object is a pod that has ended: how it ended counts, even if it was deleted since."""
    return (body.get("status") or {}).get("phase") in {"Succeeded", "Failed"}


def _keep_first_deletion(before: Body | None, body: Body) -> None:
    """Keep when an object's deletion was first requested: a repeated request without a grace period replaces it."""
    if before is None or before["metadata"].get("uid") != body["metadata"].get("uid"):
        return
    if "deletionTimestamp" in before["metadata"]:
        body["metadata"] |= {
            name: before["metadata"].get(name) for name in ("deletionTimestamp", "deletionGracePeriodSeconds")
        }


def _reduce_spec(body: Body) -> None:
    """Keep of the spec only which init containers are sidecars: admission may have added them, and no status tells."""
    given = body.pop("spec", {}).get("initContainers") or ()
    sidecars = [
        {"name": one["name"], "restartPolicy": "Always"} for one in given if one.get("restartPolicy") == "Always"
    ]
    if sidecars:
        body["spec"] = {"initContainers": sidecars}


def _requires_poll(uid: str, body: Body) -> bool:
    """Whether a change of the object requires a poll: an own object of the action, or a pending pod of its Job.

    The Job itself reports how its pods ended.
    """
    owners = body["metadata"].get("ownerReferences") or ()
    return any(owner["uid"] == uid for owner in owners) or (body.get("status") or {}).get("phase") == "Pending"
