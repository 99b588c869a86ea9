"""What arrives at the target: methods, templates in every place, bodies, credentials, keys."""

from base64 import b64encode
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

from support.runs import run, toolbox
from taskaction.executors.http import HttpExecutor
from taskaction.lifecycle.outcomes import Succeeded
from taskaction.plugin.addresses import AddressPolicy, parse_networks
from taskaction.plugin.errors import InvalidParametersError, MissingSourceError
from taskaction.testing.targets import HttpServer, ReceivedRequest, says


async def arrived(http: HttpExecutor, server: HttpServer, request: dict[str, Any], **changes: Any) -> ReceivedRequest:
    """Send ``request``, as a provider's configuration, to /it, and give what the server saw."""
    method = request.get("method", "GET")
    server.on(f"{method} /it", says(None))
    config = {"url": f"{server.url}/it"} | request
    outcome = await http.execute(run(changes.pop("parameters", {}), config=config, **changes))
    assert isinstance(outcome, Succeeded)
    (seen,) = server.seen
    return seen


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "REPORT"])
async def test_the_method_is_the_one_that_was_asked_for(http: HttpExecutor, server: HttpServer, method: str) -> None:
    assert (await arrived(http, server, {"method": method})).method == method


async def test_inline_the_parameters_are_the_request(http: HttpExecutor, server: HttpServer) -> None:
    server.on("POST /echo", says({"got": 1}, 201))
    parameters = {"method": "POST", "url": f"{server.url}/echo", "json": {"name": "{{ action.name }}"}}
    assert await http.execute(run(parameters)) == Succeeded(output={"status": 201, "body": {"got": 1}})
    assert server.seen[0].json == {"name": "one"}
    assert server.seen[0].headers["content-type"] == "application/json"


async def test_templates_are_filled_in_everywhere(http: HttpExecutor, server: HttpServer) -> None:
    server.on("POST /teams/a%2Fb", says(None))
    server.on("POST /teams/a/b", says(None))
    config = {
        "method": "POST",
        "url": f"{server.url}/teams/{{{{ parameters.team }}}}",
        "query": {"page": "{{ parameters.page }}", "tag": ["{{ action.namespace }}", "x y"]},
        "headers": {"X-Run": "{{ action.uid }}-{{ attempt }}", "X-Label": "{{ action.labels.app }}"},
        "json": {"{{ parameters.team }}": ["{{ parameters.page }}", "page {{ parameters.page }}"]},
    }
    await http.execute(run({"team": "a/b", "page": 3}, config=config, labels={"app": "web"}))
    (seen,) = server.seen
    assert seen.target == "/teams/a%2Fb?page=3&tag=team&tag=x+y"
    assert (seen.headers["x-run"], seen.headers["x-label"]) == ("uid-1-1", "web")
    assert seen.json == {"a/b": [3, "page 3"]}


HOSTILE = ["../admin", "x?role=admin", "x#", "@evil.example", "x&role=admin", "http://evil.example/", "\r\nHost: evil"]


@pytest.mark.parametrize("value", [*HOSTILE, "%2e%2e", "...", ".%2e/"])
async def test_a_value_cannot_change_the_structure_of_the_url(
    http: HttpExecutor, server: HttpServer, value: str
) -> None:
    url = f"{server.url}/it/{{{{ parameters.id }}}}/show?id={{{{ parameters.id }}}}"
    await http.execute(run({"id": value}, config={"url": url, "success": {"codes": ["404"]}}))
    path, _, query = server.seen[0].target.partition("?")
    assert [unquote(part) for part in path.split("/")] == ["", "it", value, "show"]
    assert parse_qs(query, strict_parsing=True) == {"id": [value]}


@pytest.mark.parametrize(("one", "two"), [("..", ""), (".", ""), ("", ".."), (".", ".")])
async def test_a_value_cannot_climb_up_the_path(http: HttpExecutor, server: HttpServer, one: str, two: str) -> None:
    url = f"{server.url}/it/{{{{ parameters.one }}}}{{{{ parameters.two }}}}/delete"
    with pytest.raises(InvalidParametersError, match="path segment"):
        await http.execute(run({"one": one, "two": two}, config={"url": url}))
    assert not server.seen


async def test_a_query_is_added_to_the_one_in_the_url(http: HttpExecutor, server: HttpServer) -> None:
    seen = await arrived(http, server, {"url": f"{server.url}/it?a=1", "query": {"b": "2"}})
    assert seen.target == "/it?a=1&b=2"


async def test_a_form_is_encoded(http: HttpExecutor, server: HttpServer) -> None:
    seen = await arrived(http, server, {"method": "POST", "form": {"a": "x&y", "b": ["1", "2"]}})
    assert seen.body == b"a=x%26y&b=1&b=2"
    assert seen.headers["content-type"] == "application/x-www-form-urlencoded"


