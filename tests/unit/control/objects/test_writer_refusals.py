"""Refused status writes: what the object says then decides whether to try again, to give way, or to end the action."""

import asyncio

import pytest

from support.desk import Desk
from support.records import NAMESPACE, body, claim, live, running, stored_status
from support.work_requests import taken
from taskaction.api.enums import ErrorKind, Phase
from taskaction.api.reasons import Reason
from taskaction.api.task_action import Attempt, TaskAction, TaskActionStatus
from taskaction.cluster.errors import InvalidError, TooLargeError, UnavailableError
from taskaction.cluster.gateway import TASK_ACTIONS
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.writer import WriteResult
from taskaction.testing.clock import START, settle

DOWN = UnavailableError("the API server is away")
REFUSED = InvalidError("status.output: too large")
FULL = TooLargeError("etcdserver: request is too large")
THEIRS = claim("somebody else", epoch=4)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def record(desk) -> ActionRecord:
    """Give an action whose attempt this process has claimed, with a result to be written."""
    record = live(desk.cluster)
    write_elsewhere(desk, record, running())
    record.stored = running()
    record.version = desk.cluster.objects[TASK_ACTIONS.plural, NAMESPACE, "one"]["metadata"]["resourceVersion"]
    record.status = running().model_copy(update={"phase": Phase.SUCCEEDED})
    return record


def write_elsewhere(desk: Desk, record: ActionRecord, status: TaskActionStatus | None = None, **spec) -> None:
    """Let somebody else write the object, so that this process's resourceVersion is stale."""
    stored = desk.cluster.objects[TASK_ACTIONS.plural, record.namespace, record.name]
    change = {"spec": stored["spec"] | spec} | ({"status": status.to_json()} if status is not None else {})
    desk.cluster.store(TASK_ACTIONS, stored | change)


async def test_a_conflict_with_a_change_of_the_spec_is_written_again_and_learnt_from(desk, record) -> None:
    write_elsewhere(desk, record, suspend=True)

    assert await desk.writer().flush(record) is WriteResult.STORED

    assert stored_status(desk.cluster, record).phase is Phase.SUCCEEDED
    assert record.action.spec.suspend
    assert desk.told == [("wrote", "one")]
    assert taken(desk.requests.actions) == [record.uid]


async def test_conflict_after_conflict_ends_when_the_others_pause(desk, record) -> None:
    left = iter(range(10))

    def somebody_writes(verb: str, name: str) -> None:
        if verb == "replace_status" and next(left, None) is not None:
            write_elsewhere(desk, record, signal=None)

    desk.cluster.meanwhile = somebody_writes

    assert await desk.writer().flush(record) is WriteResult.STORED
    assert desk.cluster.count("replace_status") == 11


async def test_a_write_whose_answer_was_lost_is_recognized_and_not_repeated(desk, record) -> None:
    desk.cluster.fail("replace_status", DOWN, after=True)
    flush = asyncio.ensure_future(desk.writer().flush(record))
    await desk.clock.advance(1)

    assert await flush is WriteResult.STORED
    assert record.stored == record.status == stored_status(desk.cluster, record)
    assert desk.cluster.calls == [("replace_status", "one"), ("replace_status", "one"), ("get", "one")]


OVERTAKEN = [
    pytest.param(running(by=THEIRS), id="another owner has claimed it"),
    pytest.param(running(by=claim(epoch=9)), id="this process's successor of the same name has claimed it"),
    pytest.param(TaskActionStatus(phase=Phase.ABORTED, claim=claim()), id="it has ended"),
]


@pytest.mark.parametrize("theirs", OVERTAKEN)
async def test_a_write_gives_way_to_another_owner_s(desk, record, theirs) -> None:
    write_elsewhere(desk, record, theirs)

    assert await desk.writer().flush(record) is WriteResult.OVERTAKEN

    assert record.status == record.stored == theirs == stored_status(desk.cluster, record)
    assert desk.told == [("overtaken", "one")]
    assert taken(desk.requests.actions) == [record.uid]
    assert desk.cluster.count("replace_status") == 1


async def test_everyone_who_waits_for_a_write_that_is_overtaken_hears_of_it(desk, record) -> None:
    desk.cluster.close()
    writer = desk.writer()
    first = asyncio.ensure_future(writer.flush(record))
    await settle()
    record.status = running("newer")
    second = asyncio.ensure_future(writer.flush(record))
    await settle()
    write_elsewhere(desk, record, running(by=THEIRS))
    desk.cluster.open()

    assert await asyncio.gather(first, second) == [WriteResult.OVERTAKEN] * 2


async def test_a_claim_gives_way_to_one_that_came_between(desk) -> None:
    record = live(desk.cluster)
    write_elsewhere(desk, record, running(by=THEIRS))
    record.status = running()

    assert await desk.writer().flush(record) is WriteResult.OVERTAKEN
    assert stored_status(desk.cluster, record).claim == THEIRS


