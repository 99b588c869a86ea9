"""The operator's settings, all from the environment under one prefix; read once at start, by ``app`` only."""

import os
import socket
import uuid
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from taskaction.api.base import Duration
from taskaction.core.errors import ConfigurationError
from taskaction.integrations.flyte.executor import settings as flyte
from taskaction.integrations.flyte.executor.settings import FlyteSettings
from taskaction.plugin.addresses import Network, parse_networks
from taskaction.plugin.callbacks import Callbacks, parse_keys
from taskaction.plugin.storage import validate_folder

PREFIX = "TASKACTION_"
Settings = TypeVar("Settings", bound=BaseModel)
_LAST_PORT = 65_535


def words(value: object) -> object:
    """Split text at commas."""
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


def _networks(value: object) -> object:
    return parse_networks(value) if isinstance(value, str) else value


def address(value: str) -> str:
    """Check that ``value`` is an address with a port."""
    host, colon, port = value.rpartition(":")
    if not host or not colon or not port.isdecimal() or not 0 < int(port) <= _LAST_PORT:
        raise ValueError("should be an address and a port, such as 127.0.0.1:8080")
    return value


def _web_address(value: str) -> str:
    if not value.startswith(("https://", "http://")) or any(sign in value for sign in "?#@ "):
        raise ValueError("should be an address such as https://hooks.example.org")
    return value.rstrip("/")


def identity() -> str:
    """Give a name that no other process has had."""
    return f"{socket.gethostname()}-{uuid.uuid4().hex[:8]}"


