"""Settings of the inbox, from environment variables with a prefix of their own; it shares the operator's settings."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from taskaction.api.base import PositiveDuration
from taskaction.runtime.config import address, read_settings

PREFIX = "TASKACTION_WEBHOOKS_"


class WebhooksConfig(BaseModel):
    """Settings with their defaults; the environment variable ``TASKACTION_WEBHOOKS_<NAME>`` sets one."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    bind: Annotated[str, AfterValidator(address)] = "127.0.0.1:8090"
    """Address and port for webhooks."""
    probes_bind: Annotated[str, AfterValidator(address)] = "127.0.0.1:8091"
    """Address and port of /healthz, /readyz and /metrics."""
    max_pending: Annotated[int, Field(ge=1, le=20_000)] = 5000
    """Maximum number of stored requests that no action has consumed yet, for all providers together."""
    requests: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Maximum number of concurrent requests; further ones get 503 with Retry-After."""
    patience: PositiveDuration = timedelta(seconds=15)
    """Timeout of a request, and of an idle connection."""
    drain: PositiveDuration = timedelta(seconds=5)
    """Time to accept requests after SIGTERM, until load balancers stop sending them here."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "WebhooksConfig":
        """Read the settings; raises ``ConfigurationError``."""
        return read_settings(cls, PREFIX, environment)
