"""What a client is told while a ResourceQuota of the namespace is used up: retry, unless that would block it."""

from collections.abc import AsyncIterator

import pytest
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_connect import ActionsServiceClient
from flyteidl2.actions.actions_service_pb2 import EnqueueRequest

from support.actions_in_memory import Served, served
from support.actions_services import task, trace
from taskaction.cluster.errors import QuotaReachedError
from taskaction.cluster.gateway import Body, Resource

REQUESTS = {
    "an action that exists": (task("run"), Code.ALREADY_EXISTS, "action 'a0' already exists"),
    "another action": (task("other"), Code.RESOURCE_EXHAUSTED, "exceeded quota: small"),
    "a trace": (trace("run", "step"), Code.INVALID_ARGUMENT, "there is no room for the trace: exceeded quota: small"),
}


@pytest.fixture
async def full() -> AsyncIterator[Served]:
    """A service with one action, in a namespace in which nothing else can be created."""

    def refuse(resource: Resource, body: Body, stored: Body | None) -> Body:
        raise QuotaReachedError("exceeded quota: small")

    async with served() as found, ActionsServiceClient(found.url) as client:
        await client.enqueue(task("run"))
        found.cluster._check = refuse
        yield found


@pytest.mark.parametrize(("request_sent", "code", "message"), REQUESTS.values(), ids=REQUESTS)
async def test_a_quota_that_is_used_up_is_answered_by_what_the_client_should_do(
    full: Served, request_sent: EnqueueRequest, code: Code, message: str
) -> None:
    async with ActionsServiceClient(full.url) as client:
        with pytest.raises(ConnectError, match=message) as refused:
            await client.enqueue(request_sent)
    assert refused.value.code == code
