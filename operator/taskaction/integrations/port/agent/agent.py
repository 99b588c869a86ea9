"""Agent as a process: builds, starts and stops it in an order that loses no report; makes no decisions."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta

import aiohttp

from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import Cluster
from taskaction.core.clock import Clock, SystemClock
from taskaction.integrations.port.agent.admission import Admission
from taskaction.integrations.port.agent.annotations import RunAnnotations
from taskaction.integrations.port.agent.buffer import RunBuffer
from taskaction.integrations.port.agent.claimer import Claimer
from taskaction.integrations.port.agent.client import PortApiClient
from taskaction.integrations.port.agent.leadership import Leadership
from taskaction.integrations.port.agent.outbox import Outbox
from taskaction.integrations.port.agent.ownership import OwnActions
from taskaction.integrations.port.agent.recorder import AgentRecorder
from taskaction.integrations.port.agent.settings import PortAgentConfig
from taskaction.runtime.listening import ListenAddress
from taskaction.runtime.probes import Health
from taskaction.runtime.process import Process, ProcessOptions, Workload
from taskaction.runtime.supervisor import Supervisor

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
        recorder: AgentRecorder,
    ) -> None:
        self.recorder = recorder
        self.port = PortApiClient(
            base_url=config.base_url,
            client_id=config.client_id,
            client_secret=config.client_secret.get_secret_value(),
            session=session,
            clock=clock,
            timeout=config.request_timeout.total_seconds(),
            observe=recorder.on_port_request,
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
            watermark=config.runs_buffer_high_watermark,
            share_per_action=config.max_runs_buffer_util_pct_per_action,
            max_started=config.max_started_runs,
        )
        own = OwnActions(cluster, clock, namespace=config.namespace, installation=config.installation_id)
        self.admission = Admission(
            cluster=cluster,
            port=self.port,
            clock=clock,
            recorder=recorder,
            namespace=config.namespace,
            installation=config.installation_id,
            identity=config.identity,
            targets=config.mapping,
            own=own,
            vanished=self._on_action_vanished,
        )
        self.outbox = Outbox(
            cluster=cluster,
            port=self.port,
            clock=clock,
            recorder=recorder,
            buffer=self.buffer,
            admission=self.admission,
            own=own,
            namespace=config.namespace,
            installation=config.installation_id,
            left_alone=min(_LEFT_ALONE, timedelta(milliseconds=config.visibility_timeout_ms)),
            term=lambda: self.leadership.term,
        )
        self.claiming = Claimer(
            port=self.port,
            clock=clock,
            luck=luck,
            recorder=recorder,
            buffer=self.buffer,
            admission=self.admission,
            kinds=config.run_kinds,
            installation=config.installation_id,
            visibility_ms=config.visibility_timeout_ms,
            interval=config.poll_check_interval_seconds,
        )
        metrics = recorder.metrics
        metrics.live.set_function(lambda: len(self.buffer))
        metrics.queued.set_function(lambda: self.buffer.queued)
        metrics.queued_limit.set(config.runs_buffer_high_watermark)
        metrics.started.set_function(lambda: self.buffer.started)
        metrics.started_limit.set(config.max_started_runs)

    def _on_action_vanished(self, name: str, marks: RunAnnotations) -> None:
        self.outbox.on_action_vanished(name, marks)


class PortAgent(Workload):
    """Replica of the agent; only one of an installation is active at a time."""

    def __init__(self, config: PortAgentConfig, parts: AgentComponents, clock: Clock) -> None:
        self._config = config
        self._parts = parts
        self._clock = clock
        self._stopping = asyncio.Event()
        self._leading: bool | None = None
        self._looked_at = 0.0
        self._trouble = ""

    def log_fields(self) -> Mapping[str, object]:
        """Return the name of the replica, and the installation that it serves."""
        return {"identity": self._config.identity, "installation": self._config.installation_id}

    def health(self) -> Health:
        """Return problems with the Lease, the API server and Port; a standby is ready."""
        parts = self._parts

        def ready() -> list[str]:
            leadership = parts.leadership
            problems = [*filter(None, [leadership.trouble])]
            if not leadership.is_leader:
                return problems if leadership.holder else [*problems, "the Lease has not been read yet"]
            looked = [] if parts.outbox.looked else ["the unfinished actions have not been listed yet"]
            trouble = filter(None, [self._trouble])
            return [*problems, *looked, *trouble, *parts.claiming.problems(), *parts.outbox.problems()]

        return Health(ready=ready)

    async def start(self, supervisor: Supervisor) -> None:
        """Start to elect a leader, to claim and to report."""
        failed = self._parts.recorder.on_task_failed
        supervisor.start("leadership", self._parts.leadership.run(lambda error: failed("lease", error)))
        supervisor.start("reporting", self._repeat(self._report))
        supervisor.start("claiming", self._repeat(self._claim))

    def on_stopping(self) -> None:
        """Claim no more runs."""
        self._stopping.set()

    async def drain(self, supervisor: Supervisor) -> None:
        """Finish the present turns, and send pending reports."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._config.max_wait_seconds_before_shutdown):
                await supervisor.join("reporting", "claiming")
                await self._flush()

    async def close(self) -> None:
        """Release the Lease."""
        with suppress(ClusterError):
            await self._parts.leadership.release()

    async def _repeat(self, turn: Callable[[], Awaitable[float]]) -> None:
        """Call ``turn`` repeatedly until the agent stops; a turn in progress finishes first."""
        while not self._stopping.is_set():
            try:
                wait = await turn()
            except Exception as error:  # noqa: BLE001 - no error may end the loop: the next turn may succeed
                self._trouble = str(error)
                self._parts.recorder.on_task_failed("turn", error)
                wait = self._config.poll_check_interval_seconds
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)

    async def _claim(self) -> float:
        parts = self._parts
        if not (parts.leadership.is_leader and parts.outbox.looked):
            return _STANDBY_SECONDS
        return await parts.claiming.claim_all()

    async def _report(self) -> float:
        parts = self._parts
        held = parts.leadership.is_leader
        if not held:
            parts.outbox.looked = False  # a claim requires a list that is newer than the Lease
        if held is not self._leading and parts.leadership.holder:
            self._leading = held
            parts.recorder.on_leader_changed(leads=held, holder=parts.leadership.holder)
        if not held:
            return _STANDBY_SECONDS
        now = self._clock.monotonic()
        if not (parts.outbox.looked and parts.outbox.idle and now - self._looked_at < _IDLE_LOOK_SECONDS):
            self._looked_at = now
            await parts.outbox.sync()
            self._trouble = ""
        return self._config.report_interval_seconds

    async def _flush(self) -> None:
        """Send pending reports repeatedly, until none is left."""
        parts = self._parts
        while parts.leadership.is_leader:
            try:
                if not await parts.outbox.sync():
                    return
            except ClusterError as error:
                parts.recorder.on_task_failed("flush", error)
            await self._clock.sleep(_STANDBY_SECONDS)


async def run_port_agent(config: PortAgentConfig, stop: asyncio.Event) -> None:
    """Run the agent until ``stop`` is set; then stop claiming, send pending reports, and release the Lease."""
    clock, recorder = SystemClock(), AgentRecorder()
    options = ProcessOptions(
        settings=config,
        probes=ListenAddress("TASKACTION_PORT_AGENT_BIND", config.bind),
    )
    # A session without cookies and redirects: its credentials must reach only Port.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=True) as session:
        await Process(options, recorder, clock).run(
            lambda api: PortAgent(
                config, AgentComponents(config, api.cluster, session, clock, random.random, recorder), clock
            ),
            stop,
        )
