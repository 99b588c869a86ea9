"""A target that shows what it was given does not bring a Secret into a status, whatever goes wrong."""

import logging
from base64 import b64encode
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from aiohttp import web

from support.runs import NOW, guarded, later, outcome_of, run, toolbox
from taskaction.api.enums import RetryClass
from taskaction.executors.http import HttpExecutor
from taskaction.executors.http.callback import address_values
from taskaction.executors.http.model import HttpModel
from taskaction.lifecycle.outcomes import Failed, Pending, Succeeded
from taskaction.plugin.base import Delivery, Run
from taskaction.plugin.callbacks import Callbacks
from taskaction.testing.conformance_parts import FixedSecrets
from taskaction.testing.targets import HttpServer, says

SECRET = 'p"a\\ss/wörd&' + "x" * 800
REF = {"name": "target", "key": "token"}
AUTHS: dict[str, dict[str, Any]] = {
    "bearer": {"bearerSecretKeyRef": REF},
    "basic": {"basic": {"username": "ada", "passwordSecretKeyRef": REF}},
    "header": {"header": {"name": "X-Key", "secretKeyRef": REF}},
}
ENCODED = b64encode(f"ada:{SECRET}".encode()).decode()
FORMS = {
    "as it is": SECRET,
    "as json": orjson.dumps({"you sent": SECRET}).decode(),
    "as a part of a url": quote(SECRET, safe=""),
    "often": SECRET * 4,
    "in the middle": "sorry, " * 10 + SECRET + ", no",
}


def clean(text: str) -> bool:
    """Say whether nothing of the secret is left, not even the end of it."""
    return not any(part in text for part in (SECRET[:6], "p%22a", "x" * 20, ENCODED[:12], 'p\\"a'))


def one(server: HttpServer, auth: dict[str, Any], **config: Any) -> Any:
    return run({"url": f"{server.url}/it", "auth": auth} | config, secrets={"target/token": SECRET})