async def test_a_namesake_is_not_written_to(desk, record) -> None:
    desk.cluster.store(TASK_ACTIONS, body("one", uid="another"))

    assert await desk.writer().flush(record) is WriteResult.GONE
    assert record.is_gone
    assert stored_status(desk.cluster, record) == TaskActionStatus()


async def test_an_object_that_vanishes_between_a_conflict_and_the_look_is_gone(desk, record) -> None:
    write_elsewhere(desk, record, suspend=True)

    def deleted(verb: str, name: str) -> None:
        if verb == "get":
            desk.cluster.drop(TASK_ACTIONS, name, NAMESPACE)

    desk.cluster.meanwhile = deleted

    assert await desk.writer().flush(record) is WriteResult.GONE


async def test_a_look_that_fails_is_tried_again(desk, record) -> None:
    write_elsewhere(desk, record, suspend=True)
    desk.cluster.fail("get", DOWN, DOWN)
    flush = asyncio.ensure_future(desk.writer().flush(record))
    await desk.clock.advance(5)

    assert await flush is WriteResult.STORED
    assert desk.told.count(("retried", "one")) == 2


async def test_a_status_that_is_refused_for_what_it_says_ends_the_action_with_the_reason(desk, record) -> None:
    attempt = Attempt(number=1, phase=Phase.RUNNING, started_at=START)
    record.stored = record.stored.model_copy(update={"attempts": (attempt,)})
    desk.cluster.fail("replace_status", REFUSED)

    assert await desk.writer().flush(record) is WriteResult.STORED

    stored = stored_status(desk.cluster, record)
    assert (stored.phase, stored.reason, stored.finished_at) == (Phase.FAILED, Reason.SYSTEM_ERROR, desk.clock.now())
    assert stored.message == "the API server refused the status: status.output: too large"
    assert stored.error is not None
    assert stored.error.kind is ErrorKind.SYSTEM
    assert (stored.attempts[-1].phase, stored.attempts[-1].ended_at) == (Phase.FAILED, desk.clock.now())
    assert record.is_finished


async def test_a_refusal_because_another_owner_has_written_is_no_failure(desk, record) -> None:
    write_elsewhere(desk, record, running(by=THEIRS))
    desk.cluster.fail("replace_status", InvalidError("status: the epoch must not go back"))

    assert await desk.writer().flush(record) is WriteResult.OVERTAKEN
    assert stored_status(desk.cluster, record).claim == THEIRS


async def test_an_object_that_takes_no_status_at_all_is_tried_ever_more_rarely(desk, record) -> None:
    desk.cluster.fail("replace_status", *[REFUSED] * 6)
    flush = asyncio.ensure_future(desk.writer().flush(record))
    await desk.clock.advance(60)

    assert await flush is WriteResult.STORED
    assert desk.clock.asked == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2])
    assert desk.told.count(("retried", "one")) == 5


async def test_a_status_that_does_not_fit_gives_way_to_one_that_says_so(desk, record) -> None:
    desk.cluster.fail("replace_status", FULL)

    assert await desk.writer().flush(record) is WriteResult.STORED
    stored = stored_status(desk.cluster, record)
    assert (stored.phase, stored.reason) == (Phase.FAILED, Reason.OBJECT_TOO_LARGE)
    assert stored.error is not None
    assert stored.error.kind is ErrorKind.USER
    assert str(FULL) in (stored.message or "")


async def test_the_smallest_status_is_phase_reason_and_what_may_not_be_removed(desk, record) -> None:
    desk.cluster.fail("replace_status", FULL, FULL)

    assert await desk.writer().flush(record) is WriteResult.STORED
    assert stored_status(desk.cluster, record) == TaskActionStatus(
        phase=Phase.FAILED,
        reason=Reason.OBJECT_TOO_LARGE,
        finished_at=desk.clock.now(),
        attempt=record.stored.attempt,
        claim=record.stored.claim,
    )


async def test_an_object_that_takes_no_status_is_told_of_once_and_not_sent_again_until_it_changes(desk, record) -> None:
    desk.cluster.fail("replace_status", *[FULL] * 6)
    writer = desk.writer()

    for _ in range(3):
        assert await writer.flush(record) is WriteResult.REFUSED
    assert desk.cluster.count("replace_status") == 3
    assert (record.status.phase, record.is_finished) == (Phase.FAILED, False)

    write_elsewhere(desk, record, suspend=True)
    record.update_action(
        TaskAction.from_body(desk.cluster.objects[TASK_ACTIONS.plural, NAMESPACE, "one"]), overtaken=False
    )
    assert await writer.flush(record) is WriteResult.REFUSED
    assert desk.cluster.count("replace_status") == 6
    assert desk.told.count(("refused", "one")) == 1

    write_elsewhere(desk, record, suspend=False)
    record.update_action(
        TaskAction.from_body(desk.cluster.objects[TASK_ACTIONS.plural, NAMESPACE, "one"]), overtaken=False
    )
    assert await writer.flush(record) is WriteResult.STORED
    assert record.is_finished
