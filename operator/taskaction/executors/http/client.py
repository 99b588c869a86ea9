"""HTTP client for users' requests: checks addresses at connect time and on each redirect; bounds size and time."""

import asyncio
import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import aiohttp
from aiohttp import TraceRequestHeadersSentParams
from aiohttp.abc import AbstractResolver
from yarl import URL

from taskaction.core.json_values import remove_texts
from taskaction.core.urls import check_url
from taskaction.executors.http.connections import CONNECTIONS_PER_POOL, IDLE_SECONDS, ConnectionPools
from taskaction.executors.http.effects import Effect, Sent, as_unrepeatable, effect_of
from taskaction.executors.http.proxies import Proxies
from taskaction.executors.http.redirects import describe_redirect, follow_redirect
from taskaction.executors.http.request import HttpResponse, PreparedRequest
from taskaction.executors.http.settings import HttpSettings
from taskaction.plugin.addresses import AddressPolicy, denial
from taskaction.plugin.errors import (
    ActionError,
    ActionExecutionError,
    AddressDeniedError,
    InvalidParametersError,
    TransientError,
)
from taskaction.plugin.http_sessions import GuardedResolver
from taskaction.plugin.toolbox import Toolbox

RESPONSE_LIMIT_BYTES = 1024 * 1024
RESPONSE_LIMIT_PARTS = 30_000
"""Maximum number of lists and objects in a response: parsing more takes the event loop too long."""
RESPONSE_LIMIT_VALUES = 150_000
"""Maximum number of commas between the values of a response."""
HEADER_LIMIT_BYTES = 64 * 1024
_REDIRECTS = 5
_WITH_CONTENT = frozenset({"POST", "PUT", "PATCH"})
"""The methods whose content every server reads. One that ignores it takes it for the connection's next request."""


@dataclass(slots=True)
class _Exchange:
    """What is known of one request and its response while it is under way."""

    sent: bool = False
    code: int | None = None

    def effect(self, request: PreparedRequest) -> Effect:
        sent = (Sent.KEYED if request.keyed else Sent.SOME) if self.sent else Sent.NOTHING
        return effect_of(request.method, sent, self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    """Way to a target: directly, or through a proxy to the address of its host."""

    url: URL
    proxy: URL | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    server_hostname: str | None = None


class GuardedClient:
    """Client that sends requests within the address policy; it opens connections on first use."""

    def __init__(
        self, addresses: AddressPolicy, proxies: Proxies | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self._addresses = addresses
        self._proxies = proxies or Proxies()
        self._tls = tls
        self._direct = ConnectionPools(lambda: self._open_session(GuardedResolver(addresses)))
        self._proxied = ConnectionPools(lambda: self._open_session(aiohttp.ThreadedResolver()))

    @classmethod
    def build(cls, toolbox: Toolbox) -> "GuardedClient":
        """Create a client with the operator's address policy, proxies and certificate authorities."""
        settings = toolbox.settings(HttpSettings)
        proxies = Proxies.from_settings(settings, toolbox.settings.environment)
        return cls(toolbox.addresses, proxies, _trust(settings.ca_file))

    async def send(self, request: PreparedRequest) -> HttpResponse:
        """Send ``request``, follow redirects, and return the response.

        Raises:
            AddressDeniedError: the policy denies the address of the URL or of a redirect.
            TransientError: no response came; its class says whether another attempt may repeat the request.
            ActionExecutionError: the response is too large, or there are too many redirects.
        """
        following, effect = request, Effect.NONE
        try:
            for _ in range(_REDIRECTS + 1):
                exchange = _Exchange()
                try:
                    response = await self._send_once(following, exchange)
                finally:
                    effect = effect if effect is not Effect.NONE else exchange.effect(following)
                redirected = follow_redirect(following, response)
                if redirected is None:
                    return replace(response, effect=effect, redirect=describe_redirect(following, response))
                following = redirected
        except AddressDeniedError:
            if following is request:
                raise
            raise denial(f"a redirect of {URL(request.url).host}") from None
        except ActionError as error:
            raise as_unrepeatable(error, effect) from error
        raise as_unrepeatable(ActionExecutionError(f"more than {_REDIRECTS} redirects"), effect)

    async def close(self) -> None:
        """Close the connections."""
        await self._direct.close()
        await self._proxied.close()

    async def _send_once(self, request: PreparedRequest, exchange: _Exchange) -> HttpResponse:
        target = self._check_url(request)
        unread = request.body is not None and request.method not in _WITH_CONTENT
        connection = {"Connection": "close"} if unread else {}
        try:
            async with asyncio.timeout(request.timeout):
                route = await self._find_route(target)
            pools = self._direct if route.proxy is None else self._proxied
            async with (
                pools.session(request.connection_key) as session,
                session.request(
                    request.method,
                    route.url,
                    headers={**request.headers, **connection, **route.headers},
                    data=request.body,
                    allow_redirects=False,
                    skip_auto_headers=("Content-Type",) if request.body is None else (),
                    timeout=aiohttp.ClientTimeout(total=request.timeout),
                    proxy=route.proxy,
                    server_hostname=route.server_hostname,
                    trace_request_ctx=exchange,
                ) as response,
            ):
                exchange.code = response.status
                content = await _read_bounded(response)
                names = {
                    name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.raw_headers
                }
                return HttpResponse(code=response.status, headers=names, content=content)
        except TimeoutError as error:
            raise TransientError(
                f"no response from {target.host} within {request.timeout:g}s", code="Timeout"
            ) from error
        except aiohttp.InvalidURL as error:
            raise InvalidParametersError(f"{request.url_field}: {error}") from error
        except (aiohttp.ClientError, OSError) as error:
            text = f"no response from {target.host}: {_describe(error)}"
            raise TransientError(text, code="ConnectionFailed") from error
        except ValueError as error:  # user and password in the URL, and an Authorization header
            raise InvalidParametersError(f"{request.url_field}: {error}") from error

    def _check_url(self, request: PreparedRequest) -> URL:
        """Return the URL; check a literal address here, since it is never resolved."""
        try:
            target = URL(check_url(request.url))
            host, port = target.host, target.port
        except ValueError as error:
            raise InvalidParametersError(f"{request.url_field}: {error}") from error
        if not host or not port:
            raise InvalidParametersError(f"{request.url_field}: must name a host")
        for address in _literal(host):
            self._addresses.check(address, shown=host)
        return target

    async def _find_route(self, target: URL) -> _Route:
        """Return the way to ``target``; a proxy gets the address that was checked, so that it resolves no name."""
        proxy = self._proxies.find(target)
        if proxy is None or target.host is None or target.port is None:
            return _Route(url=target)
        found = await GuardedResolver(self._addresses).resolve(target.host, target.port, socket.AF_UNSPEC)
        return _Route(
            url=target.with_host(found[0]["host"]),
            proxy=proxy,
            headers={"Host": target.authority.rpartition("@")[2]},
            server_hostname=target.host if target.scheme == "https" else None,
        )

    def _open_session(self, resolver: AbstractResolver) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=resolver,
            ssl=self._tls or True,
            use_dns_cache=False,
            limit=CONNECTIONS_PER_POOL,
            keepalive_timeout=IDLE_SECONDS,
        )
        tracing = aiohttp.TraceConfig()
        tracing.on_request_headers_sent.append(_note_sent)
        return aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
            max_line_size=HEADER_LIMIT_BYTES,
            max_field_size=HEADER_LIMIT_BYTES,
            trace_configs=[tracing],
        )


