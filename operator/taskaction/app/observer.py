"""The control layer's journal, made of logs and metrics: constant messages, data as keys; never a parameter's value."""

from datetime import datetime
from typing import Any

import structlog

from taskaction.api.enums import Phase
from taskaction.cluster.errors import UnavailableError
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.objects.owned import OwnedRecord
from taskaction.control.objects.records import Record
from taskaction.core.clock import Clock
from taskaction.flows.effects import Entry
from taskaction.lifecycle.outcomes import Outcome
from taskaction.runtime.metrics import Metrics


class OperatorJournal:
    """Notes what happens, for people who run the operator."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._log = structlog.stdlib.get_logger("taskaction")

    def admitted(self, record: Record) -> None:
        """An action is seen for the first time."""
        self._metrics.admitted.inc()
        self._log.debug("action seen", **record.about)

    def wrote(self, record: OwnedRecord) -> None:
        """A status is durable."""
        self._metrics.writes.inc()
        self._log.debug("status written", phase=str(record.stored.phase), **record.about)

    def retried(self, record: OwnedRecord, error: Exception) -> None:
        """A status write failed and will be tried again."""
        self._metrics.retries.labels(type(error).__name__).inc()
        self._log.warning("status write failed, trying again", error=str(error), **record.about)

    def overtaken(self, record: OwnedRecord, server: Any) -> None:
        """A status write was given up because another owner has written."""
        self._metrics.overtaken.inc()
        self._log.warning(
            "status belongs to another owner",
            phase=str(server.phase),
            holder=server.claim.holder if server.claim is not None else None,
            **record.about,
        )

    def waited(self, record: Record, seconds: float) -> None:
        """A worker has taken an action that stood in line."""
        self._metrics.queue_wait.labels("poll" if record.status.phase.started else "start").observe(seconds)

    def let_through(self, record: Record, seconds: float) -> None:
        """An action that was parked may start: its target's quota is renewed."""
        self._metrics.quota_wait.observe(seconds)
        self._log.debug("quota renewed", waited=round(seconds, 3), **record.about)

    def paced(self, source: str, until: datetime) -> None:
        """The rate of a provider is used up while actions wait for it."""
        self._metrics.rates_exhausted.inc()
        self._log.debug("rate used up", source=source, until=until.isoformat())

    def begun(self, record: Record, executor: str) -> None:
        """An attempt begins."""
        self._metrics.attempts.labels(executor).inc()
        self._log.debug("attempt begins", executor=executor, **record.about)

    def called(self, record: Record, executor: str, outcome: Outcome, seconds: float) -> None:
        """A call of an executor has ended."""
        self._metrics.calls.labels(executor, type(outcome).__name__).observe(seconds)
        self._log.debug("executor called", executor=executor, outcome=type(outcome).__name__, **record.about)

    def abandoned(self, record: Record) -> None:
        """An executor did not confirm a cancel within its bound."""
        self._metrics.abandoned.inc()
        self._log.warning("executor did not confirm the cancel in time", **record.about)

    def settled(self, record: Record) -> None:
        """An action has ended, and its status says so."""
        status = record.stored
        self._metrics.finished.labels(str(status.phase), str(status.reason)).inc()
        created = record.action.metadata.creation_timestamp
        self._metrics.latency.observe(max(0.0, (self._clock.now() - created).total_seconds()))
        tell = self._log.debug if status.phase is Phase.SUCCEEDED else self._log.info
        tell("action ended", phase=str(status.phase), reason=status.reason, detail=status.message, **record.about)

    def run_logged(self, record: RunRecord, entry: Entry) -> None:
        """An entry of a run's log, whose status is durable."""
        if entry.minor:  # there are thousands of these, and to make each readable costs more than the item
            self._log.debug("run item", code=entry.code, visit=entry.details.get("visit"), **record.about)
            return
        shown = entry.to_json()
        self._log.info("run", time=shown["time"], code=entry.code, details=shown["details"], **record.about)

    def run_settled(self, record: RunRecord) -> None:
        """A run has ended, and its status says so."""
        status = record.stored
        self._metrics.runs_finished.labels(str(status.phase), str(status.reason)).inc()
        self._log.info(
            "run ended", phase=str(status.phase), reason=status.reason, detail=status.message, **record.about
        )

    def failed(self, task: str, error: BaseException) -> None:
        """Something that nobody waits for went wrong, and will be tried again where that can help."""
        if isinstance(error, UnavailableError):
            self._metrics.retries.labels(type(error).__name__).inc()
            self._log.warning("API server does not answer, trying again", task=task, error=str(error))
            return
        self._metrics.errors.inc()
        self._log.error("unforeseen error", task=task, exc_info=error)

    def crashed(self, run_id: str, error: BaseException) -> None:
        """A worker's turn ended with an error that nobody had foreseen."""
        self.failed(f"run {run_id}", error)

    def call_retried(self, error: Exception) -> None:
        """A call to the API server failed and will be tried again."""
        self._metrics.retries.labels(type(error).__name__).inc()
        self._log.warning("API call failed, trying again", error=str(error))
