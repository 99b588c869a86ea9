"""Verbs of the API server over objects in memory; without authorization, and with every namespace."""

import asyncio
import copy
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, TypeVar

from taskaction.cluster.errors import ForbiddenError, NotFoundError, UnavailableError
from taskaction.cluster.gateway import (
    ACTION_EVENTS,
    ACTION_FLOW_RUNS,
    ACTION_FLOWS,
    ACTION_PROVIDERS,
    ACTION_SCHEDULES,
    CLUSTER_ACTION_PROVIDERS,
    CONFIG_MAPS,
    EVENTS,
    JOBS,
    LEASES,
    NAMESPACES,
    PODS,
    SECRETS,
    TASK_ACTIONS,
    Body,
    Resource,
    ServerTime,
)
from taskaction.cluster.informer import Page
from taskaction.cluster.memory.patches import apply_patch
from taskaction.cluster.memory.selectors import matches_selectors
from taskaction.cluster.memory.store import Event, Key, Listener, Store
from taskaction.core.clock import Clock, SystemClock
from taskaction.core.constants import GROUP, ORIGIN_ANNOTATION, ORIGIN_PROBE

DEPLOYMENTS = Resource(group="apps", version="v1", plural="deployments", kind="Deployment")
SERVED = (
    TASK_ACTIONS,
    ACTION_PROVIDERS,
    CLUSTER_ACTION_PROVIDERS,
    ACTION_EVENTS,
    ACTION_FLOWS,
    ACTION_FLOW_RUNS,
    ACTION_SCHEDULES,
    LEASES,
    CONFIG_MAPS,
    SECRETS,
    EVENTS,
    NAMESPACES,
    PODS,
    JOBS,
    DEPLOYMENTS,
)
"""Kinds that discovery returns."""

BORN: Mapping[str, Body] = {kind.plural: {"phase": "Queued"} for kind in (TASK_ACTIONS, ACTION_FLOW_RUNS)}
"""Status of new objects, as the schema sets it."""

Check = Callable[[Resource, Body, Body | None], Body]
"""Validates an object against the stored one, and returns it with its defaults, or raises."""

T = TypeVar("T")


def accept_all(_: Resource, body: Body, __: Body | None) -> Body:
    """Accept every object unchanged."""
    return body


