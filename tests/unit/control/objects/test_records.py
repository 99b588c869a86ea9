"""What this process knows of live actions: by uid, by name, and when somebody must look at them again."""

from datetime import timedelta

import pytest

from support.records import NAMESPACE, body, recorded
from taskaction.api.enums import Phase, ProviderKind
from taskaction.api.task_action import TaskActionStatus
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.tables import LATE_NOTICES, ActionTable
from taskaction.testing.clock import START


def known(name: str = "one", uid: str | None = None) -> ActionRecord:
    return recorded(body(name, uid=uid))


@pytest.fixture
def table() -> ActionTable:
    return ActionTable()


def test_an_action_is_found_by_its_uid_and_by_its_name(table) -> None:
    record = known("one")
    table.add(record)

    assert table.get("uid-of-one") is record
    assert table.get_by_name(NAMESPACE, "one") is record
    assert table.get_by_name("another", "one") is None
    assert len(table) == 1


def test_a_dropped_action_is_found_no_more(table) -> None:
    record = known("one")
    table.add(record)
    table.drop(record)
    table.drop(record)

    assert table.get(record.uid) is None
    assert table.get_by_name(NAMESPACE, "one") is None
    assert len(table) == 0
    assert not table.names


def test_a_namesake_stays_when_its_forerunner_is_dropped_late(table) -> None:
    before, after = known("one", uid="before"), known("one", uid="after")
    table.add(before)
    table.add(after)
    table.drop(before)

    assert table.get_by_name(NAMESPACE, "one") is after
    assert list(table) == [after]


def test_actions_may_come_and_go_while_one_goes_through_the_table(table) -> None:
    records = [known(name) for name in "abc"]
    for record in records:
        table.add(record)
    seen = []
    for record in table:
        seen.append(record.name)
        if record.name == "a":
            table.add(known("late"))
        else:
            table.drop(record)

    assert seen == ["a", "b", "c"]
    assert [record.name for record in table] == ["a", "late"]


def test_a_finished_action_leaves_and_its_uid_stays_until_no_notification_can_be_on_its_way(table) -> None:
    first, later, last = known("first"), known("later"), known("last")
    for record in (first, later, last):
        table.add(record)
    table.finish(first, 0.0)
    table.finish(later, LATE_NOTICES)
    assert list(table.finished) == [first.uid, later.uid]
    assert list(table) == [last]

    table.finish(last, LATE_NOTICES + 1)
    assert list(table.finished) == [later.uid, last.uid]


async def test_an_end_is_this_processs_own_from_the_beginning_of_its_write(table) -> None:
    record = known()
    table.add(record)
    record.begin_write()
    assert not table.is_own_end(record.uid), "the write of a status that is no end"

    record.set_status(TaskActionStatus(phase=Phase.SUCCEEDED))
    assert table.is_own_end(record.uid)

    record.end_write(None)
    assert not table.is_own_end(record.uid), "the write has failed, and somebody else may have ended the action"

    table.finish(record, 0.0)
    assert table.is_own_end(record.uid)
    assert not table.is_own_end("unknown")


def test_any_number_of_finished_actions_leaves_no_more_than_the_last_ones(table) -> None:
    for second in range(2000):
        table.finish(known(f"r{second}"), float(second))

    assert len(table.finished) == LATE_NOTICES + 1


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({}, None),
        ({"wake_at": 3}, 3),
        ({"poll_at": 2}, 2),
        ({"flush_at": 1}, 1),
        ({"wake_at": 1, "poll_at": 2, "flush_at": 3}, 1),
        ({"wake_at": 9, "poll_at": 2, "flush_at": 3}, 2),
        ({"wake_at": 9, "flush_at": 3}, 3),
    ],
    ids=str,
)
def test_the_next_look_is_at_the_earliest_time_that_anything_waits_for(times, expected) -> None:
    record = known()
    for name, seconds in times.items():
        setattr(record, name, START + timedelta(seconds=seconds))

    assert record.next_due == (None if expected is None else START + timedelta(seconds=expected))


def test_an_action_is_settled_only_when_the_api_server_has_its_end() -> None:
    record = known()
    record.status = TaskActionStatus(phase=Phase.SUCCEEDED)
    assert not record.is_finished

    record.stored = record.status
    assert record.is_finished


def test_records_of_equal_content_are_different_records() -> None:
    assert known("one") != known("one")


def test_actions_are_found_by_their_provider(table) -> None:
    def offered(name: str, kind: ProviderKind) -> ActionRecord:
        return recorded(body(name, executor=None, providerRef={"kind": kind, "name": "offer"}))

    own, shared = offered("own", ProviderKind.ACTION_PROVIDER), offered("shared", ProviderKind.CLUSTER_ACTION_PROVIDER)
    for record in (own, shared, known("inline")):
        table.add(record)

    assert table.of_provider((ProviderKind.ACTION_PROVIDER, NAMESPACE, "offer")) == [own]
    assert table.of_provider((ProviderKind.CLUSTER_ACTION_PROVIDER, "", "offer")) == [shared]
    table.drop(own)
    table.finish(shared, 0.0)
    table.drop(shared)
    assert table.by_provider == {}
