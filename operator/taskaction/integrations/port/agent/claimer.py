"""Claims of pending runs from Port, within the limits of queued and started runs; an empty claim causes a pause."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from taskaction.core.backoff import Backoff
from taskaction.core.clock import Clock
from taskaction.integrations.port.agent import wire
from taskaction.integrations.port.agent.admission import Admission
from taskaction.integrations.port.agent.buffer import BufferedRun, RunBuffer
from taskaction.integrations.port.agent.client import PortApiClient, PortError, PortUnavailableError
from taskaction.integrations.port.agent.mapping import action_name
from taskaction.integrations.port.agent.recorder import AgentRecorder
from taskaction.integrations.port.agent.runs import MalformedRun, PortRun, PortRunKind, read_run

LARGEST_CLAIM = 1000
"""Maximum number of runs in one claim, which Port sets."""
PAUSE = 0.2
"""Seconds between claims that return runs."""
_PATIENCE = Backoff(initial=1.0, factor=2.0, max=60.0, jitter=0.5)
_SHOWN_AFTER = 3


@dataclass(slots=True)
class _ClaimSource:
    """Kind of run with the state of its claims; failures of one kind do not delay the other."""

    kind: PortRunKind
    failures: int = 0
    again: float = 0.0
    error: str = ""


class Claimer:
    """Claimer of runs, of all kinds in turn."""

    def __init__(
        self,
        *,
        port: PortApiClient,
        clock: Clock,
        luck: Callable[[], float],
        recorder: AgentRecorder,
        buffer: RunBuffer,
        admission: Admission,
        kinds: Sequence[PortRunKind],
        installation: str,
        visibility_ms: int,
        interval: float,
    ) -> None:
        """Create a claimer; ``interval`` is the pause in seconds after a claim that returned no runs."""
        self._port = port
        self._clock = clock
        self._luck = luck
        self._recorder = recorder
        self._buffer = buffer
        self._admission = admission
        self._sources = [_ClaimSource(kind) for kind in kinds]
        self._installation = installation
        self._visibility_ms = visibility_ms
        self._interval = interval

    def problems(self) -> list[str]:
        """Return a message for each kind whose claims fail repeatedly, and one if too many runs have started."""
        failing = [
            f"claims of {source.kind} runs fail: {source.error}"
            for source in self._sources
            if source.failures >= _SHOWN_AFTER
        ]
        if not self._buffer.is_at_limit:
            return failing
        started = f"{self._buffer.started} runs have started and not ended, so no runs are claimed"
        return [*failing, f"{started}: see TASKACTION_PORT_AGENT_MAX_STARTED_RUNS"]

    async def claim_all(self) -> float:
        """Claim once for each kind; return the seconds to wait before the next claims."""
        taken = 0
        self._sources.reverse()  # alternate the first kind, which gets the remaining room
        for source in self._sources:
            if self._buffer.room > 0 and self._clock.monotonic() >= source.again:
                taken += await self._claim(source)
        return PAUSE if taken else self._interval

    async def _claim(self, source: _ClaimSource) -> int:
        kind = source.kind
        until = self._clock.monotonic() + self._visibility_ms / 1000
        request = wire.claim_request(
            kind,
            installation=self._installation,
            limit=min(self._buffer.room, LARGEST_CLAIM),
            visibility_ms=self._visibility_ms,
            exclude=self._buffer.full_buckets(kind),
        )
        try:
            items = wire.parse_claim(kind, await self._port.send(request))
        except (PortError, ValueError) as error:
            self._on_claim_failed(source, error)
            return 0
        source.failures = 0
        self._recorder.on_runs_claimed(kind, len(items))
        return await self._admit_runs(kind, items, until)

    def _on_claim_failed(self, source: _ClaimSource, error: Exception) -> None:
        source.failures += 1
        source.error = str(error)
        asked = error.retry_after if isinstance(error, PortUnavailableError) else 0.0
        source.again = self._clock.monotonic() + max(asked, _PATIENCE.delay(source.failures, self._luck()))
        self._recorder.on_task_failed("claim", error if isinstance(error, PortError) else PortError(str(error)))

    async def _admit_runs(self, kind: PortRunKind, items: Sequence[Any], until: float) -> int:
        """Admit as many runs as fit; Port hands out the others again when their visibility timeout ends."""
        chosen: list[tuple[str, PortRun | MalformedRun]] = []
        reserved: list[str] = []
        for item in items:
            run = read_run(kind, item)
            if isinstance(run, MalformedRun):
                self._recorder.on_run_quarantined(run)
            if run.id is None:
                continue
            name = action_name(self._installation, kind, run.id)
            if not self._buffer.accepts(name, (kind, run.bucket)):
                self._recorder.on_run_left(run, "no room")
                continue
            if name not in self._buffer:
                reserved.append(name)
                self._buffer.add(name, BufferedRun((kind, run.bucket)))
            chosen.append((name, run))
        new: set[str] = set()
        try:
            new = await self._admission.admit(chosen, until)
        finally:
            for name in reserved:
                if name not in new:
                    self._buffer.drop(name)  # if the action exists nevertheless, the next list adds it
        return len(new)
