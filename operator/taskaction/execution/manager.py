"""The execution manager: slots for workers over the queue, limits, parking and drain; knows ids and coroutines only."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda
from taskaction.execution.buffer import Buffer
from taskaction.execution.limits import Limits
from taskaction.execution.pacing import Pace
from taskaction.execution.parking import ParkingLot, Quota
from taskaction.execution.queue import RunQueue
from taskaction.execution.runs import QueuedRun

_OBEY_SECONDS = 1.0
"""How long a cancelled turn may take to end; one that ignores it is left behind."""

Process = Callable[[str], Awaitable[bool]]
"""Carries one run as far as it goes now, and says whether an attempt was started; whatever it raises ends the turn."""

LIMIT_FLOOR_SECONDS = 0.5
LIMIT_RECHECK_SECONDS = 10.0


class Observer(Protocol):
    """Whoever wants to know how the manager does, and acts where it cannot."""

    def crashed(self, run_id: str, error: BaseException) -> None:
        """A run's turn ended with an error that nobody had foreseen."""

    def crowded(self, run_id: str) -> None:
        """The queue is full: the run waits outside of it."""

    def admitted(self, run_id: str) -> None:
        """A run that waited outside of a full queue waits inside now."""

    def paced(self, source: str, until: datetime) -> None:
        """The rate of a source is used up until then, and runs wait for it."""

    def unrecorded(self, source: str) -> None:
        """Runs of a source wait for the use of its rate to be on record further than it is."""

    def moved(self) -> None:
        """Some runs came, began, ended or went: how many wait and are under way may be another number than before."""


