"""State machine of a TaskAction: ``step`` is a total function over phase and event, without clock, I/O or Kubernetes.

The machine is level-triggered: a decision depends only on the current facts. A repeated, lost or reordered notification
changes nothing, and a restart continues from the status.
"""

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from taskaction.api.enums import Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import TaskActionStatus
from taskaction.lifecycle import deadlines
from taskaction.lifecycle.attempts import (
    attempts_with_start,
    change_attempt_status,
    continue_attempt,
    effect_problem,
    is_attempt_late,
    is_callable,
    is_pollable,
    may_continue,
    must_cancel,
    new_claim,
    track_suspension,
    with_external_id,
    with_open_attempt,
    with_status,
    write_if_changed,
)
from taskaction.lifecycle.decisions import (
    AddFinalizer,
    Call,
    Decision,
    Dequeue,
    Effect,
    Enqueue,
    Park,
    PollAt,
    RecordEvent,
    WakeAt,
    Write,
)
from taskaction.lifecycle.endings import Ending, find_ending
from taskaction.lifecycle.failures import (
    apply_retry_policy,
    interruption_failure,
    timeout_failure,
    unconfirmed_failure,
)
from taskaction.lifecycle.finishing import cancel, cancel_or_finish, decide_finished, finish, give_up, success_ending
from taskaction.lifecycle.gates import find_gate
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome, Paused, Pending, Succeeded
from taskaction.lifecycle.partition_status import with_partition_key
from taskaction.lifecycle.reports import apply_report, outcome_from_report
from taskaction.lifecycle.state import (
    Activity,
    Blocker,
    CallEnded,
    CancelEnded,
    Event,
    Observed,
    Reconcile,
    ReportReceived,
    Slot,
)
from taskaction.lifecycle.statuses import Change, apply_change, close_attempt_fields, open_attempt_fields
from taskaction.lifecycle.waiting import rate_limited_status, waiting_status


def step(observed: Observed, event: Event, now: datetime) -> Decision:
    """Return the decision about ``event`` for an action in the state ``observed`` at ``now``."""
    if observed.status.phase.is_terminal:
        return decide_finished(observed)
    clocked = track_suspension(observed, now)
    decision = _decide(with_status(observed, clocked), event, now)
    if clocked is not observed.status and decision.write in {Write.NONE, Write.LATER}:
        decision = replace(decision, write=Write.NOW)
    return with_partition_key(decision, observed)


def _decide(observed: Observed, event: Event, now: datetime) -> Decision:
    if not observed.status.phase.is_started and _requires_attempt(event):
        raise ValueError(f"unexpected {event} for an action in phase {observed.status.phase}: no attempt is running")
    match event:
        case Reconcile():
            return _reconcile(observed, now)
        case Slot():
            return _handle_slot(observed, now)
        case CallEnded(outcome=outcome):
            return _handle_outcome(observed, outcome, now)
        case CancelEnded():
            return _handle_cancelled(observed, event, now)
        case ReportReceived():
            return _handle_reports(observed, event, now)
        case _:
            assert_never(event)


# -- reconciliation -----------------------------------------------------------------------------------------------


def _reconcile(observed: Observed, now: datetime) -> Decision:
    if (ending := find_ending(observed, now)) is not None:
        return cancel_or_finish(observed, ending, now)
    if is_attempt_late(observed, now):
        return _end_late_attempt(observed, now)
    if observed.status.phase.is_started:
        return _resume(observed, now)
    return _prepare(observed, now)


def _end_late_attempt(observed: Observed, now: datetime) -> Decision:
    """Decide for an attempt that has exceeded a timeout: cancel what it started, then let it fail.

    One that has waited too long for its start is opened, so that it counts.
    """
    failure = timeout_failure(observed, now)
    if must_cancel(observed):
        return cancel(observed, now, why=failure.message)
    decision = _handle_failure(with_open_attempt(observed, now), failure, now)
    leaves_queue = observed.activity in {Activity.QUEUED, Activity.PARKED}
    return replace(decision, effects=(Dequeue(), *decision.effects)) if leaves_queue else decision


