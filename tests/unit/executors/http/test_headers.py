"""Headers that users may set, and connections that are shared by nobody else."""

import asyncio
from typing import Any

import pytest

from support.runs import run, toolbox
from taskaction.executors.http import HttpExecutor
from taskaction.executors.http.connections import OPEN_CONNECTIONS, ConnectionPools
from taskaction.executors.http.headers import check_header_name, check_headers, merge_headers
from taskaction.executors.http.model import HttpModel
from taskaction.executors.http.request import PreparedRequest
from taskaction.plugin.errors import InvalidParametersError
from taskaction.plugin.json_schema import model_problem
from taskaction.testing.targets import HttpServer, says

CLIENTS_OWN = [
    "Connection",
    "Content-Length",
    "Expect",
    "HTTP2-Settings",
    "Host",
    "Keep-Alive",
    "Proxy-Authorization",
    "Proxy-Connection",
    "TE",
    "Trailer",
    "Transfer-Encoding",
    "Upgrade",
]
NOT_A_NAME = ["", " ", "X Y", "X:", "X\r\nY", "Transfer-Encoding ", "\tX", "Ä", "X(", "X\0"]


@pytest.mark.parametrize("name", [*CLIENTS_OWN, *NOT_A_NAME])
def test_a_header_that_only_the_client_sets_is_refused(name: str) -> None:
    for spelling in (name, name.lower(), name.upper(), name.replace("-", "_")):
        with pytest.raises(ValueError, match="header"):
            check_header_name(spelling)


@pytest.mark.parametrize(
    "name", ["X-Api-Key", "Content-Type", "Accept-Encoding", "TEST", "Hosts", "x_y", "~!#$%&'*+.^`|"]
)
def test_any_other_token_is_a_header(name: str) -> None:
    assert check_header_name(name) == name


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\0", "\x1b[2J", "\x7f", "a\x0bb", "\ud800"])
def test_control_characters_are_refused_in_values(value: str) -> None:
    with pytest.raises(ValueError, match="'X': must not contain a line break or another control character"):
        check_headers({"X": value})
    check_headers({"X": "a\tb ü"})


def test_a_header_given_twice_is_refused_and_a_later_group_replaces() -> None:
    with pytest.raises(ValueError, match="given twice"):
        check_headers({"X-A": "1", "x-a": "2"})
    assert merge_headers({"authorization": "mine"}, {"Authorization": "secret"}) == {"Authorization": "secret"}


FIELDS: dict[str, dict[str, Any]] = {
    "headers": {"headers": {"Transfer-Encoding": "chunked"}},
    "idempotencyHeader": {"idempotencyHeader": "Content-Length"},
    "fencingHeader": {"fencingHeader": "Host"},
    "auth.header": {"auth": {"header": {"name": "Connection", "secretKeyRef": {"name": "a", "key": "b"}}}},
    "cancel.headers": {"cancel": {"url": "http://a/", "headers": {"TE": "trailers"}}},
    "method": {"method": "CONNECT"},
}


@pytest.mark.parametrize(("field", "wrong"), FIELDS.items(), ids=FIELDS)
def test_every_field_that_names_a_header_or_method_is_checked(field: str, wrong: dict[str, Any]) -> None:
    problem = model_problem(HttpModel, {"url": "http://a/"} | wrong, "config")
    assert problem is not None
    assert problem.startswith(f"config.{field}")


def test_no_caller_can_go_around_the_check() -> None:
    good: dict[str, Any] = {"namespace": "a", "url": "http://a/", "body": None, "timeout": 1.0}
    with pytest.raises(InvalidParametersError, match="Transfer-Encoding"):
        PreparedRequest(method="GET", headers={"Transfer-Encoding": "chunked"}, **good)
    with pytest.raises(InvalidParametersError, match="TRACE is not allowed"):
        PreparedRequest(method="TRACE", headers={}, **good)


# -- connections -------------------------------------------------------------------------------------------------------


def request(namespace: str = "a", url: str = "http://a/", **headers: str) -> PreparedRequest:
    return PreparedRequest(namespace=namespace, method="GET", url=url, headers=headers, body=None, timeout=1.0)


def test_connections_belong_to_a_namespace_and_its_credentials() -> None:
    others = [
        request(),
        request("b"),
        request(url="http://user:word@a/"),
        request(Authorization="Bearer x"),
        request(Authorization="Bearer y"),
        request(Cookie="x"),
        request(**{"X-Api-Key": "x"}),
    ]
    assert len({one.connection_key for one in others}) == len(others)
    assert request(url="http://a/x", Accept="*/*").connection_key == request(url="http://a/y").connection_key


async def test_connections_are_reused_by_the_same_and_by_nobody_else(server: HttpServer) -> None:
    http = HttpExecutor.build(toolbox())
    server.on("GET /it", says(1))
    auth = {"bearerSecretKeyRef": {"name": "target", "key": "token"}}
    for namespace, secret in [("a", "x" * 9), ("a", "x" * 9), ("b", "x" * 9), ("a", "y" * 9)]:
        one = run({"url": f"{server.url}/it", "auth": auth}, namespace=namespace, secrets={"target/token": secret})
        await http.execute(one)
    await http.close()
    ports = [seen.client_port for seen in server.seen]
    assert ports[0] == ports[1]
    assert len(set(ports)) == 3


async def test_a_connection_whose_content_the_target_may_not_have_read_is_closed(server: HttpServer) -> None:
    http = HttpExecutor.build(toolbox())
    server.on("GET /it", says(1))
    for _ in range(2):
        await http.execute(run({"url": f"{server.url}/it", "body": "GET /stolen HTTP/1.1"}))
    await http.close()
    assert server.seen[0].client_port != server.seen[1].client_port


class Session:
    """Session that only says whether it is closed."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    async def close(self) -> None:
        self.ended.set()

    @property
    def closed(self) -> bool:
        return self.ended.is_set()


async def test_pools_are_bounded_and_closed_when_idle() -> None:
    opened: list[Session] = []

    def open_session() -> Any:
        opened.append(Session())
        return opened[-1]

    pools = ConnectionPools(open_session)
    for number in range(OPEN_CONNECTIONS + 3):
        async with pools.session(str(number)):
            assert pools.connections <= OPEN_CONNECTIONS
    await asyncio.sleep(0)
    assert [session.closed for session in opened[:4]] == [True, True, True, False]
    await pools.close()
    assert all(session.closed for session in opened)
    assert pools.connections == 0


async def test_a_pool_in_use_is_kept_and_an_idle_one_is_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskaction.executors.http.connections.IDLE_SECONDS", 0.0)
    session: Any = Session()
    pools = ConnectionPools(lambda: session)
    async with pools.session("a"), asyncio.timeout(10):
        async with pools.session("a"):
            pass
        await asyncio.sleep(0.01)
        assert not session.closed
    await asyncio.wait_for(session.ended.wait(), 10)
    assert pools.connections == 0
