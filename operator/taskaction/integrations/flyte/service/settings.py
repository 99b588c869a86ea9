"""The Actions service's own settings, from the environment under a prefix of their own; the rest are the operator's."""

import ipaddress
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from taskaction.api.base import PositiveDuration
from taskaction.integrations.flyte.executor.settings import folders
from taskaction.runtime.config import address, read_settings, words

PREFIX = "TASKACTION_ACTIONS_"


def pairs(value: object) -> object:
    """Read ``a=b,c=d``; raises ``ValueError`` where a part is no pair."""
    if not isinstance(value, str):
        return value
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in value.split(","))):
        name, sign, said = part.partition("=")
        if not sign or not name.strip() or not said.strip():
            raise ValueError(f"should be pairs such as name=value, separated by commas; {part!r} is none")
        found[name.strip()] = said.strip()
    return found


def _folder(value: str) -> str:
    (found,) = folders((value,))
    return found


class ActionsConfig(BaseModel):
    """Every setting, with its default; ``TASKACTION_ACTIONS_<NAME>`` in the environment sets it."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    bind: Annotated[str, AfterValidator(address)] = "127.0.0.1:8094"
    """Address and port of the service, for Connect and gRPC alike."""
    probes_bind: Annotated[str, AfterValidator(address)] = "127.0.0.1:8095"
    """Address and port of /healthz, /readyz and /metrics."""
    namespace: Annotated[str, Field(min_length=1, max_length=63)] = "flyte"
    """The namespace of actions whose project and domain `NAMESPACES` does not name."""
    namespaces: Annotated[Mapping[str, str], BeforeValidator(pairs)] = Field(default_factory=dict)
    """Which project and domain has which namespace: `project/domain=namespace` or `project=namespace`, by commas."""
    task_types: Annotated[Mapping[str, str], BeforeValidator(pairs)] = Field(default_factory=dict)
    """Which task type has which executor, for example `spark=resource`; `*` is all others. Default: flyte."""
    templates: Annotated[str, AfterValidator(_folder)] | None = None
    """Where templates are stored that are too large for an object, for example s3://bucket/templates; the operator must
    be able to read it, by TASKACTION_FLYTE_STORAGE. The service removes those that no action has. Default: they are
    refused."""
    authentication: Literal["token", "none"] = "token"
    """token: callers show a Kubernetes token. none: everybody may do all, on a loopback address only."""
    audiences: Annotated[tuple[str, ...], BeforeValidator(words)] = ()
    """The audiences of which a token must name one, separated by commas. Default: the API server's own."""
    tls_cert_file: Path | None = None
    """The server's certificate, PEM. Without one the service speaks plain HTTP."""
    tls_key_file: Path | None = None
    """The certificate's key, PEM."""
    tls_client_ca_file: Path | None = None
    """Callers must show a certificate that one of these authorities has signed, besides their token."""
    watch_buffer_size: Annotated[int, Field(ge=1, le=100_000)] = 100
    """How many changes of one watch are sent before others have their turn."""
    watch_age: PositiveDuration = timedelta(hours=1)
    """How long a watch lasts; then the client gets UNAVAILABLE, and connects again."""
    heartbeat: PositiveDuration = timedelta(seconds=30)
    """After how long without a change a watch says that it is there, by another sentinel."""
    requests: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Maximum number of concurrent calls, not counting watches; further calls get RESOURCE_EXHAUSTED."""
    watches: Annotated[int, Field(ge=1, le=100_000)] = 5000
    """Maximum number of concurrent watches; further watches get RESOURCE_EXHAUSTED."""
    rate: Annotated[float, Field(gt=0)] | None = None
    """Maximum number of calls a second of one caller; further calls get RESOURCE_EXHAUSTED. Default: any number."""
    traces: Annotated[int, Field(ge=0, le=1_000_000)] = 10_000
    """Maximum number of stored traces of one action; further traces are refused, and clients continue without them."""
    request_bytes: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 2 * 1024 * 1024
    """The largest request, unpacked."""
    drain: PositiveDuration = timedelta(seconds=5)
    """How long calls are still taken after SIGTERM, until nobody sends them here any more."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("set TASKACTION_ACTIONS_TLS_CERT_FILE and TLS_KEY_FILE both, or none of them")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError("TASKACTION_ACTIONS_TLS_CLIENT_CA_FILE needs TLS_CERT_FILE and TLS_KEY_FILE")
        if self.authentication == "none" and not _is_loopback(self.bind):
            raise ValueError(
                "TASKACTION_ACTIONS_AUTHENTICATION=none is only for a loopback address: set "
                "TASKACTION_ACTIONS_BIND to 127.0.0.1:<port>, or authentication to token"
            )
        return self

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "ActionsConfig":
        """Read the settings; raises ``ConfigurationError``."""
        return read_settings(cls, PREFIX, environment)


def _is_loopback(bind: str) -> bool:
    host = bind.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