class OperatorConfig(BaseModel):
    """Every setting, with its default; ``TASKACTION_<NAME>`` in the environment sets it.

    Unknown names are ignored: Kubernetes itself puts ``TASKACTION_…_SERVICE_HOST`` into pods beside such a Service.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True)

    namespace: str = "taskaction-system"
    """Where the operator itself lives: its Leases are there, and actions may not use its accounts and Secrets."""
    watch_namespaces: Annotated[tuple[str, ...], BeforeValidator(words)] = ()
    """The namespaces whose actions are run, separated by commas. Default: all."""
    cluster_providers: bool = True
    """Whether ClusterActionProviders are looked at. Without them, and with namespaces to watch, the operator asks for
    nothing that belongs to no namespace."""
    identity: str = Field(default_factory=identity)
    """What this replica calls itself in Leases and claims; must be new with every process."""
    context: str | None = None
    """The kubeconfig's context. Default: its current one."""
    bind: Annotated[str, AfterValidator(address)] = "127.0.0.1:8080"
    """Address and port of /healthz, /readyz and /metrics."""
    log_format: Literal["json", "console"] = "json"
    """json for machines, console for people."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe messages that are logged."""
    workers_count: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Calls of executors at a time."""
    runs_buffer_high_watermark: Annotated[int, Field(ge=1)] | None = None
    """How many actions a replica lets wait in its queue; the others wait outside, and say so. Default: any number."""
    max_runs_buffer_util_pct_per_action: Annotated[int, Field(ge=1, le=100)] | None = None
    """How much of that one provider, or executor in a namespace, may take, in percent. Default: all."""
    writes_in_flight: Annotated[int, Field(ge=1, le=1_000)] = 64
    """Writes to the API server at a time."""
    shards: Annotated[int, Field(ge=1, le=256)] = 16
    """Into how many shards the work is divided; the same for all replicas, and never changed while actions run."""
    lease_duration: Duration = timedelta(seconds=15)
    """How long the shards of a replica that is gone are respected."""
    lease_renew_deadline: Duration = timedelta(seconds=10)
    """How long after its last renewal a replica may still start something."""
    lease_retry: Duration = timedelta(milliseconds=500)
    """How often leases are looked at: how soon a shard that was given back, or a new replica, is noticed."""
    status_delay: Duration = timedelta(seconds=1)
    """Running is written only for idempotent attempts that live longer than this."""
    interrupt_grace: Duration = timedelta(seconds=10)
    """How long the claim of a replica that is gone is respected before its attempt counts as interrupted."""
    cancel_grace: Duration = timedelta(seconds=30)
    """How long an executor may take to confirm a cancel."""
    ttl: Duration = timedelta(hours=24)
    """How long finished actions are kept where neither they nor their provider say."""
    scan_interval: Duration = timedelta(minutes=5)
    """How often finished objects are looked through for expired ones, and live ones for vanished ones."""
    drain_timeout: Duration = timedelta(seconds=20)
    """How long calls may take to end when the operator stops."""
    watch_silence: Duration = timedelta(seconds=75)
    """How long a watch may be silent before the operator opens it again; bookmarks come about once a minute."""
    deaf_after: Duration = timedelta(minutes=2)
    """After how long without a sign of life of a watch the operator calls itself unhealthy."""
    http_allowed_cidrs: Annotated[tuple[Network, ...], BeforeValidator(_networks)] = ()
    """Networks that http actions may reach although they are loopback, private or otherwise denied by default."""
    webhooks_url: Annotated[str, AfterValidator(_web_address)] | None = None
    """Where targets reach the inbox, for addresses that are handed to them: for example https://hooks.example.org."""
    flows_storage: Annotated[str, AfterValidator(validate_folder)] | None = None
    """A folder such as s3://bucket/flows, for the state and the output of runs of flows that are larger than 200 KiB;
    the same for all replicas. Default: such runs fail with States.DataLimitExceeded."""
    flyte: FlyteSettings = FlyteSettings()
    """The settings of Flyte's tasks, each of which is `TASKACTION_FLYTE_` and its own name."""
    webhooks_key_file: Path | None = None
    """The file with the key that signs these addresses, the same for operator and inbox; one in each line, the first
    signs."""

    @model_validator(mode="after")
    def _lease_times_fit(self) -> Self:
        if not self.lease_retry < self.lease_renew_deadline < self.lease_duration:
            raise ValueError("TASKACTION_LEASE_RETRY < LEASE_RENEW_DEADLINE < LEASE_DURATION must hold")
        return self

    @property
    def kubeconfig(self) -> Path | None:
        """The kubeconfig that KUBECONFIG names, as kubectl reads it."""
        named = os.environ.get("KUBECONFIG")
        return Path(named) if named else None

    def callbacks(self) -> Callbacks | None:
        """Read the key, and give what makes and reads one-time addresses; None where no key is set.

        Raises:
            ConfigurationError: the file cannot be read, or holds no key.
        """
        if self.webhooks_key_file is None:
            return None
        try:
            text = self.webhooks_key_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"TASKACTION_WEBHOOKS_KEY_FILE: {error}") from error
        return Callbacks(url=self.webhooks_url or "", keys=parse_keys(text))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "OperatorConfig":
        """Read the settings.

        Raises:
            ConfigurationError: a setting is wrong or unknown; the message names the variable.
        """
        own = {name: value for name, value in environment.items() if not name.startswith(flyte.PREFIX)}
        found = read_settings(cls, PREFIX, own)
        return found.model_copy(update={"flyte": read_settings(FlyteSettings, flyte.PREFIX, environment)})


def read_settings(
    model: type[Settings], prefix: str, environment: Mapping[str, str], secret: frozenset[str] = frozenset()
) -> Settings:
    """Read the settings of ``model`` that bear ``prefix``; the values of those in ``secret`` are told to nobody.

    Raises:
        ConfigurationError: a setting is wrong or missing; the message names the variable.
    """
    said = {name.removeprefix(prefix).lower(): value for name, value in environment.items() if name.startswith(prefix)}
    try:
        return model.model_validate(said)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        if not problem["loc"]:  # about several settings at once
            raise ConfigurationError(problem["msg"]) from error
        name = str(problem["loc"][0])
        shown = "" if name in secret or name not in said else f" (it is {said[name]!r})"
        raise ConfigurationError(f"{prefix}{name.upper()}: {problem['msg']}{shown}") from error
