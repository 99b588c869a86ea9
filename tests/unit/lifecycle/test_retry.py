"""Whether another attempt follows a failed one, and when: classes, limit, backoff, and the time that is left."""

import math
from typing import Any

import pytest

from support.lifecycle import (
    BROKEN,
    CREATED,
    NOW,
    after,
    backing_off,
    effects,
    observed,
    pending,
    policy,
    running,
    seconds,
)
from taskaction.api.enums import ErrorKind, Phase, RetryClass
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Attempt, Progress, TaskActionStatus
from taskaction.core.backoff import Backoff
from taskaction.lifecycle.decisions import Call, Enqueue, RecordEvent, WakeAt, Write
from taskaction.lifecycle.failures import remaining_attempts
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.outcomes import Failed
from taskaction.lifecycle.retry_defaults import DEFAULT_RETRY_ON
from taskaction.lifecycle.state import Activity, CallEnded, CancelEnded, Observed, Reconcile, Slot
from taskaction.lifecycle.traits import Traits


def failing(failure: Failed = BROKEN, *, status: TaskActionStatus | None = None, jitter: float = 0.0, **bounds: object):
    facts = observed(
        status=status or running(),
        policy=policy(**{"retry_limit": 2, **bounds}),
        activity=Activity.CALLING,
        jitter=jitter,
    )
    return step(facts, CallEnded(failure), NOW)


def test_a_failed_attempt_is_retried_after_its_backoff() -> None:
    decision = failing()

    status = decision.status
    assert (status.phase, status.reason, status.next_attempt_at) == (Phase.QUEUED, Reason.BACKING_OFF, after(1))
    assert status.message == "attempt 1 of 3 failed; retrying in 1.0s: it broke"
    assert decision.write is Write.NOW
    assert effects(decision, WakeAt) == [WakeAt(after(1))]
    assert effects(decision, RecordEvent) == [RecordEvent(warning=True, reason="Broken", message=status.message)]


def test_a_failed_attempt_is_closed_with_its_error_and_its_id() -> None:
    status = failing(status=pending()).status

    (attempt,) = status.attempts
    assert (attempt.phase, attempt.ended_at, attempt.external_id) == (Phase.FAILED, NOW, "job-7")
    assert attempt.error is not None
    assert attempt.error == status.error
    assert (attempt.error.code, attempt.error.kind) == ("Broken", ErrorKind.USER)
    assert status.external_id is None


def test_the_next_attempt_starts_when_it_is_due_and_not_before() -> None:
    facts = observed(status=backing_off(after(5)))

    early = step(facts, Reconcile(), after(4.999))
    assert (effects(early, Enqueue), effects(early, WakeAt)) == ([], [WakeAt(after(5))])
    assert effects(step(facts, Slot(), after(4.999)), Call) == []
    assert effects(step(facts, Reconcile(), after(5)), Enqueue) == [Enqueue()]

    status = step(facts, Slot(), after(5)).status
    assert (status.attempt, status.next_attempt_at) == (2, None)
    assert [attempt.number for attempt in status.attempts] == [1, 2]


@pytest.mark.parametrize("wanted", RetryClass)
@pytest.mark.parametrize("got", [*RetryClass, None])
def test_only_the_named_classes_are_retried(wanted: RetryClass, got: RetryClass | None) -> None:
    status = failing(Failed(code="Broken", message="it broke", retry_class=got), retry_on=frozenset({wanted})).status

    assert (status.phase is Phase.QUEUED) is (got is wanted)


def test_interrupted_is_the_only_class_that_is_not_retried_by_default() -> None:
    assert set(RetryClass) - DEFAULT_RETRY_ON == {RetryClass.INTERRUPTED}


@pytest.mark.parametrize(
    ("retry_class", "phase"),
    [(RetryClass.ERROR, Phase.FAILED), (RetryClass.SYSTEM, Phase.FAILED), (RetryClass.TIMEOUT, Phase.TIMED_OUT)],
)
@pytest.mark.parametrize("limit", [0, 1])
def test_an_attempt_that_was_too_late_is_recorded_as_such(retry_class: RetryClass, phase: Phase, limit: int) -> None:
    status = failing(Failed(code="Broken", message="", retry_class=retry_class), retry_limit=limit).status

    assert status.attempts[-1].phase is phase
    assert status.phase is (Phase.QUEUED if limit else phase)


