"""Settings of the inbox, from environment variables with a prefix of their own; it shares the operator's settings."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from taskaction.api.base import PositiveDuration
from taskaction.plugin.setting_types import BindAddress
from taskaction.plugin.settings import FormerName, Settings


class WebhooksConfig(Settings, env_prefix="TASKACTION_WEBHOOKS_"):
    """Settings with their defaults; the environment variable ``TASKACTION_WEBHOOKS_<NAME>`` sets one."""

    bind: BindAddress = "127.0.0.1:8090"
    """Address and port for webhooks."""
    probes_bind: BindAddress = "127.0.0.1:8091"
    """Address and port of /healthz, /readyz and /metrics."""
    max_pending: Annotated[int, Field(ge=1, le=20_000)] = 5000
    """Maximum number of stored requests that no action has consumed yet, for all providers together."""
    max_pending_bytes: Annotated[int, Field(ge=1024 * 1024, le=10_000_000_000)] = 64 * 1024 * 1024
    """Maximum size of the requests that no action has consumed yet, in bytes for each namespace. If it is reached, each
    sender in the namespace keeps its equal share. Further requests get 429 with Retry-After."""
    max_concurrent_requests: Annotated[int, Field(ge=1, le=10_000), FormerName("requests")] = 64
    """Maximum number of concurrent requests; further ones get 503 with Retry-After."""
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 1024
    """Maximum number of connections; idle ones above it are closed."""
    max_connections_per_source: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Maximum number of connections from one address, such as that of an Ingress; further ones are closed at once."""
    request_timeout: Annotated[PositiveDuration, FormerName("patience")] = timedelta(seconds=15)
    """Timeout of a request, and of an idle connection."""
    shutdown_delay: Annotated[PositiveDuration, FormerName("drain")] = timedelta(seconds=5)
    """Time to accept requests after SIGTERM, until load balancers stop sending them here."""
