"""The inbox over HTTP: refused before it is read, stored before it is answered, counted, and never stored twice."""

import asyncio
import base64
import hashlib
import hmac
import io
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from cluster.ports import free_port
from support.fake_cluster import FakeCluster
from taskaction.api.provider import ActionProvider, ClusterActionProvider
from taskaction.cluster.errors import ForbiddenError, InvalidError, UnavailableError
from taskaction.cluster.gateway import ACTION_EVENTS, ACTION_PROVIDERS, CLUSTER_ACTION_PROVIDERS, SECRETS, Resource
from taskaction.core.constants import API_VERSION
from taskaction.lifecycle.outcomes import Outcome, Succeeded
from taskaction.plugin.base import AbstractExecutor, Correlation, Run, WebhookRequest
from taskaction.plugin.callbacks import Callbacks, Ticket
from taskaction.plugin.errors import WebhookRefusedError
from taskaction.plugin.event_content import EventContents
from taskaction.plugin.storage import ProjectStorage
from taskaction.runtime.listening import ListenAddress
from taskaction.services.webhooks.catalogue import Catalogue
from taskaction.services.webhooks.endpoints import EndpointDependencies, Endpoints
from taskaction.services.webhooks.envelopes import SOURCE_LABEL
from taskaction.services.webhooks.plugins import Plugins
from taskaction.services.webhooks.responses import WebhookResponse
from taskaction.services.webhooks.secret_cache import KEPT_SECONDS, SecretCache
from taskaction.services.webhooks.server import BODY_LIMIT_BYTES, WebhookServer, WebhookServerSettings
from taskaction.services.webhooks.store import StoreSettings, WebhookEventStore
from taskaction.testing.clock import FakeClock, settle

SECRET = "geheim"
HMAC = {"hmac": {"secretKeyRef": {"name": "hook", "key": "key"}, "header": "X-Sig", "prefix": "sha256="}}
WEBHOOK: dict[str, Any] = {
    "authentication": HMAC,
    "externalIdPath": "run.id",
    "deliveryIdHeader": "X-Delivery",
    "filter": {"path": "action", "equals": ["completed", "failed"]},
    "maxPending": 3,
}
DONE = {"action": "completed", "run": {"id": 77, "conclusion": "success"}}
CALLBACKS = Callbacks(url="http://inbox", keys=(b"k" * 32,))


class Listener(AbstractExecutor):
    """Admits requests with the right word; says of which action they are in the body."""

    ACTION_NAME = "listener"
    WEBHOOK_PATH = "/hook"

    async def execute(self, run: Run) -> Outcome:
        return Succeeded()

    async def admit(self, request: WebhookRequest) -> tuple[Correlation, ...]:
        if request.headers.get("x-word") == "crash":
            raise RuntimeError("a plug-in's own fault")
        if request.headers.get("x-word") != "please":
            raise WebhookRefusedError(401, "say please")
        return tuple(Correlation(**one) for one in request.body["about"])


class Deaf(Listener):
    """Shares the path, and refuses everything."""

    ACTION_NAME = "deaf"

    async def admit(self, request: WebhookRequest) -> tuple[Correlation, ...]:
        raise WebhookRefusedError(403, "not for me")


@dataclass
class Post:
    """What a sender got."""

    status: int
    result: str
    message: str
    retry_after: str | None


