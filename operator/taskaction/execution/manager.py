"""Execution manager: worker slots, queue, limits, parking and drain; it knows ids and coroutines only."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda, FailureHandler
from taskaction.execution.buffer import Buffer
from taskaction.execution.limits import SourceLimits
from taskaction.execution.pacing import Pace
from taskaction.execution.parking import ParkingLot, Quota
from taskaction.execution.queue import RunQueue
from taskaction.execution.rates import RateLimiter, RateObserver
from taskaction.execution.runs import QueuedRun
from taskaction.execution.shares import ShareSettings

_OBEY_SECONDS = 1.0
"""How long a cancelled turn may take to end; the manager does not wait longer."""

Process = Callable[[str], Awaitable[None]]
"""Processes a run as far as possible; an exception ends the turn."""

LIMIT_FLOOR_SECONDS = 0.5
LIMIT_RECHECK_SECONDS = 10.0
LONG_CALL_SECONDS = 1.0
"""Age from which a call does not count against other namespaces, if its own has more workers than its share."""
EQUAL_SHARES = ShareSettings()


class Observer(RateObserver, Protocol):
    """Observer of the manager, which also acts on its behalf."""

    def on_run_crashed(self, run_id: str, error: BaseException) -> None:
        """Handle an unexpected error of a run's turn."""

    def on_queue_full(self, run_id: str) -> None:
        """Handle that the queue is full and the run waits in the backlog."""

    def on_run_admitted(self, run_id: str) -> None:
        """Handle that a run moved from the backlog into the queue."""

    def on_counts_changed(self) -> None:
        """Handle that the numbers of queued and running runs may have changed."""


@dataclass(slots=True)
class _Turn:
    """A busy worker; ``started`` is monotonic."""

    task: asyncio.Task[None]
    run: QueuedRun
    started: float
    needs_token: bool


