"""What is repeated, after which pause, and which response becomes which error; connection and clock are fakes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from taskaction_client.changes import ChangeCursor
from taskaction_client.collection import Collection
from taskaction_client.connection import Response
from taskaction_client.credentials import Credentials
from taskaction_client.errors import (
    AlreadyExistsError,
    ApiError,
    ConfigurationError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ThrottledError,
    UnauthorizedError,
    UnavailableError,
    error_from_response,
)
from taskaction_client.following import follow_changes
from taskaction_client.kubeconfig import Account
from taskaction_client.objects import Action
from taskaction_client.transport import Transport, retry_delay


def refusal(code: int, reason: str = "", message: str = "no", **headers: str) -> Response:
    content = json.dumps({"kind": "Status", "code": code, "reason": reason, "message": message}).encode()
    return Response(code, {name.replace("_", "-"): text for name, text in headers.items()}, content)


def success(**body: Any) -> Response:
    return Response(200, {}, json.dumps(body).encode())


class FakeConnection:
    """Answers in turn with what a test lists: a response, the chunks of a watch, or an error to raise."""

    def __init__(self, *answers: Response | list[bytes] | AsyncIterator[bytes] | Exception) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, str, dict[str, str]]] = []

    async def request(self, method: str, path: str, data: bytes | None, query: Any, headers: Any) -> Response:
        self.requests.append((method, path, dict(headers)))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Response)
        return answer

    @asynccontextmanager
    async def stream(self, path: str, query: Any, headers: Any, silence: float) -> AsyncIterator[Any]:
        self.requests.append(("WATCH", query["resourceVersion"], dict(headers)))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Response):
            yield answer
        else:
            yield chunks(answer) if isinstance(answer, list) else answer


async def chunks(parts: list[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


class Clock:
    """Time that passes only in pauses."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def transport(connection: FakeConnection, clock: Clock, token: str = "t") -> Transport:
    made = Transport(
        Credentials(Account(server="http://server", token=token)),
        connections=2,
        retry_for=60,
        sleep=clock.sleep,
        monotonic=lambda: clock.now,
    )
    made._open_connection = connection  # type: ignore[assignment]
    return made


async def test_a_request_is_repeated_until_there_is_a_useful_response() -> None:
    broken = [UnavailableError("broken"), refusal(503), Response(200, {}, b"<html>"), Response(200, {}, b"[]")]
    connection, clock = FakeConnection(*broken, success(a=1)), Clock()
    assert await transport(connection, clock).send("POST", "/x", {"b": 2}) == {"a": 1}
    assert len(connection.requests) == 5
    assert clock.pauses == sorted(clock.pauses)
    assert connection.requests[0][2] == {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Authorization": "Bearer t",
    }


async def test_the_client_waits_as_long_as_a_throttling_server_asks() -> None:
    connection, clock = FakeConnection(refusal(429, Retry_After="7"), success()), Clock()
    await transport(connection, clock).send("POST", "/x", {})
    assert clock.pauses == [7.0]


async def test_a_request_is_given_up_when_its_repetitions_have_lasted_too_long() -> None:
    connection, clock = FakeConnection(*[refusal(503, message="down")] * 100), Clock()
    with pytest.raises(UnavailableError, match="down"):
        await transport(connection, clock).send("GET", "/x")
    assert 50 < clock.now <= 60


async def test_refused_credentials_are_loaded_again_once() -> None:
    connection, clock = FakeConnection(refusal(401), success(), refusal(401), refusal(401)), Clock()
    made = transport(connection, clock)
    await made.send("GET", "/x")
    with pytest.raises(UnauthorizedError):
        await made.send("GET", "/x")
    assert clock.pauses == []


async def test_a_refusal_is_not_repeated() -> None:
    connection = FakeConnection(refusal(422, "Invalid", "spec.x: unknown"))
    with pytest.raises(InvalidError, match=r"spec\.x: unknown") as caught:
        await transport(connection, Clock()).send("POST", "/x", {})
    assert (caught.value.status, caught.value.reason) == (422, "Invalid")


