"""One action at an Action Provider: what is sent, and what each answer means; the provider is a real HTTP server."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.globus_calls import DESCRIPTION, HTML, SCOPE, asked, known, status
from support.runs import later, run
from taskaction.api.enums import RetryClass
from taskaction.api.task_action import Signal
from taskaction.executors.http.client import GuardedClient
from taskaction.integrations.globus.client import ProviderClient
from taskaction.integrations.globus.executor import LONGEST_TRY, ActionUnableToRunError, GlobusExecutor
from taskaction.lifecycle.outcomes import Failed, Paused, Pending, Succeeded
from taskaction.plugin.addresses import AddressPolicy
from taskaction.plugin.errors import AddressDeniedError, InvalidParametersError
from taskaction.plugin.evaluation import Evaluator
from taskaction.testing.clock import FakeClock
from taskaction.testing.targets import HttpServer, breaks_off, floods, hangs_up, redirects, says


async def test_a_start_sends_the_key_and_only_what_the_interface_names(
    executor: GlobusExecutor, provider: HttpServer
) -> None:
    outcome = await executor.execute(asked(provider, label="mine", releaseAfter="P1D"))
    assert outcome == Pending(external_id="a/1", poll_after=1.0, message="ACTIVE", output=status("ACTIVE"))
    sent = provider.asked("POST /run")[0]
    assert sent.json == {
        "request_id": "uid-1-1",
        "body": {"echo": "hello"},
        "label": "mine",
        "release_after": "P1D",
    }
    assert "authorization" not in sent.headers


async def test_every_repeat_sends_the_identical_document(executor: GlobusExecutor, provider: HttpServer) -> None:
    provider.on("POST /run", hangs_up, says("<html>", 502), says({}, 429), says(status("ACTIVE")))
    first = asked(provider)
    for seconds in (0, 1, 3):
        outcome = await executor.poll(later(first, seconds)) if seconds else await executor.execute(first)
        assert isinstance(outcome, Pending)
        assert outcome.external_id is None
    outcome = await executor.poll(later(first, 7))
    assert isinstance(outcome, Pending)
    assert outcome.external_id == "a/1"
    assert len({seen.body for seen in provider.asked("POST /run")}) == 1


async def test_a_provider_that_does_not_honour_the_key_is_asked_once(
    executor: GlobusExecutor, provider: HttpServer
) -> None:
    provider.on("POST /run", hangs_up)
    lone = asked(provider, honoursRequestId=False)
    assert not executor.traits(lone.parameters, {}).idempotent
    with pytest.raises(ActionUnableToRunError, match="may have been started"):
        await executor.execute(lone)


async def test_a_start_is_given_up_after_an_hour_without_a_deadline(
    executor: GlobusExecutor, provider: HttpServer
) -> None:
    provider.on("POST /run", says("down", 503))
    late = later(asked(provider), LONGEST_TRY.total_seconds())
    with pytest.raises(ActionUnableToRunError, match="not started within 1:00:00"):
        await executor.poll(late)


@pytest.mark.parametrize("code", [200, 202, 201])
async def test_a_synchronous_provider_ends_at_once(executor: GlobusExecutor, provider: HttpServer, code: int) -> None:
    provider.on("POST /run", says(status("SUCCEEDED", details="a plain string"), code))
    outcome = await executor.execute(asked(provider))
    assert isinstance(outcome, Succeeded)
    assert outcome.output["details"] == "a plain string"
    assert outcome.external_id == "a/1"


async def test_a_failure_keeps_the_whole_status(executor: GlobusExecutor, provider: HttpServer) -> None:
    failed = status("FAILED", details={"code": "EndpointError", "description": "no such path"})
    provider.on("POST /run", says(failed, 202))
    outcome = await executor.execute(asked(provider))
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.message) == ("ActionFailedException", "EndpointError: no such path")
    assert outcome.output == failed


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (says("<html>no</html>", 403, content_type="text/html"), "HTTP 403$"),
        (says("not JSON at all"), "no ActionStatus"),
        (says({"status": "ACTIVE"}), "no ActionStatus"),
        (says(status("RUNNING")), "no ActionStatus"),
        (says([1, 2]), "no ActionStatus"),
        (says(status("ACTIVE", action_id=7)), "no ActionStatus"),
        (says(status("ACTIVE", action_id="x" * 254)), "no ActionStatus"),
        (says(status("ACTIVE", action_id="..")), "no ActionStatus"),
        (says("[" * 20_000), "no ActionStatus"),
        (says("[" * 100_000), "more than 30000 lists and objects"),
        (redirects("/run", 307), "more than 5 redirects; it may have been started"),
        (redirects("ftp://elsewhere"), "invalid redirect"),
        (redirects("/login", 303), "HTTP 404"),
        (floods(), "larger than .* it may have been started"),
    ],
)
async def test_a_refused_or_unreadable_start_is_not_repeated(
    executor: GlobusExecutor, provider: HttpServer, answer: Any, shown: str
) -> None:
    provider.on("POST /run", answer)
    with pytest.raises(ActionUnableToRunError, match=shown) as raised:
        await executor.execute(asked(provider))
    assert raised.value.RETRY_CLASS is None


@pytest.mark.parametrize(
    ("code", "error", "shown"),
    [
        (400, {"code": "BadActionRequest", "description": "Invalid JSON"}, "HTTP 400: BadActionRequest: Invalid JSON"),
        (401, {"code": "UnauthorizedRequest", "description": "no"}, "HTTP 401: UnauthorizedRequest: no"),
        (422, {"code": "RequestValidationError", "description": "Field '$.x'"}, "Field '$.x'"),
        (409, {"code": "ActionConflict", "description": "other body", "more": [1]}, "ActionConflict: other body"),
        (403, {"error": {"code": "FORBIDDEN", "detail": "not you"}}, "HTTP 403: FORBIDDEN: not you"),
    ],
)
async def test_a_refusal_keeps_the_providers_own_structure(
    executor: GlobusExecutor, provider: HttpServer, code: int, error: Any, shown: str
) -> None:
    provider.on("POST /run", says(error, code))
    outcome = await executor.execute(asked(provider))
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retry_class) == ("ActionUnableToRun", None)
    assert shown in outcome.message
    assert outcome.output == {"status": "FAILED", "details": error, "creator_id": ""}


async def test_an_action_that_is_lost_is_lost_although_the_other_style_asks_for_rights(
    executor: GlobusExecutor, provider: HttpServer
) -> None:
    provider.on("GET /a/1/status", says(status("ACTIVE")), says({"code": "ActionNotFound"}, 404))
    provider.on("GET /actions/a/1", says({}, 401))
    assert isinstance(await executor.poll(known(provider)), Pending)
    outcome = await executor.poll(later(known(provider), 9))
    assert isinstance(outcome, Failed)
    assert outcome.output["details"]["code"] == "ActionNotFound"


async def test_where_no_style_is_known_a_missing_right_is_told(executor: GlobusExecutor, provider: HttpServer) -> None:
    provider.on("GET /actions/a/1", says({}, 401))
    outcome = await executor.poll(known(provider))
    assert isinstance(outcome, Pending)
    assert "refuses the token" in outcome.message


async def test_the_other_style_of_paths_is_found(executor: GlobusExecutor, provider: HttpServer) -> None:
    provider.on("POST /run", HTML)
    provider.on("POST /actions", says(status("ACTIVE"), 202))
    provider.on("GET /actions/a/1", says(status("SUCCEEDED")))
    assert isinstance(await executor.execute(asked(provider)), Pending)
    assert isinstance(await executor.poll(known(provider)), Succeeded)
    assert [seen.target for seen in provider.seen][-1] == "/actions/a%2F1"


async def test_a_body_that_the_schema_refuses_is_not_sent(executor: GlobusExecutor, provider: HttpServer) -> None:
    schema = {"type": "object", "properties": {"echo": {"type": "integer"}}}
    provider.on("GET /", says({**DESCRIPTION, "input_schema": schema}))
    with pytest.raises(ActionUnableToRunError, match=r"echo.*by the provider's input_schema"):
        await executor.execute(asked(provider))
    assert not provider.asked("POST /run")


@pytest.mark.parametrize(
    "answer",
    [
        HTML,
        floods(),
        redirects("/"),
        says("nonsense"),
        says(status("ACTIVE")),
        says({**DESCRIPTION, "globus_auth_scope": None, "types": None, "visible_to": None, "title": None}),
        says({**DESCRIPTION, "input_schema": {"type": 7}}),
    ],
)
async def test_a_description_that_cannot_be_read_stops_nothing(
    executor: GlobusExecutor, provider: HttpServer, answer: Any
) -> None:
    provider.on("GET /", answer)
    assert isinstance(await executor.execute(asked(provider)), Pending)


async def test_with_a_scope_the_provider_is_not_introspected(executor: GlobusExecutor, provider: HttpServer) -> None:
    provider.on("GET /", hangs_up)
    provider.on("GET /a/1/status", says(status("ACTIVE")))
    assert isinstance(await executor.execute(asked(provider, scope=SCOPE)), Pending)
    assert isinstance(await executor.poll(known(provider, scope=SCOPE)), Pending)
    await executor.release(known(provider, scope=SCOPE))
    assert not provider.asked("GET /")


@pytest.mark.parametrize("standing", ["ACTIVE", "INACTIVE"])
async def test_the_status_of_the_last_poll_is_reported(
    executor: GlobusExecutor, provider: HttpServer, standing: str
) -> None:
    last = status(standing, details={"code": "Slow", "description": "7 of 9 files", "files": 7})
    provider.on("GET /a/1/status", says(last))
    outcome = await executor.poll(known(provider))
    assert isinstance(outcome, Pending | Paused)
    assert outcome.output == last


async def test_details_that_are_too_large_for_a_poll_are_replaced(
    executor: GlobusExecutor, provider: HttpServer
) -> None:
    details = {"code": "Slow", "description": "7 of 9 files", "log": "x" * 20_000}
    provider.on("GET /a/1/status", says(status("ACTIVE", details=details)))
    outcome = await executor.poll(known(provider))
    assert isinstance(outcome, Pending)
    assert outcome.output == status("ACTIVE", details={"description": "Slow: 7 of 9 files"})


@pytest.mark.parametrize("answer", [hangs_up, says("down", 503), says({}, 429)])
@pytest.mark.parametrize(("passed", "is_over"), [(0, False), (5, False), (9, True), (9.5, True)])
async def test_a_start_without_an_answer_ends_with_its_reason_before_the_deadline(
    executor: GlobusExecutor, provider: HttpServer, answer: Any, passed: float, is_over: bool
) -> None:
    provider.on("POST /run", answer)
    first = asked(provider)
    outcome = await executor.poll(replace(later(first, passed), deadline=first.started_at + timedelta(seconds=10)))
    assert isinstance(outcome, Failed if is_over else Pending)
    if isinstance(outcome, Failed):
        assert (outcome.code, outcome.retry_class) == ("ActionUnableToRun", RetryClass.TIMEOUT)
        assert outcome.message.startswith("not started in time: ")


async def test_the_description_is_kept_for_a_while(executor: GlobusExecutor, provider: HttpServer) -> None:
    for seconds in (0, 10, 299, 301):
        await executor.execute(later(asked(provider), seconds))
    assert len(provider.asked("GET /")) == 2


async def test_a_paused_action_says_what_it_needs(executor: GlobusExecutor, provider: HttpServer) -> None:
    details = {"code": "ConsentRequired", "description": "consent, please", "required_scope": "urn:s"}
    provider.on("GET /a/1/status", says(status("INACTIVE", details=details)))
    outcome = await executor.poll(known(provider))
    assert isinstance(outcome, Paused)
    assert outcome.message == "ConsentRequired: consent, please; required scope urn:s"
    assert outcome.poll_after == 4.0


async def test_a_signal_resumes_a_paused_action_and_begins_the_schedule_anew(
    executor: GlobusExecutor, provider: HttpServer
) -> None:
    provider.on("POST /a/1/resume", says(status("ACTIVE")))
    paused = later(known(provider), 500, paused=True, signalled=True)
    signal = Signal(value=True, at=paused.now)
    outcome = await executor.poll(later(paused, 0, signal=signal))
    assert isinstance(outcome, Pending)
    assert outcome.poll_after == 1.0


@pytest.mark.parametrize("answer", [HTML, says({"code": "ActionConflict", "description": "is ACTIVE"}, 409)])
async def test_where_resume_is_refused_the_status_decides(
    executor: GlobusExecutor, provider: HttpServer, answer: Any
) -> None:
    provider.on("POST /a/1/resume", answer)
    provider.on("POST /actions/a/1/resume", answer)
    provider.on("GET /a/1/status", says(status("SUCCEEDED")))
    outcome = await executor.poll(later(known(provider), 1, paused=True, signalled=True))
    assert isinstance(outcome, Succeeded)


@pytest.mark.parametrize("answer", [hangs_up, says("<html>down</html>", 502, content_type="text/html"), says({}, 429)])
async def test_a_resume_that_does_not_get_through_is_asked_for_again(
    executor: GlobusExecutor, provider: HttpServer, answer: Any
) -> None:
    provider.on("POST /a/1/resume", answer, says(status("ACTIVE")))
    provider.on("GET /a/1/status", says(status("INACTIVE")))
    signalled = later(known(provider), 1, paused=True, signalled=True)
    assert isinstance(await executor.poll(signalled), Paused)
    assert isinstance(await executor.poll(later(signalled, 1, signalled=False)), Pending)
    assert isinstance(await executor.poll(later(signalled, 2, signalled=False)), Paused)  # it has paused once more
    assert len(provider.asked("POST /a%2F1/resume")) == 2


async def test_an_old_signal_does_not_resume(executor: GlobusExecutor, provider: HttpServer) -> None:
    provider.on("GET /a/1/status", says(status("INACTIVE")))
    outcome = await executor.poll(later(known(provider), 1, paused=True, signal=Signal(value=True)))
    assert isinstance(outcome, Paused)


async def test_an_action_that_the_provider_forgot_is_lost_and_not_repeated(
    executor: GlobusExecutor, provider: HttpServer
) -> None:
    outcome = await executor.poll(known(provider))
    assert isinstance(outcome, Failed)
    assert outcome.code == "ActionFailedException"
    assert outcome.retry_class is None
    assert outcome.output["details"]["code"] == "ActionNotFound"


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (says({"code": "UnauthorizedRequest", "description": "expired"}, 401), "refuses the token"),
        (says({}, 403), "refuses the token"),
        (says("down", 503), "HTTP 503: down"),
        (says({}, 429, {"Retry-After": "50"}), "HTTP 429"),
        (says("garbage"), "no ActionStatus of a/1"),
        (says(status("SUCCEEDED", action_id="another")), "no ActionStatus of a/1"),
        (hangs_up, "no response from"),
        (breaks_off, "no response from"),
        (floods(), "larger than"),
        (redirects("/a/1/status"), "redirects"),
        (says(None), "no ActionStatus of a/1"),
        (says(status("SUCCEEDED") | {"status": None}), "no ActionStatus of a/1"),
        (says({"code": "ActionConflict"}, 409), "HTTP 409"),
    ],
)
async def test_a_status_that_cannot_be_had_leaves_the_action_alone(
    executor: GlobusExecutor, provider: HttpServer, answer: Any, shown: str
) -> None:
    provider.on("GET /a/1/status", answer)
    outcome = await executor.poll(known(provider))
    assert isinstance(outcome, Pending)
    assert shown in outcome.message
    assert outcome.poll_after == (50.0 if "429" in shown else 4.0)


async def cancelled(executor: GlobusExecutor, provider: HttpServer) -> None:
    """Have the action cancelled, while the time that this takes passes."""
    clock = executor._clock
    assert isinstance(clock, FakeClock)
    canceling = asyncio.create_task(executor.cancel(known(provider)))
    while not canceling.done():
        await clock.advance(0.5)
        await asyncio.sleep(0.01)
    await canceling


async def test_a_cancel_is_waited_for(executor: GlobusExecutor, provider: HttpServer) -> None:
    provider.on("POST /a/1/cancel", says(status("ACTIVE")))
    provider.on("GET /a/1/status", says(status("ACTIVE")), says(status("FAILED")))
    await cancelled(executor, provider)
    assert len(provider.asked("GET /a%2F1/status")) == 2


@pytest.mark.parametrize(
    ("answer", "looks"), [(says({"code": "ActionNotFound"}, 404), 1), (says(status("SUCCEEDED")), 0)]
)
async def test_a_cancel_of_what_has_ended_returns_at_once(
    executor: GlobusExecutor, provider: HttpServer, answer: Any, looks: int
) -> None:
    provider.on("POST /a/1/cancel", answer)
    provider.on("POST /actions/a/1/cancel", answer)
    await executor.cancel(known(provider))
    assert len(provider.asked("GET /a%2F1/status")) == looks


@pytest.mark.parametrize("answer", [says({"code": "ActionConflict"}, 409), says({}, 400), says({}, 403), HTML])
async def test_a_cancel_that_is_refused_is_waited_for_all_the_same(
    executor: GlobusExecutor, provider: HttpServer, answer: Any
) -> None:
    provider.on("POST /a/1/cancel", answer)
    provider.on("POST /actions/a/1/cancel", answer)
    provider.on("GET /a/1/status", says(status("ACTIVE")), says(status("SUCCEEDED")))
    await cancelled(executor, provider)
    assert len(provider.asked("GET /a%2F1/status")) == 2


@pytest.mark.parametrize("answer", [says({"code": "ActionConflict"}, 409), says({}, 404), says("<html>", 500), HTML])
async def test_a_release_that_is_refused_is_no_failure(
    executor: GlobusExecutor, provider: HttpServer, answer: Any
) -> None:
    provider.on("POST /a/1/release", answer)
    provider.on("DELETE /actions/a/1", answer)
    await executor.release(known(provider))


@pytest.mark.parametrize("details", [None, "a string", 5, [1], {"code": None}, {"deep": [None]}])
async def test_details_are_whatever_the_provider_says(
    executor: GlobusExecutor, provider: HttpServer, details: Any
) -> None:
    ended = status("SUCCEEDED", details=details, display_status={"odd": 1})
    provider.on("GET /a/1/status", says(ended))
    outcome = await executor.poll(known(provider))
    assert isinstance(outcome, Succeeded)
    assert outcome.output == ended


async def test_a_cancel_during_the_start_waits_for_the_id(executor: GlobusExecutor, provider: HttpServer) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(request: Any) -> Any:
        arrived.set()
        await go_on.wait()
        return await says(status("ACTIVE"), 202)(request)

    provider.on("POST /run", slowly)
    call = asyncio.create_task(executor.execute(asked(provider)))
    await arrived.wait()
    call.cancel()
    await asyncio.sleep(0)
    go_on.set()
    outcome = await call
    assert isinstance(outcome, Pending)
    assert outcome.external_id == "a/1"


async def test_the_end_is_released(executor: GlobusExecutor, provider: HttpServer) -> None:
    provider.on("POST /a/1/release", says(status("SUCCEEDED")))
    await executor.release(known(provider))
    assert len(provider.asked("POST /a%2F1/release")) == 1


async def test_with_a_provider_the_parameters_are_the_body(executor: GlobusExecutor, provider: HttpServer) -> None:
    await executor.execute(run({"echo": 1}, config={"url": f"{provider.url}/"}))
    assert provider.asked("POST /run")[0].json["body"] == {"echo": 1}


async def test_addresses_are_judged_as_those_of_http(provider: HttpServer) -> None:
    executor = GlobusExecutor(ProviderClient(GuardedClient(AddressPolicy())), FakeClock(), Evaluator())
    with pytest.raises(AddressDeniedError):
        await executor.execute(asked(provider))
    await executor.close()


async def test_what_is_wrong_with_the_parameters_is_named(executor: GlobusExecutor) -> None:
    with pytest.raises(InvalidParametersError, match=r"parameters\.url"):
        await executor.execute(run({"url": "ftp://x"}))
