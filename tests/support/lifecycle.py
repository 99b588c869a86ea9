"""Builders of what the machine judges by, so that each test says only what it is about; the clock stands at ``NOW``."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from taskaction.api.enums import ChildPolicy, Phase
from taskaction.api.reasons import ConditionType, Reason
from taskaction.api.task_action import Attempt, Claim, TaskActionSpec, TaskActionStatus
from taskaction.core.backoff import Backoff
from taskaction.lifecycle.decisions import Decision, Effect
from taskaction.lifecycle.outcomes import Failed
from taskaction.lifecycle.policy import Policy, Settings
from taskaction.lifecycle.retry_defaults import DEFAULT_RETRY_ON
from taskaction.lifecycle.state import AbortFact, Blocker, Observed, Owner
from taskaction.lifecycle.traits import Traits

CREATED = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
STARTED = CREATED + timedelta(seconds=30)
NOW = CREATED + timedelta(seconds=60)

ME = Owner(holder="replica-a", epoch=3)
MY_CLAIM = Claim(holder=ME.holder, epoch=ME.epoch, at=STARTED)
FOREIGN_CLAIM = Claim(holder="replica-b", epoch=2, at=STARTED)

REPEATABLE = Traits(idempotent=True, external_effect=False)
ONCE = Traits(idempotent=False, external_effect=False)
OUTSIDE = Traits(idempotent=True, external_effect=True)
UNKNOWN = Traits(idempotent=False, external_effect=False)
"""The traits of an action whose executor is not known."""

ABORT = AbortFact(reason=Reason.ABORTED, message="no longer wanted", by="ada")
NOT_READY = Blocker(reason=Reason.PROVIDER_NOT_READY, message="the provider is not ready", final=False)
REFUSED = Blocker(reason=Reason.INVALID_PARAMETERS, message="spec.parameters.url: is required", final=True)
BROKEN = Failed(code="Broken", message="it broke")

E = TypeVar("E", bound=Effect)


def seconds(count: float) -> timedelta:
    """Give a length of time."""
    return timedelta(seconds=count)


def after(count: float) -> datetime:
    """Give the moment ``count`` seconds after ``NOW``."""
    return NOW + seconds(count)


def policy(**changes: Any) -> Policy:
    """Give a policy without bounds and retries, and with waits that are easy to reckon."""
    plain = Policy(
        settings=Settings(),
        retry_limit=0,
        retry_on=DEFAULT_RETRY_ON,
        backoff=Backoff(initial=1.0, factor=2.0, max=60.0),
        queued=None,
        attempt=None,
        total=None,
        ttl=timedelta(hours=1),
        child_policy=ChildPolicy.KEEP,
    )
    return replace(plain, **changes)


def waiting(phase: Phase = Phase.QUEUED, **changes: Any) -> TaskActionStatus:
    """Give the status of an action that has never started."""
    return TaskActionStatus(phase=phase).model_copy(update=changes)


def running(phase: Phase = Phase.RUNNING, **changes: Any) -> TaskActionStatus:
    """Give the status of an action in its first attempt, claimed by this owner and called, not polled."""
    status = TaskActionStatus(
        phase=phase,
        reason=Reason.EXECUTING,
        attempt=1,
        attempts=(Attempt(number=1, phase=Phase.RUNNING, started_at=STARTED),),
        claim=MY_CLAIM,
        started_at=STARTED,
    )
    return status.model_copy(update=changes)


def pending(phase: Phase = Phase.RUNNING, **changes: Any) -> TaskActionStatus:
    """Give the status of an attempt that goes on outside and is polled."""
    said = {"reason": Reason.WAITING_FOR_COMPLETION, "external_id": "job-7", **changes}
    return running(phase, **said)


def backing_off(due: datetime, *, attempt: int = 1, **changes: Any) -> TaskActionStatus:
    """Give the status between two attempts."""
    ended = tuple(
        Attempt(number=number, phase=Phase.FAILED, started_at=STARTED, ended_at=STARTED)
        for number in range(1, attempt + 1)
    )
    said = {
        "reason": Reason.BACKING_OFF,
        "attempt": attempt,
        "attempts": ended[-10:],
        "claim": MY_CLAIM,
        "started_at": STARTED,
        "next_attempt_at": due,
        **changes,
    }
    return waiting(**said)


def finished(phase: Phase, **changes: Any) -> TaskActionStatus:
    """Give a terminal status."""
    return running(phase, reason="Ended", finished_at=NOW).model_copy(update=changes)


def status_in(phase: Phase) -> TaskActionStatus:
    """Give a status in ``phase`` as it usually looks."""
    if phase.is_terminal:
        return finished(phase)
    if phase is Phase.PAUSED:
        return running(phase, reason=Reason.PAUSED)
    return running(phase) if phase.is_started else waiting(phase)


def spec(**changes: Any) -> TaskActionSpec:
    """Give the spec of an action with an inline executor."""
    return TaskActionSpec(executor="noop", **changes)


def observed(**changes: Any) -> Observed:
    """Give the facts of a queued action of this owner, patched once, that nothing holds back, with ``changes``."""
    plain = Observed(
        spec=spec(),
        status=waiting(),
        generation=2,
        created=CREATED,
        policy=policy(),
        traits=REPEATABLE,
        owner=ME,
    )
    return plain._replace(**changes)


def effects(decision: Decision, kind: type[E]) -> list[E]:
    """Give the effects of one kind."""
    return [effect for effect in decision.effects if isinstance(effect, kind)]


def kinds(decision: Decision) -> list[str]:
    """Give the names of the effects in their order."""
    return [type(effect).__name__ for effect in decision.effects]


def conditions(status: TaskActionStatus) -> dict[str, str]:
    """Give the conditions as type and status."""
    return {condition.type: str(condition.status) for condition in status.conditions}


def is_finished(status: TaskActionStatus) -> bool:
    """Say whether ``kubectl wait --for=condition=Finished`` would return."""
    return conditions(status).get(ConditionType.FINISHED) == "True"