@pytest.mark.parametrize(
    ("attempt", "phase", "message"),
    [
        (1, Phase.QUEUED, "attempt 1 of 3 failed; retrying in 1.0s: it broke"),
        (2, Phase.QUEUED, "attempt 2 of 3 failed; retrying in 2.0s: it broke"),
        (3, Phase.FAILED, "it broke (attempt 3 of 3)"),
    ],
)
def test_the_limit_counts_the_attempts_after_the_first(attempt: int, phase: Phase, message: str) -> None:
    status = failing(status=running(attempt=attempt)).status

    assert (status.phase, status.message) == (phase, message)


LOST = Failed(code="Evicted", message="it is gone", kind=ErrorKind.SYSTEM, retry_class=RetryClass.SYSTEM)


@pytest.mark.parametrize(
    ("failure", "attempt", "failures", "phase", "message"),
    [
        (LOST, 1, 0, Phase.QUEUED, "system failure 1 of 3; retrying in"),
        (LOST, 4, 1, Phase.QUEUED, "system failure 2 of 3; retrying in"),
        (LOST, 5, 2, Phase.FAILED, "it is gone (system failure 3 of 3)"),
        (BROKEN, 3, 2, Phase.QUEUED, "attempt 1 of 2 failed"),
        (BROKEN, 4, 2, Phase.FAILED, "it broke (attempt 2 of 2)"),
    ],
)
def test_what_the_platform_ends_may_be_counted_apart(
    failure: Failed, attempt: int, failures: int, phase: Phase, message: str
) -> None:
    before = running(attempt=attempt).model_copy(update={"system_failures": failures or None})

    status = failing(failure, status=before, retry_limit=1, system_limit=2).status

    assert status.phase is phase
    assert (status.message or "").startswith(message)
    assert (status.system_failures or 0) == failures + (failure is LOST)


@pytest.mark.parametrize(
    ("attempt", "failures", "bounds", "left"),
    [
        (1, 0, {"retry_limit": 2}, 2),
        (3, 0, {"retry_limit": 2}, 0),
        (3, 1, {"retry_limit": 0, "system_limit": 3}, 2),
        (4, 3, {"retry_limit": 5, "system_limit": 3}, 0),
        (1, 0, {"retry_limit": 2, "retry_on": frozenset({RetryClass.ERROR})}, 0),
    ],
)
def test_an_executor_can_be_told_how_many_losses_would_be_made_good(
    attempt: int, failures: int, bounds: dict[str, Any], left: int
) -> None:
    status = running(attempt=attempt).model_copy(update={"system_failures": failures or None})

    assert remaining_attempts(status, policy(**bounds)) == left


def test_without_retries_the_message_is_the_executors() -> None:
    status = failing(retry_limit=0).status

    assert (status.phase, status.reason, status.message) == (Phase.FAILED, "Broken", "it broke")


@pytest.mark.parametrize(
    ("attempt", "jitter", "delay"), [(1, 0.0, 10.0), (2, 0.0, 30.0), (3, 0.0, 60.0), (1, 0.5, 7.5), (3, 0.5, 45.0)]
)
def test_the_delay_grows_to_its_maximum_and_jitter_shortens_it(attempt: int, jitter: float, delay: float) -> None:
    backoff = Backoff(initial=10, factor=3, max=60, jitter=0.5)

    status = failing(status=running(attempt=attempt), retry_limit=9, backoff=backoff, jitter=jitter).status

    assert status.next_attempt_at == after(delay)


@pytest.mark.parametrize(("asked", "delay"), [(None, 1.0), (0.5, 1.0), (45.0, 45.0), (-3.0, 1.0)])
def test_a_target_may_ask_for_a_longer_delay_and_not_for_a_shorter_one(asked: float | None, delay: float) -> None:
    failure = Failed(code="Broken", message="", retry_class=RetryClass.RATE_LIMITED, retry_after=asked)

    assert failing(failure).status.next_attempt_at == after(delay)


@pytest.mark.parametrize("asked", [1e12, 1e300, math.inf])
def test_a_senseless_delay_is_cut_to_a_year(asked: float) -> None:
    failure = Failed(code="Broken", message="", retry_after=asked)

    assert failing(failure).status.next_attempt_at == NOW + seconds(365 * 86_400)