async def test_a_redirect_is_not_followed_and_not_repeated() -> None:
    connection, clock = FakeConnection(Response(302, {"Location": "https://login"}, b"<html>")), Clock()
    with pytest.raises(InvalidError, match="redirects to https://login: check the server"):
        await transport(connection, clock).send("GET", "/x")
    assert clock.pauses == []


@pytest.mark.parametrize(
    ("namespace", "name"), [("", "a"), ("n", ""), ("..", "a"), ("n", "a/b"), ("n", "a?watch=true")]
)
async def test_a_name_that_would_change_the_path_is_not_sent(namespace: str, name: str) -> None:
    connection = FakeConnection()
    actions: Collection[Action, Any] = Collection(transport(connection, Clock()), Action, "n")
    with pytest.raises(InvalidError, match="invalid value"):
        await actions.within(namespace).get(name)
    assert connection.requests == []


async def test_a_client_that_is_not_open_says_how_to_open_it() -> None:
    made = Transport(Credentials(Account(server="http://server")), connections=1, retry_for=1)
    with pytest.raises(ConfigurationError, match="async with Client"):
        await made.send("GET", "/x")


async def test_a_list_is_read_page_by_page() -> None:
    first = success(items=[{"a": 1}], metadata={"resourceVersion": "5", "continue": "next"})
    last = success(items=[{"a": 2}], metadata={"resourceVersion": "5"})
    found = await transport(FakeConnection(first, last), Clock()).list_all("/x", {})
    assert found == ([{"a": 1}, {"a": 2}], "5")


@pytest.mark.parametrize(
    ("code", "reason", "message", "expected"),
    [
        (400, "BadRequest", "strict decoding error", InvalidError),
        (401, "Unauthorized", "", UnauthorizedError),
        (403, "Forbidden", "", ForbiddenError),
        (404, "NotFound", "", NotFoundError),
        (409, "AlreadyExists", "", AlreadyExistsError),
        (409, "Conflict", "", ConflictError),
        (410, "Expired", "", ExpiredError),
        (413, "", "", InvalidError),
        (429, "TooManyRequests", "", ThrottledError),
        (500, "InternalError", "etcdserver: request is too large", InvalidError),
        (500, "InternalError", "webhook failed", UnavailableError),
        (504, "Timeout", "", UnavailableError),
    ],
)
def test_each_status_has_its_error(code: int, reason: str, message: str, expected: type[ApiError]) -> None:
    answer = refusal(code, reason, message)
    assert type(error_from_response(code, answer.content, answer.headers)) is expected


@pytest.mark.parametrize(
    ("failures", "least", "most"), [(1, 0.05, 0.1), (3, 0.2, 0.4), (9, 2.5, 5.0), (5000, 2.5, 5.0)]
)
def test_pauses_grow_to_a_bound_and_differ(failures: int, least: float, most: float) -> None:
    assert retry_delay(failures, None, 1.0) == pytest.approx(least)
    assert retry_delay(failures, None, 0.0) == pytest.approx(most)
    assert retry_delay(failures, 30.0, 0.5) == 30.0


def event(version: int, kind: str = "MODIFIED") -> bytes:
    found = {"metadata": {"name": "a", "uid": "u", "resourceVersion": str(version)}, "spec": {}}
    return json.dumps({"type": kind, "object": found}).encode() + b"\n"


async def test_changes_continue_over_cuts_silence_expiry_and_empty_watches() -> None:
    expired = json.dumps({"type": "ERROR", "object": {"code": 410, "message": "old"}}).encode() + b"\n"
    present = {"metadata": {"name": "a", "uid": "u", "resourceVersion": "9"}, "spec": {}}
    connection = FakeConnection(
        [event(2), event(3)[:20]],
        UnavailableError("silent"),
        [],
        [event(3), expired],
        success(items=[present], metadata={"resourceVersion": "9"}),
        refusal(500),
        [event(10, "DELETED")],
    )
    clock, seen = Clock(), []
    changes = follow_changes(transport(connection, clock), "/x", {}, ChangeCursor("1"))
    async for change in changes:
        seen.append((change.body["metadata"]["resourceVersion"], change.deleted))
        if change.deleted:
            break
    await changes.aclose()
    assert seen == [("2", False), ("3", False), ("9", False), ("10", True)]
    assert [path for method, path, _ in connection.requests if method == "WATCH"] == ["1", "2", "2", "2", "9", "9"]
    assert len(clock.pauses) == 3


