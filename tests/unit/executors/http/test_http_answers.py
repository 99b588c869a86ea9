"""What an answer is worth: success criteria, the output, codes worth a retry, and answers that lie."""

import gzip
import re
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings

from support.json_values import CHANGED, json_values
from support.runs import run
from taskaction.api.enums import ErrorKind, RetryClass
from taskaction.core.json_values import is_same
from taskaction.executors.http import HttpExecutor
from taskaction.executors.http.client import RESPONSE_LIMIT_BYTES, RESPONSE_LIMIT_PARTS, RESPONSE_LIMIT_VALUES
from taskaction.lifecycle.outcomes import Failed, Outcome, Succeeded
from taskaction.plugin.errors import ActionError, failure_of
from taskaction.testing.targets import Handler, HttpServer, breaks_off, floods, hangs_up, says


async def answered(http: HttpExecutor, server: HttpServer, answer: Handler, **config: Any) -> Outcome:
    """Give what came of a request that was answered so."""
    server.on("GET /it", answer)
    try:
        return await http.execute(run({"url": f"{server.url}/it"} | config))
    except ActionError as error:
        return failure_of(error)


async def failure(http: HttpExecutor, server: HttpServer, answer: Handler, **config: Any) -> Failed:
    outcome = await answered(http, server, answer, **config)
    assert isinstance(outcome, Failed)
    return outcome


# -- the output --------------------------------------------------------------------------------------------------------

HTML = "<html><body>Welcome</body></html>"
OUTPUTS = {
    "json": (says({"a": [1]}), {}, {"status": 200, "body": {"a": [1]}}),
    "text": (says("pong", content_type="text/plain"), {}, {"status": 200, "body": "pong"}),
    "nothing": (says(b"", 204), {}, {"status": 204, "body": ""}),
    "html that says it is json": (says(HTML), {}, {"status": 200, "body": HTML}),
    "json that says it is html": (says({"a": 1}, content_type="text/html"), {}, {"status": 200, "body": {"a": 1}}),
    "bytes that are no text": (says(b"\xff\xfe"), {}, {"status": 200, "body": "\ufffd\ufffd"}),
    "brackets without end": (says(b"[" * 5000), {}, {"status": 200, "body": "[" * 5000}),
    "a part": (says({"items": [{"id": 7}]}), {"outputPath": "items.0.id"}, 7),
    "a part that is missing": (says({"items": []}), {"outputPath": "items.0.id"}, None),
    "a part of what is no json": (says(HTML), {"outputPath": "items"}, None),
    "headers": (
        says(None, headers={"X-Id": "7"}),
        {"outputHeaders": ["X-ID", "X-Other"]},
        {"status": 200, "body": None, "headers": {"x-id": "7", "x-other": None}},
    ),
}


@pytest.mark.parametrize(("answer", "config", "output"), OUTPUTS.values(), ids=OUTPUTS)
async def test_the_output_is_what_the_target_really_sent(
    http: HttpExecutor, server: HttpServer, answer: Handler, config: dict[str, Any], output: Any
) -> None:
    assert await answered(http, server, answer, **config) == Succeeded(output=output)


@pytest.mark.parametrize(("text", "reason"), CHANGED.values(), ids=CHANGED)
@pytest.mark.parametrize("kind", ["application/json", "application/problem+json", "text/plain"])
async def test_r10_a_body_with_a_value_that_would_change_is_refused(
    http: HttpExecutor, server: HttpServer, text: str, reason: str, kind: str
) -> None:
    body = says(f'{{"id": {text}, "state": "done"}}'.encode(), content_type=kind)
    failed = await failure(http, server, body)
    assert (failed.code, failed.retry_class) == ("InvalidOutput", None)
    assert re.match(rf"body\.id.*: .*{reason}", failed.message)
    checked = await failure(http, server, body, success={"body": {"path": "state", "equals": "done"}})
    assert checked == failed


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("4612e87", "text/plain", "4612e87"),
        ("007", "application/json", "007"),
        ("1e3", "application/json", 1000.0),
        ("42", "text/plain", 42),
        ("NaN", "text/plain", "NaN"),
    ],
)
async def test_r10_a_text_is_a_number_only_in_its_shortest_form(
    http: HttpExecutor, server: HttpServer, text: str, kind: str, value: Any
) -> None:
    answer = says(text, content_type=kind)
    assert await answered(http, server, answer) == Succeeded(output={"status": 200, "body": value})


@given(value=json_values)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_r10_any_body_is_the_output_unchanged(http: HttpExecutor, server: HttpServer, value: Any) -> None:
    outcome = await answered(http, server, says(orjson.dumps(value)))
    assert isinstance(outcome, Succeeded)
    assert is_same(outcome.output, {"status": 200, "body": value})


# -- success -----------------------------------------------------------------------------------------------------------

OK = {"path": "ok", "equals": True}
DONE = {"path": "state", "equals": ["DONE", "SKIPPED"]}
SUCCESSES = {
    "2xx by default": (says(None, 206), {}),
    "one code": (says("", 404), {"codes": ["200", "404"]}),
    "a class of codes": (says("", 418), {"codes": ["4xx"]}),
    "a redirect that leads nowhere": (says("", 304), {"codes": ["304"]}),
    "the body says so": (says({"ok": True}), {"body": OK}),
    "one of several": (says({"state": "SKIPPED"}), {"body": DONE}),
}
FAILURES = {
    "not the code": (says("", 204), {"codes": ["200"]}, "Http204", None),
    "not the class": (says("", 301), {}, "Http301", None),
    "not found": (says("", 404), {}, "Http404", None),
    "the body says otherwise": (says({"ok": False}), {"body": OK}, "UnexpectedBody", RetryClass.ERROR),
    "none of several": (says({"state": "LOST"}), {"body": DONE}, "UnexpectedBody", RetryClass.ERROR),
    "the body is another page": (says(HTML), {"body": OK}, "UnexpectedBody", RetryClass.ERROR),
    "unavailable": (says("", 503), {}, "Http503", RetryClass.SYSTEM),
    "not worth a retry": (says("", 501), {}, "Http501", None),
}


