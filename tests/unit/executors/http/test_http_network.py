"""The way to the target: addresses that may not be reached, redirects, slow servers."""

from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest

from support.runs import run, toolbox
from taskaction.executors.http import HttpExecutor
from taskaction.executors.http.redirects import origin
from taskaction.lifecycle.outcomes import Succeeded
from taskaction.plugin.addresses import AddressPolicy
from taskaction.plugin.errors import ActionExecutionError, AddressDeniedError, InvalidParametersError, TransientError
from taskaction.testing.targets import Handler, HttpServer, hangs, hangs_up, redirects, says, trickles

AUTH = {"bearerSecretKeyRef": {"name": "target", "key": "token"}}
SECRETS = {"target/token": "t0ken"}


@pytest.fixture
async def guarded() -> AsyncIterator[HttpExecutor]:
    """The executor as it is where the platform allows nothing."""
    executor = HttpExecutor.build(toolbox(addresses=AddressPolicy()))
    yield executor
    await executor.close()


@pytest.fixture
async def elsewhere() -> AsyncIterator[HttpServer]:
    """A second target."""
    async with HttpServer() as serving:
        yield serving


# -- addresses ---------------------------------------------------------------------------------------------------------

WAYS_TO_WRITE_LOOPBACK = [
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "localhost",
    "LOCALHOST",
]


@pytest.mark.parametrize("host", WAYS_TO_WRITE_LOOPBACK)
async def test_a_denied_address_is_not_reached_however_it_is_written(
    guarded: HttpExecutor, server: HttpServer, host: str
) -> None:
    with pytest.raises(AddressDeniedError, match="TASKACTION_HTTP_ALLOWED_CIDRS"):
        await guarded.execute(run({"url": f"http://{host}:{server.port}/it"}))
    assert not server.seen


async def test_a_name_is_judged_by_the_addresses_that_it_answers_with(server: HttpServer) -> None:
    server.on("GET /it", says(1))
    allowed = AddressPolicy((ip_network("127.0.0.0/8"), ip_network("::1")))
    executor = HttpExecutor.build(toolbox(addresses=allowed))
    outcome = await executor.execute(run({"url": f"http://localhost:{server.port}/it"}))
    await executor.close()
    assert isinstance(outcome, Succeeded)


async def test_an_address_in_an_old_form_is_the_users_mistake_where_it_is_allowed(
    http: HttpExecutor, server: HttpServer
) -> None:
    with pytest.raises(InvalidParametersError, match="not a canonical IPv4 address"):
        await http.execute(run({"url": f"http://127.1:{server.port}/it"}))


