"""Status writes: the newest status of each action gets there, in order, however often the API server fails."""

import asyncio

import pytest

from support.desk import Desk
from support.records import claim, live, running, stored_status
from taskaction.api.enums import Phase
from taskaction.api.task_action import TaskActionStatus
from taskaction.cluster.errors import ForbiddenError, ThrottledError, UnauthorizedError, UnavailableError
from taskaction.cluster.gateway import TASK_ACTIONS
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.writer import WriteResult
from taskaction.testing.clock import START, settle

DOWN = UnavailableError("the API server is away")
SUCCEEDED = TaskActionStatus(phase=Phase.SUCCEEDED, attempt=1)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def shown(record: ActionRecord, message: str) -> ActionRecord:
    """Return a record whose status has changed."""
    record.status = running(message)
    return record


async def test_a_changed_status_is_written_once_and_then_known_to_be_stored(desk) -> None:
    writer, record = desk.writer(), live(desk.cluster)
    record.status = running("started")

    assert await writer.flush(record) is WriteResult.STORED
    assert await writer.flush(record) is WriteResult.STORED

    assert desk.cluster.calls == [("replace_status", "one")]
    assert stored_status(desk.cluster, record) == record.status == record.stored
    assert desk.told == [("wrote", "one")]


async def test_a_status_that_is_stored_already_costs_no_request(desk) -> None:
    assert await desk.writer().flush(live(desk.cluster)) is WriteResult.STORED
    assert desk.cluster.calls == []


async def test_each_write_builds_on_the_version_of_the_one_before(desk) -> None:
    writer, record = desk.writer(), live(desk.cluster)
    for message in ("one", "two", "three"):
        record.status = running(message)
        assert await writer.flush(record) is WriteResult.STORED

    assert desk.cluster.calls == [("replace_status", "one")] * 3
    assert stored_status(desk.cluster, record).message == "three"


async def test_changes_during_a_write_are_merged_into_the_next_one(desk) -> None:
    writer, record = desk.writer(), live(desk.cluster)
    desk.cluster.close()
    flushes = []
    for message in ("first", "second", "third", "fourth"):
        record.status = running(message)
        flushes.append(asyncio.ensure_future(writer.flush(record)))
        await settle()
    assert desk.cluster.count("replace_status") == 1

    desk.cluster.open()
    assert await asyncio.gather(*flushes) == [WriteResult.STORED] * 4

    assert desk.cluster.count("replace_status") == 2
    assert stored_status(desk.cluster, record).message == "fourth"


async def test_a_status_that_waits_for_its_slot_is_written_in_its_newest_form(desk) -> None:
    desk.cluster.close()
    writer = desk.writer()
    in_flight = [
        asyncio.ensure_future(writer.flush(shown(live(desk.cluster, f"other-{n}"), "waits"))) for n in range(8)
    ]
    await settle()
    record = live(desk.cluster, "late")
    for message in ("waits", "started", "over"):
        in_flight.append(asyncio.ensure_future(writer.flush(shown(record, message))))
        await settle()
    desk.cluster.open()
    assert set(await asyncio.gather(*in_flight)) == {WriteResult.STORED}

    assert desk.cluster.calls.count(("replace_status", "late")) == 1
    assert stored_status(desk.cluster, record).message == "over"


async def test_a_status_that_somebody_begins_to_wait_for_passes_those_that_only_show_what_waits(desk) -> None:
    desk.cluster.close()
    writer = desk.writer()
    records = [live(desk.cluster, f"news-{number}") for number in range(20)]
    flushes = []
    for record in records:
        record.status = TaskActionStatus(phase=Phase.QUEUED, message="the provider does not exist")
        flushes.append(asyncio.ensure_future(writer.flush(record)))
    await settle()
    last = records[-1]
    last.status = SUCCEEDED
    flushes.append(asyncio.ensure_future(writer.flush(last)))
    await settle()
    desk.cluster.open()
    await asyncio.gather(*flushes)

    written = [name for verb, name in desk.cluster.calls if verb == "replace_status"]
    assert written.index(last.name) < written.index(records[-2].name)
    assert written.count(last.name) == 1


async def test_one_action_has_one_write_at_a_time_and_other_actions_do_not_wait_for_it(desk) -> None:
    writer = desk.writer()
    records = [live(desk.cluster, name) for name in ("a", "b", "c")]
    desk.cluster.close()
    flushes = []
    for message in ("first", "second"):
        for record in records:
            record.status = running(message)
            flushes.append(asyncio.ensure_future(writer.flush(record)))
        await settle()

    assert sorted(name for _, name in desk.cluster.calls) == ["a", "b", "c"]
    desk.cluster.open()
    await asyncio.gather(*flushes)
    assert {stored_status(desk.cluster, record).message for record in records} == {"second"}


async def test_no_more_requests_are_in_flight_than_allowed(desk) -> None:
    writer = desk.writer(in_flight=3)
    records = [live(desk.cluster, f"r{number}") for number in range(10)]
    for record in records:
        record.status = running()
    await asyncio.gather(*(writer.flush(record) for record in records))

    assert desk.cluster.most_in_flight == 3
    assert desk.cluster.count("replace_status") == 10


async def test_reading_after_a_conflict_counts_among_the_requests_in_flight(desk) -> None:
    writer = desk.writer(in_flight=2)
    records = [live(desk.cluster, f"r{number}") for number in range(8)]
    for record in records:
        record.status = running()
        record.version = "stale"
    await asyncio.gather(*(writer.flush(record) for record in records))

    assert desk.cluster.count("get") == 8
    assert desk.cluster.most_in_flight == 2


