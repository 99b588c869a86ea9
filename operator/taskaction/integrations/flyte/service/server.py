"""One port for Connect and gRPC, over HTTP/1.1 and HTTP/2; sizes are bounded here, before anything is read."""

import asyncio
import ssl
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectrpc.code import Code
from connectrpc.compression import Compression
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo
from connectrpc.server import ConnectASGIApplication, Endpoint
from flyteidl2.actions import actions_service_pb2
from flyteidl2.actions.actions_service_connect import ActionsService
from hypercorn.asyncio import serve

from taskaction.core.clock import Clock
from taskaction.integrations.flyte.service.certificates import CertificateReloader, TlsConfig
from taskaction.integrations.flyte.service.health import SERVICE as HEALTH
from taskaction.integrations.flyte.service.health import HealthService
from taskaction.integrations.flyte.service.http_exchange import (
    Exchange,
    Receive,
    Send,
    SizedSender,
    headers_of,
    refusal,
    too_large,
    without_accept_encoding,
)
from taskaction.integrations.flyte.service.protos import CODECS
from taskaction.integrations.flyte.service.reflection import METHOD as REFLECTION_METHOD
from taskaction.integrations.flyte.service.reflection import reflection
from taskaction.runtime.connections import ConnectionLimits
from taskaction.runtime.listening import ListenAddress

ACTIONS = "flyteidl2.actions.ActionsService"
METHODS = ("Enqueue", "WatchForUpdates", "Update", "Abort", "Signal")
_FLYTE = "flyteidl2."
_CONNECT_STREAM = b"application/connect+"
_GZIP = 31
_QUICK = 1
_SMALL_BYTES = 256
_BACKLOG = 1024

