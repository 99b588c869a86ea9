"""What a provider says of the webhooks that its target sends: who may, and which action each is about. Fields only."""

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
    """The key in it. A line break at the end of its text is left out."""
    namespace: DnsLabel | None = None
    """The Secret's namespace; the account of the same name there is used. Default: the provider's. A
    ClusterActionProvider has none, so it must say it."""


class SignedTimestamp(ApiModel):
    """A time that is signed with the body, so that nobody can send an old request again."""

    header: HeaderName
    """The header with the time, in seconds since 1970."""
    tolerance: PositiveDuration | None = None
    """How far it may be from now, both ways. Default 5m."""
    signed: Annotated[str, Field(max_length=64, pattern=r"^[^{}]*\{timestamp\}[^{}]*\{body\}[^{}]*$")] | None = None
    """What is signed. Default `{timestamp}.{body}`; Slack's is `v0:{timestamp}:{body}`."""


class HmacAuthentication(ApiModel):
    """A signature of the body in a header."""

    secret_key_ref: WebhookSecretRef
    """The key that both sides know."""
    header: HeaderName
    """The header with the signature, for example X-Hub-Signature-256."""
    algorithm: Annotated[SignatureAlgorithm, Field(json_schema_extra=stored_default("SHA256"))] = (
        SignatureAlgorithm.SHA256
    )
    """SHA256, SHA512, or SHA1 for old senders. Default SHA256."""
    encoding: Annotated[SignatureEncoding, Field(json_schema_extra=stored_default("Hex"))] = SignatureEncoding.HEX
    """How the signature is written: Hex or Base64. Default Hex."""
    prefix: Annotated[str, Field(max_length=32)] | None = None
    """What stands before the signature, for example `sha256=`."""
    timestamp: SignedTimestamp | None = None
    """The time that is signed with the body, where the sender sends one."""


class BasicAuthentication(ApiModel):
    """User and password."""

    username: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^:]+$")]
    """The user."""
    password_secret_key_ref: WebhookSecretRef
    """Where the password is."""


class TokenAuthentication(ApiModel):
    """A secret as a header's value."""

    secret_key_ref: WebhookSecretRef
    """Where the token is."""
    header: HeaderName | None = None
    """The header, for example X-Gitlab-Token. Default: Authorization, as `Bearer` and the token."""


class WebhookAuthentication(ApiModel):
    """How a request shows that its sender may send it: exactly one of the four."""

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
    """User and password."""
    token: TokenAuthentication | None = None
    """A secret as a header's value."""
    none: Annotated[Literal[True], Field(json_schema_extra={"type": "boolean"})] | None = None
    """True: everybody who reaches the inbox may say how actions of this provider stand. Only for tests, or where
    something before the inbox authenticates."""


class WebhookFilter(ApiModel):
    """Which requests are about an action's end; the others are accepted and ignored."""

    path: JsonPath
    """A place in the body, dots reaching into objects and lists."""
    equals: AnyJson
    """The value there, or any of a list of values."""


class Webhook(ApiModel):
    """Requests by which the provider's target tells how its actions stand."""

    authentication: WebhookAuthentication
    """How a request shows that its sender may send it."""
    external_id_path: JsonPath
    """The place in the body of what the target calls the action, dots reaching into objects and lists."""
    delivery_id_header: HeaderName | None = None
    """The header that tells a repeated request from a new one, for example X-GitHub-Delivery. Default: the body
    does."""
    filter: WebhookFilter | None = None
    """Which requests are stored; the others are accepted and ignored. Default: all that have an external id."""
    body_path: JsonPath | None = None
    """The part of the body that is stored and handed to the executor, at most 32 KiB. Default: the whole body."""
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
    """How many requests may be stored that no action has taken yet; more are refused for now. Default 1000."""
    ttl_seconds: Annotated[int, Field(ge=1, le=604_800)] | None = None
    """How long a request waits for an action that takes it, in seconds. Default 3600."""
