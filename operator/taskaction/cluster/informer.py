"""Informer of all objects of one kind in one namespace: a list, then watches; keeps only their uids."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from taskaction.cluster.errors import ClusterError, ExpiredError, UnavailableError
from taskaction.cluster.gateway import Body, Resource
from taskaction.core.clock import Clock

_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list, at one resourceVersion."""

    items: list[Body]
    resource_version: str
    token: str


class WatchClient(Protocol):
    """Client for lists and watches, in addition to the verbs of ``Cluster``."""

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
        """Return one page of a list; raise ``ExpiredError`` if ``token`` is too old."""

    def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        field_selector: str = "",
        label_selector: str = "",
        since: str,
        silence: float,
    ) -> AsyncIterator[tuple[str, Body]]:
        """Yield the events after ``since``, as (ADDED | MODIFIED | DELETED | BOOKMARK, object).

        The server ends the watch. Raises ``ExpiredError`` if ``since`` is too old, and ``UnavailableError`` if nothing
        arrived for ``silence`` seconds.
        """


class Informer:
    """Informer that reports each present or changed object, and each deleted one, even if no watch saw the deletion."""

    def __init__(
        self,
        cluster: WatchClient,
        clock: Clock,
        resource: Resource,
        namespace: str = "",
        *,
        changed: Callable[[Body], None],
        gone: Callable[[str], None],
        field_selector: str = "",
        label_selector: str = "",
        silence: float = 75.0,
    ) -> None:
        """Create an informer; ``changed`` gets the object, ``gone`` the uid, both in order and possibly twice."""
        self._cluster = cluster
        self._clock = clock
        self._resource = resource
        self._namespace = namespace
        self._changed = changed
        self._gone = gone
        self._fields = field_selector
        self._labels = label_selector
        self._silence = silence
        self._uids: set[str] = set()
        self._since = ""
        self._heard = clock.monotonic()
        self.listed = asyncio.Event()

    @property
    def age(self) -> float:
        """Seconds since the last data from the API server."""
        return self._clock.monotonic() - self._heard

    async def run(self, failed: Callable[[str, BaseException], None]) -> None:
        """List and watch until cancelled; ``failed`` receives errors, after which the informer tries again."""
        while True:
            try:
                if not self._since:
                    await self._list()
                await self._watch()
            except ExpiredError:
                self._since = ""
            except ClusterError as error:
                if not isinstance(error, UnavailableError):
                    self._since = ""
                failed(f"watch {self._resource.plural}", error)
                await self._clock.sleep(_PAUSE_SECONDS)

    async def _list(self) -> None:
        found: set[str] = set()
        token = ""
        while True:
            page = await self._cluster.page(
                self._resource, self._namespace, field_selector=self._fields, label_selector=self._labels, token=token
            )
            self._heard = self._clock.monotonic()
            for body in page.items:
                found.add(body["metadata"]["uid"])
                self._changed(body)
            token = page.token
            if not token:
                break
        for uid in self._uids - found:
            self._gone(uid)
        self._uids = found
        self._since = page.resource_version
        self.listed.set()

    async def _watch(self) -> None:
        events = self._cluster.watch(
            self._resource,
            self._namespace,
            field_selector=self._fields,
            label_selector=self._labels,
            since=self._since,
            silence=self._silence,
        )
        async for kind, body in events:
            self._heard = self._clock.monotonic()
            metadata = body["metadata"]
            if kind == "DELETED":
                self._uids.discard(metadata["uid"])
                self._gone(metadata["uid"])
            elif kind != "BOOKMARK":
                self._uids.add(metadata["uid"])
                self._changed(body)
            self._since = metadata["resourceVersion"]
