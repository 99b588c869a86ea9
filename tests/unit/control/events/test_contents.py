"""The bytes of an event are read when it is delivered; what cannot be read now is delivered later."""

from pathlib import Path
from typing import Any

from support.events import event_body
from support.fake_cluster import FakeCluster
from support.records import body, recorded
from taskaction.api.action_event import ActionEvent, EventContent
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import ACTION_EVENTS
from taskaction.control.events.contents import ContentReader
from taskaction.control.events.matching import WaitingEvent
from taskaction.plugin.base import Delivery
from taskaction.plugin.event_content import EventContents, pack_content
from taskaction.plugin.storage import ProjectStorage, fingerprint

BODY = b'{"state":  "done"}'


class Waiting:
    """The part of a dispatcher that a reader needs, with one event; keeps what was put off and posted."""

    def __init__(self, folder: Path, content: EventContent) -> None:
        self.cluster, self.postponed, self.posted = FakeCluster(), list[str](), list[str]()
        payload: dict[str, Any] = {"headers": {}}
        self.stored = self.cluster.store(
            ACTION_EVENTS, event_body("e", correlationKey="7", payload=payload, content=content.to_json())
        )
        self.kept = WaitingEvent.from_event(ActionEvent.from_body(self.stored))
        self.contents = EventContents(ProjectStorage(f"file://{folder}/"))
        self.record = recorded(body("one"))
        self.reader = ContentReader(self.cluster, self.contents, self, self)  # type: ignore[arg-type]  # a part of each

    def find_waiting(self, uid: str) -> WaitingEvent | None:
        return self.kept if uid == self.kept.uid else None

    def postpone(self, record: object, uid: str) -> bool:
        self.postponed.append(uid)
        return len(self.postponed) == 1

    def post(self, about: object, what: Any) -> None:
        self.posted.append(str(what.reason))

    async def complete(self) -> tuple[Delivery, ...]:
        return await self.reader.complete(self.record, (self.kept.delivery,))


async def test_r34_the_bytes_are_those_that_came_and_the_body_is_their_json(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path, pack_content(BODY))
    assert waiting.kept.content is not None
    assert waiting.kept.content.data is None  # thousands may wait in memory
    (found,) = await waiting.complete()
    assert (found.content, found.payload["body"], found.problem) == (BODY, {"state": "done"}, "")


async def test_r36_a_stored_body_is_waited_for_and_delivered(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path, EventContent(size=len(BODY), sha256=fingerprint(BODY)))
    for _ in range(2):
        waiting.cluster.fail("get", UnavailableError("away"))
        assert await waiting.complete() == ()
    assert (waiting.postponed, waiting.posted) == ([waiting.kept.uid] * 2, ["StorageUnavailable"])
    await waiting.contents.write(waiting.kept.content_key, BODY)
    (found,) = await waiting.complete()
    assert found.content == BODY


async def test_r36_a_body_that_is_lost_is_said_on_the_action_and_in_the_delivery(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path, EventContent(size=len(BODY), sha256=fingerprint(BODY)))
    (found,) = await waiting.complete()
    assert "missing" in found.problem
    assert (waiting.postponed, waiting.posted) == ([], ["DeliveryLost"])


async def test_r36_an_event_that_was_deleted_meanwhile_is_lost(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path, pack_content(BODY))
    waiting.cluster.objects.clear()
    (found,) = await waiting.complete()
    assert "deleted" in found.problem
