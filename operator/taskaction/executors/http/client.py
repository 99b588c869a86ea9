"""HTTP client for users' requests: checks addresses at connect time and on each redirect; bounds size and time."""

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
from taskaction.plugin.redaction import redact

RESPONSE_LIMIT_BYTES = 1024 * 1024
_REDIRECTS = 5
_KEPT_SECONDS = 2.0
"""Servers close idle connections after 2 to 75 s; a request that hits the close fails and must not be repeated."""
_REDIRECT_CODES = frozenset({301, 302, 303, 307, 308})
_KEEPS_METHOD = frozenset({307, 308})
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRequest:
    """Request with every template rendered; ``secrets`` are the texts that no message may show."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout: float
    secrets: tuple[str, ...] = ()
    private_headers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """Response that has been read completely."""

    code: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        """The JSON value if the content is JSON, otherwise the text."""
        try:
            return orjson.loads(self.content)
        except orjson.JSONDecodeError:
            return self.content.decode(errors="replace")


class GuardedResolver(AbstractResolver):
    """Resolver that applies the address policy to its results, so that no name can be rebound after a check."""

    def __init__(self, addresses: AddressPolicy) -> None:
        self._addresses = addresses
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of ``host``; the policy must allow every one."""
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            self._addresses.check(result["host"])
        return found

    async def close(self) -> None:
        """Do nothing: the resolver uses a thread."""


class GuardedClient:
    """Client that sends requests within the address policy; it opens its session on first use."""

    def __init__(self, addresses: AddressPolicy) -> None:
        self._addresses = addresses
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: PreparedRequest) -> HttpResponse:
        """Send ``request``, follow redirects, and return the response.

        Raises:
            AddressDeniedError: the policy denies the address of the URL or of a redirect.
            TransientError: no response came; another attempt may help.
            ActionExecutionError: the response is too large, or there are too many redirects.
        """
        headers = dict(request.headers)
        method, url, body = request.method, request.url, request.body
        for _ in range(_REDIRECTS + 1):
            answer = await self._send_once(method, url, headers, body, request)
            target = answer.headers.get("location")
            if answer.code not in _REDIRECT_CODES or target is None:
                return answer
            there = _resolve_redirect(url, target)
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

    async def _send_once(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, request: PreparedRequest
    ) -> HttpResponse:
        target = self._check_url(url)
        try:
            async with self._get_session().request(
                method,
                target,
                headers=headers,
                data=body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=request.timeout),
            ) as response:
                content = await _read_bounded(response)
                names = {name.lower(): value for name, value in response.headers.items()}
                return HttpResponse(code=response.status, headers=names, content=content)
        except TimeoutError as error:
            raise TransientError(
                f"no response from {target.host} within {request.timeout:g}s", code="Timeout"
            ) from error
        except aiohttp.InvalidURL as error:
            raise InvalidParametersError(f"url: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            text = redact(f"{type(error).__name__}: {error}", request.secrets)
            raise TransientError(f"no response from {target.host}: {text}", code="ConnectionFailed") from error

    def _check_url(self, url: str) -> URL:
        """Return the URL; check a literal address here, since it is never resolved."""
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

    def _get_session(self) -> aiohttp.ClientSession:
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
    """Return the origin that credentials belong to; a downgrade from https to http changes it, too."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def _resolve_redirect(url: str, target: str) -> str:
    """Return the URL of a redirect; an invalid one is an error of the target, not of the user."""
    try:
        there = urljoin(url, target)
        parts = urlsplit(there)
    except ValueError as error:
        raise ActionExecutionError(f"invalid redirect: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ActionExecutionError("invalid redirect: must begin with http:// or https:// and name a host")
    return there


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        content += chunk
        if len(content) > RESPONSE_LIMIT_BYTES:
            raise ActionExecutionError(
                f"the response is larger than {RESPONSE_LIMIT_BYTES} bytes", code="ResponseTooLarge"
            )
    return bytes(content)


def _literal(host: str) -> list[str]:
    """Return the addresses that ``host`` spells out, including the legacy forms that the C library accepts."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return []
    return [str(address[0]) for _, _, _, _, address in found]
