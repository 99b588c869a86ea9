"""An Ocean webhook processor is run at the inbox to tell whom a delivery is about, and then for the run's owner."""

import hmac
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from support.fake_cluster import FakeCluster
from support.plugin.ocean_executors import SECRET, TriggerExecutor, TriggerProcessor
from support.runs import run, toolbox
from taskaction.integrations.port.ocean import (
    AbstractWebhookProcessor,
    ActionExecutionError,
    ActionRun,
    RetryableError,
    RunStatus,
    WebhookEvent,
    WebhookProcessorType,
    ocean,
)
from taskaction.integrations.port.ocean.adapter import OceanAdapter, build_adapter
from taskaction.lifecycle.outcomes import Failed, Paused, Pending, Succeeded
from taskaction.plugin.base import Correlation, Delivery, WebhookRequest
from taskaction.plugin.errors import WebhookRefusedError
from taskaction.testing.conformance_parts import RecordedReports

CLIENT = ocean.port_client


class NoClock:
    """Passes time without waiting."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def adapter(processor: type[AbstractWebhookProcessor] = TriggerProcessor) -> OceanAdapter:
    class Executor(TriggerExecutor):
        WEBHOOK_PROCESSOR_CLASS = processor

    found = build_adapter(Executor(), toolbox(FakeCluster()))
    found._clock = NoClock()  # type: ignore[assignment]  # the one thing of a clock that is used
    return found


def request(body: Any, *, secret: bytes = SECRET, **headers: str) -> WebhookRequest:
    content = json.dumps(body, indent=3).encode()  # not as it would be written anew
    signature = hmac.new(secret, content, "sha256").hexdigest()
    said = {"x-kind": "job", "x-signature": signature, **headers}
    return WebhookRequest(path="/webhook/ocean", headers=said, content=content, body=body)


def delivery(kind: str = "Webhook", **payload: Any) -> Delivery:
    return Delivery(id="event-1", type=kind, payload=payload, received_at=datetime(2026, 1, 1, tzinfo=UTC))


def webhook(body: Any, **headers: str) -> Delivery:
    return delivery(headers={"x-kind": "job", **headers}, body=body)


def correlated(external_id: str) -> Correlation:
    return Correlation(external_id=external_id, executors=("ocean-trigger",))


# -- at the inbox -----------------------------------------------------------------------------------------------------


async def test_the_inbox_learns_the_external_id_that_the_processor_looks_for() -> None:
    assert await adapter().admit(request({"job": 7, "ok": True})) == (correlated("job-7"),)


async def test_a_delivery_of_another_kind_is_accepted_and_ignored() -> None:
    assert await adapter().admit(request({"job": 7}, **{"x-kind": "push"})) == ()


async def test_ocean_d15_a_forged_delivery_is_refused_before_anything_is_accepted() -> None:
    with pytest.raises(WebhookRefusedError) as refused:
        await adapter().admit(request({"job": 7}, secret=b"guessed"))
    assert refused.value.status == 401


@pytest.mark.parametrize("body", [{"work": 7}, ["job"], "job", None])
async def test_ocean_d15_a_payload_that_cannot_be_handled_is_refused(body: Any) -> None:
    with pytest.raises(WebhookRefusedError) as refused:
        await adapter().admit(request(body))
    assert refused.value.status == 400


class Base(TriggerProcessor):
    """What tests change a part of."""

    handle: Callable[[Any], Any]

    async def handle_event(self, payload: Any, resource: Any) -> Any:
        assert resource is None
        return await type(self).handle(payload)


def handling(work: Callable[[Any], Any]) -> type[AbstractWebhookProcessor]:
    return type("Processor", (Base,), {"handle": staticmethod(work)})


async def test_r37_a_processor_is_stopped_at_the_inbox_where_it_finds_its_run() -> None:
    effects: list[str] = []

    async def work(payload: Any) -> None:
        run = await CLIENT.find_run_by_external_id("x")
        if run is None:
            return
        effects.append(run.id)
        await CLIENT.report_run_completed(run, True)

    hooked = adapter(handling(work))
    assert await hooked.admit(request({"job": 7})) == (correlated("x"),)
    assert effects == []
    given = run(external_id="x", deliveries=(webhook({"job": 7}),))
    assert await hooked.poll(given) == Succeeded()
    assert effects == [given.uid]


async def test_r37_a_processor_that_catches_everything_is_stopped_all_the_same() -> None:
    effects: list[str] = []

    async def work(payload: Any) -> None:
        with suppress(BaseException):
            await CLIENT.find_run_by_external_id("x")
        await CLIENT.find_run_by_external_id("y")
        effects.append("after y")

    assert await adapter(handling(work)).admit(request({"job": 7})) == (correlated("x"), correlated("y"))
    assert effects == ["after y"]  # with None for both ids, as for the job of a stranger


ASKED: dict[str, Any] = {
    "one": ["x"],
    "two in turn": ["x", "y"],
    "the same twice": ["x", "x", "y"],
    "more than one webhook can be about": [str(number) for number in range(20)],
}


@pytest.mark.parametrize("ids", ASKED.values(), ids=ASKED)
async def test_r35_every_id_that_a_processor_asks_for_counts(ids: list[str]) -> None:
    async def work(payload: Any) -> None:
        for external_id in ids:
            run = await CLIENT.find_run_by_external_id(external_id)
            if run is not None and CLIENT.is_run_in_progress(run):
                await CLIENT.report_run_completed(run, True, external_id)
                return

    hooked = adapter(handling(work))
    expected = list(dict.fromkeys(ids))[:8]
    assert await hooked.admit(request({"job": 7})) == tuple(map(correlated, expected))
    last = expected[-1]
    assert await hooked.poll(run(external_id=last, deliveries=(webhook({"job": 7}),))) == Succeeded(message=last)


async def test_a_report_at_the_inbox_names_its_run() -> None:
    async def work(payload: Any) -> None:
        await CLIENT.patch_run("uid-of-another", {"status": RunStatus.SUCCESS})
        raise AssertionError("the owner continues here")

    assert await adapter(handling(work)).admit(request({"job": 7})) == (Correlation(uid="uid-of-another"),)


async def test_r35_the_ids_are_those_of_all_executors_of_the_integration() -> None:
    class Other(TriggerExecutor):
        ACTION_NAME = "other"
        WEBHOOK_PROCESSOR_CLASS = None

    hooked = adapter()
    build_adapter(Other(), hooked._host.toolbox)
    (found,) = await hooked.admit(request({"job": 7}))
    assert found == Correlation(external_id="job-7", executors=("ocean-trigger", "other"))


async def test_r35_the_processor_that_matched_a_webhook_ends_the_run_of_another_executor() -> None:
    class Other(TriggerExecutor):
        ACTION_NAME = "other"
        WEBHOOK_PROCESSOR_CLASS = None

    other = build_adapter(Other(), adapter()._host.toolbox)
    headers = {"x-kind": "job"}
    told = delivery(headers=headers, body={"job": 7, "ok": True}, executors=["ocean-trigger", "gone"])
    assert await other.poll(run(**STARTED, deliveries=(told,))) == Succeeded()


async def test_r34_a_processor_can_check_the_bytes_for_the_owner_as_well() -> None:
    class Careful(TriggerProcessor):
        async def should_process_event(self, event: WebhookEvent) -> bool:
            return await self.authenticate(event.payload, event.headers)

    careful = adapter(Careful)
    sent = request({"job": 7, "ok": True})
    assert await careful.admit(sent) == (correlated("job-7"),)
    payload = {"headers": dict(sent.headers), "body": sent.body}
    kept = replace(delivery(**payload), content=sent.content)
    assert await careful.poll(run(**STARTED, deliveries=(kept,))) == Succeeded()
    lost = run(**STARTED, deliveries=(delivery(**payload),))
    assert isinstance(await careful.poll(lost), Pending)
    assert isinstance(lost.reporter, RecordedReports)
    refused = "a webhook had no effect: Careful.should_process_event refused it in the operator"
    assert lost.reporter.progress_reports[-1].message == refused


async def test_r34_a_webhook_whose_bytes_are_lost_is_seen_on_the_run() -> None:
    lost = replace(delivery(headers={"x-kind": "job"}), problem="the stored body is missing")
    given = run(**STARTED, deliveries=(lost,))
    assert isinstance(await adapter().poll(given), Pending)
    assert isinstance(given.reporter, RecordedReports)
    assert given.reporter.progress_reports[-1].message == "a webhook had no effect: the stored body is missing"


async def test_an_event_of_a_namespace_reaches_no_run_of_another() -> None:
    async def work(payload: Any) -> None:
        other = await CLIENT.find_run_by_external_id("theirs")
        await CLIENT.report_run_completed(payload["run"] if other is None else other, True)

    hooked = adapter(handling(work))
    theirs = run(uid="uid-2", namespace="other-team", external_id="theirs")
    assert isinstance(await hooked.poll(theirs), Pending)
    own = replace(webhook({"job": 7, "run": "uid-2"}), namespace="team")
    given = run(external_id="mine", deliveries=(own,))
    assert isinstance(await hooked.poll(given), Pending)
    assert isinstance(given.reporter, RecordedReports)
    assert "UnknownRunError" in given.reporter.progress_reports[-1].message


async def test_an_error_at_the_inbox_before_the_run_was_found_is_not_taken_for_a_delivery() -> None:
    async def work(payload: Any) -> None:
        raise RetryableError("the target does not answer")

    with pytest.raises(RetryableError):
        await adapter(handling(work)).admit(request({"job": 7}))


async def test_an_empty_id_is_about_none() -> None:
    async def work(payload: Any) -> None:
        assert await CLIENT.find_run_by_external_id("") is None

    assert await adapter(handling(work)).admit(request({"job": 7})) == ()


async def test_an_executor_without_a_processor_accepts_no_webhooks() -> None:
    class Plain(TriggerExecutor):
        WEBHOOK_PROCESSOR_CLASS = None

    plain = build_adapter(Plain(), toolbox(FakeCluster()))
    assert plain.WEBHOOK_PATH == ""
    with pytest.raises(WebhookRefusedError):
        await plain.admit(request({"job": 7}))


async def test_the_inbox_authenticates_with_the_environments_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCEAN__INTEGRATION__CONFIG__WEBHOOK_SECRET", "hush")
    monkeypatch.setenv("OCEAN__INTEGRATION__CONFIG__HOSTS", '["a", "b"]')
    found: list[Any] = []

    class Processor(TriggerProcessor):
        async def authenticate(self, payload: Any, headers: Any) -> bool:
            found.append(ocean.integration_config)
            return False

    with pytest.raises(WebhookRefusedError):
        await adapter(Processor).admit(request({"job": 7}))
    assert len(found) == 1
    assert found[0]["webhook_secret"] == "hush"
    assert found[0]["hosts"] == ["a", "b"]


# -- for the owner ----------------------------------------------------------------------------------------------------

STARTED: dict[str, Any] = {"external_id": "job-7"}


async def test_a_webhook_ends_the_run_that_it_is_about() -> None:
    given = run(**STARTED, deliveries=(webhook({"job": 7, "ok": True, "text": "built"}),))
    assert await adapter().poll(given) == Succeeded(message="built")


async def test_a_webhook_that_reports_a_failure_fails_the_run() -> None:
    given = run(**STARTED, deliveries=(webhook({"job": 7, "ok": False, "text": "broken"}),))
    assert await adapter().poll(given) == Failed(code="ExecutionFailed", message="broken")


UNENDED = {
    "no delivery": (),
    "a webhook that says nothing final": (webhook({"job": 7}),),
    "a webhook about another run": (webhook({"job": 8, "ok": True}),),
    "a webhook of another kind": (webhook({"job": 7, "ok": True}, **{"x-kind": "push"}),),
    "an event of another type": (delivery("Update", status="SUCCESS"),),
    "an empty webhook": (delivery(headers=None, body=None),),
}


@pytest.mark.parametrize("deliveries", UNENDED.values(), ids=UNENDED)
async def test_what_does_not_end_the_run_leaves_it_waiting(deliveries: Any) -> None:
    outcome = await adapter().poll(run(**STARTED, deliveries=deliveries))
    assert isinstance(outcome, Pending)
    assert outcome.external_id == "job-7"


async def test_deliveries_are_taken_in_the_order_of_receipt() -> None:
    first, second = (webhook({"job": 7, "ok": True, "text": text}) for text in ("first", "second"))
    assert await adapter().poll(run(**STARTED, deliveries=(first, second))) == Succeeded(message="first")


async def test_a_report_from_outside_a_call_ends_the_run() -> None:
    report = delivery("Report", status="SUCCESS", summary="done", output={"id": 7})
    assert await adapter().poll(run(deliveries=(report,))) == Succeeded(message="done", output={"id": 7})


async def test_a_report_may_give_the_external_id_later() -> None:
    outcome = await adapter().poll(run(deliveries=(delivery("Report", externalRunId="job-9", link="https://t/9"),)))
    assert isinstance(outcome, Pending)
    assert outcome.external_id == "job-9"


async def test_a_report_that_cannot_be_read_ends_nothing_and_is_seen() -> None:
    given = run(**STARTED, deliveries=(delivery("Report", status="DONE"), delivery("Report", status="SUCCESS")))
    assert await adapter().poll(given) == Succeeded()
    assert isinstance(given.reporter, RecordedReports)
    assert "malformed report: status" in given.reporter.progress_reports[0].message


async def test_a_processor_that_fails_leaves_the_run_waiting_and_is_seen() -> None:
    async def work(payload: Any) -> None:
        raise KeyError("conclusion")

    given = run(**STARTED, deliveries=(webhook({"job": 7}),))
    assert isinstance(await adapter(handling(work)).poll(given), Pending)
    assert isinstance(given.reporter, RecordedReports)
    assert given.reporter.progress_reports[-1].message == "a webhook failed: KeyError: 'conclusion'"


async def test_a_processor_may_fail_the_run_by_an_execution_error() -> None:
    async def work(payload: Any) -> None:
        raise ActionExecutionError("the job is lost")

    with pytest.raises(ActionExecutionError, match="the job is lost"):
        await adapter(handling(work)).poll(run(**STARTED, deliveries=(webhook({"job": 7}),)))


async def test_a_processor_is_tried_again_where_that_can_help() -> None:
    tries: list[int] = []

    async def work(payload: Any) -> None:
        tries.append(len(tries))
        if len(tries) < 3:
            raise RetryableError("not now")
        found = await CLIENT.find_run_by_external_id("job-7")
        assert found is not None
        await CLIENT.report_run_completed(found, True)

    patient = adapter(handling(work))
    assert await patient.poll(run(**STARTED, deliveries=(webhook({"job": 7}),))) == Succeeded()
    assert patient._clock.slept == [1.0, 2.0]  # type: ignore[attr-defined]  # the stand-in's


async def test_a_webhook_may_end_a_run_that_is_paused() -> None:
    given = run(**STARTED, paused=True, deliveries=(webhook({"job": 7, "ok": True}),))
    assert await adapter().poll(given) == Succeeded()
    assert isinstance(await adapter().poll(run(**STARTED, paused=True, deliveries=(webhook({"job": 7}),))), Paused)


async def test_an_executor_may_look_for_itself_so_that_a_lost_webhook_is_not_the_end() -> None:
    class Looking(TriggerExecutor):
        async def poll(self, run: ActionRun[Any]) -> None:
            await CLIENT.report_run_completed(run, True, "looked")

    looking = build_adapter(Looking(), toolbox(FakeCluster()), poll_seconds=7)
    started = await looking.execute(run({"job": 7}))
    assert isinstance(started, Pending)
    assert (started.poll_after, started.external_id) == (7, "job-7")
    assert await looking.poll(run(**STARTED)) == Succeeded(message="looked")


# -- the event --------------------------------------------------------------------------------------------------------


async def test_an_event_can_be_cloned_and_its_bytes_read_again() -> None:
    event = WebhookEvent.from_request({"a": "b"}, {"c": 1}, b'{"c":  1}')
    clone = event.clone()
    assert (clone.trace_id, clone.payload, clone.headers) == (event.trace_id, {"c": 1}, {"a": "b"})
    assert clone._original_request is not None
    assert [await clone._original_request.body() for _ in range(2)] == [b'{"c":  1}'] * 2
    assert await clone._original_request.json() == {"c": 1}
    assert WebhookEvent.from_dict({"trace_id": "t", "payload": {}, "headers": {}}).trace_id == "t"


def test_a_processor_is_for_actions() -> None:
    assert TriggerProcessor.get_processor_type() is WebhookProcessorType.ACTION
