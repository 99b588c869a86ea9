"""Store of objects, with resourceVersions, finalizers and garbage collection of children."""

import copy
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from taskaction.cluster.errors import AlreadyExistsError, ConflictError, ExpiredError, NotFoundError
from taskaction.cluster.gateway import Body, Resource
from taskaction.core.clock import Clock

Key = tuple[str, str, str]
"""Plural, namespace and name."""

ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"
_KEPT_EVENTS = 10_000
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


@dataclass(frozen=True, slots=True)
class Event:
    """One change."""

    kind: str
    plural: str
    version: int
    body: Body


Listener = Callable[[Event], None]


@dataclass
class Store:
    """Store of objects by key; listeners receive each change, in order."""

    clock: Clock
    objects: dict[Key, Body] = field(default_factory=dict)
    listeners: list[Listener] = field(default_factory=list)
    version: int = 100
    _events: deque[Event] = field(default_factory=lambda: deque(maxlen=_KEPT_EVENTS))

    def write(self, resource: Resource, body: Body) -> Body:
        """Store an object without checks, with the next resourceVersion."""
        stored = copy.deepcopy(body)
        key = key_of(resource, body)
        self.version += 1
        stored["metadata"]["resourceVersion"] = str(self.version)
        stored["metadata"].setdefault("uid", str(uuid.UUID(int=self.version)))
        kind = MODIFIED if key in self.objects else ADDED
        self.objects[key] = stored
        self._notify(kind, resource.plural, stored)
        return copy.deepcopy(stored)

    def drop(self, key: Key) -> None:
        """Remove an object without checks, and the objects that it owns."""
        gone = self.objects.pop(key)
        self.version += 1
        gone["metadata"]["resourceVersion"] = str(self.version)
        self._notify(DELETED, key[0], gone)
        self._collect(gone["metadata"]["uid"])

    def make(self, resource: Resource, body: Body, namespace: str) -> Body:
        """Create an object as a user does; raise ``AlreadyExistsError`` if the name is taken."""
        metadata = {key: value for key, value in body["metadata"].items() if key != "resourceVersion"}
        if resource.namespaced:
            metadata["namespace"] = namespace
        if not metadata.get("name"):
            metadata["name"] = metadata.get("generateName", "") + self._suffix()
        whole = body | {"metadata": metadata}
        if key_of(resource, whole) in self.objects:
            raise AlreadyExistsError(f'{resource.plural} "{metadata["name"]}" already exists')
        metadata.setdefault("creationTimestamp", self._now())
        metadata.setdefault("generation", 1)
        return self.write(resource, whole)

    def change(self, resource: Resource, stored: Body, body: Body) -> Body:
        """Replace ``stored`` by an object; its generation increases if its spec differs.

        An object that is being deleted is removed with its last finalizer.
        """
        metadata = dict(body["metadata"])
        if body.get("spec") != stored.get("spec"):
            metadata["generation"] = stored["metadata"].get("generation", 1) + 1
        whole = body | {"metadata": metadata}
        written = self.write(resource, whole)
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            self.drop(key_of(resource, whole))
        return written

    def delete(self, resource: Resource, stored: Body) -> None:
        """Delete an object as a user does: immediately, or with the removal of its last finalizer."""
        metadata = stored["metadata"]
        if not metadata.get("finalizers"):
            self.drop(key_of(resource, stored))
        elif not metadata.get("deletionTimestamp"):
            self.write(resource, stored | {"metadata": metadata | {"deletionTimestamp": self._now()}})

    def orphan(self, uid: str) -> None:
        """Remove the ownerReferences to an object, so that its children remain."""
        for key, body in list(self.objects.items()):
            owners = body["metadata"].get("ownerReferences") or []
            left = [one for one in owners if one["uid"] != uid]
            if left != owners:
                self._restore(key, body | {"metadata": body["metadata"] | {"ownerReferences": left}})

    def get_current(self, resource: Resource, body: Body) -> Body:
        """Return the stored object of ``body``.

        Raises:
            NotFoundError: it does not exist.
            ConflictError: it has another uid or resourceVersion.
        """
        metadata = body["metadata"]
        stored = self.objects.get(key_of(resource, body))
        if stored is None:
            raise NotFoundError(f'{resource.plural} "{metadata["name"]}" not found')
        if any(stored["metadata"][key] != metadata.get(key, stored["metadata"][key]) for key in _IDENTITY):
            raise ConflictError("the object has been modified; please apply your changes to the latest version")
        return stored

    def events_after(self, version: int, plural: str) -> list[Event]:
        """Return the changes of one kind after a version; raise ``ExpiredError`` if some are no longer stored."""
        if self._events and self._events.maxlen == len(self._events) and self._events[0].version > version + 1:
            raise ExpiredError("too old resource version")
        return [event for event in self._events if event.version > version and event.plural == plural]

    def _notify(self, kind: str, plural: str, body: Body) -> None:
        event = Event(kind, plural, self.version, copy.deepcopy(body))
        self._events.append(event)
        for listener in list(self.listeners):
            listener(event)

    def _collect(self, uid: str) -> None:
        """Delete objects that lost their last owner; a real cluster does it a little later."""
        for key, body in list(self.objects.items()):
            owners = [one["uid"] for one in body["metadata"].get("ownerReferences") or []]
            if uid not in owners or key not in self.objects:
                continue
            if not any(other["metadata"]["uid"] in owners for other in self.objects.values()):
                self._delete_at(key)

    def _delete_at(self, key: Key) -> None:
        body = self.objects[key]
        if not body["metadata"].get("finalizers"):
            self.drop(key)
        elif not body["metadata"].get("deletionTimestamp"):
            self._restore(key, body | {"metadata": body["metadata"] | {"deletionTimestamp": self._now()}})

    def _restore(self, key: Key, body: Body) -> None:
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        self.objects[key] = body
        self._notify(MODIFIED, key[0], body)

    def _now(self) -> str:
        """Return the time as the API server does: in seconds."""
        return self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def _suffix(self) -> str:
        number, letters = self.version * 7_919, ""
        for _ in range(5):
            number, place = divmod(number, len(_LETTERS))
            letters += _LETTERS[place]
        return letters


_IDENTITY = ("uid", "resourceVersion")


def key_of(resource: Resource, body: Body) -> Key:
    """Return the key of an object."""
    return (resource.plural, body["metadata"].get("namespace", ""), body["metadata"]["name"])
