"""Agent as a process: builds, starts and stops it in an order that loses no report; makes no decisions."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

import aiohttp

from taskaction.cluster.credentials import Credentials
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import Cluster
from taskaction.cluster.rest import RestCluster
from taskaction.cluster.session import open_session
from taskaction.core.clock import Clock, SystemClock
from taskaction.integrations.port.agent.admission import Admission
from taskaction.integrations.port.agent.annotations import RunAnnotations
from taskaction.integrations.port.agent.buffer import RunBuffer
from taskaction.integrations.port.agent.claimer import Claimer
from taskaction.integrations.port.agent.client import PortApiClient
from taskaction.integrations.port.agent.journal import AgentJournal
from taskaction.integrations.port.agent.leadership import Leadership
from taskaction.integrations.port.agent.outbox import Outbox
from taskaction.integrations.port.agent.settings import PortAgentConfig
from taskaction.runtime.probes import Health, ProbeServer

_STANDBY_SECONDS = 0.5
_LEFT_ALONE = timedelta(seconds=10)
"""Maximum time between the creation of an action and the acknowledgement of its run."""
_IDLE_LOOK_SECONDS = 30.0
"""Interval between lists of the objects while the agent is idle."""


class AgentComponents:
    """Components of the agent, over any cluster, clock and session."""

    def __init__(
        self,
        config: PortAgentConfig,
        cluster: Cluster,
        session: aiohttp.ClientSession,
        clock: Clock,
        luck: Callable[[], float],
    ) -> None:
        self.journal = AgentJournal()
        self.port = PortApiClient(
            base_url=config.base_url,
            client_id=config.client_id,
            client_secret=config.client_secret.get_secret_value(),
            session=session,
            clock=clock,
            timeout=config.request_timeout.total_seconds(),
            observe=self.journal.on_port_request,
        )
        self.leadership = Leadership(
            cluster,
            clock,
            namespace=config.namespace,
            installation=config.installation_id,
            identity=config.identity,
            duration=config.lease_duration.total_seconds(),
        )
        self.buffer = RunBuffer(
            watermark=config.runs_buffer_high_watermark, share_per_action=config.max_runs_buffer_util_pct_per_action
        )
        self.admission = Admission(
            cluster=cluster,
            port=self.port,
            clock=clock,
            journal=self.journal,
            namespace=config.namespace,
            installation=config.installation_id,
            identity=config.identity,
            targets=config.mapping,
            vanished=self._on_action_vanished,
        )
        self.outbox = Outbox(
            cluster=cluster,
            port=self.port,
            clock=clock,
            journal=self.journal,
            buffer=self.buffer,
            admission=self.admission,
            namespace=config.namespace,
            installation=config.installation_id,
            left_alone=min(_LEFT_ALONE, timedelta(milliseconds=config.visibility_timeout_ms)),
            term=lambda: self.leadership.term,
        )
        self.claiming = Claimer(
            port=self.port,
            clock=clock,
            luck=luck,
            journal=self.journal,
            buffer=self.buffer,
            admission=self.admission,
            kinds=config.run_kinds,
            installation=config.installation_id,
            visibility_ms=config.visibility_timeout_ms,
            interval=config.poll_check_interval_seconds,
        )
        self.journal.show_buffer(self.buffer)

    def _on_action_vanished(self, name: str, marks: RunAnnotations) -> None:
        self.outbox.on_action_vanished(name, marks)


class PortAgent:
    """Replica of the agent; only one of an installation is active at a time."""

    def __init__(self, config: PortAgentConfig) -> None:
        self._config = config
        self._clock = SystemClock()
        self._stop = asyncio.Event()
        self._leading: bool | None = None
        self._looked_at = 0.0
        self._trouble = ""

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT; then stop claiming, send pending reports, and release the Lease."""
        config = self._config
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stop.set)
        credentials = Credentials.load(self._clock, kubeconfig=config.kubeconfig, context=config.context)
        # A session without cookies and redirects: its credentials must reach only Port.
        async with (
            open_session(credentials) as api,
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=True) as session,
        ):
            journal: list[AgentJournal] = []
            cluster = RestCluster(credentials.server, api, lambda request: journal[0].on_api_request(request))
            parts = AgentComponents(config, cluster, session, self._clock, random.random)
            journal.append(parts.journal)
            await self._work(parts)

    async def _work(self, parts: AgentComponents) -> None:
        leading = asyncio.create_task(
            parts.leadership.run(lambda error: parts.journal.on_error("lease", error)), name="leadership"
        )
        reporting = asyncio.create_task(self._loop(parts, lambda: self._report(parts)), name="reporting")
        claiming = asyncio.create_task(self._loop(parts, lambda: self._claim(parts)), name="claiming")
        tasks = (leading, reporting, claiming)
        probes = ProbeServer(
            "TASKACTION_PORT_AGENT_BIND", self._config.bind, self._health(parts, tasks), parts.journal.registry
        )
        await probes.start()
        try:
            await self._stop.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._config.max_wait_seconds_before_shutdown):
                    await asyncio.wait((claiming, reporting))
                    await self._flush(parts)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(ClusterError):
                await parts.leadership.release()
            await probes.stop()

    async def _loop(self, parts: AgentComponents, turn: Callable[[], Awaitable[float]]) -> None:
        """Call ``turn`` repeatedly until the agent stops; a turn in progress finishes first."""
        while not self._stop.is_set():
            try:
                wait = await turn()
            except Exception as error:  # noqa: BLE001 - no error may end the loop: the next turn may succeed
                self._trouble = str(error)
                parts.journal.on_error("turn", error)
                wait = self._config.poll_check_interval_seconds
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), wait)

    async def _claim(self, parts: AgentComponents) -> float:
        if not (parts.leadership.is_leader and parts.outbox.looked):
            return _STANDBY_SECONDS
        return await parts.claiming.claim_all()

    async def _report(self, parts: AgentComponents) -> float:
        held = parts.leadership.is_leader
        if not held:
            parts.outbox.looked = False  # a claim requires a list that is newer than the Lease
        if held is not self._leading and parts.leadership.holder:
            self._leading = held
            parts.journal.on_leader_changed(leads=held, holder=parts.leadership.holder)
        if not held:
            return _STANDBY_SECONDS
        now = self._clock.monotonic()
        if not (parts.outbox.looked and parts.outbox.idle and now - self._looked_at < _IDLE_LOOK_SECONDS):
            self._looked_at = now
            await parts.outbox.sync()
            self._trouble = ""
        return self._config.report_interval_seconds

    async def _flush(self, parts: AgentComponents) -> None:
        """Send pending reports repeatedly, until none is left."""
        while parts.leadership.is_leader:
            try:
                if not await parts.outbox.sync():
                    return
            except ClusterError as error:
                parts.journal.on_error("flush", error)
            await self._clock.sleep(_STANDBY_SECONDS)

    def _health(self, parts: AgentComponents, tasks: tuple[asyncio.Task[None], ...]) -> Health:
        def live() -> list[str]:
            ended = [task.get_name() for task in tasks if task.done()]
            return [] if self._stop.is_set() else [f"{name} has ended" for name in ended]

        def ready() -> list[str]:
            leadership = parts.leadership
            problems = [*live(), *filter(None, [leadership.trouble])]
            if not leadership.is_leader:
                return problems if leadership.holder else [*problems, "the Lease has not been read yet"]
            looked = [] if parts.outbox.looked else ["the unfinished actions have not been listed yet"]
            trouble = filter(None, [self._trouble])
            return [*problems, *looked, *trouble, *parts.claiming.problems(), *parts.outbox.problems()]

        return Health(live=live, ready=ready)
