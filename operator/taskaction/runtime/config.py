"""Settings of the operator, and those that all processes share; only the packages that start a process read them."""

import socket
import uuid
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, PrivateAttr, SecretStr, model_validator

from taskaction.api.base import Duration, PositiveDuration
from taskaction.api.parameters import MAX_BYTES as MAX_PARAMETERS_BYTES
from taskaction.core.constants import FLOW_STATE_LIMIT_BYTES, OUTPUT_LIMIT_BYTES
from taskaction.core.errors import ConfigurationError
from taskaction.execution.shares import ShareSettings
from taskaction.flows.budget import MAX_VISITS
from taskaction.plugin.addresses import Network
from taskaction.plugin.callbacks import Callbacks, parse_keys
from taskaction.plugin.folder_grants import first_own_folder
from taskaction.plugin.setting_types import COMMA_LIST, NETWORKS, OPTIONAL, PAIRS, BindAddress, Folder, Url
from taskaction.plugin.settings import FormerName, Settings, SettingsReader, SharedVariable


def make_identity() -> str:
    """Return a name that no other process has had."""
    return f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"


class ProcessSettings(Settings):
    """Settings that every process has, each under its own prefix; processes that read the operator's share them."""

    identity: str = Field(default_factory=make_identity)
    """Identity of this process in Leases and claims; must be unique for every process."""
    kubeconfig: Annotated[Path | None, OPTIONAL] = Field(
        default=None, validation_alias=AliasChoices("kubeconfig", "KUBECONFIG")
    )
    """Path of the kubeconfig, as for kubectl. Default: the ServiceAccount of the pod, otherwise ~/.kube/config."""
    context: str | None = None
    """Context of the kubeconfig. Default: its current context."""
    log_format: Literal["json", "console"] = "json"
    """Format of log lines: json for machines, console for people."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Minimum level of log lines."""
    metrics_legacy_names: bool = True
    """Whether /metrics also shows renamed metrics by their former names."""


