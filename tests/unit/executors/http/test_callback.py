"""A request whose end the target tells by itself: by a callback, with polling as a fallback, and never without end."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from support.runs import NOW, later, run, toolbox
from taskaction.api.enums import RetryClass
from taskaction.executors.http import HttpExecutor
from taskaction.executors.http.callback import CallbackMissedError
from taskaction.executors.http.model import HttpModel
from taskaction.lifecycle.outcomes import Pending, Succeeded
from taskaction.plugin.base import Delivery, Run
from taskaction.plugin.callbacks import Callbacks, Ticket
from taskaction.plugin.errors import ActionExecutionError, InvalidParametersError, failure_of
from taskaction.testing.targets import HttpServer, says

CALLBACKS = Callbacks(url="https://hooks.example.org", keys=(b"k" * 32,))
HOUR = 3600.0
CALLBACK = {
    "success": {"path": "state", "equals": "done"},
    "failure": {"path": "state", "equals": ["failed", "lost"]},
}


@pytest.fixture
async def http() -> AsyncIterator[HttpExecutor]:
    executor = HttpExecutor.build(toolbox(callbacks=CALLBACKS))
    yield executor
    await executor.close()


def started(server: HttpServer, callback: dict[str, Any] | None = None, **more: Any) -> Run:
    server.on("POST /jobs", says({"id": "j1"}, 202))
    config = {
        "method": "POST",
        "url": f"{server.url}/jobs",
        "json": {"notify": "{{ callbackUrl }}"},
        "callback": CALLBACK if callback is None else callback,
    }
    return run({}, config=config | more, attempt=2)


def polling(server: HttpServer, **more: Any) -> dict[str, Any]:
    said = {"url": f"{server.url}/jobs/{{{{ externalId }}}}", "externalId": "{{ response.body.id }}"}
    return {"polling": {**said, "success": {"path": "state", "equals": "done"}, **more}}


def told(one: Run, *bodies: Any, kind: str = "Webhook") -> Run:
    deliveries = tuple(
        Delivery(id=f"d{number}", type=kind, payload={"headers": {}, "body": body}, received_at=NOW)
        for number, body in enumerate(bodies)
    )
    return later(one, 5, external_id="uid-1-1", deliveries=deliveries)


async def test_the_target_is_handed_an_address_for_this_attempt(http: HttpExecutor, server: HttpServer) -> None:
    outcome = await http.execute(started(server))
    assert outcome == Pending(external_id="uid-1-1", poll_after=HOUR, message="started")
    address = server.seen[0].json["notify"]
    assert address.startswith("https://hooks.example.org/callbacks/")
    ticket = CALLBACKS.read(address.rpartition("/")[2], NOW)
    assert ticket == Ticket("team", "one", "uid-1", 2, int((NOW + timedelta(hours=1, minutes=5)).timestamp()))


@pytest.mark.parametrize(
    ("callback", "body", "output"),
    [
        (CALLBACK, {"state": "done", "url": "s3://x"}, {"state": "done", "url": "s3://x"}),
        (CALLBACK | {"outputPath": "result"}, {"state": "done", "result": [7]}, [7]),
        ({}, {"anything": True}, {"anything": True}),
        ({}, None, None),
        ({"failure": {"path": "state", "equals": "failed"}}, {"state": "fine"}, {"state": "fine"}),
    ],
)
async def test_a_callback_that_tells_of_a_success_ends_the_action(
    http: HttpExecutor, server: HttpServer, callback: dict[str, Any], body: Any, output: Any
) -> None:
    assert await http.poll(told(started(server, callback), body)) == Succeeded(output=output)
    assert server.seen == []


async def test_a_callback_that_tells_of_a_failure_fails_the_attempt(http: HttpExecutor, server: HttpServer) -> None:
    with pytest.raises(ActionExecutionError, match="the callback reports a failure: state is 'lost'") as failed:
        await http.poll(told(started(server), {"state": "running"}, {"state": "lost"}, {"state": "done"}))
    assert failed.value.code == "ExternalFailure"


@pytest.mark.parametrize("body", [{"state": "running"}, {}, None, [1], "done"])
async def test_a_callback_that_tells_neither_changes_nothing(http: HttpExecutor, server: HttpServer, body: Any) -> None:
    outcome = await http.poll(told(started(server), body))
    assert outcome == Pending(poll_after=HOUR - 5, message="waiting for the callback")


async def test_events_of_another_type_are_no_callbacks(http: HttpExecutor, server: HttpServer) -> None:
    outcome = await http.poll(told(started(server), {"state": "done"}, kind="Report"))
    assert isinstance(outcome, Pending)


# -- a callback that does not come -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("callback", "after", "seconds"),
    [({}, HOUR, HOUR), ({"timeout": "90s"}, 90, 90)],
)
async def test_ocean_d12_a_callback_that_is_lost_ends_the_attempt(
    http: HttpExecutor, server: HttpServer, callback: dict[str, Any], after: float, seconds: float
) -> None:
    one = later(started(server, callback), after - 1, external_id="x")
    assert await http.poll(one) == Pending(poll_after=1.0, message="waiting for the callback")
    with pytest.raises(CallbackMissedError) as missed:
        await http.poll(later(one, 1))
    failure = failure_of(missed.value)
    assert (failure.code, failure.retry_class) == ("CallbackTimeout", RetryClass.TIMEOUT)
    assert str(timedelta(seconds=seconds)) in failure.message


async def test_ocean_d12_a_lost_callback_is_made_up_for_by_polling(http: HttpExecutor, server: HttpServer) -> None:
    one = started(server, **polling(server))
    assert await http.execute(one) == Pending(external_id="j1", poll_after=60.0, message="started")
    server.on("GET /jobs/j1", says({"state": "running"}), says({"state": "done"}))
    one = later(one, 60, external_id="j1")
    assert await http.poll(one) == Pending(poll_after=60.0, message="state is 'running'")
    assert await http.poll(later(one, 10 * HOUR)) == Succeeded(output={"status": 200, "body": {"state": "done"}})


async def test_polling_is_rarer_beside_a_callback_and_goes_on_after_one_that_tells_nothing(
    http: HttpExecutor, server: HttpServer
) -> None:
    one = started(server, **polling(server))
    server.on("GET /jobs/j1", says({"state": "running"}))
    outcome = await http.poll(later(told(one, {"state": "running"}), 10 * HOUR, external_id="j1"))
    assert outcome == Pending(poll_after=600.0, message="state is 'running'")
    assert len(server.seen) == 1


async def test_what_is_given_up_is_cancelled(http: HttpExecutor, server: HttpServer) -> None:
    cancel = {"method": "DELETE", "url": f"{server.url}/jobs/{{{{ externalId }}}}"}
    server.on("DELETE /jobs/j1", says({}))
    server.on("GET /jobs/j1", says({"state": "running"}))
    one = started(server, CALLBACK | {"timeout": "1m"}, **polling(server), cancel=cancel)
    with pytest.raises(CallbackMissedError):
        await http.poll(later(one, 60, external_id="j1"))
    assert [seen.method for seen in server.seen] == ["GET", "DELETE"]


async def test_a_deadline_of_the_attempt_bounds_the_wait_by_itself(http: HttpExecutor, server: HttpServer) -> None:
    one = later(started(server), 10 * HOUR, external_id="x", deadline=NOW + timedelta(hours=20))
    assert isinstance(await http.poll(one), Pending)
    await http.execute(one)
    ticket = CALLBACKS.read(server.seen[0].json["notify"].rpartition("/")[2], NOW)
    assert ticket.expires == int((one.started_at + timedelta(days=7, minutes=5)).timestamp())


# -- what it is called, and what is missing ----------------------------------------------------------------------------


async def test_without_polling_the_callback_says_what_the_started_thing_is_called(
    http: HttpExecutor, server: HttpServer
) -> None:
    outcome = await http.execute(started(server, CALLBACK | {"externalId": "{{ response.body.id }}"}))
    assert isinstance(outcome, Pending)
    assert outcome.external_id == "j1"
    with pytest.raises(ActionExecutionError, match=r"callback\.externalId: rendered to 254 characters"):
        await http.execute(started(server, CALLBACK | {"externalId": "x" * 254}))


@pytest.mark.parametrize(
    ("callbacks", "setting"),
    [
        (None, "TASKACTION_WEBHOOKS_KEY_FILE"),
        (Callbacks(url="", keys=(b"k" * 32,)), "TASKACTION_WEBHOOKS_URL"),
    ],
)
async def test_a_setting_that_is_missing_is_named(
    server: HttpServer, callbacks: Callbacks | None, setting: str
) -> None:
    http = HttpExecutor.build(toolbox(callbacks=callbacks))
    with pytest.raises(InvalidParametersError, match=setting):
        await http.execute(started(server))
    plain = run({}, config={"method": "POST", "url": f"{server.url}/jobs", "callback": {}})
    assert isinstance(await http.execute(plain), Pending)  # webhooks of its provider need no address
    await http.close()


async def test_an_address_without_callback_is_an_error(http: HttpExecutor, server: HttpServer) -> None:
    one = run({}, config={"url": f"{server.url}/jobs?to={{{{ callbackUrl }}}}"})
    with pytest.raises(InvalidParametersError, match="requires the field callback"):
        await http.execute(one)


async def test_the_address_is_not_shown_where_the_target_repeats_it(http: HttpExecutor, server: HttpServer) -> None:
    one = started(server)
    await http.execute(one)
    address = server.seen[0].json["notify"]
    server.on("POST /jobs", says({"error": address}, 400))
    with pytest.raises(ActionExecutionError) as failed:
        await http.execute(one)
    assert address not in str(failed.value)


def test_cancel_may_stand_beside_callback() -> None:
    HttpModel.model_validate({"url": "http://x", "callback": {}, "cancel": {"url": "http://x/{{ externalId }}"}})
