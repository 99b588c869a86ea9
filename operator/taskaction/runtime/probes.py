"""/healthz, /readyz and /metrics: what the process says of itself over HTTP; judges nothing but freshness."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from taskaction.core.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Problems as sentences; none means yes.

    Attributes:
        live: why the process should be restarted.
        ready: why it does not do its work yet.
    """

    live: Callable[[], list[str]]
    ready: Callable[[], list[str]]


class ProbeServer:
    """Answers probes on a small HTTP server."""

    def __init__(self, setting: str, bind: str, health: Health, registry: CollectorRegistry) -> None:
        """``setting`` is the variable by which people chose ``bind``."""
        self._setting = setting
        self._bind = bind
        self._health = health
        self._registry = registry
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._show_metrics),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> None:
        """Listen; raises ``ConfigurationError`` where that is not possible."""
        host, _, port = self._bind.rpartition(":")
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host.strip("[]") or None, int(port)).start()
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{self._setting}: cannot listen on {self._bind}: {error}") from error

    async def stop(self) -> None:
        """Listen no more."""
        await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return _verdict(self._health.live())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _verdict(self._health.ready())

    async def _show_metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _verdict(problems: list[str]) -> web.Response:
    return web.Response(text="\n".join(problems) + "\n", status=503) if problems else web.Response(text="ok\n")
