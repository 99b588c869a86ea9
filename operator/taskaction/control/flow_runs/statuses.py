"""Statuses of runs: pure functions from the decisions of the machine to what people and the next owner read.

Statuses contain nothing private: properties whose names begin with ``_private`` are stored elsewhere
(``control.flow_runs.vault``).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import orjson

from taskaction.api.action_flow_run import (
    ENTRIES_KEPT,
    STATES_SHOWN,
    CurrentState,
    RunEntry,
    RunError,
)
from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Progress
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.signals import find_paused, format_states, hint
from taskaction.core.constants import FLOW_STATE_LIMIT_BYTES, MESSAGE_LIMIT_CHARS
from taskaction.core.names import truncate, visit_name
from taskaction.flows import errors
from taskaction.flows.effects import FlowDecision, FlowLogEntry, Outcome
from taskaction.flows.privacy import without_private
from taskaction.flows.state import Failure, FlowState, Frame
from taskaction.lifecycle.statuses import Change, build_conditions

_ENTRY_BYTES = 2048
_PERCENT = 100


def set_condition(record: RunRecord, phase: Phase, reason: str, message: str, now: datetime, **fields: Any) -> None:
    """Set phase, reason and message in the record's status; keep the same status object if nothing differs."""
    status, text = record.status, truncate(message, MESSAGE_LIMIT_CHARS)
    generation = record.run.metadata.generation
    update: dict[str, Any] = {
        "phase": phase,
        "reason": str(reason),
        "message": text or None,
        "observed_generation": generation,
        **fields,
    }
    if all(getattr(status, name) == value for name, value in update.items()) and status.conditions:
        return
    change = Change(phase=phase, reason=reason, message=text, now=now, generation=generation)
    update["conditions"] = build_conditions(status.conditions, change, text)
    record.set_status(status.model_copy(update=update))


def apply_decision(
    record: RunRecord, decision: FlowDecision, state: Any, entries: Sequence[FlowLogEntry], now: datetime
) -> None:
    """Set the status after a decision; ``state`` is the machine's state without private parts."""
    root = decision.state.root
    fields: dict[str, Any] = {
        "states": tuple(_current_states(record, decision.state)),
        "visits": root.visits,
        "progress": _progress(root),
        "state": state,
        "state_uri": None,
    }
    if entries:
        major = [one for one in entries if not one.minor][-ENTRIES_KEPT:]
        fields["log"] = (*record.status.log, *map(to_run_entry, major))[-ENTRIES_KEPT:]
        fields["entries"] = (record.status.entries or 0) + len(entries)
    phase, reason, message = _summarize(record, decision)
    if decision.outcome is not None:
        fields |= {"finished_at": now, "states": (), "progress": None}
        fields |= _result(decision.outcome)
    set_condition(record, phase, reason, message, now, **fields)


def set_finished(record: RunRecord, phase: Phase, reason: Reason, message: str, now: datetime) -> None:
    """Set the status of a run that ends without a decision of a state."""
    error = None if phase is Phase.ABORTED else to_run_error(reason, message)
    nothing: dict[str, Any] = dict.fromkeys(("state", "state_uri", "output", "progress"))
    set_condition(record, phase, reason, message, now, finished_at=now, error=error, states=(), **nothing)


def to_run_entry(found: FlowLogEntry) -> RunEntry:
    """Return a log entry in the form of the status: large values are replaced by their size."""
    return RunEntry(time=found.time, code=found.code, details=dict(found.shorten(_ENTRY_BYTES).details))


def to_run_error(code: str, message: str) -> RunError:
    """Return the error of a run that did not fail in a state."""
    return RunError(code=str(code), message=truncate(message, MESSAGE_LIMIT_CHARS))


def json_size(value: Any) -> int:
    """Return the size of a value as JSON in bytes."""
    return len(orjson.dumps(value))


def describe_cause(cause: Any) -> str:
    """Return a cause as text; for a status document, its description."""
    if isinstance(cause, str):
        return cause
    details = cause.get("details", cause) if isinstance(cause, dict) else cause
    described = details.get("description") if isinstance(details, dict) else details
    return described if isinstance(described, str) else orjson.dumps(without_private(cause)).decode()


def _summarize(record: RunRecord, decision: FlowDecision) -> tuple[Phase, str, str]:
    outcome, abort = decision.outcome, record.abort
    if outcome is None:
        return summarize_running(record, decision.state)
    if outcome.failure is None:
        return Phase.SUCCEEDED, Reason.COMPLETED, ""
    failure = outcome.failure
    if outcome.canceled:
        reason = abort.reason if abort is not None else Reason.ABORTED
        return Phase.ABORTED, reason, abort.message if abort is not None else describe_cause(failure.cause)
    text = describe_cause(failure.cause)
    if failure.error == errors.TIMEOUT and not failure.state_name:
        return Phase.TIMED_OUT, Reason.TOTAL_TIMEOUT, text
    where = f"{failure.state_name}: " if failure.state_name else ""
    return Phase.FAILED, Reason.FLOW_FAILED, f"{where}{failure.error}{': ' if text else ''}{text}"


def summarize_running(record: RunRecord, state: FlowState) -> tuple[Phase, str, str]:
    """Return phase, reason and message of a run that continues."""
    if state.status == "INACTIVE":
        first = find_paused(state)[0]
        details = first.paused or {}
        reason = Reason.WAITING_FOR_SIGNAL if details.get("code") == Reason.WAITING_FOR_SIGNAL else Reason.PAUSED
        hinted = hint(record.run.spec.signal, record.program, state) if record.program is not None else ""
        asked = f"{first.at}: {details.get('description') or 'waiting for an answer'}"
        return Phase.PAUSED, reason, f"{asked} ({hinted})" if hinted else asked
    if record.hold is not None:
        return Phase.RUNNING, Reason.QUOTA_EXCEEDED, f"an action waits to be created: {record.hold.problem}"
    return Phase.RUNNING, Reason.EXECUTING, f"in {format_states(_leaf_frames(state.root))}"


def _result(outcome: Outcome) -> dict[str, Any]:
    if outcome.failure is None:
        return {"output": outcome.output}
    return {"error": _error(outcome.failure)}


def _error(failure: Failure) -> RunError:
    cause = without_private(failure.cause)
    return RunError(
        code=truncate(failure.error, 1000),
        message=truncate(describe_cause(failure.cause), MESSAGE_LIMIT_CHARS),
        state_name=failure.state_name or None,
        cause=cause if json_size(cause) <= FLOW_STATE_LIMIT_BYTES else {"bytes": json_size(cause)},
    )


def _current_states(record: RunRecord, state: FlowState) -> Sequence[CurrentState]:
    found: list[CurrentState] = []
    for frame in _leaf_frames(state.root):
        if len(found) == STATES_SHOWN:
            break
        has_object = frame.acting is not None and not frame.inline
        action = visit_name(record.name, record.uid, str(frame.acting)) if has_object else None
        found.append(CurrentState(name=frame.at, visit=truncate(frame.visit, 253), action=action, until=frame.until))
    return found


def _leaf_frames(root: Frame) -> Iterator[Frame]:
    return (frame for frame in root.walk() if frame.within is None and not frame.ended)


def _progress(root: Frame) -> Progress | None:
    within = root.within
    if within is None or not within.count:
        return None
    ended = len(within.results) + len(within.failures)
    failed = f", {len(within.failures)} failed" if within.failures else ""
    return Progress(percent=ended * _PERCENT // within.count, message=f"{ended} of {within.count}{failed}")
