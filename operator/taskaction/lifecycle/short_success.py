"""Short success: what the final status of an action leaves out because its other fields say it; pure (ADR 0019)."""

from typing import Any

from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Attempt, TaskActionStatus, Transition


def compact_success(status: TaskActionStatus, *, is_claim_known: bool) -> TaskActionStatus:
    """Return the status without what is left out of it at a short success; the same object if that is nothing.

    The claim fences off former owners until the end. It can be left out as long as ``is_claim_known`` says that the API
    server has none: it may not be removed there.
    """
    if status.phase is not Phase.SUCCEEDED:
        return status
    left_out: dict[str, Any] = {}
    if len(status.attempts) == 1 and _is_said_by_status(status.attempts[0], status):
        left_out["attempts"] = ()
    if status.history and status.history == _only_transitions(status):
        left_out["history"] = ()
    if status.claim is not None and not is_claim_known:
        left_out["claim"] = None
    return status.model_copy(update=left_out) if left_out else status


def _is_said_by_status(attempt: Attempt, status: TaskActionStatus) -> bool:
    return attempt == Attempt(
        number=status.attempt or 0,
        phase=status.phase,
        started_at=status.started_at or attempt.started_at,
        ended_at=status.finished_at,
        external_id=attempt.external_id and status.external_id,
    )


def _only_transitions(status: TaskActionStatus) -> tuple[Transition, ...]:
    if status.started_at is None or status.finished_at is None:
        return ()
    return (
        Transition(phase=Phase.RUNNING, at=status.started_at, reason=Reason.EXECUTING),
        Transition(
            phase=Phase.SUCCEEDED, at=status.finished_at, reason=status.reason or "", message=status.message or ""
        ),
    )