def _prepare(observed: Observed, now: datetime) -> Decision:
    """Decide for an action without a running attempt: keep it back, wait, or queue it for a worker."""
    held_back = find_gate(observed, now)
    status, write = waiting_status(observed, held_back, now)
    if held_back is not None:
        waits = observed.activity in {Activity.QUEUED, Activity.PARKED}
        withdraw: tuple[Effect, ...] = (Dequeue(),) if waits else ()
        return _decide_with_wake(observed, status, write, (*held_back.effects, *withdraw), now)
    effects: tuple[Effect, ...] = (Enqueue(),) if observed.activity is Activity.IDLE else ()
    return _decide_with_wake(observed, status, write, effects, now)


def _resume(observed: Observed, now: datetime) -> Decision:
    """Decide for a running attempt: leave it to the running call, or continue it after a change of owner."""
    if observed.activity is Activity.WAITING and observed.signalled:
        return _decide_with_wake(observed, observed.status, Write.NONE, (Enqueue(),), now)
    if observed.activity is not Activity.IDLE:
        return _decide_with_wake(observed, observed.status, Write.NONE, (), now)
    if is_callable(observed):
        return _decide_with_wake(observed, observed.status, Write.NONE, (Enqueue(),), now)
    if not observed.traits_known and observed.blocker is not None and not observed.blocker.final:
        return _await_executor(observed, observed.blocker, now)
    grace_ends = (observed.taken_at or now) + observed.policy.settings.interrupt_grace
    if now < grace_ends:
        return _decide_with_wake(observed, observed.status, Write.NONE, (WakeAt(grace_ends),), now)
    return _handle_failure(observed, interruption_failure(observed), now)


def _await_executor(observed: Observed, blocker: Blocker, now: datetime) -> Decision:
    """Decide for a running attempt of a provider that is not ready: only its executor says whether a repeat is safe."""
    status = change_attempt_status(
        observed, phase=observed.status.phase, reason=blocker.reason, message=blocker.message, now=now
    )
    return _decide_with_wake(observed, status, write_if_changed(observed, status), (), now)


def _handle_slot(observed: Observed, now: datetime) -> Decision:
    """Decide what a free worker does; all facts are checked again, since they may have changed in the queue."""
    if find_ending(observed, now) is not None or is_attempt_late(observed, now):
        return _reconcile(observed._replace(activity=Activity.IDLE), now)
    if observed.status.phase.is_started:
        if not is_callable(observed):
            # Another owner claimed it after it was queued here: it must not be called again.
            return _resume(observed._replace(activity=Activity.IDLE), now)
        status = continue_attempt(observed, now)
        may_repeat = is_pollable(status) or observed.traits.idempotent
        write = write_if_changed(observed, status) if may_repeat else Write.FIRST
        return _decide_with_wake(observed, status, write, (Call(poll=is_pollable(status)),), now)
    if find_gate(observed, now) is not None:
        return _prepare(observed._replace(activity=Activity.QUEUED), now)  # it leaves the queue, and its partition
    return _start(observed, now)


def _start(observed: Observed, now: datetime) -> Decision:
    change = Change(phase=Phase.RUNNING, reason=Reason.EXECUTING, message="", now=now, generation=observed.generation)
    status = apply_change(
        observed.status,
        change,
        **open_attempt_fields(observed.status, new_claim(observed, now), now, observed.key_base),
    )
    hold: tuple[Effect, ...] = (
        (AddFinalizer(),) if observed.traits.external_effect and not observed.has_finalizer else ()
    )
    write = Write.LATER if observed.traits.idempotent else Write.FIRST
    return _decide_with_wake(observed, status, write, (*hold, Call(poll=False)), now)


