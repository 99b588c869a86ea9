"""Keeps what the watch says of pods and Jobs that attempts created, and has their actions polled; asks nobody.

Without it every change would cost a read, and every end would be noticed late.
"""

from collections.abc import Callable

from taskaction.cluster.gateway import JOBS, PODS, Body, Resource
from taskaction.control.objects.records import Table
from taskaction.core.constants import UID_LABEL

FOLLOWED = {resource.kind: resource for resource in (PODS, JOBS)}
_KEPT = 64
"""Objects kept of one action: a Job may have thousands of pods."""


class FollowedObjects:
    """The ``executors.toolbox.Followed`` of this process."""

    def __init__(self, table: Table, owns: Callable[[int], bool], changed: Callable[[str], None]) -> None:
        """``changed`` is called with the uid of an action one of whose own objects has changed.

        ``owns`` says whether a shard is this process's: the objects of others' actions are theirs to follow.
        """
        self._table = table
        self._owns = owns
        self._changed = changed
        self._objects: dict[str, dict[tuple[str, str], Body]] = {}
        self._news: dict[str, set[tuple[str, str]]] = {}

    def __len__(self) -> int:
        """Give of how many actions something is kept."""
        return len(self._objects)

    def notice(self, kind: str, event: str | None, body: Body) -> None:
        """Take in one notification about an object of ``kind``; ``event`` is the watch's word."""
        metadata = body["metadata"]
        uid = (metadata.get("labels") or {}).get(UID_LABEL, "")
        record = self._table.get(uid)
        if record is None or not self._owns(record.shard) or metadata["namespace"] != record.namespace:
            return  # whoever may label objects elsewhere must not speak for this action
        key = (FOLLOWED[kind].plural, metadata["name"])
        objects = self._objects.setdefault(uid, {})
        told = key in self._news.get(uid, ())  # and not asked for yet
        objects.pop(key, None)
        if event == "DELETED":
            self._news.get(uid, set()).discard(key)
        else:
            body.pop("spec", None)
            objects[key] = body
            self._news.setdefault(uid, set()).add(key)
            if len(objects) > _KEPT:
                oldest = next(iter(objects))
                del objects[oldest]
                self._news[uid].discard(oldest)
        if not told and _concerns(uid, body):
            self._changed(uid)

    def news(self, resource: Resource, uid: str, name: str) -> Body | None:
        """Give an object that has changed since this was last asked."""
        key = (resource.plural, name)
        news = self._news.get(uid)
        if news is None or key not in news:
            return None
        news.discard(key)
        return self._objects[uid][key]

    def seen(self, resource: Resource, uid: str) -> list[Body]:
        """Give the objects of an action as they were last seen."""
        objects = {key: body for key, body in self._objects.get(uid, {}).items() if key[0] == resource.plural}
        self._news.get(uid, set()).difference_update(objects)  # or the next change of one would not be told
        return list(objects.values())

    def forget(self, uid: str) -> None:
        """Let go of what is kept of an action that this process does not follow any more."""
        self._objects.pop(uid, None)
        self._news.pop(uid, None)


def _concerns(uid: str, body: Body) -> bool:
    """Say whether an object tells something of its action by itself: its own, or a pod of its Job that does not start.

    How a Job's pods ended, the Job will tell.
    """
    owners = body["metadata"].get("ownerReferences") or ()
    return any(owner["uid"] == uid for owner in owners) or (body.get("status") or {}).get("phase") == "Pending"