@pytest.mark.parametrize("where", ["169.254.169.254", "[fd00:ec2::254]", "10.0.0.1", "[::ffff:169.254.169.254]"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_a_denied_address_is_not_followed(
    http: HttpExecutor, server: HttpServer, status: int, where: str
) -> None:
    server.on("GET /it", redirects(f"http://{where}/latest/meta-data", status))
    with pytest.raises(AddressDeniedError):
        await http.execute(run({"url": f"{server.url}/it"}))


# -- redirects ---------------------------------------------------------------------------------------------------------


FOLLOWED = [
    *((status, method, method) for status in (301, 302) for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE")),
    (303, "POST", "GET"),
    (303, "PUT", "GET"),
    (303, "HEAD", "HEAD"),
    *((status, method, method) for status in (307, 308) for method in ("GET", "POST", "PUT", "DELETE")),
]


@pytest.mark.parametrize(("status", "method", "followed"), FOLLOWED)
async def test_a_redirect_keeps_the_method_and_body_unless_it_is_a_see_other(
    http: HttpExecutor, server: HttpServer, status: int, method: str, followed: str
) -> None:
    server.on(f"{method} /it", redirects("/there", status))
    server.on(f"{followed} /there", says("arrived"))
    await http.execute(run({"method": method, "url": f"{server.url}/it", "body": "text"}))
    assert [seen.method for seen in server.seen] == [method, followed]
    assert server.seen[1].body == (b"text" if method == followed else b"")


@pytest.mark.parametrize("status", [301, 302])
async def test_a_post_that_would_become_a_get_fails_and_names_the_new_address(
    http: HttpExecutor, server: HttpServer, status: int
) -> None:
    server.on("POST /it", redirects("/there", status))
    with pytest.raises(ActionExecutionError, match=rf"HTTP {status}: redirected to {server.url}/there; .*set url"):
        await http.execute(run({"method": "POST", "url": f"{server.url}/it", "body": "text"}))
    assert len(server.seen) == 1
    ended = await http.execute(run({"method": "POST", "url": f"{server.url}/it", "success": {"codes": [str(status)]}}))
    assert isinstance(ended, Succeeded)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_body_is_not_sent_to_another_origin(
    http: HttpExecutor, server: HttpServer, elsewhere: HttpServer, status: int
) -> None:
    server.on("PUT /it", redirects(f"{elsewhere.url}/there", status))
    with pytest.raises(ActionExecutionError, match=rf"redirected to {elsewhere.url}/there; the body is not sent"):
        await http.execute(run({"method": "PUT", "url": f"{server.url}/it", "body": "text"}))
    assert not elsewhere.seen


async def test_credentials_stay_with_the_target_they_are_for(
    http: HttpExecutor, server: HttpServer, elsewhere: HttpServer
) -> None:
    server.on("GET /it", redirects("/here"))
    server.on("GET /here", redirects(f"{elsewhere.url}/there"))
    elsewhere.on("GET /there", says(None))
    headers = {"Cookie": "a=b", "X-Api-Key": "mine", "Accept": "text/plain"}
    await http.execute(run({"url": f"{server.url}/it", "auth": AUTH, "headers": headers}, secrets=SECRETS))
    assert [seen.headers.get("authorization") for seen in server.seen] == ["Bearer t0ken", "Bearer t0ken"]
    (there,) = elsewhere.seen
    assert not {"authorization", "cookie", "x-api-key"} & set(there.headers)
    assert there.headers["accept"] == "text/plain"


async def test_a_secret_header_of_any_name_stays_there_too(
    http: HttpExecutor, server: HttpServer, elsewhere: HttpServer
) -> None:
    server.on("GET /it", redirects(f"{elsewhere.url}/there"))
    elsewhere.on("GET /there", says(None))
    auth = {"header": {"name": "X-Api-Key", "secretKeyRef": {"name": "target", "key": "token"}}}
    await http.execute(run({"url": f"{server.url}/it", "auth": auth}, secrets=SECRETS))
    assert "x-api-key" not in elsewhere.seen[0].headers


@pytest.mark.parametrize(
    ("one", "two", "same"),
    [
        ("https://a.example/x", "https://a.example/y?z", True),
        ("https://a.example/", "https://A.example:443/", True),
        ("https://a.example/", "http://a.example/", False),
        ("https://a.example/", "https://b.example/", False),
        ("https://a.example/", "https://a.example:8443/", False),
    ],
    ids=["another path", "the usual port", "no longer encrypted", "another host", "another port"],
)
def test_credentials_belong_to_scheme_host_and_port(one: str, two: str, same: bool) -> None:
    assert (origin(one) == origin(two)) is same


async def test_a_circle_of_redirects_ends(http: HttpExecutor, server: HttpServer) -> None:
    server.on("GET /it", redirects("/it"))
    with pytest.raises(ActionExecutionError, match="more than 5 redirects"):
        await http.execute(run({"url": f"{server.url}/it"}))
    assert len(server.seen) == 6


@pytest.mark.parametrize("where", ["http://[::1", "ftp://127.0.0.1/", "javascript:alert(1)", "https:///it"])
async def test_a_redirect_to_nowhere_is_the_actions_failure(http: HttpExecutor, server: HttpServer, where: str) -> None:
    server.on("GET /it", redirects(where))
    with pytest.raises(ActionExecutionError, match="invalid redirect"):
        await http.execute(run({"url": f"{server.url}/it"}))


# -- slow, or not there ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [hangs, trickles], ids=["no answer", "an answer without end"])
async def test_a_slow_server_is_left_after_the_timeout(http: HttpExecutor, server: HttpServer, answer: Handler) -> None:
    server.on("GET /it", answer)
    with pytest.raises(TransientError, match=r"no response from 127\.0\.0\.1 within 0\.2s") as failure:
        await http.execute(run({"url": f"{server.url}/it", "timeout": "200ms"}))
    assert failure.value.code == "Timeout"


async def test_a_denied_redirect_names_only_what_the_user_wrote(http: HttpExecutor, server: HttpServer) -> None:
    server.on("GET /it", redirects("http://10.1.2.3/there"))
    with pytest.raises(AddressDeniedError, match=r"^a redirect of 127\.0\.0\.1 is in a range") as refusal:
        await http.execute(run({"url": f"{server.url}/it"}))
    assert "10.1.2.3" not in str(refusal.value)


async def test_a_refused_connection_shows_no_address_but_the_users(http: HttpExecutor) -> None:
    async with HttpServer() as gone:
        url = gone.url
    with pytest.raises(TransientError) as failure:
        await http.execute(run({"url": url}))
    assert str(failure.value) == "no response from 127.0.0.1: ClientConnectorError: Connection refused"


async def test_nobody_at_the_port_is_the_platforms_failure(http: HttpExecutor) -> None:
    async with HttpServer() as gone:
        url = gone.url
    with pytest.raises(TransientError, match=r"no response from 127\.0\.0\.1: ClientConnectorError") as failure:
        await http.execute(run({"url": url}))
    assert failure.value.code == "ConnectionFailed"


async def test_what_may_have_happened_is_not_sent_again_behind_the_actions_back(
    http: HttpExecutor, server: HttpServer
) -> None:
    server.on("POST /it", hangs_up)
    with pytest.raises(TransientError):
        await http.execute(run({"method": "POST", "url": f"{server.url}/it"}))
    assert len(server.seen) == 1