@dataclass
class Desk:
    """An inbox that listens, over a fake cluster."""

    cluster: FakeCluster
    clock: FakeClock
    catalogue: Catalogue
    store: WebhookEventStore
    server: WebhookServer
    url: str
    session: aiohttp.ClientSession
    on_response: list[tuple[str, str, WebhookResponse]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    async def post(
        self, path: str, body: Any = DONE, headers: dict[str, str] | None = None, *, content: bytes | None = None
    ) -> Post:
        data = json.dumps(body).encode() if content is None else content
        signature = hmac.new(SECRET.encode(), data, hashlib.sha256).hexdigest()
        said = {"X-Sig": f"sha256={signature}"} | (headers or {})
        async with self.session.post(self.url + path, data=io.BytesIO(data), headers=said) as answer:
            told = await answer.json()
            return Post(answer.status, told["result"], told.get("message", ""), answer.headers.get("Retry-After"))

    @property
    def events(self) -> list[dict[str, Any]]:
        return [body for (plural, *_), body in self.cluster.objects.items() if plural == ACTION_EVENTS.plural]


def provider(resource: Resource, namespace: str = "", **webhook: Any) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": resource.kind,
        "metadata": {"name": "ci", "namespace": namespace, "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"executor": "http", "webhook": WEBHOOK | webhook},
    }


@asynccontextmanager
async def desk_of(shared: str | None = "own", **settings: Any) -> AsyncIterator[Desk]:
    cluster, clock = FakeCluster(), FakeClock()
    cluster.store(ACTION_PROVIDERS, provider(ACTION_PROVIDERS, "team"))
    elsewhere = {"hmac": {**HMAC["hmac"], "secretKeyRef": {"name": "hook", "key": "key", "namespace": "team"}}}
    cluster.store(CLUSTER_ACTION_PROVIDERS, provider(CLUSTER_ACTION_PROVIDERS, authentication=elsewhere))
    set_secret(cluster, SECRET)
    catalogue = Catalogue(cluster, clock, ())
    await catalogue.refresh()
    store = WebhookEventStore(cluster, clock, StoreSettings(max_pending=5), EventContents(ProjectStorage(None)))
    bind = f"127.0.0.1:{free_port()}"
    async with aiohttp.ClientSession() as session:
        desk = Desk(cluster, clock, catalogue, store, None, f"http://{bind}", session)  # type: ignore[arg-type]

        def failed(task: str, _: BaseException) -> None:
            desk.failures.append(task)

        endpoints = Endpoints(
            EndpointDependencies(
                clock=clock,
                catalogue=catalogue,
                secrets=SecretCache(cluster, clock, frozenset({"own"})),
                plugins=Plugins([Deaf(), Listener()], failed),
                store=store,
                callbacks=CALLBACKS,
                shared=shared,
                failed=failed,
            )
        )
        desk.server = WebhookServer(
            WebhookServerSettings(bind=ListenAddress("TASKACTION_WEBHOOKS_BIND", bind), **settings),
            clock,
            endpoints,
            lambda kind, where, answer, _: desk.on_response.append((kind, where, answer)),
        )
        await desk.server.start()
        try:
            yield desk
        finally:
            await desk.server.stop()


def set_secret(cluster: FakeCluster, text: str) -> None:
    data = {"key": base64.b64encode(f"{text}\n".encode()).decode()}
    cluster.store(SECRETS, {"metadata": {"name": "hook", "namespace": "team"}, "data": data})


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with desk_of() as found:
        yield found


# -- accepted ----------------------------------------------------------------------------------------------------------


async def test_a_request_is_an_event_before_its_sender_hears_of_it(desk: Desk) -> None:
    assert await desk.post("/providers/team/ci") == Post(202, "accepted", "", None)
    (event,) = desk.events
    assert event["metadata"]["namespace"] == "team"
    spec = event["spec"]
    assert spec["correlationKey"] == "77"
    assert spec["scope"] == {"providerRef": {"kind": "ActionProvider", "name": "ci"}}
    assert spec["payload"]["body"] == DONE
    assert (spec["type"], spec["sender"]) == ("Webhook", "/providers/team/ci")


async def test_an_event_is_what_the_api_takes(desk: Desk) -> None:
    from taskaction.api.action_event import ActionEvent

    await desk.post("/providers/team/ci")
    event = ActionEvent.from_body(
        desk.events[0] | {"metadata": desk.events[0]["metadata"] | {"creationTimestamp": "2026-01-01T00:00:00Z"}}
    )
    assert event.spec.to_json() == desk.events[0]["spec"]


async def test_a_cluster_providers_request_is_in_the_operators_own_namespace(desk: Desk) -> None:
    assert (await desk.post("/cluster-providers/ci")).status == 202
    assert desk.events[0]["metadata"]["namespace"] == "own"
    assert desk.events[0]["spec"]["scope"] == {"providerRef": {"kind": "ClusterActionProvider", "name": "ci"}}


async def test_what_is_no_end_is_accepted_and_ignored(desk: Desk) -> None:
    for body in ({"action": "requested", "run": {"id": 77}}, {"action": "completed"}, {"zen": "ping"}, [], None, 7):
        answer = await desk.post("/providers/team/ci", body)
        assert (answer.status, answer.result) == (200, "ignored")
    assert desk.events == []


async def test_headers_are_kept_without_those_that_are_secret(desk: Desk) -> None:
    secret = {"Authorization": "Bearer x", "Cookie": "a=b", "X-Api-Key": "x", "X-Gitlab-Token": "x"}
    await desk.post("/providers/team/ci", headers={"X-GitHub-Event": "workflow_run", **secret})
    kept = desk.events[0]["spec"]["payload"]["headers"]
    assert kept["x-github-event"] == "workflow_run"
    assert not {name.lower() for name in secret} & kept.keys()


# -- once --------------------------------------------------------------------------------------------------------------


async def test_ocean_d15_a_repeated_delivery_is_stored_once_also_after_it_was_applied(desk: Desk) -> None:
    same = {"X-Delivery": "1"}
    assert (await desk.post("/providers/team/ci", headers=same)).status == 202
    assert await desk.post("/providers/team/ci", headers=same) == Post(200, "duplicate", "", None)
    desk.cluster.objects = {key: body for key, body in desk.cluster.objects.items() if key[0] != "actionevents"}
    assert (await desk.post("/providers/team/ci", headers=same)).result == "duplicate"
    assert (await desk.post("/providers/team/ci", headers={"X-Delivery": "2"})).result == "accepted"
    assert len(desk.events) == 1


async def test_without_a_delivery_id_the_body_tells_a_repetition_while_it_waits(desk: Desk) -> None:
    assert (await desk.post("/providers/team/ci")).result == "accepted"
    assert (await desk.post("/providers/team/ci")).result == "duplicate"
    desk.cluster.objects = {key: body for key, body in desk.cluster.objects.items() if key[0] != "actionevents"}
    assert (await desk.post("/providers/team/ci")).result == "accepted"


async def test_another_replica_knows_a_repetition_by_the_events_name(desk: Desk) -> None:
    await desk.post("/providers/team/ci", headers={"X-Delivery": "1"})
    async with desk_of() as other:
        other.cluster.objects = desk.cluster.objects
        assert (await other.post("/providers/team/ci", headers={"X-Delivery": "1"})).result == "duplicate"


# -- refused -----------------------------------------------------------------------------------------------------------

TOO_MUCH = random.Random(0).randbytes(300_000).hex()
TOO_LARGE = b"[" + b"0," * (BODY_LIMIT_BYTES // 2) + b"0]"
REFUSALS: dict[str, tuple[str, dict[str, Any], int]] = {
    "unknown provider": ("/providers/team/other", {}, 404),
    "unknown namespace": ("/providers/other/ci", {}, 404),
    "unknown cluster provider": ("/cluster-providers/other", {}, 404),
    "unknown executor": ("/integration/other", {}, 404),
    "no signature": ("/providers/team/ci", {"headers": {"X-Sig": ""}}, 401),
    "forged": ("/providers/team/ci", {"headers": {"X-Sig": "sha256=" + "0" * 64}}, 401),
    "no JSON": ("/providers/team/ci", {"content": b"{"}, 400),
    "nothing": ("/providers/team/ci", {"content": b""}, 400),
    "no UTF-8": ("/providers/team/ci", {"content": b'"\xff"'}, 400),
    "nested too deeply": ("/providers/team/ci", {"content": b"[" * 200 + b"]" * 200}, 400),
    "an external id that is none": ("/providers/team/ci", {"body": {**DONE, "run": {"id": {"a": 1}}}}, 400),
    "an external id that is a truth": ("/providers/team/ci", {"body": {**DONE, "run": {"id": True}}}, 400),
    "an external id that is too long": ("/providers/team/ci", {"body": {**DONE, "run": {"id": "x" * 1025}}}, 400),
    "more than fits into an event": ("/providers/team/ci", {"body": {**DONE, "more": TOO_MUCH}}, 413),
    "too much in headers": ("/providers/team/ci", {"headers": {f"X-{n}": "x" * 8000 for n in range(3)}}, 431),
    "more than is read": ("/providers/team/ci", {"content": TOO_LARGE}, 413),
    "packed": ("/providers/team/ci", {"headers": {"Content-Encoding": "gzip"}}, 415),
    "an address that is none of ours": ("/callbacks/x.y", {}, 404),
    "an executor that wants another word": ("/integration/hook", {}, 403),
}


@pytest.mark.parametrize(("path", "what", "status"), REFUSALS.values(), ids=REFUSALS)
async def test_ocean_d15_what_is_wrong_is_refused_at_once_and_nothing_is_stored(
    desk: Desk, path: str, what: dict[str, Any], status: int
) -> None:
    answer = await desk.post(path, **what)
    assert answer.status == status
    assert SECRET not in answer.message
    assert desk.events == []


async def test_other_methods_are_not_served(desk: Desk) -> None:
    async with desk.session.get(f"{desk.url}/providers/team/ci") as answer:
        assert answer.status == 405


async def test_a_part_of_a_large_body_can_be_stored() -> None:
    async with desk_of() as desk:
        desk.cluster.store(ACTION_PROVIDERS, provider(ACTION_PROVIDERS, "team", bodyPath="run"))
        await desk.catalogue.refresh()
        assert (await desk.post("/providers/team/ci", {**DONE, "more": "x" * 500_000})).status == 202
        assert desk.events[0]["spec"]["payload"]["body"] == DONE["run"]


async def test_a_secret_that_was_exchanged_is_taken_after_a_few_seconds_and_not_read_for_each_request(
    desk: Desk,
) -> None:
    await desk.post("/providers/team/ci", headers={"X-Delivery": "1"})
    set_secret(desk.cluster, "neu")
    reads = desk.cluster.count("get")
    assert (await desk.post("/providers/team/ci", headers={"X-Delivery": "2"})).status == 202
    assert desk.cluster.count("get") == reads
    await desk.clock.advance(6)
    for _ in range(5):
        assert (await desk.post("/providers/team/ci", headers={"X-Sig": "sha256=00"})).status == 401
    assert desk.cluster.count("get") == reads + 1
    assert (await desk.post("/providers/team/ci", headers={"X-Delivery": "3"})).status == 401
    assert KEPT_SECONDS > 6


async def test_a_missing_secret_is_our_fault_and_logged_with_its_mend(desk: Desk) -> None:
    desk.cluster.drop(SECRETS, "hook", "team")
    answer = await desk.post("/providers/team/ci")
    assert (answer.status, answer.retry_after) == (503, "5")
    assert desk.failures == ["read the Secret of the webhook of ci"]
    assert desk.cluster.users[-1] == "system:serviceaccount:team:default"


# -- bounded -----------------------------------------------------------------------------------------------------------


async def test_ocean_d15_a_provider_whose_requests_nobody_takes_is_told_to_come_back(desk: Desk) -> None:
    for number in range(3):
        assert (await desk.post("/providers/team/ci", headers={"X-Delivery": str(number)})).status == 202
    answer = await desk.post("/providers/team/ci", headers={"X-Delivery": "more"})
    assert (answer.status, answer.retry_after) == (429, "30")
    assert len(desk.events) == 3
    assert (await desk.post("/providers/team/ci", headers={"X-Delivery": "1"})).result == "duplicate"
    assert (await desk.post("/cluster-providers/ci")).status == 202
    await desk.store.count_pending()
    await desk.store.count_pending()
    assert desk.store.pending_count == 4
    desk.cluster.objects = {key: body for key, body in desk.cluster.objects.items() if key[0] != "actionevents"}
    await desk.store.count_pending()
    assert (await desk.post("/providers/team/ci", headers={"X-Delivery": "more"})).status == 202


async def test_ocean_d15_all_together_are_bounded_too(desk: Desk) -> None:
    for number in range(3):
        await desk.post("/providers/team/ci", headers={"X-Delivery": str(number)})
        await desk.post("/cluster-providers/ci", headers={"X-Delivery": str(number)})
    assert len(desk.events) == 5
    assert (await desk.post("/cluster-providers/ci", headers={"X-Delivery": "9"})).status == 503


def event_with_label(namespace: str, name: str, label: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "labels": {SOURCE_LABEL: label}}
    return {"apiVersion": API_VERSION, "kind": "ActionEvent", "metadata": metadata, "spec": {"type": "Webhook"}}


@pytest.mark.parametrize("forged", [3, 50], ids=["the provider's limit", "more than the whole inbox takes"])
async def test_labels_that_another_namespace_forges_keep_nobody_out(desk: Desk, forged: int) -> None:
    assert (await desk.post("/providers/team/ci", headers={"X-Delivery": "1"})).status == 202
    label = desk.events[0]["metadata"]["labels"][SOURCE_LABEL]
    for number in range(forged):
        desk.cluster.store(ACTION_EVENTS, event_with_label("attacker", f"forged-{number}", label))
    await desk.store.count_pending()
    await desk.store.count_pending()
    assert (await desk.post("/providers/team/ci", headers={"X-Delivery": "2"})).status == 202


@pytest.mark.parametrize("value", ["", "\n", " \r\n"], ids=["nothing", "a line break", "blanks"])
async def test_a_webhook_with_an_empty_secret_is_not_ready(desk: Desk, value: str) -> None:
    set_secret(desk.cluster, value)
    empty = hmac.new(value.strip().encode(), json.dumps(DONE).encode(), hashlib.sha256).hexdigest()
    assert (await desk.post("/providers/team/ci", headers={"X-Sig": f"sha256={empty}"})).status == 503
    assert desk.failures == ["read the Secret of the webhook of ci"]
    assert desk.events == []


async def test_a_namespaced_provider_reads_no_secret_of_another_namespace(desk: Desk) -> None:
    foreign = {"hmac": {**HMAC["hmac"], "secretKeyRef": {"name": "hook", "key": "key", "namespace": "team"}}}
    desk.cluster.store(ACTION_PROVIDERS, provider(ACTION_PROVIDERS, "attacker", authentication=foreign))
    await desk.catalogue.refresh()
    assert (await desk.post("/providers/attacker/ci")).status == 503
    assert desk.cluster.count("get") == 0
    assert (await desk.post("/providers/team/ci")).status == 202


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnavailableError("away"), 503),
        (UnavailableError("busy", retry_after=17), 503),
        (ForbiddenError("terminating"), 503),
        (InvalidError("no"), 400),
    ],
)
async def test_what_cannot_be_stored_is_not_accepted(desk: Desk, error: Exception, status: int) -> None:
    desk.cluster.fail("create", error)  # type: ignore[arg-type]
    answer = await desk.post("/providers/team/ci", headers={"X-Delivery": "1"})
    assert answer.status == status
    assert answer.retry_after == {503: str(int(getattr(error, "retry_after", None) or 5)), 400: None}[status]
    assert (await desk.post("/providers/team/ci", headers={"X-Delivery": "1"})).result == "accepted"


