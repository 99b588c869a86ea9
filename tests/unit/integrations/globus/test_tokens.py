"""Which token a provider is sent, how it is got, and that nobody else sees it."""

import asyncio

import pytest

from support.globus_calls import DESCRIPTION, SCOPE, asked, status
from support.runs import guarded, later, run
from taskaction.integrations.globus.executor import GlobusExecutor
from taskaction.integrations.globus.tokens import NoTokenError
from taskaction.lifecycle.outcomes import Failed, Pending
from taskaction.testing.targets import HttpServer, says

GRANT = {"clientId": "me", "clientSecretKeyRef": {"name": "client", "key": "secret"}}


async def test_the_token_of_the_role_and_scope_is_sent(executor: GlobusExecutor, provider: HttpServer) -> None:
    tokens = {
        "User": {"secretKeyRef": {"name": "user", "key": "token"}},
        "Admin": {"scopes": {SCOPE: {"name": "admin", "key": "token"}}},
    }
    secrets = {"user/token": "of-the-user\n", "admin/token": "of-the-admin"}
    for role, token in (("User", "of-the-user"), ("Admin", "of-the-admin")):
        parameters = asked(provider, tokens=tokens, runAs=role).parameters
        await executor.execute(run(parameters, secrets=secrets))
        assert provider.asked("POST /run")[-1].headers["authorization"] == f"Bearer {token}"


async def test_a_role_without_a_token_is_told(executor: GlobusExecutor, provider: HttpServer) -> None:
    tokens = {"User": {"secretKeyRef": {"name": "user", "key": "token"}}}
    with pytest.raises(NoTokenError, match="runAs 'Flow'") as raised:
        await executor.execute(asked(provider, tokens=tokens, runAs="Flow"))
    assert raised.value.code == "NoTokenException"


async def test_client_credentials_are_asked_once_until_they_expire(
    executor: GlobusExecutor, provider: HttpServer
) -> None:
    provider.on("POST /token", says({"access_token": "granted-1", "expires_in": 600, "scope": SCOPE}))
    tokens = {"User": {"clientCredentials": {**GRANT, "tokenUrl": f"{provider.url}/token"}}}
    one = run(asked(provider, tokens=tokens).parameters, secrets={"client/secret": "s3cret"})
    await asyncio.gather(*(executor.execute(one) for _ in range(5)))
    assert len(provider.asked("POST /token")) == 1
    assert provider.asked("POST /token")[0].headers["authorization"].startswith("Basic ")
    assert {seen.headers["authorization"] for seen in provider.asked("POST /run")} == {"Bearer granted-1"}
    await executor.execute(later(one, 541))
    assert len(provider.asked("POST /token")) == 2


async def test_a_refresh_token_gives_the_token_of_the_scope(executor: GlobusExecutor, provider: HttpServer) -> None:
    other = {"access_token": "right", "expires_in": 600, "scope": SCOPE}
    provider.on("POST /token", says({"access_token": "wrong", "scope": "openid", "other_tokens": [other]}))
    refresh = {"clientId": "me", "tokenSecretKeyRef": {"name": "me", "key": "refresh"}}
    tokens = {"User": {"refresh": {**refresh, "tokenUrl": f"{provider.url}/token"}}}
    await executor.execute(run(asked(provider, tokens=tokens).parameters, secrets={"me/refresh": "r3fresh"}))
    assert provider.asked("POST /token")[0].body == b"grant_type=refresh_token&refresh_token=r3fresh&client_id=me"
    assert provider.asked("POST /run")[0].headers["authorization"] == "Bearer right"


async def test_a_refused_token_is_renewed_once(executor: GlobusExecutor, provider: HttpServer) -> None:
    provider.on("POST /token", *(says({"access_token": f"granted-{n}", "scope": SCOPE}) for n in (1, 2)))
    provider.on("POST /run", says({"code": "UnauthorizedRequest"}, 401), says(status("ACTIVE"), 202))
    tokens = {"User": {"clientCredentials": {**GRANT, "tokenUrl": f"{provider.url}/token"}}}
    one = run(asked(provider, tokens=tokens).parameters, secrets={"client/secret": "s3cret"})
    assert isinstance(await executor.execute(one), Pending)
    assert [seen.headers["authorization"] for seen in provider.asked("POST /run")] == [
        "Bearer granted-1",
        "Bearer granted-2",
    ]


async def test_no_message_shows_a_secret(executor: GlobusExecutor, provider: HttpServer) -> None:
    provider.on("POST /run", says({"code": "UnauthorizedRequest", "description": "bad token of-the-user"}, 401))
    tokens = {"User": {"secretKeyRef": {"name": "user", "key": "token"}}}
    one = run(asked(provider, tokens=tokens).parameters, secrets={"user/token": "of-the-user"})
    outcome = await guarded(executor, one).execute()
    assert isinstance(outcome, Failed)
    assert "of-the-user" not in str(outcome)
    assert "[redacted]" in outcome.message


async def test_a_refused_grant_is_no_token(executor: GlobusExecutor, provider: HttpServer) -> None:
    provider.on("POST /token", says({"error": "invalid_grant", "error_description": "s3cret"}, 400))
    tokens = {"User": {"clientCredentials": {**GRANT, "tokenUrl": f"{provider.url}/token"}}}
    one = run(asked(provider, tokens=tokens).parameters, secrets={"client/secret": "s3cret"})
    with pytest.raises(NoTokenError, match=r"HTTP 400 invalid_grant$"):
        await executor.execute(one)


async def test_a_provider_that_only_some_may_see_is_introspected_with_their_token(
    executor: GlobusExecutor, provider: HttpServer
) -> None:
    provider.on("GET /", says({"code": "UnauthorizedRequest"}, 401), says(DESCRIPTION))
    tokens = {"User": {"secretKeyRef": {"name": "user", "key": "token"}}}
    one = run(asked(provider, tokens=tokens).parameters, secrets={"user/token": "of-the-user"})
    assert isinstance(await executor.execute(one), Pending)
    assert [seen.headers.get("authorization") for seen in provider.asked("GET /")] == [None, "Bearer of-the-user"]
