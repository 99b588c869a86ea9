"""A request that only starts something: it is polled until it has ended, and cancelled where it must stop."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.runs import later, run, toolbox
from taskaction.api.enums import RetryClass
from taskaction.executors.http import HttpExecutor
from taskaction.executors.http.client import RESPONSE_LIMIT_BYTES
from taskaction.executors.http.model import HttpModel
from taskaction.lifecycle.outcomes import Pending, Succeeded
from taskaction.plugin.base import Run
from taskaction.plugin.errors import ActionExecutionError, InvalidParametersError, TransientError, failure_of
from taskaction.plugin.json_schema import model_problem
from taskaction.testing.targets import Handler, HttpServer, breaks_off, hangs_up, redirects, says

SECRETS = {"target/token": "t0ken"}


def job(server: HttpServer, **polling: Any) -> Run:
    """Give a run that starts a job and polls it."""
    where = f"{server.url}/jobs/{{{{ externalId }}}}"
    config = {
        "method": "POST",
        "url": f"{server.url}/jobs",
        "auth": {"bearerSecretKeyRef": {"name": "target", "key": "token"}},
        "outputPath": "result",
        "polling": {
            "url": where,
            "headers": {"X-Action": "{{ action.name }}"},
            "externalId": "{{ response.body.id }}",
            "success": {"path": "state", "equals": ["DONE", "SKIPPED"]},
            "failure": {"path": "state", "equals": "LOST"},
        }
        | polling,
        "cancel": {"method": "DELETE", "url": where},
    }
    return run({"size": 3}, config=config, secrets=SECRETS)


@pytest.fixture
def one(server: HttpServer) -> Run:
    server.on("POST /jobs", says({"id": "j/1"}, 202))
    return job(server)


def states(server: HttpServer, *answers: Handler) -> None:
    server.on("GET /jobs/j/1", *answers)


async def test_a_job_is_polled_until_it_is_done(http: HttpExecutor, server: HttpServer, one: Run) -> None:
    states(server, says({"state": "ACTIVE"}), says({"state": "DONE", "result": [7]}))
    assert await http.execute(one) == Pending(external_id="j/1", poll_after=1.0, message="started")
    one = later(one, 1, external_id="j/1")
    assert await http.poll(one) == Pending(poll_after=1.0, message="state is 'ACTIVE'")
    assert await http.poll(later(one, 1)) == Succeeded(output=[7])
    poll = server.seen[1]
    assert (poll.method, poll.target, poll.body) == ("GET", "/jobs/j%2F1", b"")
    assert (poll.headers["authorization"], poll.headers["x-action"]) == ("Bearer t0ken", "one")
    assert len(server.asked("POST /jobs")) == 1


async def test_a_job_that_failed_fails_the_action(http: HttpExecutor, server: HttpServer, one: Run) -> None:
    states(server, says({"state": "LOST", "why": "disk full"}))
    with pytest.raises(ActionExecutionError, match=r"j/1 failed: .*disk full") as failure:
        await http.poll(later(one, 1, external_id="j/1"))
    assert failure.value.code == "ExternalFailure"


HICCUPS = {
    "unavailable": (says("", 503), 1.0),
    "unavailable for a while": (says("", 503, {"Retry-After": "20"}), 20.0),
    "too many requests": (says("", 429, {"Retry-After": "20"}), 20.0),
    "half an answer": (breaks_off, 1.0),
}


@pytest.mark.parametrize(("answer", "wait"), HICCUPS.values(), ids=HICCUPS)
async def test_a_poll_without_answer_does_not_end_what_goes_on(
    http: HttpExecutor, server: HttpServer, one: Run, answer: Handler, wait: float
) -> None:
    states(server, answer, says({"state": "DONE"}))
    one = later(one, 1, external_id="j/1")
    outcome = await http.poll(one)
    assert isinstance(outcome, Pending)
    assert outcome.poll_after == wait
    assert outcome.message
    assert isinstance(await http.poll(one), Succeeded)


REFUSALS = {
    "not there yet": says("", 404),
    "not allowed": says("", 401),
    "forbidden": says("", 403),
    "too large": says(b"x" * (RESPONSE_LIMIT_BYTES + 1)),
    "a circle": redirects("/jobs/j/1"),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_a_poll_that_is_refused_does_not_end_what_goes_on(
    http: HttpExecutor, server: HttpServer, one: Run, refusal: Handler
) -> None:
    states(server, *[refusal] * (6 if refusal is REFUSALS["a circle"] else 1), says({"state": "DONE"}))
    one = later(one, 1, external_id="j/1")
    assert isinstance(await http.poll(one), Pending)
    assert isinstance(await http.poll(later(one, 299)), Succeeded)
    assert not server.asked("DELETE /jobs/j%2F1")


@pytest.mark.parametrize(("polling", "after"), [({}, 300), ({"errorTimeout": "10s"}, 10)])
async def test_polls_that_are_refused_for_long_cancel_the_work_before_the_attempt_fails(
    http: HttpExecutor, server: HttpServer, polling: dict[str, Any], after: float
) -> None:
    server.on("DELETE /jobs/j/1", says(b"", 202))
    one = later(job(server, **polling), 1, external_id="j/1")
    assert isinstance(await http.poll(one), Pending)
    with pytest.raises(ActionExecutionError, match="HTTP 404") as failure:
        await http.poll(later(one, after))
    assert failure_of(failure.value).retry_class is None
    assert len(server.asked("DELETE /jobs/j%2F1")) == 1


async def test_a_good_poll_renews_the_patience(http: HttpExecutor, server: HttpServer, one: Run) -> None:
    states(server, says("", 404), says({"state": "ACTIVE"}), says("", 404))
    for seconds in (1, 290, 400):
        assert isinstance(await http.poll(later(one, seconds, external_id="j/1")), Pending)


@pytest.mark.parametrize("cancelled", [True, False])
async def test_work_that_could_not_be_stopped_is_not_started_again(
    http: HttpExecutor, server: HttpServer, one: Run, cancelled: bool
) -> None:
    states(server, says(b"x" * (RESPONSE_LIMIT_BYTES + 1)))
    server.on("DELETE /jobs/j/1", says(b"", 202 if cancelled else 503))
    await http.poll(later(one, 1, external_id="j/1"))
    with pytest.raises(ActionExecutionError, match="larger than") as failure:
        await http.poll(later(one, 301, external_id="j/1"))
    assert failure_of(failure.value).retry_class is (RetryClass.ERROR if cancelled else RetryClass.INTERRUPTED)


async def test_the_codes_of_the_start_are_not_asked_of_polls(http: HttpExecutor, server: HttpServer) -> None:
    one = job(server)
    one = replace(one, config={**one.config, "success": {"codes": ["202"], "body": {"path": "id", "equals": "j/1"}}})
    server.on("POST /jobs", says({"id": "j/1"}, 202))
    states(server, says({"state": "DONE"}))
    assert isinstance(await http.execute(one), Pending)
    assert isinstance(await http.poll(later(one, 1, external_id="j/1")), Succeeded)


@pytest.mark.parametrize(("after", "wait"), [(0, 2.0), (4, 2.0), (10, 5.0), (30, 9.0), (9000, 9.0)])
async def test_the_pauses_grow_with_the_time_that_has_passed(
    http: HttpExecutor, server: HttpServer, one: Run, after: float, wait: float
) -> None:
    states(server, says({"state": "ACTIVE"}))
    patient = job(server, interval="2s", maxInterval="9s")
    outcome = await http.poll(later(patient, after, external_id="j/1"))
    assert isinstance(outcome, Pending)
    assert outcome.poll_after == wait


async def test_a_poll_for_nothing_started_starts_it(http: HttpExecutor, server: HttpServer, one: Run) -> None:
    assert isinstance(await http.poll(one), Pending)
    assert len(server.asked("POST /jobs")) == 1


NAMES = {
    "from a header": ({"externalId": "{{ response.headers.location }}"}, "/jobs/j/1"),
    "a number": ({"externalId": "{{ response.body.number }}"}, "7"),
    "of several parts": ({"externalId": "{{ action.name }}-{{ response.body.number }}"}, "one-7"),
}


@pytest.mark.parametrize(("polling", "name"), NAMES.values(), ids=NAMES)
async def test_what_was_started_is_called_as_the_template_says(
    http: HttpExecutor, server: HttpServer, polling: dict[str, Any], name: str
) -> None:
    server.on("POST /jobs", says({"number": 7}, 201, {"Location": "/jobs/j/1"}))
    outcome = await http.execute(job(server, **polling))
    assert isinstance(outcome, Pending)
    assert outcome.external_id == name


@pytest.mark.parametrize(
    ("answer", "error", "told"),
    [
        (says({"id": ""}), ActionExecutionError, "polling.externalId: rendered to 0 characters"),
        (says({"id": "x" * 254}), ActionExecutionError, "polling.externalId: rendered to 254 characters"),
        (says({"name": "j1"}), InvalidParametersError, "'response.body.id'"),
        (says("<html>"), InvalidParametersError, "'response.body.id'"),
        (says({"id": "j/1"}, 503), TransientError, "HTTP 503"),
    ],
    ids=["empty", "too long", "missing", "no json", "not started"],
)
async def test_a_start_without_a_name_fails(
    http: HttpExecutor, server: HttpServer, answer: Handler, error: type[Exception], told: str
) -> None:
    server.on("POST /jobs", answer)
    with pytest.raises(error) as failure:
        await http.execute(job(server))
    assert told in str(failure.value)


# -- cancel ------------------------------------------------------------------------------------------------------------


async def test_cancel_makes_the_request(http: HttpExecutor, server: HttpServer, one: Run) -> None:
    server.on("DELETE /jobs/j/1", says(b"", 202))
    await http.cancel(later(one, 1, external_id="j/1"))
    (cancel,) = server.seen
    assert (cancel.method, cancel.target) == ("DELETE", "/jobs/j%2F1")
    assert cancel.headers["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize("status", [404, 410])
async def test_what_is_gone_already_is_cancelled(http: HttpExecutor, server: HttpServer, one: Run, status: int) -> None:
    server.on("DELETE /jobs/j/1", says("gone", status))
    await http.cancel(later(one, 1, external_id="j/1"))
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [(says("", 503), TransientError), (says("no", 403), ActionExecutionError), (hangs_up, TransientError)],
    ids=["unavailable", "forbidden", "no answer"],
)
async def test_a_cancel_that_did_not_work_says_so(
    http: HttpExecutor, server: HttpServer, one: Run, answer: Handler, error: type[Exception]
) -> None:
    server.on("DELETE /jobs/j/1", answer)
    with pytest.raises(error):
        await http.cancel(later(one, 1, external_id="j/1"))


async def test_nothing_is_sent_where_there_is_nothing_to_cancel(
    http: HttpExecutor, server: HttpServer, one: Run
) -> None:
    await http.cancel(one)
    await http.cancel(run({"url": f"{server.url}/jobs"}, external_id="j/1"))
    assert not server.seen


async def test_a_start_that_is_cancelled_half_way_says_what_has_begun(
    http: HttpExecutor, server: HttpServer, one: Run
) -> None:
    arrived, answer = asyncio.Event(), asyncio.Event()

    async def start(request: Any) -> Any:
        arrived.set()
        await answer.wait()
        return await says({"id": "j/1"}, 202)(request)

    server.on("POST /jobs", start)
    call = asyncio.create_task(http.execute(one))
    await asyncio.wait_for(arrived.wait(), 10)
    call.cancel()
    answer.set()
    await asyncio.wait({call}, timeout=10)
    outcome = call.result()
    assert isinstance(outcome, Pending)
    assert outcome.external_id == "j/1", "so that it can be cancelled, and by somebody who tries again"


async def test_a_start_that_is_cancelled_and_fails_leaves_nothing_to_cancel(
    http: HttpExecutor, server: HttpServer, one: Run
) -> None:
    arrived, answer = asyncio.Event(), asyncio.Event()

    async def start(request: Any) -> Any:
        arrived.set()
        await answer.wait()
        return await says("no", 500)(request)

    server.on("POST /jobs", start)
    call = asyncio.create_task(http.execute(one))
    await asyncio.wait_for(arrived.wait(), 10)
    call.cancel()
    answer.set()
    await asyncio.wait({call}, timeout=10)
    assert call.cancelled()


# -- what is known before ----------------------------------------------------------------------------------------------

HARMLESS = {
    "a reading": ({"url": "x"}, True),
    "a writing": ({"method": "POST"}, False),
    "a writing with a key": ({"method": "POST", "idempotencyHeader": "Idempotency-Key"}, True),
    "a replacement": ({"method": "PUT"}, True),
    "a change": ({"method": "PATCH"}, False),
}


@pytest.mark.parametrize(("request_", "harmless"), HARMLESS.values(), ids=HARMLESS)
def test_repeats_are_harmless_by_method_or_key(request_: dict[str, Any], harmless: bool) -> None:
    executor = HttpExecutor.build(toolbox())
    assert executor.traits(request_, {}).idempotent is harmless
    assert executor.traits({}, request_).idempotent is harmless
    assert executor.traits(request_, {}).external_effect is False


def test_only_what_can_be_cancelled_holds_the_object(server: HttpServer) -> None:
    traits = HttpExecutor.build(toolbox()).traits({}, job(server).config)
    assert traits.external_effect is True


def test_a_cancel_without_a_name_to_cancel_is_refused() -> None:
    wrong = {"url": "http://a.example/", "cancel": {"url": "http://a.example/"}}
    assert "cancel requires polling" in str(model_problem(HttpModel, wrong, "config"))


def test_the_pauses_are_durations() -> None:
    polling = {"url": "http://a/", "externalId": "1", "success": {"path": "x", "equals": 1}, "interval": "5s"}
    model = HttpModel.model_validate({"url": "http://a/", "polling": polling})
    assert model.polling
    assert model.polling.interval == timedelta(seconds=5)