async def test_a_request_whose_answer_was_lost_is_a_duplicate_when_it_comes_again(desk: Desk) -> None:
    desk.cluster.fail("create", UnavailableError("the answer was lost"), after=True)
    assert (await desk.post("/providers/team/ci", headers={"X-Delivery": "1"})).status == 503
    assert (await desk.post("/providers/team/ci", headers={"X-Delivery": "1"})).result == "duplicate"
    assert len(desk.events) == 1


async def test_too_many_requests_at_a_time_are_told_to_come_back() -> None:
    async with desk_of(requests=2) as desk:
        desk.cluster.close()
        first = [asyncio.create_task(desk.post("/providers/team/ci", headers={"X-Delivery": str(n)})) for n in range(2)]
        async with asyncio.timeout(10):
            while desk.cluster.in_flight < 2:
                await settle()
            answer = await desk.post("/providers/team/ci", headers={"X-Delivery": "9"})
        assert answer.status == 503
        assert answer.retry_after == "5"
        desk.cluster.open()
        assert [(await one).status for one in first] == [202, 202]


async def test_a_body_that_does_not_come_is_given_up() -> None:
    async with desk_of(patience=0.2) as desk:
        host, _, port = desk.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        signed = b"Host: x\r\nX-Sig: sha256=00\r\n"  # whether it is right is known with the body
        writer.write(b"POST /providers/team/ci HTTP/1.1\r\n" + signed + b"Content-Length: 10\r\n\r\n{")
        async with asyncio.timeout(10):
            assert b"408" in await reader.readline()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


