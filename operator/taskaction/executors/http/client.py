"""Sends one request on behalf of a user: guarded at connect time and on each redirect, bounded in size and time."""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from taskaction.plugin.addresses import AddressPolicy
from taskaction.plugin.errors import ActionExecutionError, InvalidParametersError, TransientError
from taskaction.plugin.redaction import redacted

RESPONSE_LIMIT_BYTES = 1024 * 1024
_REDIRECTS = 5
_KEPT_SECONDS = 2.0
"""Servers close idle connections after 2 to 75 s; a request that meets the close fails, and may not be repeated."""
_REDIRECT_CODES = frozenset({301, 302, 303, 307, 308})
_KEEPS_METHOD = frozenset({307, 308})
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request with every template filled in; ``secrets`` are the texts that no message may show."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout: float
    secrets: tuple[str, ...] = ()
    private_headers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A response, read whole."""

    code: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        """The JSON value where it is JSON, else the text."""
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError:
            return self.content.decode(errors="replace")


class GuardedResolver(AbstractResolver):
    """Resolves names and refuses the result where the policy does, so that no name can be rebound afterwards."""

    def __init__(self, addresses: AddressPolicy) -> None:
        self._addresses = addresses
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Give the addresses of ``host``; every one of them must be allowed."""
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            self._addresses.check(result["host"])
        return found

    async def close(self) -> None:
        """Release nothing: the resolver is a thread's."""


class GuardedClient:
    """Makes requests; opened on first use, in the loop that uses it."""

    def __init__(self, addresses: AddressPolicy) -> None:
        self._addresses = addresses
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: Prepared) -> Answer:
        """Give the answer to ``request``, redirects followed.

        Raises:
            AddressDeniedError: an address on the way may not be reached.
            TransientError: no answer came; worth another attempt.
            ActionExecutionError: the answer is too large or leads in circles.
        """
        headers = dict(request.headers)
        method, url, body = request.method, request.url, request.body
        for _ in range(_REDIRECTS + 1):
            answer = await self._once(method, url, headers, body, request)
            target = answer.headers.get("location")
            if answer.code not in _REDIRECT_CODES or target is None:
                return answer
            there = _followed(url, target)
            if origin(there) != origin(url):
                private = _CREDENTIALS | request.private_headers
                headers = {name: value for name, value in headers.items() if name.lower() not in private}
            if answer.code not in _KEEPS_METHOD and method != "HEAD":
                method, body = "GET", None
            url = there
        raise ActionExecutionError(f"more than {_REDIRECTS} redirects")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, request: Prepared
    ) -> Answer:
        target = self._checked(url)
        try:
            async with self._opened().request(
                method,
                target,
                headers=headers,
                data=body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=request.timeout),
            ) as response:
                content = await _bounded(response)
                names = {name.lower(): value for name, value in response.headers.items()}
                return Answer(code=response.status, headers=names, content=content)
        except TimeoutError as error:
            raise TransientError(f"no answer from {target.host} within {request.timeout:g}s", code="Timeout") from error
        except aiohttp.InvalidURL as error:
            raise InvalidParametersError(f"url: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            text = redacted(f"{type(error).__name__}: {error}", request.secrets)
            raise TransientError(f"no answer from {target.host}: {text}", code="ConnectionFailed") from error

    def _checked(self, url: str) -> URL:
        """Give the URL; an address that is written out is judged here, since it is never resolved."""
        try:
            target = URL(url)
            host, port = target.host, target.port
        except ValueError as error:
            raise InvalidParametersError(f"url: {error}") from error
        if target.scheme not in {"http", "https"} or not host or not port:
            raise InvalidParametersError("url: must begin with http:// or https:// and name a host")
        for text in _literal(host):
            self._addresses.check(text)
        return target

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=GuardedResolver(self._addresses),
                use_dns_cache=False,
                limit_per_host=64,
                keepalive_timeout=_KEPT_SECONDS,
            )
            self._session = aiohttp.ClientSession(
                connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True
            )
        return self._session


def origin(url: str) -> tuple[str, str]:
    """Give what credentials belong to: a step from https down to http leaves it, too."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _followed(url: str, target: str) -> str:
    """Give where a redirect leads; it is the target's mistake, not the user's, where that is nowhere."""
    try:
        there = urljoin(url, target)
        parts = urlsplit(there)
    except ValueError as error:
        raise ActionExecutionError(f"the redirect leads nowhere: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ActionExecutionError("the redirect leads nowhere: it must begin with http:// or https:// and name a host")
    return there


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        content += chunk
        if len(content) > RESPONSE_LIMIT_BYTES:
            raise ActionExecutionError(
                f"the response is larger than {RESPONSE_LIMIT_BYTES} bytes", code="ResponseTooLarge"
            )
    return bytes(content)


def _literal(host: str) -> list[str]:
    """Give the addresses that ``host`` writes out, also in the old forms that the C library still reads."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return []
    return [str(address[0]) for _, _, _, _, address in found]
