"""Settings of the Actions service, from environment variables with a prefix; it shares the operator's settings."""

import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from taskaction.api.base import PositiveDuration
from taskaction.api.enums import ChildPolicy
from taskaction.plugin.setting_types import COMMA_LIST, PAIRS, BindAddress, Folder
from taskaction.plugin.settings import FormerName, Settings


class ActionsConfig(Settings, env_prefix="TASKACTION_ACTIONS_"):
    """Settings with their defaults; the environment variable ``TASKACTION_ACTIONS_<NAME>`` sets one."""

    bind: BindAddress = "127.0.0.1:8094"
    """Address and port of the service, for Connect and gRPC alike."""
    probes_bind: BindAddress = "127.0.0.1:8095"
    """Address and port of /healthz, /readyz and /metrics."""
    namespace: Annotated[str, Field(min_length=1, max_length=63)] = "flyte"
    """Namespace of actions whose project and domain `NAMESPACES` does not name."""
    namespaces: Annotated[Mapping[str, str], PAIRS] = Field(default_factory=dict)
    """Namespaces of projects and domains: `project/domain=namespace` or `project=namespace`, separated by commas."""
    task_types: Annotated[Mapping[str, str], PAIRS] = Field(default_factory=dict)
    """Executors of task types, for example `spark=resource`; `*` is all others. Default: flyte."""
    queues: Annotated[Mapping[str, str], PAIRS] = Field(default_factory=dict)
    """ActionProviders of queues, for example `serial-1=one-at-a-time`: a task with this queue is run by the provider of
    this name in its namespace, by the provider's limits. A task with any other queue is refused."""
    child_policy: ChildPolicy = ChildPolicy.ABORT_ON_FAILURE
    """What happens to the running children of a task that finishes: `Keep`, `Abort`, or `AbortOnFailure`, which aborts
    them if the task failed or timed out."""
    templates: Folder | None = None
    """Folder for templates that are too large for an object, for example s3://bucket/templates; the operator must be
    able to read it, by TASKACTION_STORAGE or TASKACTION_FLYTE_STORAGE. The service removes those that no action has.
    Default: they are refused."""
    authentication: Literal["token", "none"] = "token"
    """token: callers send a Kubernetes token. none: everybody may do everything, on a loopback address only."""
    audiences: Annotated[tuple[str, ...], COMMA_LIST] = ()
    """Audiences of which a token must name one, separated by commas. Default: the API server's own."""
    tls_cert_file: Path | None = None
    """Certificate of the server, PEM. Without one the service speaks plain HTTP."""
    tls_key_file: Path | None = None
    """Key of the certificate, PEM."""
    tls_client_ca_file: Path | None = None
    """Authorities, PEM: callers need a certificate that one of them has signed, in addition to their token."""
    watch_buffer_size: Annotated[int, Field(ge=1, le=100_000)] = 100
    """Maximum number of changes that one watch sends before others have their turn."""
    watch_age: PositiveDuration = timedelta(hours=1)
    """Maximum duration of a watch; then the client gets UNAVAILABLE, and connects again."""
    heartbeat: PositiveDuration = timedelta(seconds=30)
    """Time without a change after which a watch sends another sentinel, so that the client sees that it is alive."""
    max_concurrent_requests: Annotated[int, Field(ge=1, le=10_000), FormerName("requests")] = 256
    """Maximum number of concurrent calls, not counting watches; further calls get RESOURCE_EXHAUSTED."""
    max_concurrent_watches: Annotated[int, Field(ge=1, le=100_000), FormerName("watches")] = 5000
    """Maximum number of concurrent watches; further watches get RESOURCE_EXHAUSTED."""
    max_connections: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    """Maximum number of connections; further ones are closed at once."""
    max_connections_per_source: Annotated[int, Field(ge=1, le=100_000)] = 1000
    """Maximum number of connections from one address, such as that of a gateway; further ones are closed at once."""
    max_requests_per_second: Annotated[float | None, Field(gt=0), FormerName("rate")] = None
    """Maximum number of calls per second of one caller; further calls get RESOURCE_EXHAUSTED. Default: any number."""
    max_traces: Annotated[int, Field(ge=0, le=1_000_000), FormerName("traces")] = 10_000
    """Maximum number of stored traces of one action; further traces are refused, and clients continue without them."""
    max_request_bytes: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024), FormerName("request_bytes")] = (
        2 * 1024 * 1024
    )
    """Maximum size of an unpacked request in bytes."""
    request_timeout: PositiveDuration = timedelta(seconds=30)
    """Maximum time until a request is complete, and for callers without a valid token a quarter of it."""
    shutdown_delay: Annotated[PositiveDuration, FormerName("drain")] = timedelta(seconds=5)
    """Time to accept calls after SIGTERM, until load balancers stop sending them here."""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError(
                "set TASKACTION_ACTIONS_TLS_CERT_FILE and TASKACTION_ACTIONS_TLS_KEY_FILE both, or none of them"
            )
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("TASKACTION_ACTIONS_TLS_CLIENT_CA_FILE requires TASKACTION_ACTIONS_TLS_CERT_FILE")
        if self.authentication == "none" and not _is_loopback(self.bind):
            raise ValueError(
                "TASKACTION_ACTIONS_AUTHENTICATION=none is only for a loopback address: set "
                "TASKACTION_ACTIONS_BIND to 127.0.0.1:<port>, or authentication to token"
            )
        return self


def _is_loopback(bind: str) -> bool:
    host = bind.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
