"""What this process knows about each live action, and every change of it.

Only the methods of this module and of ``OwnedRecord`` change a record; the other modules decide when
(``tests/unit/control/test_records_have_one_writer.py`` checks it).
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from taskaction.api.enums import ErrorKind, ParentKind, Phase
from taskaction.api.provider import ProviderDefaults
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Link, Progress, Signal, TaskAction, TaskActionSpec, TaskActionStatus
from taskaction.cluster.gateway import Body
from taskaction.cluster.write_slots import WriteRank
from taskaction.control.objects.owned import DueTimers, OwnedRecord, version_number
from taskaction.core.constants import LINKS_KEPT
from taskaction.lifecycle.outcomes import Failed
from taskaction.lifecycle.policy import Policy
from taskaction.lifecycle.short_success import compact_success
from taskaction.lifecycle.state import Activity, Blocker
from taskaction.lifecycle.statuses import Change, apply_change, close_attempt_fields, ends_attempt, error_info
from taskaction.lifecycle.traits import Traits

_AT_REST = frozenset({Activity.IDLE, Activity.QUEUED, Activity.PARKED})
_TRACKED = frozenset({Activity.QUEUED, Activity.PARKED, Activity.WAITING})
_CALLED = frozenset({Activity.CALLING, Activity.CANCELLING})


@dataclass(slots=True, eq=False, kw_only=True)
class ActionRecord(OwnedRecord):
    """One live action.

    Attributes:
        action: the object as last read; use ``status`` instead of its ``status``.
        first_version: the resourceVersion when first read, a tie-breaker of the order in a partition.
        activity: what this process is doing with the action.
        taken_over_at: since when the holder of the claim in the status has been gone, whoever owned the shard since.
        polled_signal: the signal that the executor last received.
        awaits_partition: it is queued, but not submitted until its executor has found its partition.
        partition_asked: the executor has returned the partition of the action, if it has one.
        partition_failure: why the executor could not find the partition.
        limit_errors: number of consecutive quota checks in which the executor raised an error.
        limit_errors_since: when the first of them raised it.
        parameters_hash: digest of the parameters; None until it is computed.
        policy: the effective policy, with the values that it was computed from.
        has_parameters: the object in memory has its parameters; large ones are dropped and read again for each call.
        inspected_for: the executor or the provider's specification for which ``traits``, ``parameters_blocker`` and
            ``must_be_evaluated`` hold.
        must_be_evaluated: the check of the parameters is not cheap, and must end before the action starts.
        is_validating: that check has begun.
        lost_call: a former owner may have made a call of which nothing is on record.
        poll_at: when to poll next.
        call: the task of the running call; ``cancelling``: the attempt is being cancelled.
        is_storing: the call has an outcome, whose output is being stored.
        poll_again: an object of the action changed during a call; poll again.
        claim_sent: a status with a claim was sent to the API server, which may have stored it.
        may_be_refused: created while this process owned its shard, so that a full queue may still refuse it.
        queued_at: when it entered the queue, by the monotonic clock.
        parked_at: when it was first parked for a quota that has not let it pass yet, by the monotonic clock.
        limited_until: when the rate limit of its provider is expected to let it start.
    """

    action: TaskAction
    status: TaskActionStatus
    stored: TaskActionStatus
    first_version: int
    activity: Activity = Activity.IDLE
    taken_over_at: datetime | None = None
    lost_call: bool = False
    polled_signal: Signal | None = None
    awaits_partition: bool = False
    partition_asked: bool = False
    partition_failure: Failed | None = None
    limit_errors: int = 0
    limit_errors_since: datetime | None = None
    parameters_hash: str | None = None
    policy: tuple[TaskActionSpec, ProviderDefaults | None, Policy] | None = None
    has_parameters: bool = True
    inspected_for: object | None = None
    traits: Traits | None = None
    parameters_blocker: Blocker | None = None
    must_be_evaluated: bool = False
    is_validating: bool = False
    poll_at: datetime | None = None
    call: asyncio.Task[object] | None = None
    cancelling: bool = False
    is_storing: bool = False
    poll_again: bool = False
    may_be_refused: bool = False
    claim_sent: bool = False
    queued_at: float | None = None
    parked_at: float | None = None
    limited_until: datetime | None = None

    @classmethod
    def from_action(cls, action: TaskAction) -> "ActionRecord":
        """Return the record of an object that was just read."""
        version = action.metadata.resource_version
        return cls(
            action=action,
            status=action.status,
            stored=action.status,
            version=version,
            first_version=version_number(version),
        )

    # -- facts --------------------------------------------------------------------------------------------------------

    @property
    def api_object(self) -> TaskAction:
        """The object, by the name that records of runs use too."""
        return self.action

    @property
    def kind(self) -> ParentKind:
        """The kind of the object."""
        return ParentKind.TASK_ACTION

    @property
    def log_fields(self) -> dict[str, object]:
        """The keys by which logs identify the object."""
        return {"namespace": self.namespace, "name": self.name, "uid": self.uid, "attempt": self.status.attempt}

    @property
    def next_due(self) -> datetime | None:
        """When to look at the record next; None if nothing is scheduled."""
        return min((at for at in (self.wake_at, self.poll_at, self.flush_at) if at is not None), default=None)

    @property
    def is_complete(self) -> bool:
        """Whether the parameters are in memory."""
        return self.has_parameters

    @property
    def write_rank(self) -> WriteRank:
        """Awaited, unless the action only waits and no attempt was opened or closed."""
        waits = not (self.status.phase.is_started or self.status.phase.is_terminal)
        return WriteRank.NEWS if waits and self.status.attempts == self.stored.attempts else WriteRank.AWAITED

    def refused_status(self, reason: Reason, message: str, now: datetime) -> TaskActionStatus:
        """Return the status of an action that must fail because the API server refuses its status."""
        text = f"the API server refused the status: {message}"
        error = error_info(reason, ErrorKind.USER if reason is Reason.OBJECT_TOO_LARGE else ErrorKind.SYSTEM, text)
        change = Change(
            phase=Phase.FAILED,
            reason=reason,
            message=text,
            now=now,
            generation=self.action.metadata.generation,
        )
        return apply_change(
            self.stored, change, **close_attempt_fields(self.stored, Phase.FAILED, error, now), finished_at=now
        )

    def smallest_status(self, reason: Reason, now: datetime) -> TaskActionStatus:
        """Return the smallest status of an action that must fail; attempt and claim may not be removed."""
        kept = self.stored
        return TaskActionStatus(
            phase=Phase.FAILED, reason=reason, finished_at=now, attempt=kept.attempt, claim=kept.claim
        )

    # -- the object ---------------------------------------------------------------------------------------------------

    def prepare_write(self) -> TaskActionStatus:
        """Return the status to write now, without what a short success leaves out."""
        is_claim_known = self.claim_sent or self.stored.claim is not None
        self.status = compact_success(self.status, is_claim_known=is_claim_known)
        self.claim_sent = self.claim_sent or self.status.claim is not None
        return self.status

    def update_object(self, body: Body) -> TaskActionStatus:
        """Replace the object by ``body``, and return the status in it; the record's status stays."""
        self.action, self.has_parameters = TaskAction.from_body(body), True
        return self.action.status

    def update_action(self, action: TaskAction, *, overtaken: bool) -> bool:
        """Replace the object by a newer one; return whether another process wrote its status."""
        self.action, self.has_parameters = action, True
        self.accept_version()
        if action.status == self.stored or self.flushing is not None:
            return False
        self.stored = action.status
        if overtaken or self.activity in _AT_REST:
            self.status = action.status
        return True

    def finish_elsewhere(self, action: TaskAction) -> None:
        """Replace the object by one with the end that another process has recorded."""
        self.action = action
        self.replace_status(action.status)

    # -- ownership ----------------------------------------------------------------------------------------------------

    def take_over(self, since: datetime, *, may_be_refused: bool = False) -> None:
        """Record that this process sees the action as its own, and that no former owner has been there ``since``."""
        self.taken_over_at, self.may_be_refused = since, may_be_refused
        if self.activity not in _CALLED:  # of its own calls this process learns what they return
            self.lost_call = not may_be_refused

    def rule_out_lost_call(self) -> None:
        """Record that no former owner has called the executor, or that what it has started is known here."""
        self.lost_call = False

    def give_up_attempt(self, now: datetime) -> None:
        """Record that the attempt belongs to another owner, or that nothing was called."""
        self.taken_over_at, self.activity = now, Activity.IDLE

    def release(self) -> None:
        """Forget what the next owner computes again; a running call may end."""
        if self.activity in _TRACKED:
            self.activity = Activity.IDLE
            self.poll_at = self.wake_at = None
            self.awaits_partition = False

    # -- queue and timers ---------------------------------------------------------------------------------------------

    def enqueue(self, monotonic: float, *, awaits_partition: bool) -> None:
        """Record that the action waits for a worker, and before that perhaps for its partition."""
        self.activity, self.poll_at, self.awaits_partition = Activity.QUEUED, None, awaits_partition
        if self.queued_at is None:
            self.queued_at = monotonic

    def submit(self) -> None:
        """Record that the partition is known and the manager has the action."""
        self.awaits_partition = False

    def set_partition(self, key: str | None) -> None:
        """Set the partition key that the executor has found; None for no partition."""
        self.partition_asked = True
        self.update_status(partition_key=key)

    def fail_partition(self, failure: Failed) -> None:
        """Record why the executor could not find the partition."""
        self.partition_failure, self.awaits_partition = failure, False

    def take_partition_failure(self) -> Failed | None:
        """Remove and return why the executor could not find the partition."""
        failure, self.partition_failure = self.partition_failure, None
        return failure

    def leave_queue(self) -> float | None:
        """Record that a worker has taken the action; return when it was queued, None if that was recorded before."""
        self.activity = Activity.IDLE
        queued_at, self.queued_at = self.queued_at, None
        return queued_at

    def withdraw(self) -> None:
        """Record that the action waits for no worker any more."""
        self.activity, self.awaits_partition = Activity.IDLE, False

    def leave_waiting(self) -> None:
        """Forget since when the action has waited."""
        self.queued_at = self.parked_at = None

    def park(self, monotonic: float) -> None:
        """Record that the action waits for a quota of its target."""
        self.activity = Activity.PARKED
        if self.parked_at is None:
            self.parked_at = monotonic

    def pass_quota(self) -> float | None:
        """Record that the quota lets the action pass; return when it was parked, None if it was not."""
        parked_at, self.parked_at = self.parked_at, None
        return parked_at

    def limit_until(self, until: datetime) -> None:
        """Record when the rate limit of the provider is expected to let the action start."""
        self.limited_until = until

    def count_limit_error(self, now: datetime) -> tuple[int, datetime]:
        """Count a quota check that raised an error; return the number of consecutive ones, and when they began."""
        self.limit_errors += 1
        self.limit_errors_since = self.limit_errors_since or now
        return self.limit_errors, self.limit_errors_since

    def clear_limit_errors(self) -> None:
        """Record that a quota check succeeded, or that its errors have failed the attempt."""
        self.limit_errors, self.limit_errors_since = 0, None

    def take_due(self, now: datetime) -> DueTimers:
        """Remove the timers that are due, and return which they were."""
        due = DueTimers(*(at is not None and at <= now for at in (self.flush_at, self.poll_at, self.wake_at)))
        self.flush_at = None if due.flush else self.flush_at
        self.poll_at = None if due.poll else self.poll_at
        self.wake_at = None if due.wake else self.wake_at
        return due

    def wake_by(self, at: datetime) -> None:
        """Reconcile ``at`` the latest."""
        self.wake_at = at if self.wake_at is None else min(at, self.wake_at)

    def schedule_poll(self, at: datetime, now: datetime) -> None:
        """Schedule the next poll: ``now`` if something changed during the last call."""
        self.poll_at, self.poll_again = (now if self.poll_again else at), False

    def request_poll_again(self, *, wanted: bool) -> None:
        """Set whether to poll again after the running call, which may have read the state before a change."""
        self.poll_again = wanted

    # -- calls --------------------------------------------------------------------------------------------------------

    def accept(self, status: TaskActionStatus) -> None:
        """Accept the status of a decision, which sets its own timers; nobody has called for what follows an attempt."""
        self.lost_call = self.lost_call and not ends_attempt(self.status, status)
        self.status, self.wake_at = status, None

    def begin_call(self) -> None:
        """Record that a call is prepared."""
        self.activity = Activity.CALLING

    def start_call(self, call: asyncio.Task[object]) -> None:
        """Record that the executor is called, and has the present signal."""
        self.call = call

    def hand_over_signal(self) -> None:
        """Record that the executor gets the present signal and sees all changes until now."""
        self.polled_signal, self.poll_again = self.action.spec.signal, False

    def end_call(self) -> None:
        """Record that the call has ended."""
        self.call = None

    def begin_storing(self) -> None:
        """Record that the outcome of the call is known, and its output is being stored."""
        self.is_storing = True

    def end_storing(self) -> None:
        """Record that the output is stored, or that nobody needs it any more."""
        self.is_storing = False

    def rest(self) -> None:
        """Record that nothing is being done with the action."""
        self.activity = Activity.IDLE

    def wait_for_poll(self) -> None:
        """Record that a started attempt needs no worker until its next poll."""
        if self.activity is Activity.IDLE:
            self.activity = Activity.WAITING

    def begin_cancel(self) -> bool:
        """Record that the attempt is being cancelled; return False if that was so already."""
        if self.cancelling:
            return False
        self.activity, self.cancelling, self.poll_at = Activity.CANCELLING, True, None
        self.awaits_partition = False
        return True

    def end_cancel(self) -> None:
        """Record that the executor has confirmed a cancel, or was waited for long enough."""
        self.cancelling = False

    def set_progress(self, progress: Progress) -> None:
        """Set the progress in the status to write."""
        self.update_status(progress=progress)

    def add_link(self, link: Link) -> None:
        """Add a link to the status to write; it replaces one of the same name, and the oldest is removed beyond 16."""
        links = {known.name: known for known in self.status.links} | {link.name: link}
        self.update_status(links=tuple(links.values())[-LINKS_KEPT:])

    # -- computed facts -----------------------------------------------------------------------------------------------

    def keep_parameters_hash(self, value: str) -> str:
        """Keep the digest of the parameters, which cannot change, and return it."""
        self.parameters_hash = value
        return value

    def keep_policy(self, spec: TaskActionSpec, defaults: ProviderDefaults | None, policy: Policy) -> Policy:
        """Keep the effective policy with what it was computed from, and return it."""
        self.policy = (spec, defaults, policy)
        return policy

    def keep_inspection(
        self, subject: object, traits: Traits, blocker: Blocker | None, *, must_be_evaluated: bool
    ) -> None:
        """Keep what the parameters mean for ``subject``, an executor or the specification of a provider."""
        self.inspected_for, self.traits, self.parameters_blocker = subject, traits, blocker
        self.must_be_evaluated, self.is_validating = must_be_evaluated, False

    def begin_evaluation(self) -> None:
        """Record that the check of the parameters has begun."""
        self.is_validating = True

    def end_evaluation(self, subject: object, blocker: Blocker | None) -> bool:
        """Keep the result of the check; return False if it is for another subject than the present one."""
        if self.inspected_for is not subject:
            return False
        self.must_be_evaluated, self.is_validating, self.parameters_blocker = False, False, blocker
        return True

    def drop_parameters(self, partition_key: str | None) -> None:
        """Drop the parameters from memory; keep the partition key that follows from them."""
        spec = self.action.spec.model_copy(update={"parameters": {}, "partition_key": partition_key})
        was_placed = not self.must_be_placed
        self.action, self.has_parameters = self.action.model_copy(update={"spec": spec}), False
        if was_placed:
            self.placed = self.action
