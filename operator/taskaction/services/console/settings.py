"""Settings of the console, from environment variables with a prefix; it shares the operator's settings."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from taskaction.api.base import PositiveDuration
from taskaction.plugin.setting_types import OPTIONAL, BindAddress, Url
from taskaction.plugin.settings import Settings


class ConsoleConfig(Settings, env_prefix="TASKACTION_CONSOLE_"):
    """Settings with their defaults; the environment variable ``TASKACTION_CONSOLE_<NAME>`` sets one."""

    bind: BindAddress = "127.0.0.1:8098"
    """Address and port of the pages."""
    probes_bind: BindAddress = "127.0.0.1:8099"
    """Address and port of /healthz, /readyz and /metrics."""
    url: Annotated[Url | None, OPTIONAL] = None
    """URL at which browsers reach the console, such as https://console.example.org: cookies are then sent over TLS
    only, and requests for another host are refused. Default: any host, without TLS, as kubectl port-forward has it."""
    read_only: bool = False
    """Whether the console shows only, and refuses all acts."""
    session_duration: PositiveDuration = timedelta(hours=8)
    """Time after which people must sign in again."""
    session_idle: PositiveDuration = timedelta(hours=1)
    """Time without a request after which people must sign in again."""
    max_sessions: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    """Maximum number of people who are signed in; further ones are refused."""
    max_streams: Annotated[int, Field(ge=1, le=100_000)] = 500
    """Maximum number of open pages that update themselves; further ones are as they were when they were loaded."""
    max_streams_per_session: Annotated[int, Field(ge=1, le=1_000)] = 20
    """Maximum number of such pages of one session."""
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 2_048
    """Maximum number of connections; further ones are closed at once."""
    max_connections_per_source: Annotated[int, Field(ge=1, le=100_000)] = 2_048
    """Maximum number of connections from one address, such as that of a gateway; further ones are closed at once."""
    shutdown_delay: PositiveDuration = timedelta(seconds=5)
    """Time to accept requests after SIGTERM, until load balancers stop sending them here."""