def _trust(ca_file: Path | None) -> ssl.SSLContext | None:
    """Return a context with the system's authorities and those of ``ca_file``; None without such a file."""
    if ca_file is None:
        return None
    context = ssl.create_default_context()
    context.load_verify_locations(cafile=os.fspath(ca_file))
    return context


async def _note_sent(_: aiohttp.ClientSession, context: SimpleNamespace, __: TraceRequestHeadersSentParams) -> None:
    exchange: _Exchange = context.trace_request_ctx
    exchange.sent = True


async def _read_bounded(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        content += chunk
        if len(content) > RESPONSE_LIMIT_BYTES:
            raise ActionExecutionError(
                f"the response is larger than {RESPONSE_LIMIT_BYTES} bytes", code="ResponseTooLarge"
            )
    if content.lstrip().startswith((b"[", b"{")):
        _check_complexity(content)
    return bytes(content)


def _check_complexity(content: bytearray) -> None:
    """Raise ``ActionExecutionError`` for JSON of too many parts; what is within texts does not count."""
    if _is_complex(content) and _is_complex(remove_texts(bytes(content))):
        limits = f"{RESPONSE_LIMIT_PARTS} lists and objects, or {RESPONSE_LIMIT_VALUES} values"
        raise ActionExecutionError(f"the response has more than {limits}", code="ResponseTooComplex")


def _is_complex(content: bytes | bytearray) -> bool:
    parts = content.count(b"[") + content.count(b"{")
    return parts > RESPONSE_LIMIT_PARTS or content.count(b",") > RESPONSE_LIMIT_VALUES


def _describe(error: Exception) -> str:
    """Return what failed without the address that a name resolves to, and without the URL, which may hold Secrets."""
    cause: BaseException = error
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
    elif isinstance(error, aiohttp.ClientConnectorCertificateError):
        cause = error.certificate_error
    text = ""
    if isinstance(error, aiohttp.ClientResponseError):
        text = error.message
    elif isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        text = str(error)
    elif isinstance(cause, ssl.SSLCertVerificationError):
        text = cause.verify_message
    elif isinstance(cause, ssl.SSLError | socket.gaierror):
        text = cause.strerror or ""
    elif isinstance(cause, OSError) and cause.errno is not None:
        text = os.strerror(cause.errno)
    return f"{type(error).__name__}: {text}".removesuffix(": ")


def _literal(host: str) -> list[str]:
    """Return the addresses that ``host`` spells out, including the legacy forms that the C library accepts."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except OSError:
        return []
    return [str(address[0]) for _, _, _, _, address in found]
