"""Settings of the agent, from environment variables with a prefix of their own; some names are those of Ocean."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from taskaction.api.base import DnsLabel, PositiveDuration
from taskaction.integrations.port.agent.mapping import Target, read_targets
from taskaction.integrations.port.agent.runs import PortRunKind
from taskaction.plugin.setting_types import COMMA_LIST, BindAddress, Url
from taskaction.runtime.config import ProcessSettings


def _targets(value: object) -> object:
    return read_targets(value) if isinstance(value, str) else value


def _without_version(value: str) -> str:
    return value.removesuffix("/v1")


class PortAgentConfig(ProcessSettings, env_prefix="TASKACTION_PORT_AGENT_"):
    """Settings with their defaults; the environment variable ``TASKACTION_PORT_AGENT_<NAME>`` sets one."""

    base_url: Annotated[Url, AfterValidator(_without_version)] = "https://api.getport.io"
    """URL of Port's API."""
    client_id: Annotated[str, Field(min_length=1)]
    """Client id of the credentials at Port; use those of a machine, not of a person."""
    client_secret: Annotated[SecretStr, Field(min_length=1)]
    """Client secret of the credentials; never logged."""
    installation_id: Annotated[str, Field(min_length=1, max_length=253)]
    """Installation whose runs the agent claims, as Port's actions name it; it is for one namespace of one cluster."""
    namespace: DnsLabel
    """Namespace of the TaskActions that the agent creates."""
    mapping: Annotated[dict[str, Target], BeforeValidator(_targets)] = Field(default_factory=dict)
    """JSON object: provider, clusterProvider or executor for a type of run. Default: the one with the type's name."""
    run_kinds: Annotated[tuple[PortRunKind, ...], COMMA_LIST, Field(min_length=1)] = tuple(PortRunKind)
    """Kinds of runs to claim: action, workflow_node, or both separated by a comma."""
    runs_buffer_high_watermark: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Maximum number of queued runs: claimed, and their actions have not started. At it, the agent claims no more."""
    max_runs_buffer_util_pct_per_action: Annotated[int, Field(ge=1, le=100)] = 30
    """Maximum share of the watermark for one Port action or workflow node, in percent. At its share, claims exclude it;
    runs of a claim beyond the share are not acknowledged, and Port hands them out again."""
    max_started_runs: Annotated[int, Field(ge=1, le=100_000)] = 5000
    """Maximum number of runs whose actions have started and whose end is not yet reported, also those that continue
    outside. At it, the agent claims no more and is not ready; queued runs may still start."""
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
    bind: BindAddress = "127.0.0.1:8081"
    """Address and port of /healthz, /readyz and /metrics."""
