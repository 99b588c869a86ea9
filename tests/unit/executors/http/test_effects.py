"""Whether a request may be repeated: one table, and what failures of the executor become by it."""

import socket
from typing import Any

import pytest

from support.runs import run
from taskaction.api.enums import RetryClass
from taskaction.executors.http import HttpExecutor
from taskaction.executors.http.effects import Effect, Sent, effect_of
from taskaction.lifecycle.outcomes import Failed
from taskaction.plugin.errors import ActionError, failure_of
from taskaction.testing.targets import Handler, HttpServer, breaks_off, hangs, hangs_up, redirects, says

REPEATABLE = ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "REPORT"]
OTHERS = ["POST", "PATCH", "LOCK"]
ANSWERS: dict[int | None, Effect] = {
    None: Effect.UNKNOWN,
    **dict.fromkeys((200, 201, 202, 204, 206, 303), Effect.DONE),
    **dict.fromkeys((301, 302, 307, 308), Effect.NONE),
    **dict.fromkeys((400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 422, 425, 429, 451), Effect.NONE),
    408: Effect.UNKNOWN,
    503: Effect.NONE,
    **dict.fromkeys((500, 501, 502, 504, 505, 507, 508, 520, 524, 599), Effect.UNKNOWN),
}


@pytest.mark.parametrize(("code", "effect"), ANSWERS.items())
@pytest.mark.parametrize("method", OTHERS)
def test_what_a_request_has_done_follows_from_what_came_back(method: str, code: int | None, effect: Effect) -> None:
    assert effect_of(method, Sent.SOME, code) is effect


@pytest.mark.parametrize("code", ANSWERS)
def test_a_repeat_does_no_harm_by_method_or_key_or_if_nothing_was_sent(code: int | None) -> None:
    assert all(effect_of(method, Sent.SOME, code).may_be_repeated for method in REPEATABLE)
    assert all(effect_of(method, Sent.KEYED, code).may_be_repeated for method in OTHERS)
    assert all(effect_of(method, Sent.NOTHING, code).may_be_repeated for method in OTHERS)


async def failed(http: HttpExecutor, server: HttpServer, answer: Handler, **config: Any) -> Failed:
    method = config.setdefault("method", "POST")
    server.on(f"{method} /it", answer)
    with pytest.raises(ActionError) as failure:
        await http.execute(run({"url": f"{server.url}/it", "timeout": "200ms"} | config))
    return failure_of(failure.value)


ENDS: dict[str, tuple[Handler, dict[str, Any], RetryClass | None]] = {
    "lost": (hangs_up, {}, RetryClass.INTERRUPTED),
    "lost in the response": (breaks_off, {}, RetryClass.INTERRUPTED),
    "late": (hangs, {}, RetryClass.INTERRUPTED),
    **{f"{code}": (says("", code), {}, RetryClass.INTERRUPTED) for code in (408, 500, 502, 504)},
    **{f"{code} before the effect": (says("", code), {}, RetryClass.SYSTEM) for code in (425, 503)},
    "429": (says("", 429), {}, RetryClass.RATE_LIMITED),
    "404": (says("", 404), {}, None),
    "with permission": (says("", 500), {"retry": {"codes": [500]}}, RetryClass.SYSTEM),
    "with permission for something else": (hangs_up, {"retry": {"codes": [500]}}, RetryClass.INTERRUPTED),
    "with a key": (hangs_up, {"idempotencyHeader": "Idempotency-Key"}, RetryClass.SYSTEM),
    "idempotent": (hangs_up, {"method": "PUT"}, RetryClass.SYSTEM),
    "an unexpected body": (
        says({"ok": 0}),
        {"success": {"body": {"path": "ok", "equals": 1}}},
        RetryClass.INTERRUPTED,
    ),
    "too large": (says(b"x" * (1024 * 1024 + 1)), {}, RetryClass.INTERRUPTED),
    "too large, idempotent": (says(b"x" * (1024 * 1024 + 1)), {"method": "PUT"}, RetryClass.ERROR),
    "in a circle": (redirects("/it", 307), {}, RetryClass.ERROR),
}


@pytest.mark.parametrize(("answer", "config", "retry_class"), ENDS.values(), ids=ENDS)
async def test_a_failure_after_an_effect_is_of_class_interrupted(
    http: HttpExecutor, server: HttpServer, answer: Handler, config: dict[str, Any], retry_class: RetryClass | None
) -> None:
    found = await failed(http, server, answer, **config)
    assert found.retry_class is retry_class
    assert ("Interrupted to retryPolicy.retryOn" in found.message) is (retry_class is RetryClass.INTERRUPTED)


async def test_what_fails_before_the_first_byte_is_the_platforms_failure(http: HttpExecutor) -> None:
    async with HttpServer() as gone:
        url = gone.url
    with pytest.raises(ActionError) as failure:
        await http.execute(run({"method": "POST", "url": url}))
    assert failure_of(failure.value).retry_class is RetryClass.SYSTEM


async def test_a_connection_that_is_never_taken_counts_as_nothing_sent(http: HttpExecutor) -> None:
    with socket.create_server(("127.0.0.1", 0)) as quiet:
        url = f"https://127.0.0.1:{quiet.getsockname()[1]}/"
        with pytest.raises(ActionError) as failure:
            await http.execute(run({"method": "POST", "url": url, "timeout": "200ms"}))
    assert failure_of(failure.value).retry_class is RetryClass.SYSTEM, "TLS was not agreed on"


async def test_an_effect_before_a_redirect_counts(http: HttpExecutor, server: HttpServer) -> None:
    server.on("GET /there", hangs_up)
    assert (await failed(http, server, redirects("/there", 303))).retry_class is RetryClass.INTERRUPTED