class ExecutionManager:
    """Scheduler that assigns queued runs to ``workers_count`` concurrent workers, at most twice as many with loans.

    A worker is a slot and not a long-running task: each turn is a task of its own. So nothing that a run does, not even
    cancelling itself, can cost the manager a worker (docs/porting-from-ocean.md#d7), and no wake-up is spurious or
    lost.
    """

    def __init__(
        self,
        *,
        workers_count: int,
        observer: Observer,
        clock: Clock,
        jitter: Callable[[], float],
        shares: ShareSettings = EQUAL_SHARES,
        runs_buffer_high_watermark: int | None = None,
        max_runs_buffer_util_pct_per_action: int | None = None,
    ) -> None:
        """Create a manager; settings have Ocean's names, ``jitter`` returns random numbers in [0, 1).

        ``shares`` divides the workers between namespaces.
        """
        self._process: Process | None = None
        self._workers_count = workers_count
        self._observer = observer
        self._clock = clock
        self._jitter = jitter
        self._queue = RunQueue(shares)
        self._buffer = Buffer(
            self._queue, high_watermark=runs_buffer_high_watermark, share_pct=max_runs_buffer_util_pct_per_action
        )
        self._lot = ParkingLot()
        self._rates = RateLimiter(self._queue, observer, clock)
        self._quota_checks: Agenda[Quota] = Agenda(clock)
        self._turns: dict[str, _Turn] = {}
        self._loans: Agenda[str] = Agenda(clock)

    # -- figures ------------------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether runs are being assigned to workers."""
        return self._process is not None

    @property
    def queued_count(self) -> int:
        """Number of runs that wait for a worker."""
        return len(self._queue)

    @property
    def backlog_count(self) -> int:
        """Number of runs in the backlog, outside of a full queue."""
        return len(self._buffer)

    def is_in_backlog(self, run_id: str) -> bool:
        """Whether a run waits outside of a full queue, in which runs are being assigned."""
        return self.is_open and run_id in self._buffer

    @property
    def parked_count(self) -> int:
        """Number of runs that wait for a quota of their target."""
        return len(self._lot)

    @property
    def running_count(self) -> int:
        """Number of busy workers."""
        return len(self._turns)

    @property
    def lane_count(self) -> int:
        """Number of lanes with queued or unfinished runs."""
        return self._queue.lane_count

    def waiting_count(self, source: str) -> int:
        """Return the number of runs of a source that wait for their attempt, including parked ones."""
        return self._queue.queued_count(source) + self._lot.parked_count(source)

    def preparing_count(self, source: str) -> int:
        """Return the number of runs of a source whose call is prepared and has no token of its rate yet."""
        return self._rates.preparing_count(source)

    def under_way_count(self, source: str) -> int:
        """Return the number of running attempts of a source."""
        return self._queue.running_count(source)

    def waiting_runs(self, source: str) -> list[str]:
        """Return the queued runs of a source, in the order of their arrival."""
        return list(self._queue.waiting_runs(source))

    # -- limits -------------------------------------------------------------------------------------------------------

    def set_limits(self, source: str, limits: SourceLimits, pace: Pace | None) -> None:
        """Set the limits and the rate of a source."""
        self._queue.set_limits(source, limits)
        self._buffer.set_bound(source, limits.queued)
        self._rates.set_pace(source, pace)
        self._refill()
        self._pump()

    def on_reservation_recorded(self, source: str) -> None:
        """Continue after a further reservation of the source's rate was recorded, or a token became available."""
        self._rates.regulate(source)
        self._pump()

    # -- runs ---------------------------------------------------------------------------------------------------------

    def start_processing_action_runs(self, process: Process) -> None:
        """Start assigning runs to ``process``.

        Until then they are only collected, so that their order is known at the first start.
        """
        self._process = process
        self._refill()
        self._pump()

    async def run_timers(self, failed: FailureHandler) -> None:
        """Check limits again at their time, until cancelled; ``failed`` gets what one check raises."""
        async with asyncio.TaskGroup() as timers:
            timers.create_task(self._quota_checks.run(self._check_quota, failed), name="parked runs")
            timers.create_task(self._rates.renewals.run(self.on_reservation_recorded, failed), name="rates")
            timers.create_task(self._loans.run(lambda _: self._pump(), failed), name="loans")

    def submit(self, run: QueuedRun) -> bool:
        """Queue ``run`` for a worker; return False if it already waits."""
        if run.id in self._buffer:
            return False
        if not self._queue.has_run(run.id) and not self._buffer.has_room(run, first=not self.is_open):
            self._buffer.add(run)
            if self.is_open:
                self._observer.on_queue_full(run.id)
            return True
        if not self._queue.enqueue(run):
            return False
        self._serve(run.source)
        return True

    def expect(self, run: QueuedRun) -> None:
        """Let ``run`` wait in its place in its partition until it may start; it is no longer queued."""
        self._buffer.forget(run.id)
        changed = self._queue.expect(run)
        self._leave_quota(run.id)
        if changed:
            self._serve(run.source)

    def hold(self, run: QueuedRun) -> None:
        """Keep the partition and slots of ``run`` while it needs no worker; it is no longer queued."""
        self._buffer.forget(run.id)
        self._queue.hold(run)
        if run.under_way:
            self._release_followers(run.id)
        else:
            self._leave_quota(run.id)
        self._serve(run.source)

    def park(self, run: QueuedRun, quota: Quota, seconds: float) -> None:
        """Park ``run`` until a quota is renewed in ``seconds``; it keeps its partition, but no worker.

        The quota is checked when it should be renewed, at the latest after 10 s, and never immediately
        (docs/porting-from-ocean.md#d6).
        """
        self._queue.hold(run)
        left = self._lot.park(run, quota)
        self._schedule_quota_check(quota, seconds)
        if left is not None:
            self._schedule_quota_check(left, 0.0)  # the run was to check this quota: now another run does
        self._serve(run.source)

    async def take_token(self, run_id: str) -> None:
        """Return when the call of a run that a worker has may be made, as far as the rate of its source goes."""
        turn = self._turns[run_id]
        if turn.needs_token or self._rates.begin(turn.run):
            turn.needs_token = False
            await self._rates.take_token(turn.run.source)

    def forget(self, run_id: str) -> None:
        """Remove a run that has ended or may not start, and free its partition."""
        self._buffer.forget(run_id)
        self._queue.forget(run_id)
        self._leave_quota(run_id)
        self._refill()
        self._pump()

    async def drain(self, seconds: float) -> None:
        """Stop assigning runs, wait ``seconds`` for running turns, then cancel them."""
        self._process = None
        late = await _wait_for_turns([turn.task for turn in self._turns.values()], seconds)
        for turn in late:
            turn.cancel()
        await _wait_for_turns(late, _OBEY_SECONDS)

    # -- assignment ---------------------------------------------------------------------------------------------------

    def _serve(self, source: str) -> None:
        self._rates.regulate(source)
        self._refill()
        self._pump()

    def _refill(self) -> None:
        """Move runs from the backlog into the queue while there is room."""
        while self.is_open and (run := self._buffer.take_next()) is not None:
            self._queue.enqueue(run)
            self._observer.on_run_admitted(run.id)
            self._rates.regulate(run.source)  # the rate was not checked while no run waited

    def _pump(self) -> None:
        self._observer.on_counts_changed()
        while (process := self._process) is not None and (run := self._take()) is not None:
            needs_token = self._rates.begin(run)
            task = asyncio.create_task(self._turn(process, run), name=f"run {run.id}")
            self._turns[run.id] = _Turn(task, run, self._clock.monotonic(), needs_token)
            self._refill()

    def _take(self) -> QueuedRun | None:
        """Return the next run that may have a worker; None if there is none.

        A namespace may use workers that no other wants. If it keeps more than its share busy with long calls, those do
        not count against namespaces that have less than theirs.
        """
        if len(self._turns) < self._workers_count:
            return self._queue.take()
        if not self._queue.has_owed_run(self._workers_count):
            return None
        if len(self._turns) < self._workers_count + self._count_long_turns():
            return self._queue.take_within_share(self._workers_count)
        return None

    def _count_long_turns(self) -> int:
        """Return the number of long calls of namespaces that have more than their share; look again at the next one."""
        now, found = self._clock.monotonic(), 0
        for turn in self._turns.values():  # the oldest first
            if (age := now - turn.started) < LONG_CALL_SECONDS:
                self._loans.set("", self._clock.now() + timedelta(seconds=LONG_CALL_SECONDS - age))
                break
            found += self._queue.exceeds_share(turn.run, self._workers_count)
        return min(found, self._workers_count)

    async def _turn(self, process: Process, run: QueuedRun) -> None:
        try:
            await process(run.id)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - no run may crash the manager
            self._observer.on_run_crashed(run.id, error)
        finally:
            turn = self._turns.pop(run.id)
            self._queue.release_worker(run.id)
            if turn.needs_token:
                self._rates.end(run.source)
            self._pump()

    def _leave_quota(self, run_id: str) -> None:
        """Remove a run from its quota; if it was to check the quota, another run does."""
        quota = self._lot.forget(run_id)
        if quota is not None and self._quota_checks.at(quota) is None:
            self._check_quota(quota)

    def _schedule_quota_check(self, quota: Quota, seconds: float) -> None:
        """Schedule a check of a quota, unless an earlier one is scheduled."""
        wait = max(seconds, LIMIT_FLOOR_SECONDS) * (1.0 + 0.1 * self._jitter())
        at = self._clock.now() + timedelta(seconds=min(wait, LIMIT_RECHECK_SECONDS))
        planned = self._quota_checks.at(quota)
        if planned is None or at < planned:
            self._quota_checks.set(quota, at)

    def _release_followers(self, run_id: str) -> None:
        """Queue followers of a run that its quota let through."""
        for run in self._lot.take_followers(run_id):
            self._queue.enqueue(run)

    def _check_quota(self, quota: Quota) -> None:
        """Queue one parked run to check the quota."""
        run = self._lot.take_probe(quota)
        if run is not None:
            self._queue.enqueue(run)
            self._pump()


async def _wait_for_turns(turns: list[asyncio.Task[None]], seconds: float) -> list[asyncio.Task[None]]:
    """Wait for turns to end; return those that have not ended."""
    if turns:
        await asyncio.wait(turns, timeout=seconds)
    return [turn for turn in turns if not turn.done()]
