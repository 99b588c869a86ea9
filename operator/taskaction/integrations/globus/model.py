"""What a ``globus`` action says, and what a provider's config says of every one; fields and rules only."""

from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import AfterValidator, AwareDatetime, Field, field_validator, model_validator

from taskaction.api.base import Duration
from taskaction.core.urls import check_url
from taskaction.executors.http.model import SecretRef
from taskaction.plugin.parameters import Parameters
from taskaction.plugin.schedule import Schedule

USER = "User"
TOKEN_URL = "https://auth.globus.org/v2/oauth2/token"  # noqa: S105 - an address, no secret
_PRINCIPAL = r"^urn:globus:(auth:identity|groups:id):[0-9a-fA-F-]{36}$"

Url = Annotated[str, Field(max_length=2048, pattern=r"^https?://[^\s?#]+$"), AfterValidator(check_url)]
Scope = Annotated[str, Field(min_length=1, max_length=2048)]
Principal = Annotated[str, Field(pattern=_PRINCIPAL)]
Client = Annotated[str, Field(min_length=1, max_length=256)]


class Refresh(Parameters):
    """A refresh token. The operator requests access tokens with it when it needs them."""

    token_secret_key_ref: SecretRef
    """Secret that contains the refresh token."""
    client_id: Client
    """ID of the client that the refresh token was issued to."""
    client_secret_key_ref: SecretRef | None = None
    """Secret that contains the client's secret. A native client has none."""
    token_url: Url = TOKEN_URL
    """URL of the token endpoint. Default: the one of Globus Auth."""


class ClientCredentials(Parameters):
    """A client that acts on its own behalf. The operator requests a token for each scope when it needs it."""

    client_id: Client
    """ID of the client."""
    client_secret_key_ref: SecretRef
    """Secret that contains the client's secret."""
    token_url: Url = TOKEN_URL
    """URL of the token endpoint. Default: the one of Globus Auth."""


class TokenSource(Parameters):
    """Source of a role's tokens. Set exactly one of the four fields."""

    secret_key_ref: SecretRef | None = None
    """Secret that contains an access token for every scope."""
    scopes: dict[Scope, SecretRef] | None = None
    """Secrets that contain access tokens, one for each scope."""
    refresh: Refresh | None = None
    """A refresh token with which access tokens are requested."""
    client_credentials: ClientCredentials | None = None
    """ID and secret of a client that acts on its own behalf."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        ways = (self.secret_key_ref, self.scopes, self.refresh, self.client_credentials)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("set exactly one of secretKeyRef, scopes, refresh and clientCredentials")
        return self


class GlobusPolling(Parameters):
    """Intervals at which the operator requests the action's status."""

    initial: Duration = timedelta(seconds=1)
    """First interval. Default 1s."""
    factor: Annotated[float, Field(ge=1, le=10)] = 2
    """Factor by which each further interval is longer, from 1 to 10. Default 2."""
    max: Duration = timedelta(minutes=10)
    """Longest interval. Default 10m."""

    @model_validator(mode="after")
    def _longer_than_nothing(self) -> Self:
        if self.initial <= timedelta() or self.max < self.initial:
            raise ValueError("initial must be longer than 0s, and max at least as long")
        return self

    @property
    def schedule(self) -> Schedule:
        """Schedule with these intervals."""
        return Schedule(initial=self.initial.total_seconds(), factor=self.factor, longest=self.max.total_seconds())


class GlobusConfig(Parameters):
    """How an Action Provider is called; as a provider's ``config`` the action's parameters are its ``body``."""

    url: Url
    """Base URL of the Action Provider, with or without a slash at its end."""
    scope: Scope | None = None
    """Scope of the token. Default: the scope in the provider's description."""
    tokens: dict[Annotated[str, Field(min_length=1, max_length=128)], TokenSource] = Field(default_factory=dict)
    """Sources of tokens for each `RunAs` role. If empty, requests have no token."""
    run_as: Annotated[str, Field(min_length=1, max_length=128)] = USER
    """Role whose tokens are used: `User`, `Flow`, or another key of `tokens`. Default `User`."""
    label: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    """Display name of the action at the provider."""
    tags: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = ()
    """Tags of the action at the provider. The interface does not define tags, so strict providers refuse them."""
    monitor_by: tuple[Principal, ...] = ()
    """Principals that may see the action, in addition to its creator."""
    manage_by: tuple[Principal, ...] = ()
    """Principals that may cancel and release the action, in addition to its creator."""
    deadline: AwareDatetime | None = None
    """Time by which the provider should finish the action."""
    release_after: Annotated[str, Field(pattern=r"^P[0-9A-Z.]{1,60}$")] | None = None
    """Time that the provider keeps the finished action, as an ISO 8601 duration such as P30D."""
    poll: GlobusPolling | None = None
    """Intervals of requests for the action's status. `spec.poll` of an ActionProvider takes precedence."""
    honours_request_id: bool = True
    """Whether the provider starts only one action for requests with the same `request_id`, as the interface requires.
    If false, the operator does not repeat a start whose response was lost; the attempt fails. Default true."""

    @field_validator("url")
    @classmethod
    def _without_slash(cls, url: str) -> str:
        return url.rstrip("/")


class GlobusParameters(GlobusConfig):
    """One action at a Globus Action Provider."""

    body: dict[str, Any] = Field(default_factory=dict)
    """Input of the action, as the `input_schema` of the provider defines it."""