def test_a_delay_that_is_no_number_counts_as_none() -> None:
    assert failing(Failed(code="Broken", message="", retry_after=math.nan)).status.next_attempt_at == after(1)


@pytest.mark.parametrize(("left", "phase"), [(0.5, Phase.FAILED), (1.0, Phase.FAILED), (1.5, Phase.QUEUED)])
def test_no_attempt_is_promised_that_the_total_bound_forbids(left: float, phase: Phase) -> None:
    status = failing(total=NOW - CREATED + seconds(left)).status

    assert status.phase is phase
    assert ("timeouts.total leaves no time for another attempt" in (status.message or "")) is phase.is_terminal


@pytest.mark.parametrize(
    "facts",
    [observed(status=running()), observed(status=running(), activity=Activity.QUEUED)],
    ids=["restarted", "queued-for-a-poll"],
)
def test_an_attempt_that_is_out_of_time_is_retried_as_class_timeout(facts: Observed) -> None:
    bounds = policy(attempt=seconds(30), retry_limit=1, retry_on=frozenset({RetryClass.TIMEOUT}))

    status = step(observed(status=facts.status, activity=facts.activity, policy=bounds), Reconcile(), NOW).status

    assert (status.phase, status.reason) == (Phase.QUEUED, Reason.BACKING_OFF)
    assert status.error is not None
    assert status.error.code == Reason.ATTEMPT_TIMEOUT
    assert status.error.message == "attempt not finished within timeouts.attempt (30s)"


@pytest.mark.parametrize(
    ("idempotent", "effect", "external_id", "retried_on"),
    [
        (True, False, None, RetryClass.TIMEOUT),
        (False, True, "7", RetryClass.TIMEOUT),
        (False, True, None, RetryClass.INTERRUPTED),
        (False, False, "7", RetryClass.INTERRUPTED),
        (False, False, None, RetryClass.INTERRUPTED),
    ],
    ids=["idempotent", "cancelled", "nothing to cancel by", "no cancel", "in the call"],
)
def test_an_attempt_out_of_time_whose_effect_is_unknown_is_of_class_interrupted(
    idempotent: bool, effect: bool, external_id: str | None, retried_on: RetryClass
) -> None:
    facts = Traits(idempotent=idempotent, external_effect=effect)
    status = running().model_copy(update={"external_id": external_id})
    for allowed in RetryClass:
        bounds = policy(attempt=seconds(30), retry_limit=1, retry_on=frozenset({allowed}))
        found = step(
            observed(status=status, policy=bounds, traits=facts, activity=Activity.CANCELLING), CancelEnded(), NOW
        )
        assert found.status.phase is (Phase.QUEUED if allowed is retried_on else Phase.TIMED_OUT)


def test_only_the_last_ten_attempts_are_kept() -> None:
    status = backing_off(NOW, attempt=14)

    begun = step(observed(status=status), Slot(), NOW).status

    assert begun.attempt == 15
    assert [attempt.number for attempt in begun.attempts] == list(range(6, 16))
    assert begun.attempts[-1] == Attempt(number=15, phase=Phase.RUNNING, started_at=NOW)


def test_a_new_attempt_knows_nothing_of_what_the_one_before_had_outside() -> None:
    before = backing_off(NOW, external_id="job-7", progress=Progress(percent=40))

    status = step(observed(status=before), Slot(), NOW).status

    assert (status.external_id, status.progress) == (None, None)


def test_the_first_start_stays_on_record() -> None:
    assert step(observed(status=backing_off(NOW)), Slot(), NOW).status.started_at == running().started_at


@pytest.mark.parametrize("code", ["not a word", "", "1st", "Broken\n", "x" * 129, "Größe"])
def test_a_code_that_no_condition_may_bear_becomes_one_that_it_may(code: str) -> None:
    status = failing(Failed(code=code, message="it broke"), retry_limit=0).status

    assert status.reason == Reason.EXECUTION_FAILED
    assert status.error is not None
    assert status.error.code == Reason.EXECUTION_FAILED


@pytest.mark.parametrize("limit", [0, 1])
def test_a_long_message_is_cut_to_what_the_schema_allows(limit: int) -> None:
    status = failing(Failed(code="Broken", message="x" * 5000), retry_limit=limit).status

    assert len(status.message or "") == 1024
    TaskActionStatus.model_validate(status.to_json())
