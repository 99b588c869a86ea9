"""An event that matches no action is counted, and its provider has an Event that says so."""

import asyncio
from typing import Any

import pytest

from support.events import event_body
from support.fake_cluster import FakeCluster
from taskaction.api.action_event import ActionEvent
from taskaction.api.enums import ProviderKind
from taskaction.api.provider import ActionProvider, ClusterActionProvider, Provider
from taskaction.cluster.gateway import EVENTS, Body
from taskaction.control.events.matching import WaitingEvent
from taskaction.control.events.unmatched import UnmatchedEvents
from taskaction.control.objects.events import EventPoster
from taskaction.control.objects.requests import ProviderKey
from taskaction.testing.clock import FakeClock, settle


class Recorder:
    """What was counted."""

    def __init__(self) -> None:
        self.kinds: list[str] = []

    def on_event_unmatched(self, kind: str, **fields: object) -> None:
        self.kinds.append(kind)


def provider(kind: type[Provider], namespace: str) -> Provider:
    metadata = {"name": "ci", "namespace": namespace, "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return kind.from_body({"metadata": metadata, "spec": {"executor": "http"}})


class Desk:
    """Notices over a fake cluster."""

    def __init__(self) -> None:
        self.cluster, self.clock, self.recorder = FakeCluster(), FakeClock(), Recorder()
        self.events = EventPoster(self.cluster, self.clock, lambda: None)
        self.notices = UnmatchedEvents(self.clock, self.provider_of, self.events, self.recorder)

    def provider_of(self, key: ProviderKey) -> Provider | None:
        known: dict[ProviderKey, Provider] = {
            (ProviderKind.ACTION_PROVIDER, "team", "ci"): provider(ActionProvider, "team"),
            (ProviderKind.CLUSTER_ACTION_PROVIDER, "", "ci"): provider(ClusterActionProvider, ""),
        }
        return known.get(key)

    async def posted(self) -> list[Body]:
        task = asyncio.create_task(self.events.run())
        await settle()
        task.cancel()
        return [body for (plural, *_), body in self.cluster.objects.items() if plural == EVENTS.plural]


def waiting(**spec: Any) -> WaitingEvent:
    return WaitingEvent.from_event(ActionEvent.from_body(event_body("e", **spec)))


@pytest.fixture
def desk() -> Desk:
    return Desk()


OF_PROVIDER = {"providerRef": {"kind": "ActionProvider", "name": "ci"}}
EVENT_KINDS = [
    ({"target": {"name": "one"}}, "target"),
    ({"correlationKey": "7"}, "namespace"),
    ({"correlationKey": "7", "scope": {"executor": "http"}}, "executor"),
    ({"correlationKey": "7", "scope": {"executors": ["http", "noop"]}}, "executor"),
    ({"correlationKey": "7", "scope": OF_PROVIDER}, "provider"),
]


@pytest.mark.parametrize(("spec", "kind"), EVENT_KINDS)
async def test_r34_an_unmatched_event_is_counted_by_what_names_its_action(desk: Desk, spec: Any, kind: str) -> None:
    desk.notices.report(waiting(**spec))
    assert desk.recorder.kinds == [kind]


async def test_r34_a_provider_has_one_event_in_ten_minutes_with_the_number(desk: Desk) -> None:
    for number in range(3):
        desk.notices.report(waiting(correlationKey=f"job-{number}", scope=OF_PROVIDER, namespace="team"))
    await desk.clock.advance(600)
    desk.notices.report(waiting(correlationKey="job-3", scope=OF_PROVIDER, namespace="team"))
    first, second = await desk.posted()
    assert (first["involvedObject"]["kind"], first["involvedObject"]["name"]) == ("ActionProvider", "ci")
    assert (first["metadata"]["namespace"], first["reason"]) == ("team", "WebhookUnmatched")
    assert first["message"].startswith("1 webhook requests match no action of this provider, the last with external id")
    assert second["message"].startswith("3 webhook requests")
    assert "'job-3'" in second["message"]


async def test_r34_the_event_of_a_cluster_provider_is_in_the_namespace_that_kubernetes_determines(desk: Desk) -> None:
    scope = {"providerRef": {"kind": "ClusterActionProvider", "name": "ci"}}
    desk.notices.report(waiting(correlationKey="7", scope=scope, namespace="team"))
    (event,) = await desk.posted()
    assert (event["metadata"]["namespace"], event["involvedObject"]["namespace"]) == ("default", "")


async def test_r34_a_provider_that_is_gone_has_no_event(desk: Desk) -> None:
    scope = {"providerRef": {"kind": "ActionProvider", "name": "gone"}}
    desk.notices.report(waiting(correlationKey="7", scope=scope))
    assert await desk.posted() == []
    assert desk.recorder.kinds == ["provider"]


def test_notices_of_deleted_providers_are_forgotten() -> None:
    desk = Desk()
    known = {
        (ProviderKind.ACTION_PROVIDER, "team", f"ci{number}"): provider(ActionProvider, "team") for number in range(5)
    }
    notices = UnmatchedEvents(desk.clock, known.get, desk.events, desk.recorder)
    for number in range(5):
        scope = {"providerRef": {"kind": "ActionProvider", "name": f"ci{number}"}}
        notices.report(waiting(correlationKey="7", scope=scope, namespace="team"))
        known.pop((ProviderKind.ACTION_PROVIDER, "team", f"ci{number}"))
    assert len(notices._notices) == 1
