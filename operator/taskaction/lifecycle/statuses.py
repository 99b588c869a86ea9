"""Changes of a status: keeps phase, conditions, history and attempts consistent; pure, without policy."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from taskaction.api.enums import ConditionStatus, ErrorKind, Phase
from taskaction.api.metadata import Condition
from taskaction.api.reasons import ConditionType, Reason
from taskaction.api.task_action import ActionErrorInfo, Attempt, Claim, TaskActionStatus, Transition
from taskaction.core.constants import ATTEMPTS_KEPT, HISTORY_KEPT, MESSAGE_LIMIT_CHARS
from taskaction.core.names import truncate
from taskaction.lifecycle.idempotency import attempt_key

_REASON_WORD = re.compile(r"^[A-Za-z][A-Za-z0-9]{0,127}$")
_HELD_BACK = frozenset({Reason.SUSPENDED, Reason.PROVIDER_NOT_FOUND, Reason.PROVIDER_NOT_READY})  # Progressing is False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Change to a phase, or to a new reason within the current phase."""

    phase: Phase
    reason: str
    message: str
    now: datetime
    generation: int


def apply_change(status: TaskActionStatus, change: Change, **fields: Any) -> TaskActionStatus:
    """Return ``status`` after ``change``, with ``fields`` replaced as well; the same object if nothing differs."""
    message = truncate(change.message, MESSAGE_LIMIT_CHARS)
    update: dict[str, Any] = {
        "phase": change.phase,
        "reason": change.reason,
        "message": message or None,
        "observed_generation": change.generation,
        **fields,
    }
    if all(getattr(status, name) == value for name, value in update.items()) and status.conditions:
        return status
    if change.phase is not status.phase:
        transition = Transition(phase=change.phase, at=change.now, reason=change.reason, message=message)
        update["history"] = (*status.history, transition)[-HISTORY_KEPT:]
    update["conditions"] = build_conditions(status.conditions, change, message)
    return status.model_copy(update=update)


def open_attempt_fields(
    status: TaskActionStatus, claim: Claim, now: datetime, key_base: str | None = None
) -> dict[str, Any]:
    """Return the fields of a status whose next attempt starts now; see ``idempotency`` for ``key_base``."""
    number = (status.attempt or 0) + 1
    key = attempt_key(key_base, number)
    attempt = Attempt(number=number, phase=Phase.RUNNING, started_at=now, idempotency_key=key)
    return {
        "attempt": number,
        "attempts": (*status.attempts, attempt)[-ATTEMPTS_KEPT:],
        "claim": claim,
        "started_at": status.started_at or now,
        "next_attempt_at": None,
        "external_id": None,
        "address": None,
        "progress": None,
    }


def close_attempt_fields(
    status: TaskActionStatus, phase: Phase, error: ActionErrorInfo | None, now: datetime
) -> dict[str, Any]:
    """Return the fields of a status whose open attempt, if any, ends now in ``phase``."""
    fields: dict[str, Any] = {} if error is None else {"error": error}
    if status.attempts and status.attempts[-1].ended_at is None:
        last = status.attempts[-1].model_copy(
            update={"phase": phase, "ended_at": now, "error": error, "external_id": status.external_id}
        )
        fields["attempts"] = (*status.attempts[:-1], last)
        if error is not None and error.kind is ErrorKind.SYSTEM:
            fields["system_failures"] = (status.system_failures or 0) + 1
    return fields


def ends_attempt(before: TaskActionStatus, after: TaskActionStatus) -> bool:
    """Whether the last attempt of ``after`` has ended, and that is not in ``before``."""
    last = after.attempts[-1] if after.attempts else None
    return last is not None and last.ended_at is not None and after.attempts != before.attempts


def has_whole_result(status: TaskActionStatus) -> bool:
    """Whether the status of a finished action has all that the target returned, or names where that is."""
    return status.reason != Reason.INVALID_OUTPUT and (status.output_size is None or status.output_uri is not None)


def error_info(code: str, kind: ErrorKind, message: str) -> ActionErrorInfo:
    """Return an error within the limits of the schema."""
    return ActionErrorInfo(code=to_condition_reason(code), kind=kind, message=truncate(message, MESSAGE_LIMIT_CHARS))


def to_condition_reason(code: str) -> str:
    """Return ``code`` if it is a valid reason of a condition, otherwise ExecutionFailed."""
    return str(code) if _REASON_WORD.fullmatch(code) else str(Reason.EXECUTION_FAILED)


def build_conditions(before: tuple[Condition, ...], change: Change, message: str) -> tuple[Condition, ...]:
    """Return the conditions after ``change``; the time of a condition changes only with its status.

    They have no generation of their own: that of the status applies to all of them, also for ``kubectl wait``.
    """
    known = {condition.type: condition for condition in before}
    return tuple(
        _condition(known.get(kind), kind, state, change, message)
        for kind, state in _states(change.phase, change.reason)
    )


def _states(phase: Phase, reason: str) -> tuple[tuple[ConditionType, ConditionStatus], ...]:
    yes, no = ConditionStatus.TRUE, ConditionStatus.FALSE
    if not phase.is_terminal:
        return (ConditionType.PROGRESSING, no if reason in _HELD_BACK else yes), (ConditionType.FINISHED, no)
    if phase is Phase.SUCCEEDED:
        return (ConditionType.SUCCEEDED, yes), (ConditionType.FINISHED, yes)
    return (ConditionType.SUCCEEDED, no), (ConditionType.FAILED, yes), (ConditionType.FINISHED, yes)


def _condition(
    before: Condition | None, kind: ConditionType, state: ConditionStatus, change: Change, message: str
) -> Condition:
    flipped = before is None or before.status is not state
    return Condition(
        type=kind,
        status=state,
        reason=to_condition_reason(change.reason),
        message=message,
        last_transition_time=change.now if before is None or flipped else before.last_transition_time,
    )
