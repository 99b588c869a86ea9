"""An Ocean webhook processor is run at the inbox to tell whom a delivery is about, and then for the run's owner."""

import hmac
import json
from collections.abc import Callable
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


# -- at the inbox -----------------------------------------------------------------------------------------------------


async def test_the_inbox_learns_the_external_id_that_the_processor_looks_for() -> None:
    assert await adapter().admit(request({"job": 7, "ok": True})) == (Correlation(external_id="job-7"),)


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


async def test_what_is_reported_at_the_inbox_is_held_back() -> None:
    async def work(payload: Any) -> None:
        run = await CLIENT.find_run_by_external_id("x")
        assert CLIENT.is_run_in_progress(run)  # type: ignore[arg-type]  # it was found
        await CLIENT.report_run_completed(run, True)  # type: ignore[arg-type]  # as above
        await CLIENT.patch_run("uid-of-another", {"status": RunStatus.SUCCESS})

    assert await adapter(handling(work)).admit(request({"job": 7})) == (
        Correlation(external_id="x"),
        Correlation(uid="uid-of-another"),
    )


async def test_an_error_at_the_inbox_after_the_run_was_found_is_the_owners_to_see() -> None:
    async def work(payload: Any) -> None:
        run = await CLIENT.find_run_by_external_id("x")
        assert run is not None
        _ = run.execution_properties["only the real run has it"]

    assert await adapter(handling(work)).admit(request({"job": 7})) == (Correlation(external_id="x"),)


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