class MemoryCluster:
    """In-memory ``cluster.gateway.Cluster`` with resourceVersions, uids, selectors, finalizers, owners and watches.

    Attributes:
        objects: the stored objects, by plural, namespace and name.
    """

    def __init__(self, clock: Clock | None = None, check: Check = accept_all) -> None:
        """Create a cluster; ``check`` is called before a verb creates or changes an object."""
        self._store = Store(clock or SystemClock())
        self._check = check

    @property
    def objects(self) -> dict[Key, Body]:
        """The stored objects."""
        return self._store.objects

    @property
    def server_time(self) -> ServerTime | None:
        """None: there is no server whose clock could differ."""
        return None

    @property
    def version(self) -> int:
        """The resourceVersion of the last change."""
        return self._store.version

    @property
    def listeners(self) -> int:
        """Number of listeners, including watches."""
        return len(self._store.listeners)

    # -- changes by others, without checks ----------------------------------------------------------------------------

    def store(self, resource: Resource, body: Body) -> Body:
        """Store an object unchanged, with the next resourceVersion."""
        return self._store.write(resource, body)

    def drop(self, resource: Resource, name: str, namespace: str = "") -> None:
        """Remove an object, even if it has finalizers."""
        self._store.drop((resource.plural, namespace, name))

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with each change; return a function that removes it."""
        self._store.listeners.append(listener)
        return lambda: self._store.listeners.remove(listener)

    # -- the gateway's verbs ------------------------------------------------------------------------------------------

    async def get(
        self, resource: Resource, name: str, namespace: str = "", *, as_user: str | None = None, timeout: float = 10.0
    ) -> Body | None:
        """Return the object, or None."""
        return await self._call(
            "get", name, lambda: copy.deepcopy(self.objects.get((resource.plural, namespace, name)))
        )

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        field_selector: str = "",
        label_selector: str = "",
        metadata_only: bool = False,
        page: int = 500,
        as_user: str | None = None,
        timeout: float = 30.0,
    ) -> AsyncIterator[Body]:
        """Yield the objects of a namespace, or of all namespaces."""
        for body in await self._call("list", resource.plural, lambda: self._all(resource, namespace)):
            if matches_selectors(body, field_selector, label_selector):
                yield body

    async def page(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        field_selector: str = "",
        label_selector: str = "",
        token: str = "",
        limit: int = 500,
    ) -> Page:
        """Return the whole list as one page."""

        def page() -> Page:
            items = [
                body
                for body in self._all(resource, namespace)
                if matches_selectors(body, field_selector, label_selector)
            ]
            return Page(items, str(self._store.version), "")

        return await self._call("list", resource.plural, page)

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        field_selector: str = "",
        label_selector: str = "",
        since: str,
        silence: float,
    ) -> AsyncIterator[tuple[str, Body]]:
        """Yield the events after ``since``."""
        await self._call("watch", resource.plural, lambda: None)
        news = asyncio.Event()
        unheard = self.listen(lambda _: news.set())
        version = int(since)
        try:
            while True:
                news.clear()
                for event in self._store.events_after(version, resource.plural):
                    version = event.version
                    if _concerns(event, namespace, field_selector, label_selector):
                        yield event.kind, copy.deepcopy(event.body)
                async with asyncio.timeout(silence):
                    await news.wait()
        except TimeoutError as error:
            raise UnavailableError(f"watch {resource.plural}: nothing for {silence:g} s") from error
        finally:
            unheard()

    async def create(
        self, resource: Resource, body: Body, namespace: str = "", *, as_user: str | None = None, timeout: float = 10.0
    ) -> Body:
        """Create an object; raise ``AlreadyExistsError`` if the name is taken."""
        metadata = body["metadata"]
        name = metadata.get("name") or metadata.get("generateName", "")

        def create() -> Body:
            whole = _with_status(body, BORN.get(resource.plural)) if _has_status(resource) else body
            return self._store.make(resource, self._check(resource, whole, None), namespace)

        return await self._call("create", name, create)

    async def check_create(self, resource: Resource, body: Body, namespace: str = "", *, timeout: float = 10.0) -> None:
        """Raise what ``create`` would raise; create nothing.

        Nobody but the process itself writes here, so the origin of objects counts as protected.
        """
        metadata = body["metadata"]

        def check() -> None:
            if (metadata.get("annotations") or {}).get(ORIGIN_ANNOTATION) == ORIGIN_PROBE:
                raise ForbiddenError(f"{ORIGIN_ANNOTATION}: {ORIGIN_PROBE!r} is refused to everybody")
            self._check(resource, body, None)

        await self._call("create", metadata.get("name") or metadata.get("generateName", ""), check)

    async def replace(self, resource: Resource, body: Body, *, timeout: float = 10.0) -> Body:
        """Replace the whole object at its resourceVersion, without the status if that is a subresource."""

        def replace() -> Body:
            stored = self._store.get_current(resource, body)
            return self._write(resource, stored, body)

        return await self._call("replace", body["metadata"]["name"], replace)

    async def replace_status(
        self, resource: Resource, body: Body, *, metadata_only: bool = False, timeout: float = 10.0
    ) -> Body:
        """Replace the status at the resourceVersion and uid; nothing else changes."""

        def replace_status() -> Body:
            stored = self._store.get_current(resource, body)
            changed = self._store.change(resource, stored, stored | {"status": body["status"]})
            return {"metadata": changed["metadata"]} if metadata_only else changed

        return await self._call("replace_status", body["metadata"]["name"], replace_status)

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str,
        operations: Sequence[Mapping[str, Any]],
        *,
        subresource: str = "",
        as_user: str | None = None,
        timeout: float = 10.0,
    ) -> Body:
        """Apply a JSON patch with the operations test, add, replace and remove."""

        def patch() -> Body:
            stored = self.objects.get((resource.plural, namespace, name))
            if stored is None:
                raise NotFoundError(f'{resource.plural} "{name}" not found')
            return self._write(resource, stored, apply_patch(stored, operations))

        return await self._call("patch", name, patch)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str | None = None,
        propagation: str = "Background",
        as_user: str | None = None,
        timeout: float = 10.0,
    ) -> bool:
        """Delete an object; return False if it did not exist or had another ``uid``."""

        def delete() -> bool:
            stored = self.objects.get((resource.plural, namespace, name))
            if stored is None or uid not in {None, stored["metadata"]["uid"]}:
                return False
            if propagation == "Orphan":
                self._store.orphan(stored["metadata"]["uid"])
            self._store.delete(resource, stored)
            return True

        return await self._call("delete", name, delete)

    async def kinds(self, api_version: str, *, timeout: float = 10.0) -> Sequence[Resource]:
        """Return the resources of ``apiVersion``."""
        return await self._call("kinds", api_version, lambda: [one for one in SERVED if one.api_version == api_version])

    async def text(self, path: str, *, timeout: float = 10.0) -> str:
        """Return the text at a path; only the version exists."""
        if path != "/version":
            raise NotFoundError(f"{path}: not available in memory")
        return await self._call("get", path, lambda: '{"gitVersion": "in memory"}')

    async def lines(self, path: str) -> AsyncIterator[str]:
        """Yield the text at a path line by line; there are no pods in memory, and so no logs."""
        yield await self.text(path)

    # -- helpers ------------------------------------------------------------------------------------------------------

    async def _call(self, verb: str, name: str, do: Callable[[], T]) -> T:
        """Execute one request; other tasks run first, as with a real server."""
        await asyncio.sleep(0)
        return do()

    def _all(self, resource: Resource, namespace: str) -> Sequence[Body]:
        return [
            copy.deepcopy(body)
            for (plural, where, _), body in sorted(self.objects.items())
            if plural == resource.plural and namespace in {"", where}
        ]

    def _write(self, resource: Resource, stored: Body, body: Body) -> Body:
        whole = _with_status(body, stored.get("status")) if _has_status(resource) else body
        return self._store.change(resource, stored, self._check(resource, whole, stored))


def _has_status(resource: Resource) -> bool:
    """Whether the status is a subresource, which other writes do not change."""
    return resource.group == GROUP and resource != ACTION_EVENTS


def _with_status(body: Body, status: Body | None) -> Body:
    whole = {name: part for name, part in body.items() if name != "status"}
    return whole if status is None else whole | {"status": status}


def _concerns(event: Event, namespace: str, field_selector: str, label_selector: str) -> bool:
    where = event.body["metadata"].get("namespace", "")
    return namespace in {"", where} and matches_selectors(event.body, field_selector, label_selector)
