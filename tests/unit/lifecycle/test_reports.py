"""What somebody outside reports of an attempt changes its status, and never turns it back."""

import pytest

from support.lifecycle import ABORT, NOW, after, effects, observed, pending, policy, running
from taskaction.api.enums import CacheStatus, Phase
from taskaction.api.reasons import Reason
from taskaction.lifecycle.decisions import Enqueue, Write
from taskaction.lifecycle.machine import step
from taskaction.lifecycle.state import AttemptReport, ReportReceived
from taskaction.lifecycle.traits import Traits

RETRIED = policy(retry_limit=1)


def told(status, *reports, **facts):
    return step(observed(status=status, **facts), ReportReceived(reports), NOW)


@pytest.mark.parametrize(
    ("before", "said", "after_it"),
    [
        (Phase.RUNNING, Phase.PAUSED, Phase.PAUSED),
        (Phase.PAUSED, Phase.RUNNING, Phase.RUNNING),
        (Phase.INITIALIZING, Phase.RUNNING, Phase.RUNNING),
        (Phase.RUNNING, Phase.INITIALIZING, Phase.RUNNING),
        (Phase.RUNNING, Phase.QUEUED, Phase.RUNNING),
        (Phase.RUNNING, None, Phase.RUNNING),
    ],
)
def test_a_phase_is_taken_over_unless_it_lies_behind(before, said, after_it):
    decision = told(pending(before), AttemptReport(attempt=1, phase=said))
    assert decision.status.phase is after_it
    assert effects(decision, Enqueue) == [Enqueue()]  # the executor is polled as it would have been
    assert decision.write is (Write.NONE if before is after_it else Write.NOW)


@pytest.mark.parametrize("said", list(Phase))
def test_an_approval_does_not_end_by_a_report(said):
    before = pending(Phase.PAUSED)
    traits = Traits(idempotent=True, external_effect=False, takes_reports=False)
    for attempt in (1, 2):
        report = AttemptReport(attempt=attempt, phase=said, cache_status=CacheStatus.HIT)
        decision = told(before, report, traits=traits)
        assert decision.status is before
        assert effects(decision, Enqueue) == [Enqueue()]


def test_an_end_is_an_end_and_says_who_reported_it():
    status = told(pending(output_uri="s3://out"), AttemptReport(attempt=1, phase=Phase.SUCCEEDED, by="ada")).status
    assert (status.phase, status.message, status.output_uri) == (Phase.SUCCEEDED, "reported by ada", "s3://out")


@pytest.mark.parametrize(("said", "ends"), [(Phase.FAILED, Phase.FAILED), (Phase.TIMED_OUT, Phase.TIMED_OUT)])
def test_a_failure_is_retried_as_the_policy_says(said, ends):
    report = AttemptReport(attempt=1, phase=said)
    ended = told(pending(), report).status
    assert (ended.phase, ended.reason, ended.attempts[-1].phase) == (ends, Reason.REPORTED, ends)
    again = told(pending(), report, policy=RETRIED).status
    assert (again.phase, again.reason) == (Phase.QUEUED, Reason.BACKING_OFF)


def test_what_is_said_of_an_attempt_that_is_over_changes_nothing():
    before = pending(attempt=2)
    decision = told(before, AttemptReport(attempt=1, phase=Phase.SUCCEEDED, cache_status=CacheStatus.HIT))
    assert decision.status is before


def test_an_attempt_that_was_started_outside_is_counted_and_the_one_before_is_closed():
    status = told(pending(), AttemptReport(attempt=3, phase=Phase.RUNNING)).status
    assert (status.attempt, status.external_id) == (3, "job-7")
    assert [(one.number, one.phase) for one in status.attempts] == [(1, Phase.FAILED), (3, Phase.RUNNING)]


def test_several_reports_are_taken_in_their_order_up_to_an_end():
    status = told(
        pending(Phase.INITIALIZING),
        AttemptReport(attempt=1, phase=Phase.RUNNING, cache_status=CacheStatus.MISS),
        AttemptReport(attempt=1, phase=Phase.SUCCEEDED, cache_status=CacheStatus.POPULATED),
        AttemptReport(attempt=1, phase=Phase.FAILED),
    ).status
    assert (status.phase, status.cache_status) == (Phase.SUCCEEDED, CacheStatus.POPULATED)
    assert [one.phase for one in status.history] == [Phase.RUNNING, Phase.SUCCEEDED]


def test_a_cache_that_was_asked_is_not_called_disabled_by_who_says_nothing_of_it():
    asked = pending(cache_status=CacheStatus.HIT)
    said = AttemptReport(attempt=1, cache_status=CacheStatus.DISABLED)
    assert told(asked, said).status is asked
    assert told(pending(), said).status.cache_status is CacheStatus.DISABLED


def test_an_abort_is_stronger_than_any_report():
    assert told(running(), AttemptReport(attempt=1, phase=Phase.SUCCEEDED), abort=ABORT).status.phase is Phase.ABORTED
    late = policy(attempt=after(0) - running().started_at)
    assert told(running(), AttemptReport(attempt=1, phase=Phase.SUCCEEDED), policy=late).status.phase is Phase.TIMED_OUT
