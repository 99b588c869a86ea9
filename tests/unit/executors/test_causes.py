"""Causes of waits by Events: the last warning of this wait, read seldom."""

from typing import Any

import pytest

from support.children import ChildCluster
from support.runs import run
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import EVENTS
from taskaction.executors.acting import Actor
from taskaction.executors.causes import Cause, CauseReader, find_cause
from taskaction.testing.clock import FakeClock

QUOTA = 'Error creating: pods "one-1-x7k2p" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1'


def event(second: int, message: str, reason: str = "FailedCreate", **more: Any) -> dict[str, Any]:
    at = f"2026-01-01T12:00:{second:02}Z"
    return {
        "metadata": {"name": f"e{second}", "namespace": "team"},
        "involvedObject": {"uid": "uid-of-job"},
        "type": "Warning",
        "reason": reason,
        "message": message,
        "lastTimestamp": at,
    } | more


def test_the_last_warning_is_the_cause() -> None:
    found = find_cause([event(3, "later", "FailedMount"), event(1, "sooner")], None)
    assert found == Cause("FailedMount: later")


def test_a_quota_is_recognized_and_each_try_says_the_same() -> None:
    first, second = (find_cause([event(1, QUOTA.replace("x7k2p", end))], None) for end in ("x7k2p", "b2m4q"))
    assert first == second
    assert first is not None
    assert first.is_quota
    assert "x7k2p" not in first.text


def test_a_warning_from_before_the_wait_is_none() -> None:
    since = FakeClock().now().replace(year=2026, month=1, day=1, hour=12, minute=0, second=5)
    assert find_cause([event(4, "old")], since) is None
    assert find_cause([event(5, "new")], since) == Cause("FailedCreate: new")


TIMES = [
    {"lastTimestamp": None, "eventTime": "2026-01-01T12:00:01.000000Z"},
    {"lastTimestamp": None, "series": {"lastObservedTime": "2026-01-01T12:00:01.000000Z"}},
    {"lastTimestamp": None, "firstTimestamp": "2026-01-01T12:00:01Z"},
]


@pytest.mark.parametrize("times", TIMES)
def test_each_form_of_a_time_counts(times: dict[str, Any]) -> None:
    assert find_cause([event(1, "why", **times)], None) == Cause("FailedCreate: why")


def test_an_event_without_a_time_or_a_message_is_no_trouble() -> None:
    assert find_cause([event(1, "why", lastTimestamp=None)], None) is None
    assert find_cause([event(1, "")], None) == Cause("FailedCreate: no details from Kubernetes")


class House:
    def __init__(self) -> None:
        self.cluster, self.clock = ChildCluster(), FakeClock()
        self.reader = CauseReader(Actor(self.cluster, frozenset(), self.clock), self.clock)
        self.cluster.store(EVENTS, event(1, "why"))

    async def found(self, uid: str = "uid-of-job") -> Cause | None:
        return await self.reader.find(run(), uid, None)


async def test_events_are_read_as_the_operator_and_not_again_at_once() -> None:
    house = House()
    for _ in range(3):
        assert await house.found() == Cause("FailedCreate: why")
    assert house.cluster.actors == [("list", None)]
    await house.clock.advance(20)
    await house.found()
    assert house.cluster.count("list") == 2


async def test_events_of_other_objects_do_not_count() -> None:
    assert await House().found("uid-of-another") is None


async def test_many_waits_share_a_rate() -> None:
    house = House()
    for number in range(100):
        await house.found(f"uid-{number}")
    assert house.cluster.count("list") == 10
    await house.clock.advance(1)
    for number in range(100, 200):
        await house.found(f"uid-{number}")
    assert house.cluster.count("list") == 14


async def test_what_cannot_be_read_is_unknown_or_as_before() -> None:
    house = House()
    await house.found()
    await house.clock.advance(20)
    house.cluster.fail("list", UnavailableError("timed out"))
    assert await house.found() == Cause("FailedCreate: why")