class ExecutionManager:
    """Gives queued runs to at most ``workers_count`` workers at a time.

    A worker is a slot and not a standing task: each turn is a task of its own, so nothing that a run does, not even
    cancelling itself, can cost the manager a worker (Ocean defect D7), and no wake-up can be spurious or lost.
    """

    def __init__(
        self,
        process: Process,
        *,
        workers_count: int,
        observer: Observer,
        clock: Clock,
        luck: Callable[[], float],
        runs_buffer_high_watermark: int | None = None,
        max_runs_buffer_util_pct_per_action: int | None = None,
    ) -> None:
        """Take the seed's settings under the seed's names; ``luck`` is uniform in [0, 1), for jitter."""
        self._process = process
        self._workers_count = workers_count
        self._observer = observer
        self._clock = clock
        self._luck = luck
        self._queue = RunQueue()
        self._buffer = Buffer(
            self._queue, high_watermark=runs_buffer_high_watermark, share_pct=max_runs_buffer_util_pct_per_action
        )
        self._lot = ParkingLot()
        self._paces: dict[str, Pace] = {}
        self._looks: Agenda[Quota] = Agenda(clock, self._look)
        self._tokens: Agenda[str] = Agenda(clock, self.recorded)
        self._turns: dict[str, asyncio.Task[None]] = {}
        self._open = False

    # -- what others want to know -------------------------------------------------------------------------------------

    @property
    def begun(self) -> bool:
        """True while runs are given out."""
        return self._open

    @property
    def queued(self) -> int:
        """How many runs wait for a worker."""
        return len(self._queue)

    @property
    def outside(self) -> int:
        """How many runs wait outside of a full queue."""
        return len(self._buffer)

    @property
    def parked(self) -> int:
        """How many runs wait for a quota of their target."""
        return len(self._lot)

    @property
    def running(self) -> int:
        """How many workers are taken."""
        return len(self._turns)

    @property
    def lanes(self) -> int:
        """How many lanes have something to do or to hold."""
        return self._queue.lanes

    def waiting(self, source: str) -> int:
        """How many runs of a source wait for their attempt, parked ones among them."""
        return self._queue.queued(source) + self._lot.parked(source)

    def under_way(self, source: str) -> int:
        """How many attempts of a source are under way."""
        return self._queue.running(source)

    def waiting_runs(self, source: str) -> list[str]:
        """Give the runs of a source that wait in the queue for their attempt, in the order of their coming."""
        return list(self._queue.waiting_for(source))

    # -- limits -------------------------------------------------------------------------------------------------------

    def limit(self, source: str, limits: Limits, pace: Pace | None) -> None:
        """Set how much of a source may be used at a time and over time."""
        self._queue.limit(source, limits)
        self._buffer.bound(source, limits.queued)
        if pace is None:
            self._paces.pop(source, None)
            self._tokens.set(source, None)
            self._queue.open(source)
        else:
            self._paces[source] = pace
            self._regulate(source)
        self._refill()
        self._pump()

    def recorded(self, source: str) -> None:
        """Go on: the use of the source's rate is on record further than before, or a token has come."""
        self._regulate(source)
        self._pump()

    # -- runs ---------------------------------------------------------------------------------------------------------

    def start_processing_action_runs(self) -> None:
        """Begin to give out runs; before it they only collect, so that order is known before the first start."""
        self._open = True
        self._refill()
        self._pump()

    async def run_timers(self) -> None:
        """Look again at limits when their time has come, until cancelled."""
        async with asyncio.TaskGroup() as timers:
            timers.create_task(self._looks.run(), name="parked runs")
            timers.create_task(self._tokens.run(), name="rates")

    def submit(self, run: QueuedRun) -> bool:
        """Let ``run`` wait for a worker; False for one that waits already."""
        if run.id in self._buffer:
            return False
        if not self._queue.knows(run.id) and not self._buffer.has_room(run, first=not self._open):
            self._buffer.put(run)
            if self._open:
                self._observer.crowded(run.id)
            return True
        if not self._queue.put(run):
            return False
        self._serve(run.source)
        return True

    def hold(self, run: QueuedRun) -> None:
        """Keep what ``run`` is entitled to although it needs no worker now; it waits for none from here on."""
        self._buffer.forget(run.id)
        self._queue.hold(run)
        if run.under_way:
            self._follow(run.id)
        else:
            self._leave(run.id)
        self._serve(run.source)

    def park(self, run: QueuedRun, quota: Quota, seconds: float) -> None:
        """Let ``run`` wait for a quota that is lifted in ``seconds``; it keeps its partition and no worker.

        The quota is looked at when it should be lifted, at the latest after 10 s, and never at once (D6).
        """
        self._queue.hold(run)
        left = self._lot.park(run, quota)
        self._plan(quota, seconds)
        if left is not None:
            self._plan(left, 0.0)  # it was the one to look: now it waits for something else, and another one looks
        self._serve(run.source)

    def forget(self, run_id: str) -> None:
        """Drop a run that has ended or is held back, and open its partition."""
        self._buffer.forget(run_id)
        self._queue.forget(run_id)
        self._leave(run_id)
        self._refill()
        self._pump()

    async def drain(self, seconds: float) -> None:
        """Give out nothing more, and let running turns end within ``seconds``; then they are cancelled."""
        self._open = False
        late = await _unfinished(list(self._turns.values()), seconds)
        for turn in late:
            turn.cancel()
        await _unfinished(late, _OBEY_SECONDS)

    # -- giving out ---------------------------------------------------------------------------------------------------

    def _serve(self, source: str) -> None:
        if source in self._paces:
            self._regulate(source)
        self._refill()
        self._pump()

    def _refill(self) -> None:
        """Let in who waits outside, where there is room."""
        while self._open and (run := self._buffer.next()) is not None:
            self._queue.put(run)
            self._observer.admitted(run.id)
            self._regulate(run.source)  # a rate that nobody waited for is asked about by whoever comes next

    def _pump(self) -> None:
        self._observer.moved()
        while self._open and len(self._turns) < self._workers_count:
            run = self._queue.take()
            if run is None:
                return
            paced = self._spend(run)
            turn = asyncio.create_task(self._turn(run, paced), name=f"run {run.id}")
            self._turns[run.id] = turn
            self._refill()

    async def _turn(self, run: QueuedRun, paced: bool) -> None:  # noqa: FBT001 - of this turn alone
        started = True
        try:
            started = await self._process(run.id)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - no run may take the manager down
            self._observer.crashed(run.id, error)
        finally:
            del self._turns[run.id]
            self._queue.back(run.id)
            if paced and not started:
                self._give_back(run.source)
            self._pump()

    def _leave(self, run_id: str) -> None:
        """Let a run wait for no quota any more; where it was the one to look, another one looks."""
        quota = self._lot.forget(run_id)
        if quota is not None and self._looks.at(quota) is None:
            self._look(quota)

    def _plan(self, quota: Quota, seconds: float) -> None:
        """Have a quota looked at when it should be lifted, unless that is to be sooner anyway."""
        wait = max(seconds, LIMIT_FLOOR_SECONDS) * (1.0 + 0.1 * self._luck())
        at = self._clock.now() + timedelta(seconds=min(wait, LIMIT_RECHECK_SECONDS))
        planned = self._looks.at(quota)
        if planned is None or at < planned:
            self._looks.set(quota, at)

    def _follow(self, run_id: str) -> None:
        """Let those look, too, that are parked for the quota that let this run through."""
        for run in self._lot.passed(run_id):
            self._queue.put(run)

    def _look(self, quota: Quota) -> None:
        """Have one parked run ask again."""
        run = self._lot.look(quota)
        if run is not None:
            self._queue.put(run)
            self._pump()

    # -- rates --------------------------------------------------------------------------------------------------------

    def _spend(self, run: QueuedRun) -> bool:
        pace = self._paces.get(run.source)
        if pace is None or run.under_way:
            return False
        pace.bucket = pace.bucket.spent(self._clock.now().timestamp())
        self._regulate(run.source)
        return True

    def _give_back(self, source: str) -> None:
        pace = self._paces.get(source)
        if pace is not None:
            pace.bucket = pace.bucket.returned()
            self._regulate(source)

    def _regulate(self, source: str) -> None:
        """Open a source that has tokens, and see to it that one that has none gets some."""
        pace = self._paces.get(source)
        if pace is None:
            return
        now = self._clock.now().timestamp()
        if pace.starts(now) >= 1:
            self._queue.open(source)
            return
        self._queue.close(source)
        if not self._queue.queued(source):
            return  # whoever comes next asks again
        if pace.bucket.tokens(now) >= 1:
            self._observer.unrecorded(source)
            return
        until = datetime.fromtimestamp(pace.bucket.opens_at(now), UTC)
        self._tokens.set(source, until)
        self._observer.paced(source, until)


async def _unfinished(turns: list[asyncio.Task[None]], seconds: float) -> list[asyncio.Task[None]]:
    """Wait for turns to end; give those that have not."""
    if turns:
        await asyncio.wait(turns, timeout=seconds)
    return [turn for turn in turns if not turn.done()]
