"""What a provider's webhook says of one request: ignored, refused, or about which action; pure, no I/O."""

from dataclasses import dataclass
from typing import Any

from taskaction.api.provider import Provider
from taskaction.api.webhook import Webhook
from taskaction.core.names import digest
from taskaction.plugin.base import WebhookRequest
from taskaction.plugin.checks import Expectation, at_path
from taskaction.plugin.errors import WebhookRefusedError
from taskaction.services.webhooks.envelopes import Source
from taskaction.services.webhooks.signatures import secret_headers

DEFAULT_TTL_SECONDS = 3600
DEFAULT_MAX_PENDING = 1000
_ID_CHARS = 253
_BAD = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Accepted, and of no interest."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryId:
    """What a repetition of a request has in common with it; ``given`` by its sender, or made of its content."""

    text: str
    given: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the target calls the action that a request is about, and what of the body is kept."""

    external_id: str
    delivery: DeliveryId
    body: Any


def judged(webhook: Webhook, request: WebhookRequest) -> About | Ignored:
    """Say what becomes of an authenticated request.

    Raises:
        WebhookRefusedError: 400, what stands where the external id should is none.
    """
    if webhook.filter is not None:
        wanted = Expectation(path=webhook.filter.path, equals=webhook.filter.equals)
        if not wanted.holds(request.body):
            return Ignored(why=f"{webhook.filter.path} is not what the provider's webhook.filter asks for")
    value = at_path(request.body, webhook.external_id_path)
    if value is None:
        return Ignored(why=f"there is nothing at {webhook.external_id_path}")
    return About(
        external_id=_external_id(value, webhook.external_id_path),
        delivery=delivery_of(request, webhook.delivery_id_header),
        body=request.body if webhook.body_path is None else at_path(request.body, webhook.body_path),
    )


def delivery_of(request: WebhookRequest, header: str | None) -> DeliveryId:
    """Give what tells the request from others."""
    said = request.headers.get(header.lower()) if header is not None else None
    return DeliveryId(text=f"id {said}" if said else f"content {digest(request.content)}", given=bool(said))


def source_of(provider: Provider, webhook: Webhook, shared: str) -> Source:
    """Give where the provider's requests come in; ``shared`` is the namespace for those of cluster providers."""
    metadata = provider.metadata
    path = f"/providers/{metadata.namespace}/{metadata.name}"
    return Source(
        name=path if metadata.namespace else f"/cluster-providers/{metadata.name}",
        namespace=metadata.namespace or shared,
        max_pending=webhook.max_pending or DEFAULT_MAX_PENDING,
        ttl_seconds=webhook.ttl_seconds or DEFAULT_TTL_SECONDS,
        secret_headers=secret_headers(webhook.authentication),
    )


def _external_id(value: Any, path: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise WebhookRefusedError(_BAD, f"{path} is neither a text nor a whole number")
    text = str(value)
    if not 0 < len(text) <= _ID_CHARS:
        raise WebhookRefusedError(_BAD, f"{path} has {len(text)} characters, not 1 to {_ID_CHARS}")
    return text
