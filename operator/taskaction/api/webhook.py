"""Webhook settings of a provider: authentication of senders, and matching of requests to actions. Fields only."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from taskaction.api.base import AnyJson, ApiModel, DnsLabel, DnsName, PositiveDuration
from taskaction.api.enums import SignatureAlgorithm, SignatureEncoding
from taskaction.api.rules import cel, rules, stored_default

HeaderName = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[A-Za-z0-9-]+$")]
JsonPath = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")]


class WebhookSecretRef(ApiModel):
    """One key of a Secret, read with the rights of the provider's account."""

    name: DnsName
    """The Secret's name."""
    key: Annotated[str, Field(min_length=1, max_length=253)]
    """The key in the Secret. A line break at the end of the value is removed."""
    namespace: DnsLabel | None = None
    """The Secret's namespace, only for a ClusterActionProvider, where it is required. The Secret is read as the account
    with the same name in that namespace. An ActionProvider reads Secrets in its own namespace only."""


class SignedTimestamp(ApiModel):
    """A timestamp that is signed with the body, to prevent replays of old requests."""

    header: HeaderName
    """The header with the timestamp, in seconds since 1970."""
    tolerance: PositiveDuration | None = None
    """Maximum difference from the current time, in both directions. Default 5m."""
    signed: Annotated[str, Field(max_length=64, pattern=r"^[^{}]*\{timestamp\}[^{}]*\{body\}[^{}]*$")] | None = None
    """The signed text. Default `{timestamp}.{body}`; Slack's is `v0:{timestamp}:{body}`."""


class HmacAuthentication(ApiModel):
    """A signature of the body in a header."""

    secret_key_ref: WebhookSecretRef
    """The shared key."""
    header: HeaderName
    """The header with the signature, for example X-Hub-Signature-256."""
    algorithm: Annotated[SignatureAlgorithm, Field(json_schema_extra=stored_default("SHA256"))] = (
        SignatureAlgorithm.SHA256
    )
    """Hash algorithm: SHA256, SHA512, or SHA1 for old senders. Default SHA256."""
    encoding: Annotated[SignatureEncoding, Field(json_schema_extra=stored_default("Hex"))] = SignatureEncoding.HEX
    """Encoding of the signature: Hex or Base64. Default Hex."""
    prefix: Annotated[str, Field(max_length=32)] | None = None
    """Prefix of the signature in the header, for example `sha256=`."""
    timestamp: SignedTimestamp | None = None
    """The timestamp that is signed with the body, if the sender sends one."""


class BasicAuthentication(ApiModel):
    """Basic authentication with a user name and a password."""

    username: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^:]+$")]
    """The user name."""
    password_secret_key_ref: WebhookSecretRef
    """The Secret with the password."""


class TokenAuthentication(ApiModel):
    """A secret token in a header."""

    secret_key_ref: WebhookSecretRef
    """The Secret with the token."""
    header: HeaderName | None = None
    """The header, for example X-Gitlab-Token. Default: Authorization, with `Bearer` before the token."""


class WebhookAuthentication(ApiModel):
    """How the sender of a request is authenticated: exactly one of four methods."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "[has(self.hmac), has(self.basic), has(self.token), has(self.none)].filter(way, way).size() == 1",
                "set exactly one of hmac, basic, token and none",
            )
        )
    )

    hmac: HmacAuthentication | None = None
    """A signature of the body in a header."""
    basic: BasicAuthentication | None = None
    """A user name and a password."""
    token: TokenAuthentication | None = None
    """A secret token in a header."""
    none: Annotated[Literal[True], Field(json_schema_extra={"type": "boolean"})] | None = None
    """True: no authentication. Anyone who can reach the inbox can report the state of this provider's actions. Use it
    only for tests, or if a proxy in front of the inbox authenticates."""


class WebhookFilter(ApiModel):
    """Filter for requests about the end of an action. Other requests are accepted and ignored."""

    path: JsonPath
    """A path in the body; dots separate the fields of nested objects and the indices of lists."""
    equals: AnyJson
    """The required value, or a list of accepted values."""


class Webhook(ApiModel):
    """Webhooks with which the provider's target system reports the state of actions."""

    authentication: WebhookAuthentication
    """How the sender of a request is authenticated."""
    external_id_path: JsonPath
    """The path in the body of the target system's id of the action; dots separate the fields of nested objects and the
    indices of lists."""
    delivery_id_header: HeaderName | None = None
    """The header that identifies a delivery, so that repeated requests are recognized, for example X-GitHub-Delivery.
    Default: requests with the same body are the same delivery."""
    filter: WebhookFilter | None = None
    """Requests to store. Other requests are accepted and ignored. Default: all requests with an external id."""
    body_path: JsonPath | None = None
    """The part of the body that is stored and passed to the executor, at most 1 MiB. Default: the whole body."""
    max_pending: (
        Annotated[
            int,
            Field(
                ge=1,
                le=100_000,
            ),
        ]
        | None
    ) = None
    """Maximum number of stored requests that no action has taken yet. Further requests are refused until some are
    taken. Default 1000."""
    ttl_seconds: Annotated[int, Field(ge=1, le=604_800)] | None = None
    """How long a request is kept if no action takes it, in seconds. Default 3600."""
