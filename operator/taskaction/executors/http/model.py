"""What an ``http`` action says: inline as its parameters, or as a provider's config; fields and rules only."""

from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from taskaction.api.base import Duration
from taskaction.executors.templates import closed
from taskaction.plugin.checks import Expectation
from taskaction.plugin.parameters import Parameters, Patience

RETRIED_CODES = (408, 425, 429, 500, 502, 503, 504)
_CODE = r"^([1-5][0-9][0-9]|[1-5]xx)$"
Text = Annotated[str, Field(max_length=8192), AfterValidator(closed)]
StatusCode = Annotated[str, Field(pattern=_CODE)]


class SecretRef(Parameters):
    """One key of a Secret."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """The Secret's name."""
    key: Annotated[str, Field(min_length=1, max_length=253)]
    """The key in it."""
    namespace: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Only in a provider's config: the Secret's namespace."""


class HeaderAuth(Parameters):
    """A secret as a header's value."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    """The header."""
    secret_key_ref: SecretRef
    """Where its value is."""


class BasicAuth(Parameters):
    """User and password."""

    username: Annotated[str, Field(max_length=256)]
    """The user."""
    password_secret_key_ref: SecretRef
    """Where the password is."""


class Auth(Parameters):
    """How the request authenticates: exactly one of the three."""

    bearer_secret_key_ref: SecretRef | None = None
    """The token of an `Authorization: Bearer` header."""
    basic: BasicAuth | None = None
    """User and password."""
    header: HeaderAuth | None = None
    """Any other header."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(way is not None for way in (self.bearer_secret_key_ref, self.basic, self.header)) != 1:
            raise ValueError("set exactly one of bearerSecretKeyRef, basic and header")
        return self


class Success(Parameters):
    """When a response counts as a success."""

    codes: tuple[StatusCode, ...] = ("2xx",)
    """Status codes such as 200 or 2xx. Default 2xx."""
    body: Expectation | None = None
    """What the JSON body must say besides."""


class Retry(Parameters):
    """Which responses are worth another attempt."""

    codes: tuple[Annotated[int, Field(ge=100, le=599)], ...] = RETRIED_CODES
    """Status codes. Default 408, 425, 429, 500, 502, 503 and 504."""


class Follow(Parameters):
    """A request that is made later, about what the first one started."""

    method: Annotated[str, Field(pattern=r"^[A-Z]{3,10}$")] = "GET"
    """The method. Default GET."""
    url: Text
    """The URL; `{{ externalId }}` is what the first response was called."""
    headers: dict[str, Text] = Field(default_factory=dict)
    """Headers, besides those of the first request's authentication."""


class Polling(Follow):
    """How to find out that what was started has ended."""

    external_id: Text
    """What the started thing is called (1 to 253 characters): a template over `response.body`, `response.headers`."""
    success: Expectation
    """What the body says when it has ended well."""
    failure: Expectation | None = None
    """What the body says when it has failed."""
    interval: Duration | None = None
    """The first wait. Default 1s, with `callback` 1m; later ones grow to `maxInterval`."""
    max_interval: Duration | None = None
    """The longest wait. Default 30s, with `callback` 10m."""


class Callback(Parameters):
    """How the target tells that what was started has ended: by a request to `{{ callbackUrl }}`, or by a webhook."""

    success: Expectation | None = None
    """What the delivered body says when it has ended well. Default: any body does that is no failure."""
    failure: Expectation | None = None
    """What the delivered body says when it has failed."""
    timeout: Patience | None = None
    """How long it is waited for, from the attempt's start. Default: `timeouts.attempt`; without it, and without
    `polling`, 1h."""
    external_id: Text | None = None
    """What the started thing is called, where there is no `polling`: a template as there. Default: the idempotency
    key."""
    output_path: Annotated[str, Field(max_length=253)] | None = None
    """The part of the delivered body that becomes the output. Default: all of it."""


class HttpModel(Parameters):
    """One request. Every text may hold templates, such as `{{ parameters.id }}` or `{{ action.name }}`."""

    method: Annotated[str, Field(pattern=r"^[A-Z]{3,10}$")] = "GET"
    """The method. Default GET."""
    url: Text
    """The URL, http or https."""
    query: dict[str, Any] = Field(default_factory=dict)
    """Query parameters."""
    headers: dict[str, Text] = Field(default_factory=dict)
    """Headers."""
    json_body: Annotated[Any, Field(alias="json")] = None
    """A JSON body."""
    form: dict[str, Any] | None = None
    """A form body."""
    body: Annotated[str, Field(max_length=262_144)] | None = None
    """A text body."""
    auth: Auth | None = None
    """How the request authenticates."""
    timeout: Duration | None = None
    """How long the response may take. Default 30s."""
    success: Success = Success()
    """When the response counts as a success."""
    retry: Retry = Retry()
    """Which responses are worth another attempt."""
    idempotency_header: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """The header that carries the action's idempotency key; the target then makes repeats harmless."""
    fencing_header: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """The header that carries the fencing token, a number that grows with every change of owner."""
    output_path: Annotated[str, Field(max_length=253)] | None = None
    """The part of the JSON body that becomes the output. Default: status, chosen headers and body."""
    output_headers: tuple[Annotated[str, Field(max_length=256)], ...] = ()
    """Response headers that become part of the output."""
    polling: Polling | None = None
    """For requests that only start something."""
    callback: Callback | None = None
    """For requests that only start something whose end the target tells by itself; with `polling` both hold."""
    cancel: Follow | None = None
    """The request that stops what was started; the object is then held until it was made."""

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if not url.startswith(("http://", "https://", "{{")):
            raise ValueError("must begin with http:// or https://")
        return url

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if sum(body is not None for body in (self.json_body, self.form, self.body)) > 1:
            raise ValueError("set at most one of json, form and body")
        if self.timeout is not None and self.timeout <= timedelta():
            raise ValueError("timeout must be longer than 0s")
        if self.cancel is not None and self.polling is None and self.callback is None:
            raise ValueError("cancel needs polling or callback, which say what the started thing is called")
        return self
