"""Logs and metrics of the control layer: constant messages, data as keys; never the value of a parameter."""

import json
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from taskaction.api.action_schedule import ActionSchedule
from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.app.operator_metrics import OperatorMetrics
from taskaction.cluster.errors import UnavailableError
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.objects.owned import OwnedRecord
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.storage_marks import SharedFolderError
from taskaction.core.clock import Clock
from taskaction.core.names import truncate
from taskaction.flows.effects import FlowLogEntry
from taskaction.history.errors import HistoryRefusedError, HistoryUnavailableError
from taskaction.history.records import Record
from taskaction.lifecycle.outcomes import Outcome
from taskaction.plugin.storage import StorageDeniedError, StorageError
from taskaction.runtime.recorder import ProcessRecorder

_REASONS = frozenset(map(str, Reason))
_OTHER_REASON = "Other"
_SHOWN_DETAILS = ("state_name", "state_type", "visit")
"""Details of a run's entries that hold no value of its input, parameters or output."""
_LONGEST_DETAILS = 1024


class _BoundedDetails:
    """Details of an entry as bounded text, which costs nothing until a line is written."""

    def __init__(self, entry: FlowLogEntry) -> None:
        self._entry = entry

    def __repr__(self) -> str:
        return truncate(json.dumps(self._entry.to_json()["details"], default=repr), _LONGEST_DETAILS)


def known_reason(reason: str | None) -> str:
    """Return a reason as the value of a label: executors and users invent codes, and each would be a time series."""
    return str(reason) if reason in _REASONS else _OTHER_REASON


def _schedule_fields(schedule: ActionSchedule) -> dict[str, object]:
    return {"namespace": schedule.metadata.namespace, "schedule": schedule.metadata.name}