@pytest.mark.parametrize("auth", AUTHS.values(), ids=AUTHS)
@pytest.mark.parametrize("shown", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("status", [401, 503])
async def test_an_error_page_that_shows_the_secret_is_redacted(
    http: HttpExecutor, server: HttpServer, status: int, shown: str, auth: dict[str, Any]
) -> None:
    server.on("GET /it", says(shown, status))
    failure = await outcome_of(guarded(http, one(server, auth)).execute())
    assert isinstance(failure, Failed)
    message = failure.message
    assert f"HTTP {status}: " in message
    assert "[redacted]" in message
    assert clean(message)


@pytest.mark.parametrize("auth", AUTHS.values(), ids=AUTHS)
async def test_a_target_that_mirrors_the_headers_is_redacted(
    http: HttpExecutor, server: HttpServer, auth: dict[str, Any]
) -> None:
    async def mirror(request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(dict(request.headers), status=400)

    server.on("GET /it", mirror)
    failure = await outcome_of(guarded(http, one(server, auth)).execute())
    assert isinstance(failure, Failed)
    assert clean(failure.message)


async def test_a_body_that_is_not_as_expected_is_redacted(http: HttpExecutor, server: HttpServer) -> None:
    server.on("GET /it", says({"state": {"token": SECRET}}))
    expected = {"body": {"path": "state", "equals": "OK"}}
    failure = await outcome_of(guarded(http, one(server, AUTHS["bearer"], success=expected)).execute())
    assert isinstance(failure, Failed)
    message = failure.message
    assert "state is {'token': '[redacted]'}" in message
    assert clean(message)


@pytest.mark.parametrize("state", ["ACTIVE", "LOST"])
async def test_a_poll_is_redacted_whether_it_waits_or_fails(http: HttpExecutor, server: HttpServer, state: str) -> None:
    server.on("GET /job", says({"state": {"name": state, "by": SECRET}}))
    polling = {
        "url": f"{server.url}/job",
        "externalId": "job",
        "success": {"path": "state", "equals": "DONE"},
        "failure": {"path": "state.name", "equals": "LOST"},
    }
    polled = later(one(server, AUTHS["bearer"], polling=polling), 1, external_id="job")
    outcome: Any = await outcome_of(guarded(http, polled).poll())
    assert isinstance(outcome, Failed if state == "LOST" else Pending)
    assert state in outcome.message
    assert "[redacted]" in outcome.message
    assert clean(outcome.message)


async def test_a_long_state_does_not_fill_the_status(http: HttpExecutor, server: HttpServer) -> None:
    server.on("GET /job", says({"state": "y" * 100_000}))
    polling = {"url": f"{server.url}/job", "externalId": "job", "success": {"path": "state", "equals": "DONE"}}
    outcome = await http.poll(later(one(server, AUTHS["bearer"], polling=polling), 1, external_id="job"))
    assert isinstance(outcome, Pending)
    assert len(outcome.message) < 600


async def test_no_log_line_shows_the_secret(
    http: HttpExecutor, server: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.on("GET /it", says(SECRET, 401))
    assert isinstance(await outcome_of(guarded(http, one(server, AUTHS["basic"])).execute()), Failed)
    assert clean(caplog.text)


async def test_a_secret_with_a_line_break_within_is_refused_without_being_shown(
    http: HttpExecutor, server: HttpServer
) -> None:
    broken = run({"url": f"{server.url}/it", "auth": AUTHS["bearer"]}, secrets={"target/token": "first\nsecond"})
    failure = await outcome_of(guarded(http, broken).execute())
    assert isinstance(failure, Failed)
    assert "'Authorization': must not contain a line break" in failure.message
    assert "second" not in failure.message
    assert not server.seen


# -- what a target says without being asked, or when it is asked for something else ------------------------------------

CALLBACKS = Callbacks(url="https://hooks.example.org", keys=(b"k" * 32,))


@pytest.fixture
async def notified() -> AsyncIterator[HttpExecutor]:
    executor = HttpExecutor.build(toolbox(callbacks=CALLBACKS))
    yield executor
    await executor.close()


def started(server: HttpServer, auth: dict[str, Any], **more: Any) -> Run:
    config = {"method": "POST", "url": f"{server.url}/jobs", "json": {"notify": "{{ callbackUrl }}"}, "auth": auth}
    given = config | {"callback": {"failure": {"path": "state", "equals": "lost"}}} | more
    return run({}, config=given, external_id="j1", secrets={"target/token": SECRET})


def delivered(one: Run, body: Any) -> Run:
    payload = {"headers": {}, "body": body}
    return later(one, 5, deliveries=(Delivery(id="d", type="Webhook", payload=payload, received_at=NOW),))


def address_of(given: Run) -> str:
    (text,) = address_values(HttpModel.model_validate(given.config), given, CALLBACKS).values()
    return text


@pytest.mark.parametrize("auth", AUTHS.values(), ids=AUTHS)
async def test_a_callback_that_shows_the_credentials_is_redacted(
    notified: HttpExecutor, server: HttpServer, auth: dict[str, Any]
) -> None:
    given = started(server, auth)
    echo = {"secret": SECRET, "basic": f"Basic {ENCODED}", "address": address_of(given)}
    outcome = await guarded(notified, delivered(given, {"you sent": echo})).poll()
    assert isinstance(outcome, Succeeded)
    assert clean(str(outcome.output))
    assert address_of(given).rpartition("/")[2] not in str(outcome.output)
    failed = await outcome_of(guarded(notified, delivered(given, {"state": "lost", "is": echo})).poll())
    assert isinstance(failed, Failed)
    assert clean(str(failed))


async def test_a_callback_whose_credentials_cannot_be_read_is_not_shown_and_starts_nothing_again(
    notified: HttpExecutor, server: HttpServer
) -> None:
    given = replace(started(server, AUTHS["bearer"]), secrets=FixedSecrets({}))
    failed = await outcome_of(guarded(notified, delivered(given, {"you sent": SECRET})).poll())
    assert isinstance(failed, Failed)
    assert (failed.retry_class, clean(str(failed))) == (RetryClass.INTERRUPTED, True)
    assert "Secret 'target'" in failed.message


async def test_an_answer_to_a_poll_that_shows_the_callback_address_is_redacted(
    notified: HttpExecutor, server: HttpServer
) -> None:
    polling = {"url": f"{server.url}/jobs/j1", "success": {"path": "state", "equals": "done"}, "externalId": "j1"}
    given = started(server, AUTHS["bearer"], polling=polling)
    address = address_of(given)
    server.on("GET /jobs/j1", says({"state": "done", "notify": address, "token": address.rpartition("/")[2]}))
    outcome = await guarded(notified, later(given, 5)).poll()
    assert isinstance(outcome, Succeeded)
    assert address.rpartition("/")[2] not in str(outcome.output)


@pytest.mark.parametrize("deadline", [None, 60.0, 3600.0, 86_400.0])
def test_the_callback_address_is_the_same_while_the_deadline_of_the_attempt_moves(
    server: HttpServer, deadline: float | None
) -> None:
    given = started(server, AUTHS["bearer"], callback={"timeout": "2h"})
    moved = replace(given, deadline=None if deadline is None else given.now + timedelta(seconds=deadline / 24))
    assert address_of(moved) == address_of(later(given, 30))
