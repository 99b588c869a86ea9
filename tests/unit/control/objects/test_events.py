"""Kubernetes Events: posted in their order, valid whatever the action is called, and never in anybody's way."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from support.fake_cluster import FakeCluster
from support.records import NAMESPACE, body, recorded
from taskaction.cluster.errors import ForbiddenError, InvalidError, UnavailableError
from taskaction.control.objects.events import EventPoster
from taskaction.core.constants import MESSAGE_LIMIT_CHARS
from taskaction.lifecycle.decisions import RecordEvent
from taskaction.testing.clock import FakeClock, settle

ACTION = recorded(body("one")).action
STARTED = RecordEvent(warning=False, reason="Started", message="attempt 1")
FAILED = RecordEvent(warning=True, reason="Broken", message="it broke")
NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
"""What the API server takes as a name (RFC 1123 subdomain)."""


class Post:
    def __init__(self, kept: int = 1000) -> None:
        self.cluster = FakeCluster()
        self.clock = FakeClock()
        self.dropped = 0
        self.poster = EventPoster(self.cluster, self.clock, self.drop, kept=kept)

    def drop(self) -> None:
        self.dropped += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.poster.run())
        yield
        await settle()
        task.cancel()
        await asyncio.wait({task})

    @property
    def events(self) -> list[dict]:
        return list(self.cluster.objects.values())


async def test_an_event_says_what_happened_to_which_object() -> None:
    post = Post()
    async with post.running():
        post.poster.post(ACTION, FAILED)

    (event,) = post.events
    assert event["metadata"]["namespace"] == NAMESPACE
    assert event["involvedObject"]["uid"] == "uid-of-one"
    assert event["involvedObject"]["kind"] == "TaskAction"
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "Broken", "it broke")
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-01-01T12:00:00Z"


async def test_events_are_posted_in_their_order() -> None:
    post = Post()
    async with post.running():
        post.poster.post(ACTION, STARTED)
        post.poster.post(ACTION, FAILED)

    assert [(event["type"], event["reason"]) for event in post.events] == [("Normal", "Started"), ("Warning", "Broken")]


async def test_the_same_news_at_another_time_is_another_event() -> None:
    post = Post()
    async with post.running():
        for _ in range(3):
            post.poster.post(ACTION, STARTED)
            await post.clock.advance(0.001)

    assert len(post.events) == 3


@pytest.mark.parametrize("error", [UnavailableError("away"), ForbiddenError("no"), InvalidError("bad")], ids=repr)
async def test_an_event_that_cannot_be_posted_is_dropped_and_the_next_one_posted(error) -> None:
    post = Post()
    post.cluster.fail("create", error)
    async with post.running():
        post.poster.post(ACTION, STARTED)
        post.poster.post(ACTION, FAILED)

    assert post.dropped == 1
    assert [event["reason"] for event in post.events] == ["Broken"]


async def test_news_that_do_not_fit_are_dropped_and_counted_at_once() -> None:
    post = Post(kept=2)
    for _ in range(5):
        post.poster.post(ACTION, STARTED)
        await post.clock.advance(1)
    assert post.dropped == 3

    async with post.running():
        pass
    assert len(post.events) == 2


@pytest.mark.parametrize(
    "name",
    ["a" * 253, "a" * 219 + "-" + "b" * 33, "a" * 219 + "." + "b" * 33, "a" * 217 + "---" + "b" * 33, "a.b-c"],
    ids=["as long as may be", "cut at a hyphen", "cut at a dot", "cut among hyphens", "short"],
)
async def test_an_event_has_a_valid_name_whatever_the_action_is_called(name) -> None:
    post = Post()
    async with post.running():
        post.poster.post(recorded(body(name)).action, STARTED)

    (event,) = post.events
    assert NAME.fullmatch(event["metadata"]["name"])
    assert len(event["metadata"]["name"]) <= 253


async def test_a_long_message_is_cut() -> None:
    post = Post()
    async with post.running():
        post.poster.post(ACTION, RecordEvent(warning=True, reason="Broken", message="x" * 5000))

    assert len(post.events[0]["message"]) == MESSAGE_LIMIT_CHARS
