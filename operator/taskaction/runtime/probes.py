"""/healthz, /readyz and /metrics of a process; decides nothing about its health."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from taskaction.runtime.connections import ConnectionLimits
from taskaction.runtime.listening import ListenAddress, start_sites

_BODY_BYTES = 1024
_LIMITS = ConnectionLimits(total=128, per_source=32, max_age=60.0)
"""Probes and scrapes take milliseconds; a half-sent request ends with its connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Problems of a process, as sentences; none means healthy.

    Attributes:
        live: why the process should be restarted.
        ready: why it does not do its work yet, or no longer.
    """

    live: Callable[[], list[str]] = list
    ready: Callable[[], list[str]] = list


class ProbeServer:
    """HTTP server of the probes and metrics."""

    def __init__(self, bind: ListenAddress, health: Health, registry: CollectorRegistry) -> None:
        self._bind = bind
        self._health = health
        self._registry = registry
        app = web.Application(client_max_size=_BODY_BYTES)
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._show_metrics),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Listen; raises ``ConfigurationError`` if the address is not available."""
        await start_sites(self._runner, self._bind, _LIMITS)

    async def stop(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return _response(self._health.live())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _response(self._health.ready())

    async def _show_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _response(problems: list[str]) -> web.Response:
    return web.Response(text="\n".join(problems) + "\n", status=503) if problems else web.Response(text="ok\n")
