"""kopf's part: list, watch, reconnect and log in; each handler only hands the object on (ADR 0002).

It runs in a thread with a loop of its own: kopf cancels every task that was created in its loop after its start, and
closes the session it was given, so the engine's tasks and the write path's session are kept out of its reach.
"""

import asyncio
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
    CLUSTER_ACTION_PROVIDERS,
    JOBS,
    PODS,
    TASK_ACTIONS,
    Resource,
)
from taskaction.core.constants import GROUP, UID_LABEL
from taskaction.handlers.no_storage import NoDiffBase, NoMemories, NoProgress
from taskaction.handlers.notifications import Inbox, Notice

KINDS = (
    TASK_ACTIONS,
    ACTION_PROVIDERS,
    CLUSTER_ACTION_PROVIDERS,
    ACTION_EVENTS,
    ACTION_FLOWS,
    ACTION_FLOW_RUNS,
    PODS,
    JOBS,
)
_NO_FINALIZER = f"{GROUP}/none"
"""kopf takes the finalizer that is its own off every object that needs none: so it gets one that nobody bears."""
_IDENTITY: Any = GROUP
"""What kopf calls itself among peers, of which there are none; it would ask for its user, whom images may not know."""
_RESTART_SECONDS = 1.0
_TEARDOWN_SECONDS = 2.0
_IDLE_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """What is watched, and how.

    Attributes:
        namespaces: the namespaces to watch; all where it is empty.
        of_cluster: whether what belongs to no namespace is watched as well.
        live_selector: the field selector that keeps finished actions and runs out of the watch.
        silence: after how many seconds without a byte a watch is opened anew; bookmarks come about once a minute.
        server_timeout: after how many seconds the API server ends a watch.
    """

    server: str
    live_selector: str
    silence: float
    namespaces: tuple[str, ...] = ()
    of_cluster: bool = True
    server_timeout: int = 600

    @property
    def kinds(self) -> tuple[Resource, ...]:
        """What is watched."""
        return tuple(kind for kind in KINDS if kind.namespaced or self.of_cluster)

    @property
    def count(self) -> int:
        """How many watches there are when all have begun: cluster providers have one, whatever the namespaces."""
        return sum(max(1, len(self.namespaces)) if kind.namespaced else 1 for kind in self.kinds)


class Watching:
    """Keeps kopf running until it is stopped; a failure restarts it in place, and the leases stay."""

    def __init__(
        self,
        settings: WatchSettings,
        open_session: Callable[[], aiohttp.ClientSession],
        inbox: Inbox,
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
        """Stop watching, and wait for it at most ``seconds``."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join, seconds)

    @property
    def alive(self) -> bool:
        """True while the thread is there."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            loop = uvloop.new_event_loop()
            try:
                loop.run_until_complete(self._operate())
            except BaseException as error:  # noqa: BLE001 - whatever ended it, watching must go on
                self._failed(error)
            finally:
                loop.close()  # with what has not ended on being cancelled: it never runs again
            self._stop.wait(_RESTART_SECONDS)

    async def _operate(self) -> None:
        """Run kopf until one of its root tasks ends, and raise what ended it.

        kopf's own ``operator`` would then wait for all others, and waits for ever for a watcher that wants to log in
        again: after a watch that is answered with 410, say.
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
            self._inbox.put(notice)

        return hand_on

    def _kopf_settings(self) -> kopf.OperatorSettings:
        settings = kopf.OperatorSettings()
        settings.scanning.disabled = True
        settings.posting.enabled = False
        settings.peering.standalone = True
        settings.persistence.finalizer = _NO_FINALIZER
        settings.persistence.diffbase_storage = NoDiffBase()
        settings.persistence.progress_storage = NoProgress()
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
    """Give what kopf's settings call a kind."""
    return ".".join(filter(None, (kind.plural, kind.version, kind.group)))