async def test_a_text_body_keeps_its_content_type(http: HttpExecutor, server: HttpServer) -> None:
    request = {"method": "POST", "body": "<a>{{ parameters.x }}</a>", "headers": {"Content-Type": "text/xml"}}
    seen = await arrived(http, server, request, parameters={"x": "ü"})
    assert seen.body.decode() == "<a>ü</a>"
    assert seen.headers["content-type"] == "text/xml"


SECRETS = {"target/token": "t0ken\n", "target/password": "pass:word"}
REF = {"name": "target", "key": "token"}
CREDENTIALS = {
    "bearer": ({"bearerSecretKeyRef": REF}, "authorization", "Bearer t0ken"),
    "basic": (
        {"basic": {"username": "ada", "passwordSecretKeyRef": {"name": "target", "key": "password"}}},
        "authorization",
        "Basic " + b64encode(b"ada:pass:word").decode(),
    ),
    "header": ({"header": {"name": "X-Api-Key", "secretKeyRef": REF}}, "x-api-key", "t0ken"),
}


@pytest.mark.parametrize(("auth", "name", "value"), CREDENTIALS.values(), ids=CREDENTIALS)
async def test_credentials_come_from_secrets(
    http: HttpExecutor, server: HttpServer, auth: dict[str, Any], name: str, value: str
) -> None:
    server.on("GET /it", says(None))
    await http.execute(run(config={"url": f"{server.url}/it", "auth": auth}, secrets=SECRETS))
    assert server.seen[0].headers[name] == value


async def test_a_missing_secret_is_named_and_nothing_is_sent(http: HttpExecutor, server: HttpServer) -> None:
    with pytest.raises(MissingSourceError, match="'target' has no key 'token'"):
        await http.execute(run({"url": f"{server.url}/it", "auth": {"bearerSecretKeyRef": REF}}))
    assert not server.seen


async def test_the_target_is_given_the_key_and_the_fencing_token(http: HttpExecutor, server: HttpServer) -> None:
    request = {"method": "POST", "idempotencyHeader": "Idempotency-Key", "fencingHeader": "X-Fence"}
    seen = await arrived(http, server, request, fencing_token=7, idempotency_key="key-2")
    assert (seen.headers["idempotency-key"], seen.headers["x-fence"]) == ("key-2", "7")


async def test_no_cookie_is_carried_from_one_action_to_the_next(server: HttpServer) -> None:
    server.on("GET /it", says(None, headers={"Set-Cookie": "session=somebody"}))
    http = HttpExecutor.build(toolbox(addresses=AddressPolicy(parse_networks("127.0.0.0/8, ::1"))))
    for _ in range(2):
        await http.execute(run({"url": f"http://localhost:{server.port}/it"}))  # no jar takes cookies from an address
    await http.close()
    assert "cookie" not in server.seen[1].headers


async def test_nothing_is_taken_from_the_environment(
    http: HttpExecutor, server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert (await arrived(http, server, {})).target == "/it"


REFUSED = {
    "unknown template": ({"headers": {"X": "{{ parameters.nobody }}"}}, "'parameters.nobody'"),
    "line break in a header": (
        {"headers": {"X": "{{ parameters.break }}"}},
        "header 'X': must not contain a line break",
    ),
    "line break in a header's name": ({"headers": {"X\nY": "1"}}, "must not contain a line break"),
    "two bodies": ({"json": {}, "body": "x"}, "at most one of json, form and body"),
    "two ways to authenticate": (
        {"auth": {"bearerSecretKeyRef": REF, "header": {"name": "X", "secretKeyRef": REF}}},
        "config.auth: set exactly one of",
    ),
    "not http": ({"url": "file:///etc/passwd"}, "config.url: must begin with http:// or https://"),
    "not http by a template": ({"url": "{{ parameters.file }}"}, "must begin with http:// or https://"),
    "no host": ({"url": "http:///it"}, "name a host"),
    "no port number": ({"url": "http://example.com:99999/"}, "url: "),
    "no port number by a template": ({"url": "{{ parameters.port }}"}, 'url: invalid host or port "h:80token"'),
    "half an address": ({"url": "http://[::1/"}, "url: "),
    "a method in small letters": ({"method": "get"}, "config.method: "),
    "a timeout that would be none": ({"timeout": "0s"}, "timeout: must be longer than 0s"),
    "a misspelt field": ({"uri": "x"}, "config.uri: "),
}


@pytest.mark.parametrize(("request_", "told"), REFUSED.values(), ids=REFUSED)
async def test_a_request_that_cannot_be_is_refused_by_name(
    http: HttpExecutor, server: HttpServer, request_: dict[str, Any], told: str
) -> None:
    parameters = {"break": "a\r\nHost: evil", "file": "file:///etc/passwd", "port": "http://h:80token/"}
    config = {"url": f"{server.url}/it"} | request_
    with pytest.raises(InvalidParametersError) as refusal:
        await http.execute(run(parameters, config=config))
    assert told in str(refusal.value)
    assert not server.seen
