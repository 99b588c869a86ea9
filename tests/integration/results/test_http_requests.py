"""R1 to R8: what is recorded of a request over HTTP is what happened at the target."""

import threading
import time
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from support.actions import action, create, wait_for
from support.raw_target import RawRequest, RawTarget, raw_target, response

pytestmark = pytest.mark.usefixtures("operator")

ONCE = {"limit": 2, "backoff": {"initial": "10ms", "max": "10ms", "jitter": 0}}


def finished(kubectl: Kubectl, parameters: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """Have a request made, and give the status of its action at the end."""
    create(kubectl, [action("it", "http", parameters, **spec)])
    status: dict[str, Any] = wait_for(kubectl, "it")["status"]
    return status


# -- R1: redirects -----------------------------------------------------------------------------------------------------


def moved(code: int) -> Any:
    def answer(request: RawRequest) -> bytes:
        return response(code, b"", Location="/it/") if request.line.endswith("/it") else response()

    return answer


@pytest.mark.parametrize("code", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH"])
def test_r01_a_redirected_effect_is_made_at_the_new_address(kubectl: Kubectl, code: int, method: str) -> None:
    with raw_target(moved(code)) as target:
        status = finished(kubectl, {"method": method, "url": f"{target.url}/it", "body": "text"})
    assert status["phase"] == "Succeeded"
    assert [(one.line, one.body) for one in target.received] == [
        (f"{method} /it", b"text"),
        (f"{method} /it/", b"text"),
    ]


@pytest.mark.parametrize("code", [301, 302])
def test_r01_a_post_that_would_become_a_get_fails_with_the_new_address(kubectl: Kubectl, code: int) -> None:
    with raw_target(moved(code)) as target:
        status = finished(kubectl, {"method": "POST", "url": f"{target.url}/it", "body": "text"}, retryPolicy=ONCE)
    assert (status["phase"], status["error"]["code"]) == ("Failed", f"Http{code}")
    assert f"{target.url}/it/" in status["message"]
    assert [one.line for one in target.received] == ["POST /it"]


# -- R2: repeats -------------------------------------------------------------------------------------------------------


def closes(_: RawRequest) -> bytes:
    return b""


def breaks_off(_: RawRequest) -> bytes:
    return response(200, b"x" * 100)[:-50] + b"\r\nconnection: close"


LOST = {
    "closed": closes,
    "half a response": breaks_off,
    "408": lambda _: response(408),
    "500": lambda _: response(500),
    "502": lambda _: response(502),
    "504": lambda _: response(504),
}
REFUSED = {"425": lambda _: response(425), "503": lambda _: response(503), "429": lambda _: response(429)}
PERMITTED: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "by a key": (closes, {"idempotencyHeader": "Idempotency-Key"}, {}),
    "by the method": (closes, {"method": "PUT"}, {}),
    "by the codes": (LOST["500"], {"retry": {"codes": [500]}}, {}),
    "by the class": (closes, {}, {"retryOn": ["Interrupted"]}),
}


@pytest.mark.parametrize("answer", LOST.values(), ids=LOST)
@pytest.mark.parametrize("retry_on", [None, ["Error", "Timeout", "System"]], ids=["by default", "with Timeout"])
def test_r02_a_post_that_may_have_taken_effect_is_made_once(
    kubectl: Kubectl, answer: Any, retry_on: list[str] | None
) -> None:
    policy = ONCE | ({"retryOn": retry_on} if retry_on else {})
    with raw_target(answer) as target:
        status = finished(kubectl, {"method": "POST", "url": f"{target.url}/it"}, retryPolicy=policy)
    assert status["phase"] == "Failed"
    assert "add Interrupted to retryPolicy.retryOn" in status["message"]
    assert len(target.received) == 1


@pytest.mark.parametrize("answer", REFUSED.values(), ids=REFUSED)
def test_r02_a_post_that_was_refused_before_the_effect_is_retried(kubectl: Kubectl, answer: Any) -> None:
    with raw_target(answer) as target:
        finished(kubectl, {"method": "POST", "url": f"{target.url}/it"}, retryPolicy=ONCE)
    assert len(target.received) == 3


@pytest.mark.parametrize(("answer", "parameters", "policy"), PERMITTED.values(), ids=PERMITTED)
def test_r02_an_explicit_permission_repeats(
    kubectl: Kubectl, answer: Any, parameters: dict[str, Any], policy: dict[str, Any]
) -> None:
    with raw_target(answer) as target:
        one = {"method": "POST", "url": f"{target.url}/it", **parameters}
        finished(kubectl, one, retryPolicy=ONCE | policy)
    assert len(target.received) >= 3  # the client itself repeats an idempotent request whose connection was stale


@pytest.mark.parametrize("parameters", [{"timeout": "300ms"}, {}], ids=["its own timeout", "the attempt's"])
def test_r02_a_post_that_timed_out_is_made_once(kubectl: Kubectl, parameters: dict[str, Any]) -> None:
    release = threading.Event()

    def waits(_: RawRequest) -> bytes:
        release.wait(30)
        return b""

    spec: dict[str, Any] = {} if parameters else {"timeouts": {"attempt": "500ms"}}
    with raw_target(waits) as target:
        one = {"method": "POST", "url": f"{target.url}/it", **parameters}
        policy = ONCE | {"retryOn": ["Timeout", "System", "Error"]}
        status = finished(kubectl, one, retryPolicy=policy, **spec)
        release.set()
    assert status["phase"] in {"Failed", "TimedOut"}
    assert len(target.received) == 1


def test_r02_what_failed_before_the_first_byte_is_retried(kubectl: Kubectl) -> None:
    with raw_target(closes) as gone:
        url = gone.url
    status = finished(kubectl, {"method": "POST", "url": f"{url}/it"}, retryPolicy=ONCE)
    assert status["attempt"] == 3
    assert status["error"]["kind"] == "System"


# -- R3: polls ---------------------------------------------------------------------------------------------------------


def job(target: RawTarget, **polling: Any) -> dict[str, Any]:
    where = f"{target.url}/jobs/{{{{ externalId }}}}"
    success = {"path": "state", "equals": "DONE"}
    return {
        "method": "POST",
        "url": f"{target.url}/jobs",
        "polling": {"url": where, "externalId": "7", "success": success, "interval": "200ms", **polling},
        "cancel": {"method": "DELETE", "url": where},
    }


@pytest.mark.parametrize("code", [401, 403, 404])
def test_r03_a_refused_poll_does_not_end_a_started_job(kubectl: Kubectl, code: int) -> None:
    def answer(request: RawRequest) -> bytes:
        if request.line != "GET /jobs/7":
            return response(202)
        return response(code) if len(target.asked("GET /jobs/7")) < 3 else response(200, b'{"state": "DONE"}')

    with raw_target(answer) as target:
        status = finished(kubectl, job(target), retryPolicy=ONCE)
    assert status["phase"] == "Succeeded"
    assert len(target.asked("POST /jobs")) == 1
    assert not target.asked("DELETE /jobs/7")


def refuses_polls(request: RawRequest) -> bytes:
    return response(404) if request.line == "GET /jobs/7" else response(202)


def test_r03_a_job_that_is_given_up_is_cancelled_first(kubectl: Kubectl) -> None:
    with raw_target(refuses_polls) as target:
        status = finished(kubectl, job(target, errorTimeout="1s"), retryPolicy=ONCE)
    assert status["error"]["code"] == "Http404"
    lines = [one.line for one in target.received]
    assert (lines[0], lines[-1]) == ("POST /jobs", "DELETE /jobs/7")


def test_r03_a_job_whose_polls_are_refused_is_cancelled_on_deletion(kubectl: Kubectl) -> None:
    with raw_target(refuses_polls) as target:
        create(kubectl, [action("it", "http", job(target))])
        wait_for(kubectl, "it", lambda item: "HTTP 404" in item.get("status", {}).get("message", ""))
        kubectl("delete", "ta", "it", "--timeout=30s")
    assert len(target.asked("DELETE /jobs/7")) == 1


# -- R4 to R8: what is read and written --------------------------------------------------------------------------------


def test_r04_headers_are_latin_1(kubectl: Kubectl) -> None:
    with raw_target(lambda _: response(201, X_Name="Z\xfcrich")) as target:
        one = {"method": "POST", "url": f"{target.url}/it", "outputHeaders": ["X-Name"]}
        status = finished(kubectl, one, retryPolicy=ONCE)
    assert status["output"]["headers"] == {"x-name": "Z\xfcrich"}
    assert len(target.received) == 1


def test_r05_json_with_a_byte_order_mark_is_json(kubectl: Kubectl) -> None:
    with raw_target(lambda _: response(200, b'\xef\xbb\xbf{"ok": true}')) as target:
        one = {"url": f"{target.url}/it", "success": {"body": {"path": "ok", "equals": True}}}
        assert finished(kubectl, one)["output"]["body"] == {"ok": True}


@pytest.mark.parametrize("size", [8_190, 60_000])
def test_r06_long_headers_are_read(kubectl: Kubectl, size: int) -> None:
    with raw_target(lambda _: response(200, X_Long="x" * size)) as target:
        assert finished(kubectl, {"method": "POST", "url": f"{target.url}/it"})["phase"] == "Succeeded"


def test_r07_query_and_form_have_the_words_of_json(kubectl: Kubectl) -> None:
    values = {"yes": True, "no": False, "none": None, "n": 7, "x": 1.5, "list": [True, None, "a b"]}
    with raw_target(lambda _: response()) as target:
        one = {"method": "POST", "url": f"{target.url}/it", "query": values, "form": values}
        assert finished(kubectl, one)["phase"] == "Succeeded"
    expected = "list=true&list=a+b&n=7&no=false&x=1.5&yes=true"  # the API server sorts names
    assert target.received[0].line == f"POST /it?{expected}"
    assert target.received[0].body.decode() == expected


@pytest.mark.parametrize("field", ["query", "form"])
def test_r07_objects_are_refused_by_name(kubectl: Kubectl, field: str) -> None:
    with raw_target(lambda _: response()) as target:
        status = finished(kubectl, {"method": "POST", "url": f"{target.url}/it", field: {"filter": {"a": 1}}})
    assert status["error"]["code"] == "InvalidParameters"
    assert f"{field}.filter: must not contain objects" in status["message"]
    assert target.connections == 0


def test_r08_a_reset_in_milliseconds_is_not_an_hour(kubectl: Kubectl) -> None:
    def answer(_: RawRequest) -> bytes:
        soon = int((time.time() + 2) * 1000)
        return response(200, X_RateLimit_Remaining="0", X_RateLimit_Reset=str(soon))

    with raw_target(answer) as target:
        create(kubectl, [action("first", "http", {"url": f"{target.url}/it"})])
        wait_for(kubectl, "first")
        create(kubectl, [action("second", "http", {"url": f"{target.url}/it"})])
        assert wait_for(kubectl, "second", seconds=30)["status"]["phase"] == "Succeeded"