class OperatorConfig(ProcessSettings, env_prefix="TASKACTION_"):
    """Settings of the operator; the environment variable ``TASKACTION_<NAME>`` sets one."""

    namespace: str = "taskaction-system"
    """Namespace of the operator: its Leases are there, and actions may not use its accounts and Secrets."""
    watch_namespaces: Annotated[tuple[str, ...], COMMA_LIST] = ()
    """Namespaces whose actions are run, separated by commas. Default: all."""
    cluster_providers: bool = True
    """Whether ClusterActionProviders are used. Without them, and with namespaces to watch, the operator requests only
    namespaced objects."""
    bind: BindAddress = "127.0.0.1:8080"
    """Address and port of /healthz, /readyz and /metrics."""
    workers_count: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Maximum number of concurrent calls of executors. Namespaces share them; while calls of over a second keep
    another namespace from its share, up to as many again are made for it."""
    namespace_weights: Annotated[dict[str, Annotated[int, Field(ge=1, le=1_000)]], PAIRS] = Field(default_factory=dict)
    """Weights by which namespaces share the workers, such as team-a=4,ci=2. Default: 1 for each."""
    urgent_namespaces: Annotated[tuple[str, ...], COMMA_LIST] = ()
    """Namespaces whose actions with a positive priority come before those of all other namespaces. Default: none; a
    priority counts within its namespace."""
    call_timeout: Duration = timedelta(hours=1)
    """Maximum duration of one call of an executor; the attempt then fails as if it had exceeded its own timeout."""
    rate_check_timeout: Duration = timedelta(minutes=10)
    """Time for which the rate limit check of an executor may fail with errors; the attempt then fails. Errors of the
    platform are retried without a limit."""
    runs_buffer_high_watermark: Annotated[int, Field(ge=1)] | None = None
    """Maximum number of actions in the queue of a replica; further ones wait in the backlog. Default: any number."""
    max_runs_buffer_util_pct_per_action: Annotated[int, Field(ge=1, le=100)] | None = None
    """Maximum share of the queue for one provider, or one executor in a namespace, in percent. Default: all."""
    writes_in_flight: Annotated[int, Field(ge=1, le=1_000)] = 64
    """Maximum number of concurrent writes to the API server; fewer are sent if more only make it respond later.
    Namespaces take turns."""
    shards: Annotated[int, Field(ge=1, le=256)] = 16
    """Number of shards that the work is divided into; the same for all replicas, and never changed while actions
    run."""
    lease_duration: Duration = timedelta(seconds=6)
    """Time after which other replicas take over the shards of a replica that no longer renews its Lease."""
    lease_renew_deadline: Duration = timedelta(seconds=4)
    """Time after its last renewal for which a replica may still start work."""
    lease_retry: Duration = timedelta(milliseconds=500)
    """Interval of checking Leases; a replica that has its share of the shards lists them once a second."""
    status_delay: Duration = timedelta(seconds=1)
    """Age from which an idempotent attempt is shown as Running; shorter ones cost no additional write."""
    interrupt_grace: Duration = timedelta(seconds=10)
    """Time for which the claim of a former owner is respected before its attempt counts as interrupted."""
    cancel_grace: Duration = timedelta(seconds=30)
    """Maximum time for an executor to confirm a cancel."""
    ttl: Duration = timedelta(hours=24)
    """Time to keep finished actions, if neither they nor their provider set one."""
    scan_interval: Duration = timedelta(minutes=5)
    """Interval of looking for finished objects that have expired, and for live ones that no longer exist."""
    storage_sweep_interval: PositiveDuration = timedelta(hours=1)
    """Interval of looking for files in the storage that no object needs, such as those of objects that were deleted
    while no operator ran."""
    drain_timeout: Duration = timedelta(seconds=20)
    """Maximum time for calls to end when the operator stops."""
    watch_idle_timeout: Annotated[Duration, FormerName("watch_silence")] = timedelta(seconds=75)
    """Time without an event or bookmark after which the operator opens a watch again; bookmarks come about once a
    minute."""
    watch_stale_after: Annotated[Duration, FormerName("deaf_after")] = timedelta(minutes=2)
    """Time without an event or bookmark of a watch after which /healthz fails."""
    http_allowed_cidrs: Annotated[tuple[Network, ...], NETWORKS] = ()
    """Networks that http actions may reach although they are loopback, private or otherwise denied by default."""
    max_parameters_bytes: Annotated[int, Field(ge=1024, le=1_000_000)] = MAX_PARAMETERS_BYTES
    """Maximum size of the parameters of an action, as JSON. An action with larger ones fails as ParametersTooLarge."""
    max_output_bytes: Annotated[int, Field(ge=1024, le=FLOW_STATE_LIMIT_BYTES)] = OUTPUT_LIMIT_BYTES
    """Maximum size of an output within the object of an action, as JSON; 200 KiB for actions of flow runs. A larger
    output goes to the storage."""
    storage: Annotated[
        Folder | None, FormerName("flows_storage"), SharedVariable("flyte_storage", first_own_folder)
    ] = None
    """A folder such as s3://bucket/taskaction for what does not fit into objects: outputs of actions, states and
    outputs of flow runs, bodies of webhooks. Each namespace has a folder of its own in it, in which results of Flyte's
    tasks may lie, too. The same for all replicas, and of no other operator. Default: the first folder of
    TASKACTION_FLYTE_STORAGE that is for every namespace; without one, actions with larger outputs fail as
    OutputTooLarge, and runs with States.DataLimitExceeded."""
    history: Annotated[SecretStr | None, OPTIONAL] = None
    """URL of the database that records finished actions and runs before they are deleted, such as
    postgresql://user@host:5432/database or sqlite:////folder/file.db. Default: none, and nothing is recorded."""
    history_password: Annotated[SecretStr | None, OPTIONAL] = None
    """Password for that database. Default: the one in the URL."""
    history_hold: Duration = timedelta(hours=24)
    """Time after its expiry for which a finished object is kept while the database of the history is away."""
    history_away: Literal["Delete", "Hold"] = "Delete"
    """What happens after that time: Delete deletes the object without a record, Hold keeps it until the database
    answers."""
    webhooks_url: Url | None = None
    """URL at which targets reach the inbox, for the one-time addresses that they get: for example
    https://hooks.example.org."""
    webhooks_key_file: Path | None = None
    """File with the keys that sign these addresses, the same for operator and inbox; one in each line, the first
    signs."""
    flows_max_visits: Annotated[int, Field(ge=1, le=10_000_000)] = MAX_VISITS
    """Maximum number of states that a run of a flow enters, in all its branches and items. A run that enters more fails
    with States.VisitLimitExceeded."""

    _executor_settings: SettingsReader = PrivateAttr(default_factory=SettingsReader)

    @model_validator(mode="after")
    def _check_lease_times(self) -> Self:
        if not self.lease_retry < self.lease_renew_deadline < self.lease_duration:
            raise ValueError(
                "TASKACTION_LEASE_RETRY must be less than TASKACTION_LEASE_RENEW_DEADLINE, and that less than "
                "TASKACTION_LEASE_DURATION"
            )
        return self

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], **values: Any) -> Self:
        """Read the settings, and keep the environment for those of executors; raises ``ConfigurationError``."""
        found = super().from_environment(environment, **values)
        found._executor_settings = SettingsReader(environment)  # noqa: SLF001 - an instance of this class
        return found

    @property
    def executor_settings(self) -> SettingsReader:
        """Reader of the settings that executors declare."""
        return self._executor_settings

    def shares(self) -> ShareSettings:
        """Return what namespaces are granted of the workers."""
        return ShareSettings(weights=self.namespace_weights, urgent=frozenset(self.urgent_namespaces))

    def callbacks(self) -> Callbacks | None:
        """Read the keys, and return the maker and reader of one-time addresses; None if no key is set.

        Raises:
            ConfigurationError: the file cannot be read, or has no key.
        """
        if self.webhooks_key_file is None:
            return None
        try:
            text = self.webhooks_key_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"TASKACTION_WEBHOOKS_KEY_FILE: {error}") from error
        return Callbacks(url=self.webhooks_url or "", keys=parse_keys(text))
