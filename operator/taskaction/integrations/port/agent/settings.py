"""The agent's settings, from the environment under a prefix of their own, by the seed's names where it has them."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from taskaction.api.base import DnsLabel, PositiveDuration
from taskaction.integrations.port.agent.mapping import Target, read_targets
from taskaction.integrations.port.agent.runs import RunKind
from taskaction.runtime.config import address, identity, read_settings, words

PREFIX = "TASKACTION_PORT_AGENT_"


def _targets(value: object) -> object:
    return read_targets(value) if isinstance(value, str) else value


def _web_address(value: str) -> str:
    if not value.startswith(("https://", "http://")) or any(sign in value for sign in "?#@ "):
        raise ValueError("should be an address such as https://api.getport.io")
    return value.rstrip("/").removesuffix("/v1")


class PortAgentConfig(BaseModel):
    """Every setting, with its default; ``TASKACTION_PORT_AGENT_<NAME>`` in the environment sets it."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    base_url: Annotated[str, AfterValidator(_web_address)] = "https://api.getport.io"
    """Where Port's API is."""
    client_id: Annotated[str, Field(min_length=1)]
    """The id of the credentials at Port; those of a machine, not of a person."""
    client_secret: SecretStr
    """Their secret; never logged."""
    installation_id: Annotated[str, Field(min_length=1, max_length=253)]
    """Whose runs are claimed: the installation that Port's actions name. It belongs to one namespace of one cluster."""
    namespace: DnsLabel
    """Where the TaskActions are created."""
    mapping: Annotated[dict[str, Target], BeforeValidator(_targets)] = Field(default_factory=dict)
    """JSON: which provider, clusterProvider or executor a type of run is given to. Default: what bears its name."""
    run_kinds: Annotated[tuple[RunKind, ...], BeforeValidator(words), Field(min_length=1)] = tuple(RunKind)
    """Which kinds of runs are claimed: action, workflow_node, or both with a comma between."""
    runs_buffer_high_watermark: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """How many runs may be under way: claimed, and Port does not know their end. At this number no more are claimed."""
    max_runs_buffer_util_pct_per_action: Annotated[int, Field(ge=1, le=100)] = 30
    """How much of that one Port action or workflow node may take, in percent. At its share it is left out of claims;
    what one claim brings beyond it is not acknowledged, and comes again."""
    poll_check_interval_seconds: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """How long to wait after a claim that brought nothing."""
    visibility_timeout_ms: Annotated[int, Field(ge=1000, le=600_000)] = 30_000
    """How long a claimed run is hidden from other claims; what is not acknowledged by then is handed out again."""
    report_interval_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    """How often the actions under way are looked at for something to report."""
    max_wait_seconds_before_shutdown: Annotated[float, Field(ge=0, le=3600)] = 30.0
    """How long the agent may take to report what it knows when it stops; it claims nothing meanwhile."""
    request_timeout: PositiveDuration = timedelta(seconds=30)
    """How long one call of Port may take."""
    lease_duration: PositiveDuration = timedelta(seconds=15)
    """How long the Lease of an agent that is gone is respected; one agent of an installation works at a time."""
    identity: str = Field(default_factory=identity)
    """What this process calls itself; must be new with every process."""
    context: str | None = None
    """The kubeconfig's context. Default: its current one."""
    bind: Annotated[str, AfterValidator(address)] = "127.0.0.1:8081"
    """Address and port of /healthz, /readyz and /metrics."""
    log_format: Literal["json", "console"] = "json"
    """json for machines, console for people."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe messages that are logged."""

    @model_validator(mode="after")
    def _has_a_secret(self) -> Self:
        if not self.client_secret.get_secret_value():
            raise ValueError(f"{PREFIX}CLIENT_SECRET: must not be empty")
        return self

    @property
    def kubeconfig(self) -> Path | None:
        """The kubeconfig that KUBECONFIG names, as kubectl reads it."""
        named = os.environ.get("KUBECONFIG")
        return Path(named) if named else None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "PortAgentConfig":
        """Read the settings; raises ``ConfigurationError``, whose message names the variable and no secret."""
        return read_settings(cls, PREFIX, environment, secret=frozenset({"client_secret"}))
