"""What targets say about their quota is heeded: Retry-After by this action, rate-limit headers by the next ones."""

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from support.runs import NOW, later, run
from taskaction.api.enums import RetryClass
from taskaction.executors.http import HttpExecutor
from taskaction.plugin.base import Run
from taskaction.plugin.errors import RateLimitedError, TransientError, failure_of
from taskaction.testing.targets import HttpServer, says

EPOCH = str(int(NOW.timestamp()) + 30)


async def closed_for(http: HttpExecutor, one: Run) -> float:
    """Give what the engine would learn before a start."""
    close = await http.is_close_to_rate_limit(one)
    seconds = await http.get_remaining_seconds_until_rate_limit(one)
    assert close is (seconds > 0)
    return seconds


def dated(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


RETRY_AFTER = {
    "seconds": ("7", 7.0),
    "a date": (dated(90), 90.0),
    "a date that has passed": (dated(-90), 0.0),
    "less than nothing": ("-5", 0.0),
    "a day, which is too long": ("86400", 3600.0),
    "a year far away": ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
    "no number": ("soon", None),
    "not a number": ("nan", None),
    "without end": ("inf", None),
    "a year that is none": ("Fri, 31 Dec 99999999999999999999 23:59:59 GMT", None),
    "empty": ("", None),
}


@pytest.mark.parametrize(("text", "seconds"), RETRY_AFTER.values(), ids=RETRY_AFTER)
@pytest.mark.parametrize(("status", "error"), [(429, RateLimitedError), (503, TransientError)])
async def test_retry_after_is_handed_on(
    http: HttpExecutor, server: HttpServer, status: int, error: type[Exception], text: str, seconds: float | None
) -> None:
    server.on("GET /it", says("slow down", status, {"Retry-After": text}))
    with pytest.raises(error) as failure:
        await http.execute(run({"url": f"{server.url}/it"}))
    assert failure_of(failure.value).retry_after == seconds


async def test_too_many_requests_is_a_rate_limit_whatever_else_is_configured(
    http: HttpExecutor, server: HttpServer
) -> None:
    server.on("GET /it", says("", 429))
    parameters = {"url": f"{server.url}/it", "retry": {"codes": []}, "success": {"codes": ["4xx"]}}
    with pytest.raises(RateLimitedError) as failure:
        await http.execute(run(parameters))
    assert failure_of(failure.value).retry_class is RetryClass.RATE_LIMITED


LEARNED = {
    "RateLimit": ({"RateLimit-Remaining": "0", "RateLimit-Reset": "30"}, 30.0),
    "X-RateLimit": ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}, 30.0),
    "X-Rate-Limit": ({"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "30"}, 30.0),
    "in small letters": ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "30"}, 30.0),
    "a moment instead of seconds": ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": EPOCH}, 30.0),
    "an hour at most": ({"RateLimit-Remaining": "0", "RateLimit-Reset": "86400"}, 3600.0),
    "one field": ({"RateLimit": "limit=10, remaining=0, reset=30"}, 30.0),
    "one field with room": ({"RateLimit": "limit=10, remaining=3, reset=30"}, 0.0),
    "a list of policies": ({"RateLimit": '"burst";r=0;t=5, "hourly";r=0;t=30, "daily";r=7;t=900'}, 30.0),
    "a field of nonsense": ({"RateLimit": "remaining, reset;;=,"}, 0.0),
    "something is left": ({"RateLimit-Remaining": "1", "RateLimit-Reset": "30"}, 0.0),
    "it does not say until when": ({"RateLimit-Remaining": "0"}, 0.0),
    "it does not say what is left": ({"RateLimit-Reset": "30"}, 0.0),
    "nonsense": ({"RateLimit-Remaining": "none", "RateLimit-Reset": "tomorrow"}, 0.0),
    "not numbers": ({"RateLimit-Remaining": "0", "RateLimit-Reset": "nan"}, 0.0),
    "the past": ({"RateLimit-Remaining": "0", "RateLimit-Reset": "-30"}, 0.0),
}


@pytest.mark.parametrize(("headers", "seconds"), LEARNED.values(), ids=LEARNED)
async def test_the_next_action_waits_until_the_quota_is_renewed(
    http: HttpExecutor, server: HttpServer, headers: dict[str, str], seconds: float
) -> None:
    server.on("GET /it", says(None, headers=headers))
    one = run({"url": f"{server.url}/it"})
    assert await closed_for(http, one) == 0.0
    await http.execute(one)
    assert await closed_for(http, one) == seconds
    assert await closed_for(http, later(one, seconds)) == 0.0


async def test_an_error_teaches_the_limit_too(http: HttpExecutor, server: HttpServer) -> None:
    server.on("GET /it", says("", 429, {"RateLimit-Remaining": "0", "RateLimit-Reset": "9"}))
    one = run({"url": f"{server.url}/it"})
    with pytest.raises(RateLimitedError):
        await http.execute(one)
    assert await closed_for(http, later(one, 4)) == 5.0


async def test_a_target_that_asks_to_wait_is_left_alone_by_the_next_ones_too(
    http: HttpExecutor, server: HttpServer
) -> None:
    server.on("GET /it", says("", 429, {"Retry-After": "9"}))
    one = run({"url": f"{server.url}/it"})
    with pytest.raises(RateLimitedError):
        await http.execute(one)
    assert await closed_for(http, later(one, 4)) == 5.0


def authed(key: str) -> dict[str, Any]:
    return {"auth": {"bearerSecretKeyRef": {"name": "target", "key": key}}}


async def test_a_quota_belongs_to_the_target_and_to_who_asks(http: HttpExecutor, server: HttpServer) -> None:
    server.on("GET /it", says(None, headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "30"}))
    url = {"url": f"{server.url}/it"}
    await http.execute(run(url | authed("a"), secrets={"target/a": "1"}))
    assert await closed_for(http, run(url | authed("a"))) == 30.0
    assert await closed_for(http, run({"url": f"{server.url}/other"} | authed("a"))) == 30.0
    assert await closed_for(http, run(url | authed("b"))) == 0.0
    assert await closed_for(http, run(url)) == 0.0
    assert await closed_for(http, run(url | authed("a"), namespace="other-team")) == 0.0
    assert await closed_for(http, run({"url": "http://elsewhere.example/"} | authed("a"))) == 0.0


async def test_targets_that_a_template_names_are_told_apart(http: HttpExecutor, server: HttpServer) -> None:
    server.on("GET /it", says(None, headers={"RateLimit-Remaining": "0", "RateLimit-Reset": "30"}))
    config = {"url": "{{ parameters.url }}"}
    one = run({"url": f"{server.url}/it"}, config=config)
    await http.execute(one)
    assert await closed_for(http, one) == 30.0
    assert await closed_for(http, run({"url": "http://elsewhere.example/"}, config=config)) == 0.0