@pytest.mark.parametrize(("answer", "success"), SUCCESSES.values(), ids=SUCCESSES)
async def test_a_success_is_what_the_criteria_say(
    http: HttpExecutor, server: HttpServer, answer: Handler, success: dict[str, Any]
) -> None:
    assert isinstance(await answered(http, server, answer, success=success), Succeeded)


@pytest.mark.parametrize(("answer", "success", "code", "retry_class"), FAILURES.values(), ids=FAILURES)
async def test_everything_else_is_a_failure_that_says_which(
    http: HttpExecutor,
    server: HttpServer,
    answer: Handler,
    success: dict[str, Any],
    code: str,
    retry_class: RetryClass | None,
) -> None:
    failed = await failure(http, server, answer, success=success)
    assert (failed.code, failed.retry_class) == (code, retry_class)
    assert failed.message.startswith("GET 127.0.0.1: HTTP ")


async def test_the_message_says_what_the_body_said_instead(http: HttpExecutor, server: HttpServer) -> None:
    failed = await failure(http, server, says({"state": "LOST"}), success={"body": DONE})
    assert failed.message == "GET 127.0.0.1: HTTP 200, but state is 'LOST'"


@pytest.mark.parametrize("code", [408, 425, 500, 502, 503, 504])
async def test_a_code_that_passes_is_the_platforms_failure(http: HttpExecutor, server: HttpServer, code: int) -> None:
    failed = await failure(http, server, says("busy", code))
    assert failed == Failed(
        code=f"Http{code}",
        message=f"GET 127.0.0.1: HTTP {code}: busy",
        kind=ErrorKind.SYSTEM,
        retry_class=RetryClass.SYSTEM,
    )


async def test_the_codes_worth_a_retry_can_be_chosen(http: HttpExecutor, server: HttpServer) -> None:
    retry = {"codes": [404]}
    assert (await failure(http, server, says("", 404), retry=retry)).retry_class is RetryClass.SYSTEM
    assert (await failure(http, server, says("", 503), retry=retry)).retry_class is None


async def test_a_page_of_html_is_shown_by_its_beginning(http: HttpExecutor, server: HttpServer) -> None:
    page = "<!doctype html><h1>Bad gateway</h1>" + "<p>sorry</p>" * 5000
    failed = await failure(http, server, says(page, 502, content_type="text/html"))
    assert failed.message.startswith("GET 127.0.0.1: HTTP 502: <!doctype html><h1>Bad gateway</h1>")
    assert len(failed.message) < 600


# -- bodies that are too much, or too little ---------------------------------------------------------------------------

BOMB = gzip.compress(bytes(64 * RESPONSE_LIMIT_BYTES))
TOO_LARGE = {
    "one byte more": says(b"x" * (RESPONSE_LIMIT_BYTES + 1)),
    "without end": floods(),
    "an error without end": floods(b"<html>" * 10_000),
    "small until it is unpacked": says(BOMB, headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("answer", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_a_body_is_read_up_to_a_bound(http: HttpExecutor, server: HttpServer, answer: Handler) -> None:
    assert (await failure(http, server, answer)).code == "ResponseTooLarge"


async def test_a_body_of_just_the_bound_is_read(http: HttpExecutor, server: HttpServer) -> None:
    filler = b" " * (RESPONSE_LIMIT_BYTES - 1) + b"7"
    assert await answered(http, server, says(filler), outputPath="x") == Succeeded(output=None)


@pytest.mark.parametrize(
    "body", [[[]] * (RESPONSE_LIMIT_PARTS + 1), [0] * (RESPONSE_LIMIT_VALUES + 2)], ids=["lists", "numbers"]
)
async def test_json_of_too_many_parts_is_refused_before_it_is_parsed(
    http: HttpExecutor, server: HttpServer, body: list[object]
) -> None:
    assert (await failure(http, server, says(body))).code == "ResponseTooComplex"


async def test_commas_and_brackets_within_texts_do_not_count(http: HttpExecutor, server: HttpServer) -> None:
    table = '"a\\",[{' + ",[{" * (RESPONSE_LIMIT_VALUES + 1) + "\\"
    outcome = await answered(http, server, says({"csv": table, "rows": 7}), outputPath="rows")
    assert outcome == Succeeded(output=7)


BROKEN = {
    "hangs up": hangs_up,
    "breaks off in the body": breaks_off,
    "is not packed as it says": says(b"plain", headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("answer", BROKEN.values(), ids=BROKEN)
async def test_half_an_answer_is_none(http: HttpExecutor, server: HttpServer, answer: Handler) -> None:
    failed = await failure(http, server, answer)
    assert (failed.code, failed.retry_class) == ("ConnectionFailed", RetryClass.SYSTEM)
    assert failed.message.startswith("no response from 127.0.0.1: ")


async def test_after_a_broken_answer_the_next_request_works(http: HttpExecutor, server: HttpServer) -> None:
    await failure(http, server, breaks_off)
    assert await answered(http, server, says(1)) == Succeeded(output={"status": 200, "body": 1})