HEADS = {
    "without a signature": (b"/providers/team/ci", b"401"),
    "for nobody": (b"/providers/team/nobody", b"404"),
    "at no executor": (b"/integration/nobody", b"404"),
    "with a wrong ticket": (b"/callbacks/wrong", b"404"),
}


@pytest.mark.parametrize(("path", "code"), HEADS.values(), ids=HEADS)
async def test_a_request_that_its_head_dooms_is_answered_before_its_body(path: bytes, code: bytes) -> None:
    async with desk_of(patience=30) as desk:
        host, _, port = desk.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{")
        async with asyncio.timeout(10):
            assert code in await reader.readline()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def test_a_connection_that_says_nothing_is_closed(desk: Desk) -> None:
    reaping = asyncio.create_task(desk.server.run())
    host, _, port = desk.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"POST /providers/team/ci HTTP/1.1\r\n")
    await writer.drain()
    async with asyncio.timeout(10):
        while not reader.at_eof():
            await desk.clock.advance(5)
            with suppress(ConnectionError, TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.05)
            if reader.exception() is not None:
                break
    reaping.cancel()
    writer.close()


# -- executors and callbacks -------------------------------------------------------------------------------------------


async def test_executors_say_whom_a_request_is_about(desk: Desk) -> None:
    body = {"about": [{"external_id": "7"}, {"uid": "uid-1"}]}
    assert (await desk.post("/integration/hook", body, {"X-Word": "please"})).status == 202
    said = [event["spec"] for event in desk.events]
    assert {event["metadata"]["namespace"] for event in desk.events} == {"own"}
    assert (said[0]["correlationKey"], said[0]["scope"]) == ("7", {"executor": "listener"})
    assert said[1]["target"] == {"uid": "uid-1"}


