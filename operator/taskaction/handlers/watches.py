"""Watches with kopf: list, watch, reconnect and log in; each handler only passes the object on (ADR 0002).

kopf runs in a thread with its own event loop: it cancels every task that was created in its loop after its start, and
closes its session. The engine's tasks and the session of the write path must not be affected.
"""

import asyncio
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import kopf
import uvloop

from taskaction.cluster.gateway import (
    ACTION_EVENTS,
    ACTION_FLOW_RUNS,
    ACTION_FLOWS,
    ACTION_PROVIDERS,
    ACTION_SCHEDULES,
    CLUSTER_ACTION_PROVIDERS,
    JOBS,
    PODS,
    TASK_ACTIONS,
    Resource,
)
from taskaction.core.constants import GROUP, UID_LABEL
from taskaction.handlers.no_storage import NoDiffBase, NoMemories, NoProgress
from taskaction.handlers.notifications import Notice, NotificationQueue

KINDS = (
    TASK_ACTIONS,
    ACTION_PROVIDERS,
    CLUSTER_ACTION_PROVIDERS,
    ACTION_EVENTS,
    ACTION_FLOWS,
    ACTION_FLOW_RUNS,
    ACTION_SCHEDULES,
    PODS,
    JOBS,
)
_NO_FINALIZER = f"{GROUP}/none"
"""kopf removes a finalizer it owns from objects that need none, so its finalizer is one that no object has."""
_IDENTITY: Any = GROUP
"""kopf's identity among peers. There are none, but by default kopf asks for the user, which images may not have."""
_RESTART_SECONDS = 1.0
_RETRY_SECONDS = 2.0
_TEARDOWN_SECONDS = 2.0
_IDLE_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class KopfWatchSettings:
    """Settings of the watches.

    Attributes:
        namespaces: the namespaces to watch; all where it is empty.
        of_cluster: whether cluster-scoped objects are watched as well.
        live_selector: the field selector that keeps finished actions and runs out of the watch.
        silence: seconds without a byte after which a watch is reopened; bookmarks arrive about once a minute.
        server_timeout: seconds after which the API server ends a watch.
    """

    server: str
    live_selector: str
    silence: float
    namespaces: tuple[str, ...] = ()
    of_cluster: bool = True
    server_timeout: int = 600

    @property
    def kinds(self) -> tuple[Resource, ...]:
        """Kinds that are watched."""
        return tuple(kind for kind in KINDS if kind.namespaced or self.of_cluster)

    @property
    def count(self) -> int:
        """Number of watches after the start: one for cluster-scoped kinds, and one for each namespace otherwise."""
        return sum(max(1, len(self.namespaces)) if kind.namespaced else 1 for kind in self.kinds)


class KopfThread:
    """Thread that runs kopf until it is stopped; after a failure kopf restarts, and leases are kept."""

    def __init__(
        self,
        settings: KopfWatchSettings,
        open_session: Callable[[], aiohttp.ClientSession],
        inbox: NotificationQueue,
        failed: Callable[[BaseException], None],
    ) -> None:
        self._settings = settings
        self._open_session = open_session
        self._inbox = inbox
        self._failed = failed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    def start(self) -> None:
        """Start watching."""
        self._thread.start()

    async def stop(self, seconds: float) -> None:
        """Stop watching, and wait at most ``seconds`` for the thread."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join, seconds)

    @property
    def alive(self) -> bool:
        """Whether the thread is running."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            loop = uvloop.new_event_loop()
            try:
                loop.run_until_complete(self._operate())
            except BaseException as error:  # noqa: BLE001 - whatever the error, watching must continue
                self._failed(error)
            finally:
                loop.close()  # tasks that ignored the cancellation never run again
            self._stop.wait(_RESTART_SECONDS)

    async def _operate(self) -> None:
        """Run kopf until one of its root tasks ends, and raise its error.

        kopf's own ``operator`` would then wait for all other tasks, and would wait forever for a watcher that tries to
        log in again, for example after a watch that returned 410.
        """
        roots = await kopf.spawn_tasks(
            registry=self._registry(),
            settings=self._kopf_settings(),
            memories=NoMemories(),
            clusterwide=not self._settings.namespaces,
            namespaces=self._settings.namespaces,
            standalone=True,
            identity=_IDENTITY,
            stop_flag=self._stop,
        )
        ended, _ = await asyncio.wait(roots, return_when=asyncio.FIRST_COMPLETED)
        others = asyncio.all_tasks() - {asyncio.current_task()} - ended
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=_TEARDOWN_SECONDS)
        for root in ended:
            root.result()

    def _registry(self) -> kopf.OperatorRegistry:
        registry = kopf.OperatorRegistry()

        @kopf.on.login(registry=registry)
        async def login(**_: Any) -> kopf.AiohttpSession:
            return kopf.AiohttpSession(server=self._settings.server, aiohttp_session=self._open_session())

        for kind in self._settings.kinds:
            kopf.on.event(kind.group, kind.version, kind.plural, registry=registry)(self._handler(kind.kind))
        return registry

    def _handler(self, kind: str) -> Callable[..., Any]:
        async def hand_on(event: Any, **_: Any) -> None:
            body = event["object"]
            body["metadata"].pop("managedFields", None)
            notice: Notice = (kind, event["type"], body)
            self._inbox.enqueue(notice)

        return hand_on

    def _kopf_settings(self) -> kopf.OperatorSettings:
        settings = kopf.OperatorSettings()
        settings.scanning.disabled = True
        settings.posting.enabled = False
        settings.peering.standalone = True
        settings.persistence.finalizer = _NO_FINALIZER
        settings.persistence.diffbase_storage = NoDiffBase()
        settings.persistence.progress_storage = NoProgress()
        settings.networking.error_backoffs = itertools.repeat(_RETRY_SECONDS)  # by default up to 21 s, then a restart
        settings.watching.inactivity_timeout = self._settings.silence
        settings.watching.server_timeout = self._settings.server_timeout
        for finishing in (TASK_ACTIONS, ACTION_FLOW_RUNS):
            settings.watching.field_selectors[_selector(finishing)] = self._settings.live_selector
        for created in (PODS, JOBS):
            settings.watching.label_selectors[_selector(created)] = UID_LABEL
        settings.watching.chunk_size = 500
        settings.queueing.idle_timeout = _IDLE_SECONDS
        settings.process.ultimate_exiting_timeout = None
        return settings


def _selector(kind: Resource) -> str:
    """Return the name of a kind in kopf's settings."""
    return ".".join(filter(None, (kind.plural, kind.version, kind.group)))
