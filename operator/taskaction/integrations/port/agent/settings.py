"""Settings of the agent, from environment variables with a prefix of their own; some names are those of Ocean."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from taskaction.api.base import DnsLabel, PositiveDuration
from taskaction.integrations.port.agent.mapping import Target, read_targets
from taskaction.integrations.port.agent.runs import PortRunKind
from taskaction.runtime.config import address, identity, read_settings, words

PREFIX = "TASKACTION_PORT_AGENT_"


def _targets(value: object) -> object:
    return read_targets(value) if isinstance(value, str) else value


def _web_address(value: str) -> str:
    if not value.startswith(("https://", "http://")) or any(sign in value for sign in "?#@ "):
        raise ValueError("must be an HTTP or HTTPS URL; use e.g. https://api.getport.io")
    return value.rstrip("/").removesuffix("/v1")


class PortAgentConfig(BaseModel):
    """Settings with their defaults; the environment variable ``TASKACTION_PORT_AGENT_<NAME>`` sets one."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    base_url: Annotated[str, AfterValidator(_web_address)] = "https://api.getport.io"
    """URL of Port's API."""
    client_id: Annotated[str, Field(min_length=1)]
    """Client id of the credentials at Port; use those of a machine, not of a person."""
    client_secret: SecretStr
    """Client secret of the credentials; never logged."""
    installation_id: Annotated[str, Field(min_length=1, max_length=253)]
    """Installation whose runs the agent claims, as Port's actions name it; it is for one namespace of one cluster."""
    namespace: DnsLabel
    """Namespace of the TaskActions that the agent creates."""
    mapping: Annotated[dict[str, Target], BeforeValidator(_targets)] = Field(default_factory=dict)
    """JSON object: provider, clusterProvider or executor for a type of run. Default: the one with the type's name."""
    run_kinds: Annotated[tuple[PortRunKind, ...], BeforeValidator(words), Field(min_length=1)] = tuple(PortRunKind)
    """Kinds of runs to claim: action, workflow_node, or both separated by a comma."""
    runs_buffer_high_watermark: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Maximum number of runs that are claimed and whose end is not yet reported; at it, the agent claims no more."""
    max_runs_buffer_util_pct_per_action: Annotated[int, Field(ge=1, le=100)] = 30
    """Maximum share of the watermark for one Port action or workflow node, in percent. At its share, claims exclude it;
    runs of a claim beyond the share are not acknowledged, and Port hands them out again."""
    poll_check_interval_seconds: Annotated[float, Field(gt=0, le=3600)] = 5.0
    """Pause in seconds after a claim that returned no runs."""
    visibility_timeout_ms: Annotated[int, Field(ge=1000, le=600_000)] = 30_000
    """Time that a claimed run is hidden from other claims; Port then hands out a run that is not acknowledged again."""
    report_interval_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    """Interval in seconds between checks of the unfinished actions for something to report."""
    max_wait_seconds_before_shutdown: Annotated[float, Field(ge=0, le=3600)] = 30.0
    """Time in seconds to send pending reports at shutdown; the agent claims no runs meanwhile."""
    request_timeout: PositiveDuration = timedelta(seconds=30)
    """Timeout of one request to Port."""
    lease_duration: PositiveDuration = timedelta(seconds=15)
    """Duration of the Lease; another agent takes over after it if the leader is gone."""
    identity: str = Field(default_factory=identity)
    """Identity of this process in the Lease; must be unique for every process."""
    context: str | None = None
    """Context of the kubeconfig. Default: its current context."""
    bind: Annotated[str, AfterValidator(address)] = "127.0.0.1:8081"
    """Address and port of /healthz, /readyz and /metrics."""
    log_format: Literal["json", "console"] = "json"
    """Format of log lines: json for machines, console for people."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Minimum level of log lines."""

    @model_validator(mode="after")
    def _has_a_secret(self) -> Self:
        if not self.client_secret.get_secret_value():
            raise ValueError(f"{PREFIX}CLIENT_SECRET: must not be empty")
        return self

    @property
    def kubeconfig(self) -> Path | None:
        """Path of the kubeconfig that KUBECONFIG names, as for kubectl."""
        named = os.environ.get("KUBECONFIG")
        return Path(named) if named else None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "PortAgentConfig":
        """Read the settings; raises ``ConfigurationError``, whose message names the variable but never a secret."""
        return read_settings(cls, PREFIX, environment, secret=frozenset({"client_secret"}))
