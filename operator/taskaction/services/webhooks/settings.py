"""The inbox's own settings, from the environment under a prefix of their own; the rest are the operator's."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from taskaction.api.base import PositiveDuration
from taskaction.runtime.config import address, read_settings

PREFIX = "TASKACTION_WEBHOOKS_"


class WebhooksConfig(BaseModel):
    """Every setting, with its default; ``TASKACTION_WEBHOOKS_<NAME>`` in the environment sets it."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    bind: Annotated[str, AfterValidator(address)] = "127.0.0.1:8090"
    """Address and port where webhooks come in."""
    probes_bind: Annotated[str, AfterValidator(address)] = "127.0.0.1:8091"
    """Address and port of /healthz, /readyz and /metrics."""
    max_pending: Annotated[int, Field(ge=1, le=20_000)] = 5000
    """How many requests may be stored that no action has taken yet, of all providers together."""
    requests: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Requests that are served at a time; more are told to come back."""
    patience: PositiveDuration = timedelta(seconds=15)
    """How long a sender may take for a request, and a connection may be silent."""
    drain: PositiveDuration = timedelta(seconds=5)
    """How long requests are still taken after SIGTERM, until nobody sends them here any more."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "WebhooksConfig":
        """Read the settings; raises ``ConfigurationError``."""
        return read_settings(cls, PREFIX, environment)