# -- outcomes of calls --------------------------------------------------------------------------------------------


def _handle_outcome(observed: Observed, outcome: Outcome, now: datetime) -> Decision:
    match outcome:
        case Succeeded():
            return finish(observed, success_ending(outcome), now, output=outcome)
        case Failed() if may_continue(observed, outcome):
            return give_up(observed, outcome, now)
        case Failed():
            return _handle_failure(with_open_attempt(observed, now), outcome, now)
        case Pending():
            return _handle_pending(observed, outcome, now)
        case Paused():
            return _handle_paused(observed, outcome, now)
        case Limited():
            return _handle_limited(observed, outcome, now)
        case _:
            assert_never(outcome)


def _handle_pending(observed: Observed, outcome: Pending, now: datetime) -> Decision:
    before = observed.status
    phase = outcome.phase or before.phase
    phase = phase if phase.is_started else Phase.RUNNING
    status = change_attempt_status(
        observed,
        phase=phase,
        reason=Reason.WAITING_FOR_COMPLETION,
        message=outcome.message,
        now=now,
        external_id=outcome.external_id or before.external_id,
        links=outcome.links or before.links,
        progress=outcome.progress or before.progress,
        cache_status=outcome.cache_status or before.cache_status,
        output=before.output if outcome.output is None else outcome.output,
        attempts=attempts_with_start(observed, phase, now, waits=outcome.waits or outcome.phase is None),
    )
    # A new owner continues or cancels by the external id, so the id is written as soon as it is known. An exception are
    # executors that return the same id when called again and have nothing to cancel.
    known = status.external_id == before.external_id or (
        observed.traits.idempotent and not observed.traits.external_effect
    )
    write = Write.LATER if known else Write.NOW
    poll = PollAt(deadlines.add_seconds(now, outcome.poll_after))
    return _decide_waiting(observed, status, write, (poll,), now)


def _handle_paused(observed: Observed, outcome: Paused, now: datetime) -> Decision:
    before = observed.status
    status = change_attempt_status(
        observed,
        phase=Phase.PAUSED,
        reason=outcome.reason,
        message=outcome.message,
        now=now,
        external_id=outcome.external_id or before.external_id,
        links=outcome.links or before.links,
        output=before.output if outcome.output is None else outcome.output,
        attempts=attempts_with_start(observed, Phase.PAUSED, now),
    )
    effects: list[Effect] = []
    if outcome.poll_after is not None:
        effects.append(PollAt(deadlines.add_seconds(now, outcome.poll_after)))
    if before.phase is not Phase.PAUSED:
        effects.append(
            RecordEvent(warning=False, reason=outcome.reason, message=status.message or "waiting for a person")
        )
    return _decide_waiting(observed, status, Write.NOW, tuple(effects), now)


def _handle_limited(observed: Observed, outcome: Limited, now: datetime) -> Decision:
    again = deadlines.add_seconds(now, outcome.retry_after)
    if observed.status.phase.is_started:
        return _decide_waiting(observed, observed.status, Write.NONE, (PollAt(again),), now)
    observed = observed._replace(activity=Activity.IDLE)
    if (ending := find_ending(observed, now)) is not None:
        return cancel_or_finish(observed, ending, now)
    if find_gate(observed, now) is not None:
        return _prepare(observed._replace(activity=Activity.QUEUED), now)
    status = rate_limited_status(observed, again, outcome.message or "target rate limit reached", now)
    return _decide_with_wake(observed, status, write_if_changed(observed, status), (Park(again, outcome.key),), now)


