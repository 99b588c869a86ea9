"""What the status of a run says: pure functions from what the machine decided to what people and a next owner read.

Nothing private is in it: properties whose names begin with ``_private`` are kept elsewhere (``control.flows.vault``).
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
from taskaction.control.flow_runs.signals import hint, listed, paused
from taskaction.core.constants import FLOW_STATE_LIMIT_BYTES, MESSAGE_LIMIT_CHARS
from taskaction.core.names import truncated, visit_name
from taskaction.flows import errors
from taskaction.flows.effects import Entry, FlowDecision, Outcome
from taskaction.flows.privacy import public
from taskaction.flows.state import Failure, FlowState, Frame
from taskaction.lifecycle.statuses import Change, conditions

_ENTRY_BYTES = 2048
_UNWRITTEN = {"input", "output", "cause"}
_PERCENT = 100


def changed(record: RunRecord, phase: Phase, reason: str, message: str, now: datetime, **fields: Any) -> None:
    """Give the record a status with another phase, reason or message; the same object where nothing differs."""
    status, text = record.status, truncated(message, MESSAGE_LIMIT_CHARS)
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
    update["conditions"] = conditions(status.conditions, change, text)
    record.status = status.model_copy(update=update)


def advanced(record: RunRecord, decision: FlowDecision, state: Any, entries: Sequence[Entry], now: datetime) -> None:
    """Give the record the status that a decision leads to; ``state`` is the machine's as it may be seen."""
    root = decision.state.root
    fields: dict[str, Any] = {
        "states": tuple(_current(record, decision.state)),
        "visits": root.visits,
        "progress": _progress(root),
        "state": state,
        "state_uri": None,
    }
    if entries:
        major = [one for one in entries if not one.minor][-ENTRIES_KEPT:]
        fields["log"] = (*record.status.log, *map(entry, major))[-ENTRIES_KEPT:]
        fields["entries"] = (record.status.entries or 0) + len(entries)
    phase, reason, message = _standing(record, decision)
    if decision.outcome is not None:
        fields |= {"finished_at": now, "states": (), "progress": None}
        fields |= _result(decision.outcome)
    changed(record, phase, reason, message, now, **fields)


def ended(record: RunRecord, phase: Phase, reason: Reason, message: str, now: datetime) -> None:
    """Give the record the status of a run that ends although no state has decided about it."""
    error = None if phase is Phase.ABORTED else plain_error(reason, message)
    nothing: dict[str, Any] = dict.fromkeys(("state", "state_uri", "output", "progress"))
    changed(record, phase, reason, message, now, finished_at=now, error=error, states=(), **nothing)


def entry(found: Entry) -> RunEntry:
    """Give an entry of the log as the status holds it: what is too large is told by its size."""
    details = found.to_json()["details"]
    if len(orjson.dumps(details)) > _ENTRY_BYTES:
        details = {
            name: {"bytes": len(orjson.dumps(value))} if name in _UNWRITTEN else value
            for name, value in details.items()
        }
    return RunEntry(time=found.time, code=found.code, details=details)


def plain_error(code: str, message: str) -> RunError:
    """Give the error of a run that no state has failed."""
    return RunError(code=str(code), message=truncated(message, MESSAGE_LIMIT_CHARS))


def size(value: Any) -> int:
    """Give how many bytes a value has as JSON."""
    return len(orjson.dumps(value))


def text_of(cause: Any) -> str:
    """Give a cause as text: of a status document its description."""
    if isinstance(cause, str):
        return cause
    details = cause.get("details", cause) if isinstance(cause, dict) else cause
    described = details.get("description") if isinstance(details, dict) else details
    return described if isinstance(described, str) else orjson.dumps(public(cause)).decode()


def _standing(record: RunRecord, decision: FlowDecision) -> tuple[Phase, str, str]:
    outcome, abort = decision.outcome, record.abort
    if outcome is None:
        return under_way(record, decision.state)
    if outcome.failure is None:
        return Phase.SUCCEEDED, Reason.COMPLETED, ""
    failure = outcome.failure
    if outcome.canceled:
        reason = abort.reason if abort is not None else Reason.ABORTED
        return Phase.ABORTED, reason, abort.message if abort is not None else text_of(failure.cause)
    text = text_of(failure.cause)
    if failure.error == errors.TIMEOUT and not failure.state_name:
        return Phase.TIMED_OUT, Reason.TOTAL_TIMEOUT, text
    where = f"{failure.state_name}: " if failure.state_name else ""
    return Phase.FAILED, Reason.FLOW_FAILED, f"{where}{failure.error}{': ' if text else ''}{text}"


def under_way(record: RunRecord, state: FlowState) -> tuple[Phase, str, str]:
    """Give phase, reason and message of a run that goes on."""
    if state.status == "INACTIVE":
        first = paused(state)[0]
        details = first.paused or {}
        reason = Reason.WAITING_FOR_SIGNAL if details.get("code") == Reason.WAITING_FOR_SIGNAL else Reason.PAUSED
        hinted = hint(record.run.spec.signal, record.program, state) if record.program is not None else ""
        asked = f"{first.at}: {details.get('description') or 'waits for people'}"
        return Phase.PAUSED, reason, f"{asked} ({hinted})" if hinted else asked
    return Phase.RUNNING, Reason.EXECUTING, f"in {listed(_leaves(state.root))}"


def _result(outcome: Outcome) -> dict[str, Any]:
    if outcome.failure is None:
        return {"output": public(outcome.output)}
    return {"error": _error(outcome.failure)}


def _error(failure: Failure) -> RunError:
    cause = public(failure.cause)
    return RunError(
        code=truncated(failure.error, 1000),
        message=truncated(text_of(failure.cause), MESSAGE_LIMIT_CHARS),
        state_name=failure.state_name or None,
        cause=cause if size(cause) <= FLOW_STATE_LIMIT_BYTES else {"bytes": size(cause)},
    )


def _current(record: RunRecord, state: FlowState) -> Sequence[CurrentState]:
    found: list[CurrentState] = []
    for frame in _leaves(state.root):
        if len(found) == STATES_SHOWN:
            break
        has_object = frame.acting is not None and not frame.inline
        action = visit_name(record.name, record.uid, str(frame.acting)) if has_object else None
        found.append(CurrentState(name=frame.at, visit=truncated(frame.visit, 253), action=action, until=frame.until))
    return found


def _leaves(root: Frame) -> Iterator[Frame]:
    return (frame for frame in root.everywhere() if frame.within is None and not frame.ended)


def _progress(root: Frame) -> Progress | None:
    within = root.within
    if within is None or not within.count:
        return None
    ended = len(within.results) + len(within.failures)
    failed = f", {len(within.failures)} failed" if within.failures else ""
    return Progress(percent=ended * _PERCENT // within.count, message=f"{ended} of {within.count}{failed}")