async def test_a_watch_may_be_cut_any_number_of_times_if_it_lasts() -> None:
    clock = Clock()

    async def silent() -> AsyncIterator[bytes]:
        clock.now += 50  # such as the idle timeout of a proxy, shorter than the time between two bookmarks
        raise UnavailableError("cut")
        yield b""

    connection = FakeConnection(*[silent() for _ in range(20)], [event(2, "DELETED")])
    changes = follow_changes(transport(connection, clock), "/x", {}, ChangeCursor("1"))
    assert (await anext(changes)).deleted
    await changes.aclose()
    assert max(clock.pauses) <= 0.1


@pytest.mark.parametrize("version", ["1", None])
async def test_a_server_that_expires_everything_is_not_asked_without_pauses(version: str | None) -> None:
    listed = success(items=[], metadata={"resourceVersion": "9"})
    answers = [refusal(410, "Expired", "too old")] + ([listed, refusal(410)] * 200 if version else [refusal(410)] * 400)
    connection, clock = FakeConnection(*answers), Clock()
    changes = follow_changes(transport(connection, clock), "/x", {}, ChangeCursor(version))
    with pytest.raises(UnavailableError, match="watch of /x: "):
        await anext(changes)
    assert 50 < clock.now <= 60
    assert len(connection.requests) < 80


async def test_a_list_whose_later_page_has_expired_is_read_again_once() -> None:
    first = success(items=[{"a": 1}], metadata={"resourceVersion": "5", "continue": "next"})
    whole = success(items=[{"a": 3}], metadata={"resourceVersion": "7"})
    found = await transport(FakeConnection(first, refusal(410), whole), Clock()).list_all("/x", {})
    assert found == ([{"a": 3}], "7")
    with pytest.raises(ExpiredError):
        await transport(FakeConnection(first, refusal(410), first, refusal(410)), Clock()).list_all("/x", {})


@pytest.mark.parametrize("page", [{}, {"items": None, "metadata": {}}, {"items": [], "metadata": None}])
async def test_what_is_no_list_is_an_error_of_the_client(page: dict[str, Any]) -> None:
    with pytest.raises(UnavailableError, match="GET /x: the response is not a list"):
        await transport(FakeConnection(success(**page)), Clock()).list_all("/x", {})


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
async def test_what_is_not_json_is_invalid_and_not_sent(value: object) -> None:
    connection = FakeConnection()
    with pytest.raises(InvalidError, match="the object is not JSON"):
        await transport(connection, Clock()).send("POST", "/x", {"spec": {"parameters": value}})
    assert connection.requests == []


def test_a_client_may_be_opened_in_one_event_loop_after_the_other() -> None:
    made = transport(FakeConnection(), Clock())

    async def use() -> None:
        await made.open()
        await made.close()
        made._open_connection = SlowConnection()  # type: ignore[assignment]
        await asyncio.gather(*(made.send("GET", "/x") for _ in range(10)))

    asyncio.run(use())
    asyncio.run(use())


class SlowConnection:
    """Answers each request a turn later, so that requests wait for each other."""

    async def request(self, *_: object) -> Response:
        await asyncio.sleep(0)
        return success()


async def test_a_refused_watch_ends_the_changes() -> None:
    changes = follow_changes(transport(FakeConnection(refusal(403)), Clock()), "/x", {}, ChangeCursor("1"))
    with pytest.raises(ForbiddenError):
        await anext(changes)
