"""Events of the execution manager, kept until the parts that act on them are asked to; acts on nothing itself."""

import asyncio
from datetime import datetime
from typing import Protocol

from taskaction.control.objects.requests import Requests


class CrashRecorder(Protocol):
    """Recorder of unexpected errors of turns."""

    def on_run_crashed(self, run_id: str, error: BaseException) -> None:
        """Record an unexpected error of a run's turn."""


class ExecutionEvents:
    """Implementation of ``execution.manager.Observer``.

    Attributes:
        counts_changed: set when the numbers of queued and running runs may have changed.
    """

    def __init__(self, recorder: CrashRecorder, requests: Requests) -> None:
        self.counts_changed = asyncio.Event()
        self._recorder = recorder
        self._requests = requests
        self._exhausted: dict[str, datetime] = {}
        self._unreserved: set[str] = set()

    def on_run_crashed(self, run_id: str, error: BaseException) -> None:
        """Record an unexpected error."""
        self._recorder.on_run_crashed(run_id, error)

    def on_queue_full(self, run_id: str) -> None:
        """Request that the action shows that it waits outside a full queue."""
        self._requests.actions.add(run_id)

    def on_run_admitted(self, run_id: str) -> None:
        """Request that the action shows that it is queued."""
        self._requests.actions.add(run_id)

    def on_rate_exhausted(self, source: str, until: datetime) -> None:
        """Keep until when the rate of a source is used up."""
        self._exhausted[source] = until
        self._requests.sources.add(source)

    def on_reservation_needed(self, source: str) -> None:
        """Keep that the rate of a source must be reserved further."""
        self._unreserved.add(source)
        self._requests.sources.add(source)

    def on_counts_changed(self) -> None:
        """Wake those who wait for it."""
        self.counts_changed.set()

    def take_exhausted(self, source: str) -> datetime | None:
        """Remove and return until when the rate of a source is used up; None if that is not new."""
        return self._exhausted.pop(source, None)

    def take_unreserved(self, source: str) -> bool:
        """Return whether the rate of a source must be reserved further, once."""
        if source not in self._unreserved:
            return False
        self._unreserved.discard(source)
        return True