Authenticate = Callable[[str, Mapping[str, str]], Awaitable[ConnectError | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionsServerSettings:
    """Bounds of the server, and its certificates.

    Attributes:
        bind: address and port, and the setting that chose them.
        connections: how many connections there may be.
        request_bytes: the largest request, unpacked.
        grace: seconds that calls may take to end when the server stops.
        stalled: seconds after which a client that takes nothing of what is sent to it is cut off.
    """

    bind: ListenAddress
    connections: ConnectionLimits
    request_bytes: int
    grace: float
    stalled: float
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None


class BoundedGzip(Compression):
    """gzip that unpacks no more than is allowed, and packs quickly."""

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def name(self) -> str:
        """Return the name in headers."""
        return "gzip"

    def compress(self, data: bytes | bytearray | memoryview) -> bytes:
        """Pack."""
        packer = zlib.compressobj(0 if len(data) < _SMALL_BYTES else _QUICK, wbits=_GZIP)
        return packer.compress(data) + packer.flush()

    def decompress(self, data: bytes | bytearray | memoryview) -> bytes:
        """Unpack; raises ``ConnectError`` where that is too much, or is no gzip."""
        unpacker = zlib.decompressobj(wbits=_GZIP)
        try:
            content = unpacker.decompress(data, self._limit + 1)
        except zlib.error as error:
            raise ConnectError(Code.INVALID_ARGUMENT, f"the message is not valid gzip: {error}") from error
        if len(content) > self._limit:
            raise too_large(self._limit)
        if not unpacker.eof:
            raise ConnectError(Code.INVALID_ARGUMENT, "the message is not valid gzip: it is truncated")
        return content


class ActionsApplication(ConnectASGIApplication[ActionsService]):
    """The Actions service on its address: what the generated application does, with codecs of our own."""

    def __init__(self, service: ActionsService, limit: int) -> None:
        super().__init__(
            service=service,
            endpoints=_endpoints,
            read_max_bytes=limit,
            compressions=[BoundedGzip(limit)],
            codecs=CODECS,
        )

    @property
    def path(self) -> str:
        """Its address."""
        return f"/{ACTIONS}"


def _endpoints(service: ActionsService) -> dict[str, Any]:
    def method(name: str) -> MethodInfo[Any, Any]:
        request, response = (getattr(actions_service_pb2, f"{name}{side}") for side in ("Request", "Response"))
        return MethodInfo(
            name=name, service_name=ACTIONS, input=request, output=response, idempotency_level=IdempotencyLevel.UNKNOWN
        )

    return {
        f"/{ACTIONS}/Enqueue": Endpoint.unary(method=method("Enqueue"), function=service.enqueue),
        f"/{ACTIONS}/WatchForUpdates": Endpoint.server_stream(
            method=method("WatchForUpdates"), function=service.watch_for_updates
        ),
        f"/{ACTIONS}/Update": Endpoint.unary(method=method("Update"), function=service.update),
        f"/{ACTIONS}/Abort": Endpoint.unary(method=method("Abort"), function=service.abort),
        f"/{ACTIONS}/Signal": Endpoint.unary(method=method("Signal"), function=service.signal),
    }


class Application:
    """The ASGI application: the Actions service, and health and reflection beside it."""

    def __init__(
        self, service: ActionsService, health: HealthService, limit: int, authenticate: Authenticate, patience: float
    ) -> None:
        """``authenticate`` returns why a caller is refused; a request must be complete in ``patience`` seconds."""
        self._limit = limit
        self._authenticate = authenticate
        self._patience = patience
        small = [health.application(), *reflection([ACTIONS, HEALTH], [health.package])]
        self._small = {application.path: application for application in small}
        self._actions = ActionsApplication(service, limit)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] != "http":
            await self._actions(scope, receive, send)
            return
        service, _, method = scope["path"].rpartition("/")
        is_two_way = method == REFLECTION_METHOD
        exchange = Exchange(receive, send, self._limit, is_two_way=is_two_way, patience=self._patience)
        refused = refusal(scope)
        if refused is not None:
            await exchange.refuse(*refused)
            return
        app: Any = self._small.get(service, self._actions)
        if (error := _unimplemented(service, method)) is not None:
            exchange.refuse_body(error)
            scope = {**scope, "path": f"/{ACTIONS}/{_method_like(scope)}"}
        elif app is self._actions and (error := await self._authenticate(method, headers_of(scope))) is not None:
            exchange.refuse_body(error)
        await app(without_accept_encoding(scope), exchange.receive, SizedSender(exchange.send))


def _unimplemented(path: str, method: str) -> ConnectError | None:
    """Return the error of a call of Flyte's that this address does not serve; None for any other call."""
    service = path.removeprefix("/")
    if not service.startswith(_FLYTE) or (service == ACTIONS and method in METHODS):
        return None
    return ConnectError(
        Code.UNIMPLEMENTED,
        f"{service}/{method} is not implemented: this address serves {ACTIONS} ({', '.join(METHODS)}) and nothing else "
        "of Flyte; start a run with Enqueue, and read its actions with kubectl get ta",
    )


def _method_like(scope: Mapping[str, Any]) -> str:
    """Return a method that answers in the form that the client of an unknown one expects, by its content type."""
    headers: Mapping[bytes, bytes] = dict(scope["headers"])
    return "WatchForUpdates" if headers.get(b"content-type", b"").startswith(_CONNECT_STREAM) else "Enqueue"


async def run(
    application: Application,
    settings: ActionsServerSettings,
    stopped: Callable[[], Awaitable[None]],
    clock: Clock,
    failed: Callable[[str, BaseException], None],
) -> None:
    """Serve until ``stopped`` returns, and let calls under way end; raises ``ConfigurationError``."""
    asyncio.get_running_loop().set_exception_handler(_handle_loop_exception)
    config = TlsConfig()
    config.errorlog = config.accesslog = None
    config.backlog = _BACKLOG
    config.graceful_timeout = settings.grace
    config.keep_alive_timeout = 75.0
    config.keep_alive_max_requests = 1_000_000
    config.h2_max_concurrent_streams = 1000
    config.include_server_header = False
    renewing: asyncio.Task[None] | None = None
    if settings.certificate is not None and settings.key is not None:
        config.certfile, config.keyfile = str(settings.certificate), str(settings.key)
        if settings.client_ca is not None:
            config.ca_certs, config.verify_mode = str(settings.client_ca), ssl.CERT_REQUIRED
        config.create_ssl_context()  # what is wrong with the files is told before anything is served
        renewal = CertificateReloader(config, settings.certificate, settings.key, settings.client_ca)
        renewing = asyncio.create_task(renewal.run(clock, failed))
    is_over = False

    async def trigger() -> None:
        nonlocal is_over
        await stopped()
        is_over = True

    try:
        # A message to a client that reads nothing never returns, so that its watch would be held forever.
        config.listening = settings.bind.listen(settings.connections, backlog=_BACKLOG, stalled=settings.stalled)
        await serve(application, config, shutdown_trigger=trigger)  # type: ignore[arg-type]
    except (OSError, ExceptionGroup):
        if not is_over:
            raise
        # Of connections that did not end well when the server did, by clients that are gone or take nothing.
    finally:
        if renewing is not None:
            renewing.cancel()


def _handle_loop_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Ignore errors of connections that died or were cut when the server stopped: hypercorn does not catch all."""
    if not isinstance(context.get("exception"), OSError | asyncio.CancelledError):
        loop.default_exception_handler(context)
