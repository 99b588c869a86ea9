"""Bearer tokens of a role and scope: from a Secret, or by an OAuth grant that is cached until it expires.

Each of the two grants is one form, sent by the same guarded client as every request to an address of a user.
globus-sdk and authlib bring connections of their own and a cryptography library of more than 4 MB.
Tokens are cached in memory only, by a digest of the credentials, so a changed Secret is a new entry.
"""

import asyncio
import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from taskaction.core.names import digest
from taskaction.executors.http.client import GuardedClient
from taskaction.executors.http.model import SecretRef
from taskaction.executors.http.request import PreparedRequest
from taskaction.integrations.globus.model import ClientCredentials, GlobusConfig, Refresh, TokenSource
from taskaction.plugin.base import Run
from taskaction.plugin.errors import ActionError, TransientError
from taskaction.plugin.secrets import Secret

_TIMEOUT_SECONDS = 30.0
_SPARE = timedelta(seconds=60)
_LIFETIME_SECONDS = 3600
_KEPT = 1024
_OK = 200
_TOO_MANY = 429
_SERVER_ERRORS = 500


class NoTokenError(ActionError):
    """No token exists for the role and scope, and none can be requested; the code is that of Globus Flows."""

    CODE = "NoTokenException"
    RETRY_CLASS = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Bearer token; ``renewable`` is whether another one can be requested after a refusal."""

    text: Secret
    renewable: bool


@dataclass(frozen=True, slots=True)
class _CachedToken:
    token: Secret
    until: datetime


class Tokens:
    """Cache and source of tokens; concurrent runs with the same credentials share one grant."""

    def __init__(self, client: GuardedClient) -> None:
        self._client = client
        self._cached: dict[str, _CachedToken] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def bearer(self, config: GlobusConfig, scope: str | None, run: Run) -> Bearer | None:
        """Return the token of the role for ``scope``, or None if the action names no tokens at all.

        Raises:
            NoTokenError: the role has no token; the message names the field.
            TransientError: the token endpoint did not respond.
        """
        if not config.tokens:
            return None
        source = config.tokens.get(config.run_as)
        if source is None:
            raise NoTokenError(f"tokens: there is none for runAs {config.run_as!r}")
        return await self._find_token(source, f"tokens.{config.run_as}", scope, run)

    async def renew(self, config: GlobusConfig, scope: str | None, run: Run, refused: Bearer) -> Bearer | None:
        """Return another token after ``refused``, or None if none can be requested."""
        if not refused.renewable:
            return None
        self._cached = {key: kept for key, kept in self._cached.items() if kept.token != refused.text}
        return await self.bearer(config, scope, run)

    async def _find_token(self, source: TokenSource, path: str, scope: str | None, run: Run) -> Bearer:
        if source.secret_key_ref is not None:
            return Bearer(text=await _secret(source.secret_key_ref, run), renewable=False)
        if source.scopes is not None:
            if scope is None or scope not in source.scopes:
                raise NoTokenError(f"{path}.scopes: there is none for {scope or 'an unknown scope: set scope'}")
            return Bearer(text=await _secret(source.scopes[scope], run), renewable=False)
        grant = source.refresh or source.client_credentials
        if grant is None:
            raise NoTokenError(f"{path}: names no source")
        return Bearer(text=await self._get_granted_token(grant, path, scope, run), renewable=True)

    async def _get_granted_token(
        self, grant: Refresh | ClientCredentials, path: str, scope: str | None, run: Run
    ) -> Secret:
        form, password = await _form(grant, path, scope, run)
        secrets = tuple(filter(None, (password, form.get("refresh_token"))))
        parts = (grant.token_url, grant.client_id, scope or "", *secrets)
        key = digest("\0".join(parts).encode())
        async with self._asking.setdefault(key, asyncio.Lock()):
            kept = self._cached.get(key)
            if kept is None or kept.until <= run.now:
                kept = await self._request_token(grant, path, form, password, scope, run)
                self._cached = {name: one for name, one in self._cached.items() if one.until > run.now}
                if len(self._cached) < _KEPT:
                    self._cached[key] = kept
            if len(self._asking) > _KEPT:
                self._asking = {name: lock for name, lock in self._asking.items() if lock.locked()}
            return run.secrets.protect(kept.token.reveal())

    async def _request_token(
        self,
        grant: Refresh | ClientCredentials,
        path: str,
        form: Mapping[str, str],
        password: str | None,
        scope: str | None,
        run: Run,
    ) -> _CachedToken:
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        if password is not None:
            pair = f"{quote(grant.client_id, safe='')}:{quote(password, safe='')}"
            encoded = run.secrets.protect(base64.b64encode(pair.encode()).decode())
            headers["Authorization"] = f"Basic {encoded.reveal()}"
        way = "refresh" if isinstance(grant, Refresh) else "clientCredentials"
        request = PreparedRequest(
            namespace=run.namespace,
            method="POST",
            url=grant.token_url,
            url_field=f"{path}.{way}.tokenUrl",
            headers=headers,
            body=urlencode(form).encode(),
            timeout=_TIMEOUT_SECONDS,
            credential=form.get("refresh_token", ""),
            keyed=True,  # another token does no harm
        )
        answer = await self._client.send(request)
        if answer.code == _TOO_MANY or answer.code >= _SERVER_ERRORS:
            raise TransientError(f"{path}: the token endpoint answers HTTP {answer.code}")
        body = answer.body
        if answer.code != _OK or not isinstance(body, Mapping):
            # Only the error code of OAuth is shown: a description may quote the request.
            word = str(body.get("error", ""))[:64] if isinstance(body, Mapping) else ""
            raise NoTokenError(f"{path}: the token endpoint answers HTTP {answer.code} {word}".rstrip())
        for token in _tokens(body):
            granted = str(token.get("scope") or scope or "").split()
            if scope is None or scope in granted:
                return _CachedToken(Secret(str(token["access_token"])), _until(token, run.now))
        raise NoTokenError(f"{path}: the token endpoint gives no token for scope {scope}")


def _until(token: Mapping[str, Any], now: datetime) -> datetime:
    seconds = token.get("expires_in")
    number = float(seconds) if isinstance(seconds, int | float) else float(_LIFETIME_SECONDS)
    return now + timedelta(seconds=min(max(number, 0.0), 7 * 86_400.0)) - _SPARE


def _tokens(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield every token of a response: Globus Auth adds those of other resource servers to the first."""
    others = body.get("other_tokens")
    for one in (body, *(others if isinstance(others, list) else ())):
        if isinstance(one, Mapping) and isinstance(one.get("access_token"), str) and one["access_token"]:
            yield one


async def _form(
    grant: Refresh | ClientCredentials, path: str, scope: str | None, run: Run
) -> tuple[dict[str, str], str | None]:
    ref = grant.client_secret_key_ref
    password = (await _secret(ref, run)).reveal() if ref is not None else None
    if isinstance(grant, Refresh):
        token = (await _secret(grant.token_secret_key_ref, run)).reveal()
        form = {"grant_type": "refresh_token", "refresh_token": token}
        return (form if password is not None else form | {"client_id": grant.client_id}), password
    if scope is None:
        raise NoTokenError(f"{path}.clientCredentials: the provider's description names no scope: set scope")
    return {"grant_type": "client_credentials", "scope": scope}, password


async def _secret(ref: SecretRef, run: Run) -> Secret:
    text = str((await run.secrets.read_secret(ref.name, ref.key, namespace=ref.namespace)).reveal()).strip()
    if not text or any(not 0x20 < ord(character) < 0x7F for character in text):  # noqa: PLR2004 - printable ASCII
        raise NoTokenError(f"Secret {ref.name!r}, key {ref.key!r}: no token, but text with blanks or other characters")
    return Secret(text)
