"""Sweeps after gaps of watches: a watch that lists again shows what exists, and not what was deleted meanwhile."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from taskaction.control.objects.background import Background, FailureRecorder
from taskaction.core.backoff import Backoff
from taskaction.core.clock import Clock

_RETRY = Backoff(initial=1.0, factor=2.0, max=60.0, jitter=0.5)


class GapSweeps:
    """Sweeps of kinds, each over all namespaces.

    A gap shows up once for each namespace and page. So one sweep of a kind runs at a time, and one more covers all gaps
    that showed up meanwhile. A sweep that fails is repeated: the gap does not show up again.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        background: Background,
        recorder: FailureRecorder,
        sweeps: Mapping[str, Callable[[], Coroutine[Any, Any, object]]],
    ) -> None:
        """Create the sweeps by the plural names of their kinds; ``jitter`` returns random numbers in [0, 1)."""
        self._clock = clock
        self._jitter = jitter
        self._background = background
        self._recorder = recorder
        self._sweeps = sweeps
        self._running: set[str] = set()
        self._due: set[str] = set()

    def request(self, plural: str) -> None:
        """Find the objects of a kind whose deletion its watch missed; nothing to do for a kind without a sweep."""
        if plural not in self._sweeps:
            return
        self._due.add(plural)
        if plural not in self._running:
            self._running.add(plural)
            self._background.start(self._run(plural), name=_name(plural))

    async def _run(self, plural: str) -> None:
        try:
            while plural in self._due:
                self._due.discard(plural)
                await self._sweep(plural)
        finally:
            self._running.discard(plural)

    async def _sweep(self, plural: str) -> None:
        """Sweep a kind, with increasing pauses until that succeeds."""
        failures = 0
        while True:
            try:
                await self._sweeps[plural]()
            except Exception as error:  # noqa: BLE001 - whatever it is, what was deleted is still in memory
                failures += 1
                self._recorder.on_task_failed(_name(plural), error)
                await self._clock.sleep(_RETRY.delay(failures, self._jitter()))
            else:
                return


def _name(plural: str) -> str:
    return f"sweep {plural} after a gap"
