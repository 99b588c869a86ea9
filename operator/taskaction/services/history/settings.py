"""Settings of the history service, from environment variables with a prefix; it shares the operator's settings."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from taskaction.api.base import PositiveDuration
from taskaction.plugin.setting_types import COMMA_LIST, BindAddress
from taskaction.plugin.settings import Settings


class HistoryServeConfig(Settings, env_prefix="TASKACTION_HISTORY_SERVE_"):
    """Settings with their defaults; the environment variable ``TASKACTION_HISTORY_SERVE_<NAME>`` sets one."""

    bind: BindAddress = "127.0.0.1:8096"
    """Address and port of the service."""
    probes_bind: BindAddress = "127.0.0.1:8097"
    """Address and port of /healthz, /readyz and /metrics."""
    audiences: Annotated[tuple[str, ...], COMMA_LIST] = ()
    """Audiences of which a token must name one, separated by commas. Default: the API server's own."""
    query_timeout: PositiveDuration = timedelta(seconds=10)
    """Maximum duration of a query of the database; the request then gets 503."""
    database_connections: Annotated[int, Field(ge=1, le=1_000)] = 8
    """Maximum number of connections to the database."""
    max_concurrent_requests: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Maximum number of concurrent requests; further ones get 503 with Retry-After."""
    max_concurrent_requests_per_caller: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Maximum number of concurrent requests of one caller; further ones get 429 with Retry-After."""
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 1024
    """Maximum number of connections; further ones are closed at once."""
    max_connections_per_source: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Maximum number of connections from one address, such as that of the console; further ones are closed at once."""
    shutdown_delay: PositiveDuration = timedelta(seconds=5)
    """Time to accept requests after SIGTERM, until load balancers stop sending them here."""
