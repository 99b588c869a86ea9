"""What a ``globus`` action says, and what a provider's config says of every one; fields and rules only."""

from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, Field, field_validator, model_validator

from taskaction.api.base import Duration
from taskaction.executors.http.model import SecretRef
from taskaction.plugin.parameters import Parameters
from taskaction.plugin.schedule import Schedule

USER = "User"
TOKEN_URL = "https://auth.globus.org/v2/oauth2/token"  # noqa: S105 - an address, no secret
_PRINCIPAL = r"^urn:globus:(auth:identity|groups:id):[0-9a-fA-F-]{36}$"

Url = Annotated[str, Field(max_length=2048, pattern=r"^https?://[^\s?#]+$")]
Scope = Annotated[str, Field(min_length=1, max_length=2048)]
Principal = Annotated[str, Field(pattern=_PRINCIPAL)]
Client = Annotated[str, Field(min_length=1, max_length=256)]


class Refresh(Parameters):
    """A refresh token, with which access tokens are asked for when they are needed."""

    token_secret_key_ref: SecretRef
    """Where the refresh token is."""
    client_id: Client
    """The client that it was given to."""
    client_secret_key_ref: SecretRef | None = None
    """Where that client's secret is; a native client has none."""
    token_url: Url = TOKEN_URL
    """The token endpoint. Default: that of Globus Auth."""


class ClientCredentials(Parameters):
    """A client that acts as itself: each scope's token is asked for when it is needed."""

    client_id: Client
    """The client."""
    client_secret_key_ref: SecretRef
    """Where its secret is."""
    token_url: Url = TOKEN_URL
    """The token endpoint. Default: that of Globus Auth."""


class TokenSource(Parameters):
    """Where a role's tokens come from: exactly one of the four."""

    secret_key_ref: SecretRef | None = None
    """An access token, whatever the scope."""
    scopes: dict[Scope, SecretRef] | None = None
    """An access token for each scope."""
    refresh: Refresh | None = None
    """A refresh token."""
    client_credentials: ClientCredentials | None = None
    """A client's own id and secret."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        ways = (self.secret_key_ref, self.scopes, self.refresh, self.client_credentials)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("set exactly one of secretKeyRef, scopes, refresh and clientCredentials")
        return self


class GlobusPolling(Parameters):
    """How often the action's status is asked for."""

    initial: Duration = timedelta(seconds=1)
    """The first wait. Default 1s."""
    factor: Annotated[float, Field(ge=1, le=10)] = 2
    """How much longer each further wait is, 1 to 10. Default 2."""
    max: Duration = timedelta(minutes=10)
    """The longest wait. Default 10m."""

    @model_validator(mode="after")
    def _longer_than_nothing(self) -> Self:
        if self.initial <= timedelta() or self.max < self.initial:
            raise ValueError("initial must be longer than 0s, and max at least as long")
        return self

    @property
    def schedule(self) -> Schedule:
        """The same as a value."""
        return Schedule(initial=self.initial.total_seconds(), factor=self.factor, longest=self.max.total_seconds())


class GlobusConfig(Parameters):
    """How an Action Provider is called; as a provider's ``config`` the action's parameters are its ``body``."""

    url: Url
    """The Action Provider's base URL, with or without a slash at its end."""
    scope: Scope | None = None
    """The scope of the token. Default: what the provider's description says."""
    tokens: dict[Annotated[str, Field(min_length=1, max_length=128)], TokenSource] = Field(default_factory=dict)
    """Where the tokens of each `RunAs` role come from. Without any, requests carry no token."""
    run_as: Annotated[str, Field(min_length=1, max_length=128)] = USER
    """Whose tokens are used: User, Flow, or another role of `tokens`. Default User."""
    label: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """What people call the action at the provider."""
    tags: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = ()
    """Sent only where set: strict providers refuse it, since the interface does not name it."""
    monitor_by: tuple[Principal, ...] = ()
    """Principals who may see the action, besides its creator."""
    manage_by: tuple[Principal, ...] = ()
    """Principals who may cancel and release the action, besides its creator."""
    deadline: AwareDatetime | None = None
    """By when the provider is asked to have finished."""
    release_after: Annotated[str, Field(pattern=r"^P[0-9A-Z.]{1,60}$")] | None = None
    """How long the provider keeps the finished action, as an ISO 8601 duration such as P30D."""
    poll: GlobusPolling | None = None
    """How often its status is asked for. An ActionProvider's own `spec.poll` wins."""
    honours_request_id: bool = True
    """Whether the provider starts one action only, however often it gets the same `request_id`, as the interface
    demands. When false, a start whose answer was lost is never repeated: the attempt fails."""

    @field_validator("url")
    @classmethod
    def _without_slash(cls, url: str) -> str:
        return url.rstrip("/")


class GlobusParameters(GlobusConfig):
    """One action at a Globus Action Provider."""

    body: dict[str, Any] = Field(default_factory=dict)
    """What the provider is asked to do, by its own `input_schema`."""