class OperatorRecorder(ProcessRecorder[OperatorMetrics]):
    """Recorder that turns what happens into logs and metrics."""

    def __init__(self, metrics: OperatorMetrics, clock: Clock) -> None:
        super().__init__(metrics, "taskaction")
        self._clock = clock
        self._queue_wait = cache(metrics.queue_wait.labels)
        self._attempts = cache(metrics.attempts.labels)
        self._calls = cache(metrics.calls.labels)
        self._finished = cache(metrics.finished.labels)
        self._history_failed = False

    def on_action_admitted(self, record: ActionRecord) -> None:
        """Record that an action was seen for the first time."""
        self.metrics.admitted.inc()
        self._log.debug("action seen", **record.log_fields)

    def on_status_written(self, record: OwnedRecord) -> None:
        """Record that a status was written."""
        self.metrics.writes.inc()
        self._log.debug("status written", phase=str(record.stored.phase), **record.log_fields)

    def on_write_retried(self, record: OwnedRecord, error: Exception) -> None:
        """Record that a status write failed and will be retried."""
        self.metrics.api_retries.labels(type(error).__name__).inc()
        if isinstance(error, UnavailableError):
            self._outages.on_failed(f"write the status of {record.namespace}/{record.name}", error)
        else:
            self._log.warning("status write failed, retrying", error=str(error), **record.log_fields)

    def on_write_overtaken(self, record: OwnedRecord, server: Any) -> None:
        """Record that a status write was given up because another owner has written."""
        self.metrics.overtaken.inc()
        self._log.warning(
            "status belongs to another owner",
            phase=str(server.phase),
            holder=server.claim.holder if server.claim is not None else None,
            **record.log_fields,
        )

    def on_status_refused(self, record: OwnedRecord, error: Exception) -> None:
        """Record that the object takes no status at all, because it is too large."""
        self.metrics.refused.inc()
        self._log.warning("object takes no status", error=str(error), **record.log_fields)

    def on_queue_left(self, record: ActionRecord, seconds: float) -> None:
        """Record how long an action was queued until a worker took it."""
        self._queue_wait("poll" if record.status.phase.is_started else "start").observe(seconds)

    def on_quota_passed(self, record: ActionRecord, seconds: float) -> None:
        """Record how long a parked action waited until its target's quota was renewed."""
        self.metrics.quota_wait.observe(seconds)
        self._log.debug("quota renewed", waited=round(seconds, 3), **record.log_fields)

    def on_files_removed(self, kind: str, namespace: str, count: int) -> None:
        """Record that files which no object needs were removed from the storage."""
        self.metrics.files_removed.labels(kind).inc(count)
        self._log.info("unneeded files removed", kind=kind, namespace=namespace, count=count)

    def on_storage_failed(self, record: OwnedRecord, error: StorageError) -> None:
        """Record that the storage did not take or return data of an action or run."""
        self.metrics.storage_errors.labels("denied" if isinstance(error, StorageDeniedError) else "unavailable").inc()
        self._log.debug("storage failed", error=str(error), **record.log_fields)

    def on_storage_shared(self, error: SharedFolderError | None) -> None:
        """Record whether several operators share the storage, so that nothing is removed from it."""
        self.metrics.storage_shared.set(error is not None)
        if error is not None:
            self._log.warning("storage is shared", error=str(error))

    def on_history_written(self, count: int) -> None:
        """Record that records were written to the history."""
        self.metrics.history_records.inc(count)
        if self._history_failed:
            self._history_failed = False
            self._log.warning("database of the history answers again")

    def on_history_failed(self, error: HistoryUnavailableError) -> None:
        """Record that the database of the history did not answer a call; the first one of an outage is logged."""
        self.metrics.history_failures.inc()
        if not self._history_failed:
            self._history_failed = True
            self._log.warning("database of the history does not answer, retrying", error=str(error))

    def on_history_refused(self, record: Record, error: HistoryRefusedError) -> None:
        """Record that the database of the history refuses the record of an object, which stays until it is deleted."""
        self.metrics.history_failures.inc()
        self._log.error("history refuses a record", error=str(error), namespace=record.namespace, name=record.name)

    def on_history_missed(self, cause: str, namespace: str, name: str) -> None:
        """Record that an object is gone without a record in the history."""
        self.metrics.history_missed.labels(cause).inc()
        self._log.warning("object is not in the history", cause=cause, namespace=namespace, name=name)

    def on_event_unmatched(self, kind: str, **fields: object) -> None:
        """Record that an ActionEvent matches no action; ``kind`` is what named the action."""
        self.metrics.events_unmatched.labels(kind).inc()
        self._log.info("event matches no action", by=kind, **fields)

    def on_rate_exhausted(self, source: str, until: datetime) -> None:
        """Record that the rate of a provider is used up while actions wait for it."""
        self.metrics.rates_exhausted.inc()
        self._log.debug("rate used up", source=source, until=until.isoformat())

    def on_attempt_started(self, record: ActionRecord, executor: str) -> None:
        """Record that an attempt starts."""
        self._attempts(executor).inc()
        self._log.debug("attempt started", executor=executor, **record.log_fields)

    def on_call_ended(self, record: ActionRecord, executor: str, outcome: Outcome, seconds: float) -> None:
        """Record that a call of an executor has ended."""
        self._calls(executor, type(outcome).__name__).observe(seconds)
        self._log.debug("executor called", executor=executor, outcome=type(outcome).__name__, **record.log_fields)

    def on_cancel_abandoned(self, record: ActionRecord) -> None:
        """Record that an executor did not confirm a cancel in time."""
        self.metrics.abandoned.inc()
        self._log.warning("executor did not confirm the cancel in time", **record.log_fields)

    def on_action_finished(self, record: ActionRecord) -> None:
        """Record that the end of an action was written."""
        status = record.stored
        self._finished(str(status.phase), known_reason(status.reason)).inc()
        created = record.action.metadata.creation_timestamp
        self.metrics.latency.observe(max(0.0, (self._clock.now() - created).total_seconds()))
        tell = self._log.debug if status.phase is Phase.SUCCEEDED else self._log.info
        tell("action ended", phase=str(status.phase), reason=status.reason, detail=status.message, **record.log_fields)

    def on_run_log_entry(self, record: RunRecord, entry: FlowLogEntry) -> None:
        """Record an entry of a run's log, whose status is durable."""
        if entry.minor:  # there are thousands, and formatting each costs more than the item itself
            self._log.debug("run item", code=entry.code, visit=entry.details.get("visit"), **record.log_fields)
            return
        known = {name: entry.details[name] for name in _SHOWN_DETAILS if name in entry.details}
        self._log.info("run", time=entry.time.isoformat(), code=entry.code, **known, **record.log_fields)
        self._log.debug("run details", code=entry.code, details=_BoundedDetails(entry), **record.log_fields)

    def on_run_log_cut(self, record: RunRecord, count: int) -> None:
        """Record that entries of a run are omitted from the operator's log, because the run has too many."""
        self._log.info("run entries omitted", count=count, **record.log_fields)

    def on_run_finished(self, record: RunRecord) -> None:
        """Record that the end of a run was written."""
        status = record.stored
        self.metrics.runs_finished.labels(str(status.phase), str(status.reason)).inc()
        self._log.info("run ended", phase=str(status.phase), reason=status.reason, **record.log_fields)
        self._log.debug("run ended", detail=status.message, **record.log_fields)

    def on_object_made(self, schedule: ActionSchedule, delay: timedelta) -> None:
        """Record that the object of a time exists, ``delay`` after its nominal time."""
        self.metrics.schedule_objects.labels(str(schedule.spec.template.kind)).inc()
        self.metrics.schedule_delay.observe(max(0.0, delay.total_seconds()))
        self._log.debug("schedule made an object", **_schedule_fields(schedule))

    def on_object_refused(self, schedule: ActionSchedule, reason: Reason, message: str) -> None:
        """Record that the object of a time was not made."""
        self.metrics.schedule_refusals.labels(str(reason)).inc()
        self._log.info(
            "schedule cannot make an object", reason=str(reason), detail=message, **_schedule_fields(schedule)
        )

    def on_times_missed(self, schedule: ActionSchedule, count: int) -> None:
        """Record that a schedule has made no object for ``count`` times, and that the status has this."""
        self.metrics.schedule_missed.inc(count)
        self._log.warning("schedule missed times", count=count, **_schedule_fields(schedule))

    def on_clock_wrong(self, seconds: float) -> None:
        """Record that this replica releases its shards, because its clock differs from the API server's."""
        self._log.error(
            "clock differs from the API server's: this replica does nothing until the clock of its node is corrected",
            seconds=round(seconds, 1),
        )

    def on_clock_right(self, seconds: float) -> None:
        """Record that the clock agrees with the API server's again."""
        self._log.warning("clock agrees with the API server's again", seconds=round(seconds, 1))

    def on_run_crashed(self, run_id: str, error: BaseException) -> None:
        """Record that a worker's turn ended with an unexpected error."""
        self.on_task_failed(f"run {run_id}", error)

    def on_call_retried(self, error: Exception) -> None:
        """Record that a call to the API server failed and will be retried."""
        self.metrics.api_retries.labels(type(error).__name__).inc()
        if isinstance(error, UnavailableError):
            self._outages.on_failed("call the API server", error)
        else:
            self._log.warning("API call failed, retrying", error=str(error))
