"""Evaluation of one request by a provider's webhook: ignored, refused, or matched to an action; pure, no I/O."""

from dataclasses import dataclass
from typing import Any

from taskaction.api.provider import Provider
from taskaction.api.webhook import Webhook
from taskaction.core.constants import EXTERNAL_ID_CHARS
from taskaction.core.names import digest
from taskaction.plugin.base import WebhookRequest
from taskaction.plugin.checks import Expectation, at_path
from taskaction.plugin.errors import WebhookRefusedError
from taskaction.services.webhooks.envelopes import WebhookSource
from taskaction.services.webhooks.signatures import secret_headers

DEFAULT_TTL_SECONDS = 3600
DEFAULT_MAX_PENDING = 1000
_BAD = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """Accepted request that no action needs."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryId:
    """Identity of a request that its repetitions share: ``given`` by the sender, or derived from the content."""

    text: str
    given: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedRequest:
    """External id of the action that a request is about, and the part of the body to store."""

    external_id: str
    delivery: DeliveryId
    body: Any


def evaluate_request(webhook: Webhook, request: WebhookRequest) -> MatchedRequest | Ignored:
    """Return what an authenticated request is about, or why it is ignored.

    Raises:
        WebhookRefusedError: 400, the value at ``webhook.externalIdPath`` is not a valid external id.
    """
    if webhook.filter is not None:
        wanted = Expectation(path=webhook.filter.path, equals=webhook.filter.equals)
        if not wanted.holds(request.body):
            return Ignored(why=f"{webhook.filter.path} does not match the provider's webhook.filter")
    value = at_path(request.body, webhook.external_id_path)
    if value is None:
        return Ignored(why=f"{webhook.external_id_path} is missing")
    return MatchedRequest(
        external_id=_external_id(value, webhook.external_id_path),
        delivery=delivery_of(request, webhook.delivery_id_header),
        body=request.body if webhook.body_path is None else at_path(request.body, webhook.body_path),
    )


def delivery_of(request: WebhookRequest, header: str | None) -> DeliveryId:
    """Return the identity of the request among all deliveries."""
    value = request.headers.get(header.lower()) if header is not None else None
    return DeliveryId(text=f"id {value}" if value else f"content {digest(request.content)}", given=bool(value))


def source_of(provider: Provider, webhook: Webhook, shared: str) -> WebhookSource:
    """Return the source of the provider's requests; ``shared`` is the namespace for cluster providers."""
    metadata = provider.metadata
    path = f"/providers/{metadata.namespace}/{metadata.name}"
    return WebhookSource(
        name=path if metadata.namespace else f"/cluster-providers/{metadata.name}",
        namespace=metadata.namespace or shared,
        max_pending=webhook.max_pending or DEFAULT_MAX_PENDING,
        ttl_seconds=webhook.ttl_seconds or DEFAULT_TTL_SECONDS,
        secret_headers=secret_headers(webhook.authentication),
    )


def _external_id(value: Any, path: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise WebhookRefusedError(_BAD, f"{path} must be a string or an integer")
    text = str(value)
    if not 0 < len(text) <= EXTERNAL_ID_CHARS:
        raise WebhookRefusedError(_BAD, f"{path} must have 1 to {EXTERNAL_ID_CHARS} characters, not {len(text)}")
    return text