ERRORS = [DOWN, ThrottledError("slow down"), UnauthorizedError("expired"), ForbiddenError("not yet allowed")]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
async def test_a_write_that_fails_is_tried_again_until_it_succeeds(desk, error) -> None:
    writer, record = desk.writer(), live(desk.cluster)
    record.status = running()
    desk.cluster.fail("replace_status", *[error] * 20)
    flush = asyncio.ensure_future(writer.flush(record))
    await desk.clock.advance(600)

    assert await flush is WriteResult.STORED
    assert desk.told == [("retried", "one")] * 20 + [("wrote", "one")]


async def test_waits_between_tries_grow_and_stay_bounded(desk) -> None:
    writer, record = desk.writer(), live(desk.cluster)
    record.status = running()
    desk.cluster.fail("replace_status", *[DOWN] * 9)
    flush = asyncio.ensure_future(writer.flush(record))
    await desk.clock.advance(600)
    await flush

    assert desk.clock.asked == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15.0, 15.0])


async def test_luck_spreads_the_tries_of_many_actions(desk) -> None:
    desk.luck = 0.5
    writer, record = desk.writer(), live(desk.cluster)
    record.status = running()
    desk.cluster.fail("replace_status", DOWN)
    flush = asyncio.ensure_future(writer.flush(record))
    await desk.clock.advance(1)
    await flush

    assert desk.clock.asked == pytest.approx([0.15])


@pytest.mark.parametrize(("asked", "waited"), [(7.0, 7.0), (0.01, 0.2), (None, 0.2)])
async def test_the_server_s_retry_after_is_the_least_that_is_waited(desk, asked, waited) -> None:
    writer, record = desk.writer(), live(desk.cluster)
    record.status = running()
    desk.cluster.fail("replace_status", ThrottledError("slow down", retry_after=asked))
    flush = asyncio.ensure_future(writer.flush(record))
    await desk.clock.advance(60)
    await flush

    assert desk.clock.asked == pytest.approx([waited])


async def test_an_action_that_waits_for_its_next_try_takes_no_place_from_others(desk) -> None:
    writer = desk.writer(in_flight=1)
    bad, good = live(desk.cluster, "bad"), live(desk.cluster, "good")
    bad.status = good.status = running()
    desk.cluster.fail("replace_status", DOWN, name="bad")
    flush = asyncio.ensure_future(writer.flush(bad))
    await settle()

    assert await writer.flush(good) is WriteResult.STORED
    assert not flush.done()
    await desk.clock.advance(1)
    assert await flush is WriteResult.STORED


async def test_what_changes_during_an_outage_is_written_by_the_next_try(desk) -> None:
    writer, record = desk.writer(), live(desk.cluster)
    record.status = running()
    desk.cluster.fail("replace_status", DOWN)
    flush = asyncio.ensure_future(writer.flush(record))
    await settle()
    record.status = SUCCEEDED
    await desk.clock.advance(1)

    assert await flush is WriteResult.STORED
    assert desk.cluster.count("replace_status") == 2
    assert stored_status(desk.cluster, record).phase is Phase.SUCCEEDED


async def test_an_outage_ends_the_write_only_when_the_object_turns_out_to_be_gone(desk) -> None:
    writer, record = desk.writer(), live(desk.cluster)
    record.status = running()
    desk.cluster.fail("replace_status", DOWN, DOWN)
    flush = asyncio.ensure_future(writer.flush(record))
    await settle()
    desk.cluster.drop(TASK_ACTIONS, record.name, record.namespace)
    await desk.clock.advance(5)

    assert await flush is WriteResult.GONE
    assert record.is_gone
    assert await writer.flush(record) is WriteResult.GONE
    assert desk.cluster.count("replace_status") == 3


async def test_a_flush_that_is_cancelled_leaves_the_write_to_the_next(desk) -> None:
    writer, record = desk.writer(), live(desk.cluster)
    record.status = running()
    desk.cluster.close()
    flush = asyncio.ensure_future(writer.flush(record))
    waiting = asyncio.ensure_future(writer.flush(record))
    await settle()
    flush.cancel()
    await settle()
    desk.cluster.open()

    assert await waiting is WriteResult.STORED
    assert stored_status(desk.cluster, record).phase is Phase.RUNNING


def succeeded() -> TaskActionStatus:
    """Give the final status of a short success, as it was decided."""
    return TaskActionStatus(phase=Phase.SUCCEEDED, attempt=1, claim=claim(), finished_at=START)


async def test_the_end_of_a_short_success_is_written_without_a_claim(desk) -> None:
    record = live(desk.cluster)
    record.status = succeeded()

    assert await desk.writer().flush(record) is WriteResult.STORED
    assert stored_status(desk.cluster, record).claim is None
    assert record.status == record.stored == stored_status(desk.cluster, record)


async def test_a_claim_that_was_written_is_never_removed(desk) -> None:
    writer, record = desk.writer(), live(desk.cluster)
    for status in (running(), succeeded()):
        record.status = status
        assert await writer.flush(record) is WriteResult.STORED

    assert stored_status(desk.cluster, record).claim == claim()


async def test_a_claim_whose_write_had_no_answer_is_not_taken_for_that_of_another_owner(desk) -> None:
    writer, record = desk.writer(), live(desk.cluster)
    desk.cluster.fail("replace_status", DOWN, after=True)
    record.status = running()
    flush = asyncio.ensure_future(writer.flush(record))
    await settle()
    record.status = succeeded()
    await desk.clock.advance(60)

    assert await flush is WriteResult.STORED
    assert stored_status(desk.cluster, record) == succeeded()
    assert ("overtaken", "one") not in desk.told
