"""What the API server says besides its answer: warnings, fields that it does not know, accounts that do not exist."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientSession, web

from taskaction.cluster.errors import ForbiddenError, InvalidError, MissingAccountError
from taskaction.cluster.gateway import PODS, Body
from taskaction.cluster.http_pool import HttpPool
from taskaction.cluster.responses import warning_texts
from taskaction.cluster.rest import FinishedRequest, RestCluster

USER = "system:serviceaccount:team-a:runner"
POD: Body = {"metadata": {"name": "p", "namespace": "team-a"}}


@dataclass
class ApiServer:
    """An API server with one answer to writes; ``account`` is its code for ServiceAccounts."""

    code: int = 200
    message: str = ""
    account: int = 200
    warnings: tuple[str, ...] = ()
    asked: list[web.BaseRequest] = field(default_factory=list)
    requests: list[FinishedRequest] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        self.asked.append(request)
        code = self.account if "serviceaccounts" in request.path else 200 if request.path == "/readyz" else self.code
        response = web.json_response({"kind": "Status", "message": self.message, "metadata": {}}, status=code)
        for text in self.warnings:
            response.headers.add("Warning", text)
        return response

    @asynccontextmanager
    async def cluster(self) -> AsyncIterator[RestCluster]:
        runner = web.ServerRunner(web.Server(self.answer))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        pool = HttpPool(f"http://{host}:{port}", tls=None)
        async with aclosing(pool), ClientSession() as session:
            yield RestCluster(f"http://{host}:{port}", pool, session, self.requests.append)
        await runner.cleanup()


WRITES: dict[str, Callable[[RestCluster], object]] = {
    "create": lambda cluster: cluster.create(PODS, POD, "team-a"),
    "check_create": lambda cluster: cluster.check_create(PODS, POD, "team-a"),
    "replace": lambda cluster: cluster.replace(PODS, POD),
    "patch": lambda cluster: cluster.patch(PODS, "p", "team-a", []),
}


@pytest.mark.parametrize("write", WRITES)
async def test_writes_of_what_people_wrote_are_strict(write: str) -> None:
    server = ApiServer()
    async with server.cluster() as cluster:
        await WRITES[write](cluster)  # type: ignore[misc]
        await cluster.replace_status(PODS, POD)
    assert [request.query.get("fieldValidation") for request in server.asked] == ["Strict", None]


async def test_an_unknown_field_is_named_with_the_remedy() -> None:
    said = 'Pod in version "v1" cannot be handled as a Pod: strict decoding error: unknown field "spec.x"'
    async with ApiServer(code=400, message=said).cluster() as cluster:
        with pytest.raises(InvalidError, match=r'unknown field "spec.x"; correct the spelling or remove the field$'):
            await cluster.create(PODS, POD, "team-a")


async def test_warnings_are_observed() -> None:
    server = ApiServer(warnings=('299 - "would violate \\"restricted\\""', '299 - "deprecated"', "nonsense"))
    async with server.cluster() as cluster:
        await cluster.create(PODS, POD, "team-a")
    assert server.requests[0].warnings == ('would violate "restricted"', "deprecated")
    assert warning_texts(()) == ()


@pytest.mark.parametrize(
    ("account", "user", "missing"),
    [(404, USER, True), (200, USER, False), (403, USER, False), (404, "ada", False), (404, None, False)],
)
async def test_only_an_account_that_does_not_exist_is_called_missing(
    account: int, user: str | None, missing: bool
) -> None:
    async with ApiServer(code=403, message="no", account=account).cluster() as cluster:
        with pytest.raises(ForbiddenError) as refused:
            await cluster.create(PODS, POD, "team-a", as_user=user)
    assert isinstance(refused.value, MissingAccountError) is missing
    if missing:
        assert "ServiceAccount 'runner' does not exist in namespace 'team-a'" in str(refused.value)
