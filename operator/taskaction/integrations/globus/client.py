"""Calls of one Globus Action Provider: both URL styles, tokens, and cached introspection; decides no outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any
from urllib.parse import quote

import orjson

from taskaction.executors.http.client import GuardedClient
from taskaction.executors.http.limits import retry_after
from taskaction.executors.http.request import PreparedRequest
from taskaction.integrations.globus.documents import Description, read_description
from taskaction.integrations.globus.model import GlobusConfig
from taskaction.integrations.globus.tokens import Bearer, Tokens
from taskaction.plugin.base import Run
from taskaction.plugin.errors import TransientError

UNAUTHORISED = frozenset({401, 403})
NOT_HERE = frozenset({404, 405})
_TIMEOUT_SECONDS = 30.0
_SYNCHRONOUS_SECONDS = 300.0
_KEPT_FOR = timedelta(minutes=5)
_KEPT = 1024
_OK = range(200, 300)
_TOO_MANY = 429
_SERVER_ERRORS = 500


class Style(Enum):
    """Style of a provider's paths; the Globus toolkit serves both, other providers only one."""

    VERBS = "verbs"
    REST = "rest"

    def run(self) -> tuple[str, str]:
        """Return method and path of the start."""
        return "POST", "/run" if self is Style.VERBS else "/actions"

    def call(self, verb: str, action_id: str) -> tuple[str, str]:
        """Return method and path of ``status``, ``cancel``, ``release`` or ``resume``."""
        quoted = quote(action_id, safe="")
        if self is Style.VERBS:
            return ("GET" if verb == "status" else "POST"), f"/{quoted}/{verb}"
        plain = {"status": "GET", "release": "DELETE"}
        if verb in plain:
            return plain[verb], f"/actions/{quoted}"
        return "POST", f"/actions/{quoted}/{verb}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Response of a provider."""

    code: int
    body: Any
    retry_after: float | None = None

    @property
    def good(self) -> bool:
        """Whether the status code is 2xx."""
        return self.code in _OK

    @property
    def unavailable(self) -> bool:
        """True where asking again may help: the provider is overloaded or broken, and said nothing of the action."""
        return self.code == _TOO_MANY or self.code >= _SERVER_ERRORS


class ProviderClient:
    """Client of Action Providers; its caches may be lost at any time."""

    def __init__(self, client: GuardedClient) -> None:
        self._client = client
        self._tokens = Tokens(client)
        self._descriptions: dict[tuple[str, str], tuple[datetime, Description]] = {}
        self._styles: dict[str, Style] = {}

    async def description(self, config: GlobusConfig, run: Run) -> Description:
        """Return the description of the provider, at most five minutes old.

        Raises:
            TransientError: the provider did not respond.
            ActionError: the provider requires a token, and there is none.
        """
        key = (config.url, f"{run.namespace} {config.run_as} {config.scope}")
        kept = self._descriptions.get(key)
        if kept is not None and run.now - kept[0] < _KEPT_FOR:
            return kept[1]
        reply = await self._send("GET", config.url, None, None, _TIMEOUT_SECONDS, run)
        if reply.code in NOT_HERE:
            reply = await self._send("GET", f"{config.url}/", None, None, _TIMEOUT_SECONDS, run)
        if reply.code in UNAUTHORISED:  # it is visible to some only, whose token it is that the action has
            reply = await self._send_authorised("GET", "", None, config, config.scope, _TIMEOUT_SECONDS, run)
        if reply.unavailable:
            raise TransientError(f"introspection of {config.url}: HTTP {reply.code}", retry_after=reply.retry_after)
        found = read_description(reply.body) if reply.good else Description(known=False)
        self._descriptions = {name: one for name, one in self._descriptions.items() if run.now - one[0] < _KEPT_FOR}
        if len(self._descriptions) < _KEPT and found.known:
            self._descriptions[key] = run.now, found
        return found

    async def run(self, config: GlobusConfig, request: Mapping[str, Any], described: Description, run: Run) -> Reply:
        """Start the action; where one style of paths is not there, nothing was started, and the other one is tried."""
        content = orjson.dumps(request, option=orjson.OPT_SORT_KEYS)
        seconds = _TIMEOUT_SECONDS if described.known and not described.synchronous else _SYNCHRONOUS_SECONDS
        reply = Reply(code=0, body=None)
        for style in self._styles_to_try(config):
            method, path = style.run()
            reply = await self._send_authorised(method, path, content, config, _scope(config, described), seconds, run)
            if reply.code not in NOT_HERE:
                self._remember(config, style, reply)
                return reply
        return reply

    async def call(self, verb: str, action_id: str, config: GlobusConfig, run: Run) -> Reply:
        """Ask for ``status``, or for ``cancel``, ``release`` or ``resume``; 404 only where neither style knows it.

        A provider that is known to speak one style, and does not know the action, may well refuse the other style's
        paths as such, with 401 or 403 or an error of its own: that says nothing of the action.
        """
        scope = config.scope
        if scope is None and config.tokens:
            scope = (await self.description(config, run)).scope
        known = config.url in self._styles
        first = Reply(code=0, body=None)
        for style in self._styles_to_try(config):
            method, path = style.call(verb, action_id)
            reply = await self._send_authorised(method, path, None, config, scope, _TIMEOUT_SECONDS, run)
            if reply.good or (reply.code not in NOT_HERE and not (known and first.code in NOT_HERE)):
                self._remember(config, style, reply)
                return reply
            first = first if first.code else reply
        return first

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _styles_to_try(self, config: GlobusConfig) -> tuple[Style, Style]:
        first = self._styles.get(config.url, Style.VERBS)
        return first, Style.REST if first is Style.VERBS else Style.VERBS

    def _remember(self, config: GlobusConfig, style: Style, reply: Reply) -> None:
        if not reply.good:
            return
        if len(self._styles) >= _KEPT:
            self._styles.clear()
        self._styles[config.url] = style

    async def _send_authorised(
        self,
        method: str,
        path: str,
        content: bytes | None,
        config: GlobusConfig,
        scope: str | None,
        seconds: float,
        run: Run,
    ) -> Reply:
        """Send with the role's token; a refused one that can be renewed is, once."""
        bearer = await self._tokens.bearer(config, scope, run)
        reply = await self._send(method, config.url + path, content, bearer, seconds, run)
        if reply.code in UNAUTHORISED and bearer is not None:
            another = await self._tokens.renew(config, scope, run, bearer)
            if another is not None and another.text != bearer.text:
                return await self._send(method, config.url + path, content, another, seconds, run)
        return reply

    async def _send(
        self, method: str, url: str, content: bytes | None, bearer: Bearer | None, seconds: float, run: Run
    ) -> Reply:
        headers = {"Accept": "application/json"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer.text.reveal()}"
        request = PreparedRequest(
            namespace=run.namespace,
            method=method,
            url=url,
            headers=headers,
            body=content,
            timeout=seconds,
            keyed=True,  # the provider knows request_id; where it does not, the executor decides about a repeat
        )
        answer = await self._client.send(request)
        return Reply(
            code=answer.code,
            body=answer.body,
            retry_after=retry_after(answer.headers, run.now),
        )


def _scope(config: GlobusConfig, described: Description) -> str | None:
    return config.scope or described.scope
