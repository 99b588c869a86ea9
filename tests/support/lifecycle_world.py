"""A world without I/O that carries out what the machine decides, keeps account of it, and can crash at any moment."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from support.lifecycle import ABORT, CREATED, NOT_READY, UNKNOWN, observed, seconds
from taskaction.api.task_action import TaskActionStatus
from taskaction.lifecycle.decisions import (
    AddFinalizer,
    Adopt,
    Call,
    Cancel,
    Decision,
    Dequeue,
    Effect,
    Enqueue,
    ExpireAt,
    PollAt,
    RecordEvent,
    RemoveFinalizer,
    WakeAt,
    Write,
)
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome, Paused, Pending, Succeeded, Work, names_work
from taskaction.lifecycle.policy import Policy
from taskaction.lifecycle.state import Activity, CallEnded, CancelEnded, Event, Observed, Parent, Reconcile, Slot
from taskaction.lifecycle.statuses import ends_attempt
from taskaction.lifecycle.traits import Traits

UNREACHABLE = "the provider is not ready, and the effect is unknown"


@dataclass(frozen=True)
class Step:
    """One decision with everything it was taken from."""

    facts: Observed
    event: Event
    now: datetime
    decision: Decision


class World:
    """One action, its owner, its executor and the clock; ``stored`` is what a crash leaves."""

    def __init__(self, policy: Policy, traits: Traits, *, not_after: datetime | None = None, child: bool) -> None:
        self.now = CREATED
        self.traits = traits
        plain = observed(policy=policy, traits=traits, parent=Parent.LOOKED_UP if child else Parent.NONE)
        self.facts = plain._replace(taken_at=self.now, spec=plain.spec.model_copy(update={"not_after": not_after}))
        self.stored = self.facts.status
        self.steps: list[Step] = []
        self.executed: Counter[int] = Counter()
        self.calling = False
        self.flush_at: datetime | None = None
        self.poll_at: datetime | None = None
        self.wake_at: datetime | None = None
        self.adopting = False
        self.outside = False
        """Whether the last attempt has started something that has neither ended nor been cancelled."""
        self.overlaps: list[int] = []
        """The attempts that were called while something of an earlier one went on."""
        self._outside_before = False
        self._outside_attempt = 0
        self._failure: Failed | None = None
        self.set_back = 0.0
        self._signal_given = False
        self.look()

    def __repr__(self) -> str:
        taken = (f"{one.now:%H:%M:%S} {one.event} -> {one.decision.status.phase}" for one in self.steps)
        return "\n".join((repr(self.facts.policy), repr(self.facts.traits), *taken))

    # -- what can happen ----------------------------------------------------------------------------------------------

    def look(self) -> None:
        """See what is to be done."""
        self._apply(self._decide(Reconcile()))

    def work(self) -> None:
        """Give the action a worker where it waits for one."""
        if self.facts.activity is Activity.QUEUED:
            self._set(activity=Activity.IDLE)
            self._apply(self._decide(Slot()))

    def end_call(self, outcome: Outcome) -> None:
        """Let the call under way return; while it is cancelled only a success counts."""
        if not self.calling:
            return
        self.calling = False
        if self.facts.activity is Activity.CANCELLING and not isinstance(outcome, Succeeded):
            return
        decision = self._decide(CallEnded(outcome))
        self._set(activity=Activity.IDLE, lost_call=self.facts.lost_call and not names_work(outcome))
        self.outside = self._goes_on(outcome)
        self._apply(decision)
        if self.status.phase.is_started and self.facts.activity is Activity.IDLE:
            self._set(activity=Activity.WAITING)

    def end_cancel(self) -> None:
        """Let the executor confirm that it has stopped."""
        if self.facts.activity is Activity.CANCELLING:
            self.calling = False
            found, problem = None, UNREACHABLE
            if self.facts.traits_known:
                found, problem = "job" if self.outside and not self.status.phase.is_started else None, ""
                self.outside = False
            failure, self._failure = self._failure, None
            decision = self._decide(CancelEnded(external_id=found, problem=problem, failure=failure))
            self._set(activity=Activity.IDLE)
            self._apply(decision)

    def pass_time(self, length: float) -> None:
        """Move the clock, also backwards, and serve what has become due."""
        self.now += seconds(length)
        self.set_back += max(-length, 0.0)
        if self.flush_at is not None and self.flush_at <= self.now:
            self.stored, self.flush_at = self.status, None
        if self.poll_at is not None and self.poll_at <= self.now:
            self.poll_at = None
            self._set(activity=Activity.QUEUED)
        if self.wake_at is not None and self.wake_at <= self.now:
            self.wake_at = None
            self.look()

    def suspend(self, value: bool) -> None:
        """Set ``spec.suspend``."""
        self._set(spec=self.facts.spec.model_copy(update={"suspend": value}), generation=self.facts.generation + 1)
        self.look()

    def abort(self) -> None:
        """Set ``spec.abort``."""
        self._set(abort=ABORT, generation=self.facts.generation + 1)
        self.look()

    def signal(self) -> None:
        """Set ``spec.signal``."""
        self._signal_given = True
        self._set(signalled=True, generation=self.facts.generation + 1)
        self.look()

    def provider(self, ready: bool) -> None:
        """Let the provider become ready or not; only a ready one has a known executor."""
        traits = self.traits if ready else UNKNOWN
        self._set(blocker=None if ready else NOT_READY, traits=traits, traits_known=ready)
        self.look()

    def parent(self) -> None:
        """Let the parent be found, then adopt."""
        if self.facts.parent is Parent.LOOKED_UP:
            self._set(parent=Parent.FOUND)
        elif self.adopting:
            self._set(parent=Parent.OWNER)
        self.look()

    def crash(self) -> None:
        """Lose what is not stored; another owner takes over."""
        self.calling, self.adopting, self._failure = False, False, None
        self.flush_at = self.poll_at = self.wake_at = None
        owner = replace(self.facts.owner, holder=f"replica-{len(self.steps)}", epoch=self.facts.owner.epoch + 1)
        parent = Parent.LOOKED_UP if self.facts.parent is Parent.FOUND else self.facts.parent
        self._set(
            status=self.stored,
            activity=Activity.IDLE,
            owner=owner,
            parent=parent,
            taken_at=self.now,
            lost_call=True,
            signalled=self._signal_given,
        )
        self.look()

    # -- what is carried out ------------------------------------------------------------------------------------------

    @property
    def status(self) -> TaskActionStatus:
        """The status as the owner knows it."""
        return self.facts.status

    @property
    def held_back(self) -> bool:
        """Whether the next attempt waits for somebody else."""
        return bool(
            self.facts.spec.suspend
            or self.facts.blocker is not None
            or self.facts.parent in {Parent.LOOKED_UP, Parent.FOUND}
        )

    @property
    def due_in(self) -> float | None:
        """How many seconds from now something is due, None where nothing is."""
        due = [at for at in (self.wake_at, self.poll_at) if at is not None]
        return max((min(due) - self.now).total_seconds(), 0.0) if due else None

    def _set(self, **changes: object) -> None:
        self.facts = self.facts._replace(**changes)

    def _decide(self, event: Event) -> Decision:
        decision = step(self.facts, event, self.now)
        self.steps.append(Step(self.facts, event, self.now, decision))
        return decision

    def _goes_on(self, outcome: Outcome) -> bool:
        """Say whether something goes on outside after a call."""
        if isinstance(outcome, Limited) or (isinstance(outcome, Failed) and outcome.work is Work.UNCHANGED):
            return self._outside_before
        return isinstance(outcome, Pending | Paused) or (isinstance(outcome, Failed) and outcome.work is Work.UNKNOWN)

    def _call(self, *, poll: bool) -> None:
        """Call the executor, or find that there is none now."""
        if not self.facts.traits_known:
            self._set(activity=Activity.IDLE)
            self.wake_at = self.now + seconds(10)
            return
        self.calling, self._outside_before = True, self.outside
        self._set(activity=Activity.CALLING, signalled=False)
        if poll:
            return
        attempt = self.status.attempt or 0
        self.executed[attempt] += 1
        if self.outside and self._outside_attempt != attempt:
            self.overlaps.append(attempt)
        self.outside, self._outside_attempt = True, attempt

    def _apply(self, decision: Decision) -> None:
        self._set(
            status=decision.status,
            lost_call=self.facts.lost_call and not ends_attempt(self.status, decision.status),
        )
        self.wake_at = None
        if decision.write is Write.LATER:
            self.flush_at = self.flush_at or self.now + self.facts.policy.settings.status_delay
        elif decision.write is not Write.NONE:
            self.stored, self.flush_at = decision.status, None
        if decision.write is Write.FIRST:  # a former owner would have had to record its claim
            self._set(lost_call=False)
        for effect in decision.effects:
            self._do(effect)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Call(poll=poll):
                self._call(poll=poll)
            case Enqueue():
                self.poll_at = None
                self._set(activity=Activity.QUEUED)
            case Dequeue():
                self._set(activity=Activity.IDLE)
            case PollAt(at=at):
                self.poll_at = at
            case WakeAt(at=at):
                self.wake_at = at if self.wake_at is None else min(at, self.wake_at)
            case Cancel(failure=failure):
                self.poll_at, self._failure = None, failure
                self._set(activity=Activity.CANCELLING)
            case AddFinalizer() | RemoveFinalizer():
                added = isinstance(effect, AddFinalizer)
                self._set(has_finalizer=added, lost_call=self.facts.lost_call and not added)
            case Adopt():
                self.adopting = True
            case ExpireAt() | RecordEvent():
                pass
            case _:
                assert_never(effect)