def _handle_failure(observed: Observed, outcome: Failed, now: datetime) -> Decision:
    if (ending := find_ending(observed, now)) is not None:
        return finish(observed, ending, now)
    verdict = apply_retry_policy(observed, outcome, now)
    if isinstance(verdict, Ending):
        return finish(observed, verdict, now, output=outcome)
    change = Change(
        phase=Phase.QUEUED,
        reason=Reason.BACKING_OFF,
        message=verdict.message,
        now=now,
        generation=observed.generation,
    )
    fields = close_attempt_fields(observed.status, verdict.phase, verdict.error, now)
    status = apply_change(
        observed.status, change, **fields, next_attempt_at=verdict.at, queued_at=verdict.at, external_id=None
    )
    tell = RecordEvent(warning=True, reason=verdict.error.code, message=verdict.message)
    idle = observed._replace(activity=Activity.IDLE)
    return _decide_with_wake(idle, status, Write.NOW, (WakeAt(verdict.at), tell), now)


def _handle_cancelled(observed: Observed, ended: CancelEnded, now: datetime) -> Decision:
    problem = ended.problem or effect_problem(observed)
    observed = observed._replace(activity=Activity.IDLE)
    if ended.external_id is not None:  # what was started counts, although nobody has recorded the start
        observed = with_external_id(observed, ended.external_id, now)
    if (ending := find_ending(observed, now)) is not None:
        return finish(observed, ending.with_problem(problem), now)
    if ended.failure is not None:
        return _end_cancelled_attempt(observed, ended.failure, problem, now)
    if is_attempt_late(observed, now):
        return _end_cancelled_attempt(observed, timeout_failure(observed, now), problem, now)
    if not observed.status.phase.is_started and ended.external_id is None:
        return _prepare(observed, now)
    return _handle_failure(with_open_attempt(observed, now), interruption_failure(observed), now)


def _end_cancelled_attempt(observed: Observed, failure: Failed, problem: str, now: datetime) -> Decision:
    failure = unconfirmed_failure(failure, problem) if problem else failure
    return _handle_failure(with_open_attempt(observed, now), failure, now)


def _handle_reports(observed: Observed, told: ReportReceived, now: datetime) -> Decision:
    """Decide about reports from outside; the executor is polled next, as without them."""
    if find_ending(observed, now) is not None or is_attempt_late(observed, now):
        return _reconcile(observed, now)
    before = observed.status
    for report in told.reports if observed.traits.takes_reports else ():
        observed = with_status(observed, apply_report(observed, report, new_claim(observed, now), now))
        outcome = outcome_from_report(report, observed.status)
        if outcome is not None:
            return _handle_outcome(observed, outcome, now)
    write = Write.NONE if observed.status is before else Write.NOW
    return _decide_with_wake(observed, observed.status, write, (Enqueue(),), now)


# -- helpers --------------------------------------------------------------------------------------------------------


def _requires_attempt(event: Event) -> bool:
    return isinstance(event, ReportReceived) or (
        isinstance(event, CallEnded) and isinstance(event.outcome, Succeeded | Pending | Paused)
    )


def _decide_waiting(
    observed: Observed, status: TaskActionStatus, write: Write, effects: tuple[Effect, ...], now: datetime
) -> Decision:
    """Decide after a call whose work continues outside; an ending that was requested meanwhile applies immediately."""
    write = Write.NONE if status is observed.status else write
    observed = observed._replace(status=status, activity=Activity.WAITING)
    if find_ending(observed, now) is not None or is_attempt_late(observed, now):
        decision = _reconcile(observed, now)
        return replace(decision, write=max(write, decision.write))
    if observed.signalled:  # the signal came during the call, and no other event would report it
        effects = (Enqueue(),)
    return _decide_with_wake(observed, status, write, effects, now)


def _decide_with_wake(
    observed: Observed, status: TaskActionStatus, write: Write, effects: tuple[Effect, ...], now: datetime
) -> Decision:
    """Return a decision that wakes up the action at its next deadline."""
    deadline = deadlines.next_deadline(with_status(observed, status), now)
    wake: tuple[Effect, ...] = () if deadline is None else (WakeAt(deadline),)
    return Decision(status=status, write=write, effects=(*effects, *wake))
