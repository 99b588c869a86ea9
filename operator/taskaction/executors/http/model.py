"""Parameters of an ``http`` action, or the config of a provider: fields and rules only."""

from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from taskaction.api.base import Duration
from taskaction.executors.http.headers import check_header_name, check_header_value, check_method
from taskaction.executors.templates import check_closed, check_url_template
from taskaction.plugin.checks import Expectation
from taskaction.plugin.parameters import Parameters, Patience

RETRIED_CODES = (408, 425, 429, 500, 502, 503, 504)
_CODE = r"^([1-5][0-9][0-9]|[1-5]xx)$"
Text = Annotated[str, Field(max_length=8192), AfterValidator(check_closed)]
UrlText = Annotated[Text, AfterValidator(check_url_template)]
HeaderName = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(check_header_name)]
HeaderText = Annotated[Text, AfterValidator(check_header_value)]
Method = Annotated[str, Field(pattern=r"^[A-Z]{3,10}$"), AfterValidator(check_method)]
StatusCode = Annotated[str, Field(pattern=_CODE)]


class SecretRef(Parameters):
    """Reference to one key of a Secret."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """The name of the Secret."""
    key: Annotated[str, Field(min_length=1, max_length=253)]
    """The key in the Secret."""
    namespace: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """The namespace of the Secret; only in the config of a ClusterActionProvider."""


class HeaderAuth(Parameters):
    """Header with a secret value."""

    name: HeaderName
    """The name of the header."""
    secret_key_ref: SecretRef
    """The Secret with the value of the header."""


class BasicAuth(Parameters):
    """User name and password."""

    username: Annotated[str, Field(max_length=256)]
    """The user name."""
    password_secret_key_ref: SecretRef
    """The Secret with the password."""


class Auth(Parameters):
    """Authentication of the request: exactly one of the three."""

    bearer_secret_key_ref: SecretRef | None = None
    """The Secret with the token of an `Authorization: Bearer` header."""
    basic: BasicAuth | None = None
    """User name and password, for basic authentication."""
    header: HeaderAuth | None = None
    """Any other header with a secret value."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(way is not None for way in (self.bearer_secret_key_ref, self.basic, self.header)) != 1:
            raise ValueError("set exactly one of bearerSecretKeyRef, basic and header")
        return self


class Success(Parameters):
    """Criteria of a successful response."""

    codes: tuple[StatusCode, ...] = ("2xx",)
    """Status codes such as 200 or 2xx. Default 2xx."""
    body: Expectation | None = None
    """A value that the JSON body must also contain."""


class RetriedResponses(Parameters):
    """Responses after which the action is retried."""

    codes: tuple[Annotated[int, Field(ge=100, le=599)], ...] = RETRIED_CODES
    """Status codes. Default 408, 425, 429, 500, 502, 503 and 504. Codes that are set are the permission to repeat the
    request, even if it may have taken effect."""


class FollowUpRequest(Parameters):
    """Follow-up request about the work that the first request started."""

    method: Method = "GET"
    """The method, other than CONNECT and TRACE. Default GET."""
    url: UrlText
    """The URL; `{{ externalId }}` is the external id from the first response."""
    headers: dict[HeaderName, HeaderText] = Field(default_factory=dict)
    """Headers, in addition to the authentication headers of the first request."""


class HttpPolling(FollowUpRequest):
    """Polling of the started work until it ends."""

    external_id: Text
    """The id of the started work (1 to 253 characters): a template over `response.body`, `response.headers`."""
    success: Expectation
    """The value in the body that means success."""
    failure: Expectation | None = None
    """The value in the body that means failure."""
    interval: Duration | None = None
    """The first wait. Default 1s, with `callback` 1m; later waits grow to `maxInterval`."""
    max_interval: Duration | None = None
    """The longest wait. Default 30s, with `callback` 10m."""
    error_timeout: Patience | None = None
    """How long polls may be refused, for example with 401 or 404, before the work is cancelled and the attempt fails.
    Default 5m. Busy and unavailable targets are polled as long as the attempt lasts."""


class Callback(Parameters):
    """Callback by which the target reports the end: a request to `{{ callbackUrl }}`, or a webhook."""

    success: Expectation | None = None
    """The value in the delivered body that means success. Default: every body that does not mean failure."""
    failure: Expectation | None = None
    """The value in the delivered body that means failure."""
    timeout: Patience | None = None
    """The time to wait for the callback, from the start of the attempt. Default: `timeouts.attempt`; without it, and
    without `polling`, 1h."""
    external_id: Text | None = None
    """The id of the started work if there is no `polling`: a template as in `polling.externalId`. Default: the
    idempotency key."""
    output_path: Annotated[str, Field(max_length=253)] | None = None
    """The part of the delivered body that becomes the output. Default: all of it."""


class HttpModel(Parameters):
    """HTTP request. Every text may contain templates, such as `{{ parameters.id }}` or `{{ action.name }}`."""

    method: Method = "GET"
    """The method, other than CONNECT and TRACE. Default GET."""
    url: UrlText
    """The URL, http or https."""
    query: dict[str, Any] = Field(default_factory=dict)
    """Query parameters: texts, numbers, booleans and lists of them; null is left out."""
    headers: dict[HeaderName, HeaderText] = Field(default_factory=dict)
    """Headers, except those that frame the request or belong to the connection, such as Host and Content-Length."""
    json_body: Annotated[Any, Field(alias="json")] = None
    """A JSON body."""
    form: dict[str, Any] | None = None
    """A form body, with values as in `query`."""
    body: Annotated[str, Field(max_length=262_144)] | None = None
    """A text body."""
    auth: Auth | None = None
    """Authentication of the request."""
    timeout: Duration | None = None
    """The timeout of the response. Default 30s."""
    success: Success = Success()
    """Criteria of a successful response."""
    retry: RetriedResponses = RetriedResponses()
    """Responses after which the action is retried."""
    idempotency_header: HeaderName | None = None
    """The header for the action's idempotency key, by which the target recognizes repeated requests."""
    fencing_header: HeaderName | None = None
    """The header for the fencing token, a number that grows with every change of owner."""
    output_path: Annotated[str, Field(max_length=253)] | None = None
    """The part of the JSON body that becomes the output. Default: status, chosen headers and body."""
    output_headers: tuple[Annotated[str, Field(max_length=256)], ...] = ()
    """Response headers that become part of the output."""
    polling: HttpPolling | None = None
    """Polling of work that the request only starts."""
    callback: Callback | None = None
    """Callback for work that the request only starts; may be combined with `polling`."""
    cancel: FollowUpRequest | None = None
    """The request that stops the started work. The action is then held on deletion until this request is sent."""

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if sum(body is not None for body in (self.json_body, self.form, self.body)) > 1:
            raise ValueError("set at most one of json, form and body")
        if self.timeout is not None and self.timeout <= timedelta():
            raise ValueError("timeout: must be longer than 0s")
        if self.cancel is not None and self.polling is None and self.callback is None:
            raise ValueError("cancel requires polling or callback, which define the external id")
        return self
