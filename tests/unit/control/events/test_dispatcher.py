"""Events wait for their action, are handed to its next poll, and go when what the poll gave is on record."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from support.events import event_body, seconds_later
from support.fake_cluster import FakeCluster
from support.records import NAMESPACE, body, recorded
from support.work_requests import OwnedShards, no_requests, taken
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import ACTION_EVENTS, TASK_ACTIONS
from taskaction.cluster.retry import Retrier
from taskaction.control.events import dispatcher as module
from taskaction.control.events.dispatcher import EventDispatcher
from taskaction.control.events.matching import EventSubject
from taskaction.control.events.room import EventRoom
from taskaction.control.events.target_lookup import TargetLookup
from taskaction.control.events.unmatched import UnmatchedEvents
from taskaction.control.objects.background import Background
from taskaction.control.objects.events import EventPoster
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.tables import ActionTable
from taskaction.control.sharding.scope import WatchScope
from taskaction.plugin.event_content import EventContents
from taskaction.plugin.storage import ProjectStorage
from taskaction.testing.clock import START, FakeClock, settle


class House:
    """Deliveries over a fake cluster; ``told`` are the actions that were to be polled."""

    def __init__(self) -> None:
        self.cluster, self.clock, self.table = FakeCluster(), FakeClock(), ActionTable()
        self.tenures, self.requests = OwnedShards(), no_requests()
        self.scope = WatchScope()
        self.failures: list[str] = []
        self.unmatched: list[tuple[str, object]] = []
        self.posted: list[tuple[str, str]] = []
        self.background = Background(self.on_failed)
        self.deliveries = EventDispatcher(
            cluster=self.cluster,
            clock=self.clock,
            persistently=Retrier(self.clock, lambda: 0.0, lambda _: None),
            background=self.background,
            table=self.table,
            subject=subject,
            tenures=self.tenures,
            requests=self.requests,
            post=lambda about, what: self.posted.append((about.metadata.namespace, what.message)),
            contents=EventContents(ProjectStorage(None)),
            unmatched=UnmatchedEvents(self.clock, lambda _: None, EventPoster(self.cluster, self.clock, int), self),
            lookup=TargetLookup(
                cluster=self.cluster,
                persistently=Retrier(self.clock, lambda: 0.0, lambda _: None),
                background=self.background,
                scope=self.scope,
                shared="operators-own",
            ),
            shared="operators-own",
        )

    def on_failed(self, task: str, error: BaseException) -> None:
        self.failures.append(task)

    def on_event_unmatched(self, kind: str, **fields: object) -> None:
        self.unmatched.append((kind, fields["action_event"]))

    def live(
        self, name: str = "one", external_id: str | None = None, namespace: str = NAMESPACE, shard: int | None = None
    ) -> ActionRecord:
        record = recorded(
            body(name, status={"phase": "Running", "attempt": 1, "externalId": external_id}, namespace=namespace)
        )
        if shard is not None:
            record.place(shard)
        self.table.add(record)
        self.deliveries.index_external_id(record)
        return record

    def comes(self, name: str = "e", **spec: Any) -> None:
        stored = self.cluster.store(ACTION_EVENTS, event_body(name, **spec))
        self.deliveries.on_notification("ADDED", stored)

    def gets(self, record: ActionRecord) -> list[str]:
        return [delivery.payload["body"] for delivery in self.deliveries.take_deliveries(record)]

    async def stored(self) -> list[str]:
        await settle()
        return sorted(name for plural, _, name in self.cluster.objects if plural == ACTION_EVENTS.plural)


def subject(record: ActionRecord) -> EventSubject:
    return EventSubject(
        uid=record.uid,
        namespace=record.namespace,
        name=record.name,
        attempt=record.status.attempt or 0,
        provider=None,
        executor="http",
        external_id=record.status.external_id,
    )


def called(record: ActionRecord, external_id: str | None, attempt: int = 1) -> None:
    record.update_status(external_id=external_id, attempt=attempt)


@pytest.fixture
def house() -> House:
    return House()


# -- from its coming to its end ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", [{"target": {"name": "one"}}, {"correlationKey": "7"}])
async def test_an_event_has_its_action_polled_is_handed_over_and_goes_when_it_is_applied(house, spec) -> None:
    record = house.live(external_id="7")
    house.comes(**spec)
    assert taken(house.requests.polls) == ["uid-of-one"]
    assert house.gets(record) == ["e"]
    assert await house.stored() == ["e"]
    apply(house, record)
    assert await house.stored() == []
    assert len(house.deliveries) == 0
    assert house.gets(record) == []


async def test_an_event_stays_when_what_it_led_to_is_not_on_record(house) -> None:
    record = house.live()
    house.comes(target={"name": "one"})
    assert house.gets(record) == house.gets(record) == ["e"]
    assert await house.stored() == ["e"]


async def test_ocean_d12_an_event_that_comes_before_the_external_id_is_taken_when_it_is_known(house) -> None:
    record = house.live()
    house.comes(correlationKey="7")
    assert taken(house.requests.polls) == house.gets(record) == []
    called(record, "7")
    assert house.deliveries.index_external_id(record)
    assert house.gets(record) == ["e"]


async def test_ocean_d12_an_event_that_comes_before_its_action_is_taken_when_it_is_seen(house) -> None:
    house.comes(target={"name": "one"})
    assert house.gets(house.live()) == ["e"]


async def test_reports_are_for_the_owner_and_everything_else_for_the_executor(house) -> None:
    record = house.live()
    house.comes("hook", target={"name": "one"})
    house.comes("report", target={"name": "one"}, type="Update")
    assert house.gets(record) == ["hook"]
    assert [report.payload["body"] for report in house.deliveries.take_reports(record)] == ["report"]
    house.deliveries.mark_consumed(record)
    house.deliveries.delete_consumed(record)
    assert await house.stored() == ["hook"]


async def test_a_trace_is_nobodys_and_outlives_the_end_of_its_action(house) -> None:
    record = house.live()
    house.comes("step", target={"uid": record.uid}, type="Trace")
    assert taken(house.requests.polls) == house.gets(record) == []
    house.deliveries.on_action_finished(record)
    assert await house.stored() == ["step"]


async def test_events_are_handed_over_in_the_order_of_their_receipt(house) -> None:
    record = house.live(external_id="7")
    house.comes("third", correlationKey="7", receivedAt=seconds_later(3))
    house.comes("first", target={"name": "one"}, receivedAt=seconds_later(1))
    house.comes("second", target={"uid": "uid-of-one"}, receivedAt=seconds_later(2))
    assert house.gets(record) == ["first", "second", "third"]


async def test_what_was_handed_over_is_no_reason_to_poll_again_but_what_came_since_is(house) -> None:
    record = house.live()
    house.comes("first", target={"name": "one"})
    assert house.deliveries.index_external_id(record)
    house.gets(record)
    assert not house.deliveries.index_external_id(record)
    house.deliveries.mark_consumed(record)
    assert not house.deliveries.index_external_id(record)
    house.comes("second", target={"name": "one"})
    assert house.deliveries.index_external_id(record)
    house.deliveries.delete_consumed(record)
    assert await house.stored() == ["second"]


async def test_an_event_stays_while_the_poll_goes_on_whatever_else_is_put_on_record_meanwhile(house) -> None:
    record = house.live()
    house.comes(target={"name": "one"})
    house.gets(record)
    assert not house.deliveries.has_consumed(record)
    house.deliveries.delete_consumed(record)
    assert await house.stored() == ["e"]
    house.deliveries.mark_consumed(record)
    assert house.deliveries.has_consumed(record)
    house.deliveries.delete_consumed(record)
    assert await house.stored() == []


async def test_a_deletion_is_tried_until_the_api_server_is_back(house) -> None:
    record = house.live()
    house.cluster.fail("delete", UnavailableError("away"), UnavailableError("away"))
    house.comes(target={"name": "one"})
    house.gets(record)
    apply(house, record)
    await house.clock.advance(60)
    assert await house.stored() == []


# -- whose -------------------------------------------------------------------------------------------------------------


async def test_events_of_another_replicas_actions_are_let_be(house) -> None:
    house.tenures.mine = set()
    house.live()
    house.comes(target={"name": "one"})
    assert taken(house.requests.polls) == []
    await run_for(house, 3600)
    assert await house.stored() == ["e"]


async def test_an_event_about_an_earlier_attempt_is_deleted_and_one_about_a_later_attempt_waits(house) -> None:
    record = house.live()
    house.comes("later", target={"uid": record.uid, "attempt": 2})
    assert house.gets(record) == []
    called(record, None, attempt=2)
    house.comes("earlier", target={"uid": record.uid, "attempt": 1})
    assert await house.stored() == ["later"]
    assert house.gets(record) == ["later"]


async def test_an_event_that_waited_for_an_attempt_that_is_over_is_deleted(house) -> None:
    record = house.live()
    house.comes(target={"uid": record.uid, "attempt": 1})
    called(record, None, attempt=2)
    assert not house.deliveries.index_external_id(record)
    assert await house.stored() == []


async def test_events_of_an_action_that_ended_are_deleted_also_those_that_come_late(house) -> None:
    record = house.live(external_id="7")
    house.comes("before", correlationKey="7")
    end(house, record)
    assert await house.stored() == []
    house.comes("late", target={"uid": record.uid})
    assert await house.stored() == []


async def test_a_late_event_with_a_key_is_kept_for_a_minute_since_another_action_may_get_it(house) -> None:
    end(house, house.live(external_id="7"))
    house.comes(correlationKey="7")
    assert await house.stored() == ["e"]
    assert house.gets(house.live("two", external_id="7")) == ["e"]
    end(house, house.live("two", external_id="7"))
    house.comes("later", correlationKey="7")
    await run_for(house, module.FINISHED_GRACE.total_seconds() + 1)
    assert await house.stored() == []


async def test_an_event_for_an_action_that_is_another_replicas_now_is_left_to_it(house) -> None:
    record = house.live(external_id="7")
    house.deliveries.forget(record.uid)
    house.tenures.mine = set()
    house.comes(correlationKey="7")
    assert taken(house.requests.polls) == []
    assert await house.stored() == ["e"]


# -- events of the operator's own namespace, whose external ID several namespaces use --------------------------------

SHARED_EVENT = {"namespace": "operators-own", "correlationKey": "7", "scope": {"executor": "http"}}


def refused(*namespaces: str) -> list[tuple[str, str]]:
    text = (
        "an event about external ID '7' from an unknown sender is not delivered: actions of several namespaces have "
        "this ID, and the event does not say which it is for; use IDs that the target chooses"
    )
    return [(namespace, text) for namespace in namespaces]


async def test_an_event_that_fits_actions_of_several_namespaces_is_for_none_of_them(house) -> None:
    mine, theirs = house.live("one", "7"), house.live("two", "7", namespace="team-b")
    house.comes(**SHARED_EVENT)
    assert taken(house.requests.polls) == house.gets(mine) == house.gets(theirs) == []
    assert house.posted == refused("team-a", "team-b")
    assert await house.stored() == []


async def test_an_event_that_fits_several_actions_of_one_namespace_is_for_all_of_them(house) -> None:
    mine, also = house.live("one", "7"), house.live("two", "7")
    house.comes(**SHARED_EVENT)
    assert house.gets(mine) == house.gets(also) == ["e"]
    assert house.posted == []


async def test_an_id_that_is_known_when_the_event_waits_is_no_way_to_get_it_either(house) -> None:
    mine, theirs = house.live("one", "7"), house.live("two", namespace="team-b")
    house.comes(**SHARED_EVENT)
    called(theirs, "7")
    house.deliveries.index_external_id(theirs)
    assert house.gets(theirs) == house.gets(mine) == []
    assert house.posted == refused("team-a", "team-b")


async def test_an_event_that_comes_just_after_the_end_of_its_action_is_not_another_namespaces(house) -> None:
    end(house, house.live("one", "7"))
    theirs = house.live("two", "7", namespace="team-b")
    house.comes(**SHARED_EVENT)
    assert house.gets(theirs) == []
    assert house.posted == refused("team-b")
    house.comes("own", correlationKey="7", namespace="team-b")
    assert house.gets(theirs) == ["own"]


async def test_an_action_of_another_replica_counts_when_an_event_fits_several(house) -> None:
    house.tenures.mine = {0}
    mine = house.live("one", "7", shard=0)
    house.live("two", "7", namespace="team-b", shard=1)
    house.comes(**SHARED_EVENT)
    assert house.gets(mine) == []
    assert house.posted == refused("team-a")


# -- how long, and how many --------------------------------------------------------------------------------------------


async def test_an_event_that_nobody_takes_goes_when_its_time_is_over(house) -> None:
    house.comes(correlationKey="7", ttlSeconds=100)
    await run_for(house, 99)
    assert await house.stored() == ["e"]
    await run_for(house, 2)
    assert await house.stored() == []


async def test_an_event_whose_action_waits_in_the_queue_outlives_its_time(house) -> None:
    record = house.live()
    house.comes(target={"name": "one"}, ttlSeconds=100)
    await run_for(house, 500)
    assert house.gets(record) == ["e"]


async def test_a_notification_of_what_was_deleted_brings_nothing_back(house) -> None:
    record = house.live()
    stored = house.cluster.store(ACTION_EVENTS, event_body("e", target={"name": "one"}))
    house.deliveries.on_notification(None, stored)
    house.gets(record)
    apply(house, record)
    house.deliveries.on_notification("ADDED", stored)
    assert house.gets(record) == []


async def test_an_event_that_a_person_deletes_is_forgotten(house) -> None:
    record = house.live()
    house.comes(target={"name": "one"})
    house.deliveries.on_notification("DELETED", event_body("e"))
    assert house.gets(record) == []


@pytest.mark.parametrize("room", [EventRoom(events=0, payload_bytes=9), EventRoom(events=9, payload_bytes=0)])
async def test_what_there_is_no_room_for_is_found_by_a_later_scan(house, room, monkeypatch) -> None:
    monkeypatch.setattr(house.deliveries, "_room", room)
    record = house.live()
    house.comes(target={"name": "one"})
    assert taken(house.requests.polls) == house.gets(record) == []
    monkeypatch.undo()
    await house.deliveries.sweep()
    assert house.gets(record) == ["e"]


async def test_a_scan_forgets_what_vanished_while_the_watch_was_not_looking(house) -> None:
    record = house.live()
    house.comes("vanished", target={"name": "one"})
    house.comes("there", target={"name": "one"})
    house.cluster.drop(ACTION_EVENTS, "vanished", NAMESPACE)
    await house.deliveries.sweep()
    assert house.gets(record) == ["there"]


def apply(house: House, record: ActionRecord) -> None:
    """Do what the engine does when a poll has ended, and its outcome is on record."""
    house.deliveries.mark_consumed(record)
    house.deliveries.delete_consumed(record)


def end(house: House, record: ActionRecord) -> None:
    """Do what departures do."""
    house.deliveries.on_action_finished(record)
    house.deliveries.forget(record.uid)
    house.table.finish(record, house.clock.monotonic())


async def run_for(house: House, seconds: float) -> None:
    """Let the agenda be served while time passes."""
    house.background.start(house.deliveries.run_agenda(house.on_failed), name="agenda")
    await house.clock.advance(seconds)
    assert house.clock.now() >= START + timedelta(seconds=seconds)
    await house.background.finish(0)


# -- what matches no action --------------------------------------------------------------------------------------------


async def test_r34_an_event_that_matches_no_action_is_reported_once_and_may_still_match(house: House) -> None:
    house.comes(correlationKey="7", ttlSeconds=600)
    due = asyncio.create_task(house.deliveries.run_agenda(house.on_failed))
    await house.clock.advance(59)
    assert house.unmatched == []
    await house.clock.advance(2)
    await house.clock.advance(300)
    assert house.unmatched == [("namespace", "e")]
    record = house.live(external_id="7")
    assert house.gets(record) == ["e"]
    due.cancel()


async def test_r34_an_event_that_expires_sooner_is_reported_then(house: House) -> None:
    house.comes(correlationKey="7", ttlSeconds=10)
    due = asyncio.create_task(house.deliveries.run_agenda(house.on_failed))
    await house.clock.advance(11)
    assert house.unmatched == [("namespace", "e")]
    assert await house.stored() == []
    due.cancel()


async def test_r34_an_event_whose_action_is_there_or_has_ended_is_not_reported(house: House) -> None:
    house.live(external_id="7")
    house.comes(correlationKey="7", ttlSeconds=10)
    ended = house.live("two", external_id="8")
    house.deliveries.on_action_finished(ended)
    house.table.drop(ended)
    house.deliveries.forget(ended.uid)
    house.comes("late", correlationKey="8", ttlSeconds=600)
    due = asyncio.create_task(house.deliveries.run_agenda(house.on_failed))
    await house.clock.advance(120)
    assert house.unmatched == []
    due.cancel()


@pytest.mark.parametrize(
    ("target", "namespace", "phase", "is_reported"),
    [
        ({"name": "far"}, NAMESPACE, "Queued", False),
        ({"uid": "uid-of-far"}, NAMESPACE, "Queued", False),
        ({"uid": "uid-of-far"}, "operators-own", "Queued", False),
        ({"uid": "uid-of-far"}, "team-b", "Queued", True),
        ({"name": "far"}, NAMESPACE, "Succeeded", True),
        ({"name": "nowhere"}, NAMESPACE, "Queued", True),
    ],
)
async def test_an_event_for_an_action_that_only_another_replica_knows_is_left_to_that_one(
    house: House, target: dict[str, str], namespace: str, phase: str, is_reported: bool
) -> None:
    house.scope.reduce()
    house.cluster.store(TASK_ACTIONS, body("far", status={"phase": phase}))
    stored = house.cluster.store(ACTION_EVENTS, event_body("e", namespace=namespace, target=target, ttlSeconds=90))
    house.deliveries.on_notification("ADDED", stored)
    due = asyncio.create_task(house.deliveries.run_agenda(house.on_failed))
    await house.clock.advance(61)
    await settle()
    assert bool(house.unmatched) is is_reported
    await house.clock.advance(60)
    assert await house.stored() == ([] if is_reported else ["e"])
    due.cancel()


async def test_one_list_finds_the_targets_of_all_events_that_are_due(house: House) -> None:
    house.scope.reduce()
    for number in range(20):
        house.cluster.store(TASK_ACTIONS, body(f"far-{number}"))
        house.comes(f"e-{number}", target={"name": f"far-{number}"})
    due = asyncio.create_task(house.deliveries.run_agenda(house.on_failed))
    await house.clock.advance(61)
    await settle()
    assert house.unmatched == []
    assert house.cluster.count("list") <= 2
    due.cancel()
