"""Timers of actions: when each is looked at next; decides nothing."""

from collections.abc import Callable
from datetime import timedelta

from taskaction.control.objects.records import ActionRecord
from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda, FailureHandler


class ActionTimers:
    """The agenda of actions, kept in step with the times in their records."""

    def __init__(self, clock: Clock, status_delay: timedelta) -> None:
        """Create the timers; ``status_delay`` is how long a change that is not urgent may wait for its write."""
        self._clock = clock
        self._status_delay = status_delay
        self._agenda: Agenda[str] = Agenda(clock)

    def __len__(self) -> int:
        """Return the number of actions with a timer."""
        return len(self._agenda)

    async def run(self, due: Callable[[str], None], failed: FailureHandler) -> None:
        """Call ``due`` with the uid of each action at its time, until cancelled; ``failed`` gets what it raises."""
        await self._agenda.run(due, failed)

    def update(self, record: ActionRecord) -> None:
        """Follow the times in the record."""
        self._agenda.set(record.uid, record.next_due)

    def clear(self, record: ActionRecord) -> None:
        """Forget an action."""
        self._agenda.set(record.uid, None)

    def flush_later(self, record: ActionRecord) -> None:
        """Write the status after the delay, unless a write is scheduled."""
        record.flush_by(self._clock.now() + self._status_delay)
        self.update(record)

    def wake_after(self, record: ActionRecord, seconds: float) -> None:
        """Reconcile an action in ``seconds``, and not before for another timer."""
        record.wake(self._clock.now() + timedelta(seconds=seconds))
        self.update(record)
