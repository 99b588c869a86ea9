"""Whom the service believes, and for how long: an answer of the API server is good for seconds, a failure for none."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError

from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.reviews import KEPT_SECONDS, Caller
from taskaction.integrations.flyte.service.access import AccessReviewer
from taskaction.testing.clock import FakeClock

GOOD = {"authorization": "Bearer good"}
ADA = Caller("ada", "uid", ["people"])


class Reviews:
    """An API server that reviews tokens and rights, as it is told to."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.token: dict[str, Any] = {"authenticated": True, "user": {"username": "ada", "groups": ["people"]}}
        self.allowed = True
        self.is_there = True

    async def create(self, resource: Any, body: dict[str, Any]) -> dict[str, Any]:
        """Answer a review."""
        self.asked[resource.plural] += 1
        self.last = body["spec"]
        await asyncio.sleep(0)
        if not self.is_there:
            raise UnavailableError("gone")
        return {"status": self.token if resource.plural == "tokenreviews" else {"allowed": self.allowed}}


@pytest.fixture
def reviews() -> Reviews:
    return Reviews()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def gate(reviews: Reviews, clock: FakeClock) -> AccessReviewer:
    return AccessReviewer(reviews, clock, [])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Basic YTpi"},
        {"authorization": "Bearer "},
        {"authorization": "good"},
    ],
)
async def test_who_shows_no_token_is_told_so_and_nobody_is_asked(gate, reviews, headers):
    with pytest.raises(ConnectError, match="Authorization: Bearer") as refused:
        await gate.authenticate(headers)
    assert refused.value.code == Code.UNAUTHENTICATED
    assert not reviews.asked


@pytest.mark.parametrize("headers", [GOOD, {"flyte-authorization": "bearer good"}])
async def test_a_token_is_believed_for_seconds_and_no_longer(gate, reviews, clock, headers):
    assert (await gate.authenticate(headers)).name == "ada"
    reviews.token = {"authenticated": False}
    await clock.advance(KEPT_SECONDS - 0.1)
    assert (await gate.authenticate(headers)).groups == ("people",)
    await clock.advance(0.1)
    with pytest.raises(ConnectError, match="expired") as refused:
        await gate.authenticate(headers)
    assert refused.value.code == Code.UNAUTHENTICATED


async def test_many_calls_of_one_caller_are_one_question(gate, reviews):
    found = await asyncio.gather(*(gate.authenticate(GOOD) for _ in range(50)))
    await asyncio.gather(*(gate.authorize(one, "create", "flyte") for one in found))
    assert reviews.asked == {"tokenreviews": 1, "subjectaccessreviews": 1}


async def test_a_caller_who_goes_away_takes_no_answer_from_others(gate):
    first, second = (asyncio.create_task(gate.authenticate(GOOD)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).name == "ada"


async def test_a_question_that_was_not_answered_is_asked_again(gate, reviews):
    reviews.is_there = False
    with pytest.raises(UnavailableError):
        await gate.authenticate(GOOD)
    reviews.is_there = True
    assert (await gate.authenticate(GOOD)).name == "ada"


async def test_a_right_is_asked_for_by_verb_and_namespace(gate, reviews):
    await gate.authorize(ADA, "abort", "flyte")
    assert reviews.last == {
        "user": "ada",
        "uid": "uid",
        "groups": ["people"],
        "extra": {},
        "resourceAttributes": {
            "namespace": "flyte",
            "verb": "abort",
            "group": "taskaction.dev",
            "resource": "taskactions",
        },
    }
    reviews.allowed = False
    await gate.authorize(ADA, "abort", "flyte")
    with pytest.raises(ConnectError, match="ada may not signal") as refused:
        await gate.authorize(ADA, "signal", "flyte")
    assert refused.value.code == Code.PERMISSION_DENIED
    with pytest.raises(ConnectError, match="in namespace 'other'"):
        await gate.authorize(ADA, "abort", "other")


async def test_what_the_authenticator_says_besides_goes_on_to_the_authorizer(gate, reviews):
    said = {"example.com/scopes": ["read", "write"], "authentication.kubernetes.io/pod-name": ["a"]}
    reviews.token["user"] = {"username": "ada", "extra": said}
    await gate.authorize(await gate.authenticate(GOOD), "abort", "flyte")
    assert reviews.last["extra"] == said
    reviews.allowed = False
    with pytest.raises(ConnectError):
        await gate.authorize(Caller("ada", extra={"example.com/scopes": ["read"]}), "abort", "flyte")


async def test_an_account_is_used_by_itself_and_by_who_may_impersonate_it(gate, reviews):
    reviews.allowed = False
    await gate.authorize_account(Caller("system:serviceaccount:flyte:runner"), "runner", "flyte")
    for caller in (ADA, Caller("system:serviceaccount:other:runner")):
        with pytest.raises(ConnectError, match="not impersonate it"):
            await gate.authorize_account(caller, "runner", "flyte")
    assert reviews.last["resourceAttributes"]["name"] == "runner"


@pytest.mark.parametrize(("given", "is_good"), [(["actions"], True), (["https://kubernetes"], False), ([], False)])
async def test_a_token_for_somebody_else_is_none(reviews, clock, given, is_good):
    gate = AccessReviewer(reviews, clock, ["actions"])
    reviews.token["audiences"] = given
    if is_good:
        assert (await gate.authenticate(GOOD)).name == "ada"
    else:
        with pytest.raises(ConnectError, match="not accepted"):
            await gate.authenticate(GOOD)
    assert reviews.last == {"token": "good", "audiences": ["actions"]}