async def test_a_request_about_no_action_is_accepted_and_ignored(desk: Desk) -> None:
    assert (await desk.post("/integration/hook", {"about": []}, {"X-Word": "please"})).result == "ignored"


async def test_an_executors_fault_is_not_the_senders(desk: Desk) -> None:
    answer = await desk.post("/integration/hook", {"about": []}, {"X-Word": "crash"})
    assert answer.status == 503
    assert desk.failures == ["webhook of executor listener"]


async def test_what_may_mean_any_namespace_needs_the_operators_own_to_be_served() -> None:
    async with desk_of(shared=None) as desk:
        for path, word in (("/cluster-providers/ci", ""), ("/integration/hook", "please")):
            body = {**DONE, "about": [{"uid": "1"}]}
            answer = await desk.post(path, body, {"X-Word": word})
            assert answer.status == 404
            assert "TASKACTION_WATCH_NAMESPACES" in answer.message
        assert (await desk.post("/providers/team/ci")).status == 202


@pytest.fixture
def ticket(desk: Desk) -> Ticket:
    return Ticket("team", "one", "uid-1", 2, int(desk.clock.now().timestamp()) + 60)


async def test_a_callback_needs_nothing_but_its_address(desk: Desk, ticket: Ticket) -> None:
    path = CALLBACKS.address(ticket).removeprefix("http://inbox")
    assert (await desk.post(path, {"state": "done"})).result == "accepted"
    assert (await desk.post(path, {"state": "done"})).result == "duplicate"
    assert (await desk.post(path, content=b"")).result == "accepted"
    first, second = desk.events
    assert first["metadata"]["namespace"] == "team"
    assert first["spec"]["target"] == {"name": "one", "uid": "uid-1", "attempt": 2}
    assert [event["spec"]["payload"]["body"] for event in (first, second)] == [{"state": "done"}, None]
    assert all(where == "callback" for _, where, _ in desk.on_response)
    await desk.clock.advance(61)
    assert (await desk.post(path, {"state": "done"})).status == 404


async def test_providers_that_are_not_known_for_certain_are_not_judged(desk: Desk) -> None:
    await desk.clock.advance(61)
    assert (await desk.post("/providers/team/ci")).status == 503
    assert (await desk.post("/providers/team/other")).status == 503


def test_the_providers_of_these_tests_are_ones() -> None:
    for model, resource in ((ActionProvider, ACTION_PROVIDERS), (ClusterActionProvider, CLUSTER_ACTION_PROVIDERS)):
        assert model.from_body(provider(resource)).spec.webhook is not None


async def test_an_inbox_within_namespaces_asks_for_no_provider_of_the_cluster() -> None:
    cluster = FakeCluster()
    for resource, namespace in ((ACTION_PROVIDERS, "team"), (CLUSTER_ACTION_PROVIDERS, "")):
        cluster.store(resource, provider(resource, namespace))
    catalogue = Catalogue(cluster, FakeClock(), ("team",), of_cluster=False)
    await catalogue.refresh()
    assert catalogue.get("team", "ci") is not None
    assert catalogue.get("", "ci") is None
