"""Handling of requests at each kind of address: authenticate, parse, match and store, in this order.

A successful response means that the request is durable. No body is parsed before its request is authenticated.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from taskaction.api.provider import Provider
from taskaction.api.webhook import WebhookAuthentication
from taskaction.cluster.errors import ClusterError, InvalidError, UnavailableError
from taskaction.cluster.gateway import Body
from taskaction.core.clock import Clock
from taskaction.core.json_values import JsonSyntaxError, JsonValueError, parse_json
from taskaction.core.names import digest
from taskaction.plugin.base import WebhookRequest
from taskaction.plugin.callbacks import BadTokenError, Callbacks
from taskaction.plugin.errors import ActionError, WebhookRefusedError
from taskaction.plugin.json_schema import nesting_problem
from taskaction.plugin.storage import StorageError
from taskaction.services.webhooks import responses
from taskaction.services.webhooks.admission import (
    DEFAULT_MAX_PENDING,
    DEFAULT_TTL_SECONDS,
    DeliveryId,
    Ignored,
    delivery_of,
    evaluate_request,
    source_of,
)
from taskaction.services.webhooks.catalogue import Catalogue
from taskaction.services.webhooks.envelopes import Meant, PackedRequest, WebhookSource, envelope, pack_body, pack_bytes
from taskaction.services.webhooks.plugins import AdmissionFailedError, Plugins, matches_of
from taskaction.services.webhooks.responses import WebhookResponse
from taskaction.services.webhooks.secret_cache import SecretCache
from taskaction.services.webhooks.signatures import authenticate, is_signed, secret_of
from taskaction.services.webhooks.store import InboxFullError, StoreResult, WebhookEventStore

_BAD = 400
_UNAVAILABLE = 503
_WORTH_READING = WebhookResponse(status=200, result="authenticated")
_DELIVERY_HEADERS = ("x-github-delivery", "x-gitlab-event-uuid", "x-delivery-id", "webhook-id")
"""Delivery id headers of well-known senders, for webhooks of executors, which do not configure a header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointDependencies:
    """Dependencies of the endpoints."""

    clock: Clock
    catalogue: Catalogue
    secrets: SecretCache
    plugins: Plugins
    store: WebhookEventStore
    callbacks: Callbacks | None
    shared: str | None
    failed: Callable[[str, BaseException], None]


class Endpoints:
    """Endpoints of the inbox; every request gets a response, also when storing it fails."""

    def __init__(self, parts: EndpointDependencies) -> None:
        self._parts = parts

    async def check_provider(self, namespace: str, name: str, head: WebhookRequest) -> WebhookResponse | None:
        """Return the refusal of a request for a provider by its headers; None if its body is worth reading."""
        if self._parts.catalogue.is_stale:
            return responses.busy_response(_UNAVAILABLE, "the API server is unavailable; retry later")
        provider = self._parts.catalogue.get(namespace, name)
        webhook = provider.spec.webhook if provider is not None else None
        if provider is None or webhook is None:
            return responses.UNKNOWN
        if is_signed(webhook.authentication, head.headers):
            return None  # the signature is of the body
        found = await self._handle_errors(lambda: self._accept_head(provider, webhook.authentication, head), head.path)
        return None if found is _WORTH_READING else found

    async def check_integration(self, path: str, head: WebhookRequest) -> WebhookResponse | None:  # noqa: ARG002 - as the others
        """Return the refusal of a request at ``path``, where no executor listens."""
        return None if self._parts.plugins.has_listener(path) else responses.UNKNOWN

    async def check_callback(self, token: str, head: WebhookRequest) -> WebhookResponse | None:  # noqa: ARG002 - as the others
        """Return the refusal of a request at a callback address that is not valid, or no longer."""
        if self._parts.callbacks is None:
            return responses.NOT_CONFIGURED
        try:
            self._parts.callbacks.read(token, self._parts.clock.now())
        except BadTokenError as error:
            return responses.refused_response(404, str(error))
        return None

    async def _accept_head(
        self, provider: Provider, authentication: WebhookAuthentication, head: WebhookRequest
    ) -> WebhookResponse:
        await self._authenticate(provider, authentication, head)
        return _WORTH_READING

    async def serve_provider(self, namespace: str, name: str, request: WebhookRequest) -> WebhookResponse:
        """Handle a request for a provider; ``namespace`` is empty for a cluster provider."""
        if self._parts.catalogue.is_stale:
            return responses.busy_response(_UNAVAILABLE, "the API server is unavailable; retry later")
        provider = self._parts.catalogue.get(namespace, name)
        if provider is None or provider.spec.webhook is None:
            return responses.UNKNOWN
        return await self._handle_errors(lambda: self._accept_for_provider(provider, request), request.path)

    async def serve_integration(self, path: str, request: WebhookRequest) -> WebhookResponse:
        """Handle a request for the executors that listen at ``path``."""
        if not self._parts.plugins.has_listener(path):
            return responses.UNKNOWN
        return await self._handle_errors(lambda: self._accept_for_executors(replace(request, path=path)), request.path)

    async def serve_callback(self, token: str, request: WebhookRequest) -> WebhookResponse:
        """Handle a request at a one-time callback address."""
        if self._parts.callbacks is None:
            return responses.NOT_CONFIGURED
        return await self._handle_errors(lambda: self._accept_callback(token, request), "a callback")

    @property
    def _shared_namespace(self) -> str:
        """Namespace for events whose action may be in any namespace."""
        if self._parts.shared is None:
            raise WebhookRefusedError(
                404, "this address requires the operator's own namespace in TASKACTION_WATCH_NAMESPACES"
            )
        return self._parts.shared

    async def _handle_errors(self, work: Callable[[], Awaitable[WebhookResponse]], where: str) -> WebhookResponse:
        try:
            return await work()
        except WebhookRefusedError as error:
            return responses.refused_response(error.status, str(error))
        except InboxFullError as error:
            return responses.busy_response(error.status, str(error), error.retry_after)
        except AdmissionFailedError as error:
            return responses.busy_response(_UNAVAILABLE, str(error))
        except InvalidError as error:
            self._parts.failed(f"store a request at {where}", error)
            return responses.refused_response(_BAD, "the API server rejected the request as invalid")
        except (ClusterError, StorageError) as error:
            self._parts.failed(f"store a request at {where}", error)
            seconds = error.retry_after if isinstance(error, UnavailableError) else None
            return responses.busy_response(
                _UNAVAILABLE, "the request cannot be stored now; retry later", int(seconds or 5)
            )

    async def _accept_for_provider(self, provider: Provider, request: WebhookRequest) -> WebhookResponse:
        webhook = provider.spec.webhook
        if webhook is None:
            return responses.UNKNOWN
        await self._authenticate(provider, webhook.authentication, request)
        request = _parse_body(request)
        about = evaluate_request(webhook, request)
        if isinstance(about, Ignored):
            return responses.ignored_response(about.why)
        ref = {"kind": str(provider.kind), "name": provider.metadata.name}
        meant = {"correlationKey": about.external_id, "scope": {"providerRef": ref}}
        source = source_of(provider, webhook, self._shared_namespace if provider.metadata.namespace == "" else "")
        return await self._store_body(source, about.delivery, meant, replace(request, body=about.body))

    async def _authenticate(
        self, provider: Provider, authentication: WebhookAuthentication, request: WebhookRequest
    ) -> None:
        ref = secret_of(authentication)
        now = self._parts.clock.now()
        if ref is None:
            authenticate(authentication, "", request.headers, request.content, now)
            return
        for fresh in (False, True):
            try:
                secret = await self._parts.secrets.read(provider, ref, fresh=fresh)
            except ActionError as error:
                self._parts.failed(f"read the Secret of the webhook of {provider.metadata.name}", error)
                raise AdmissionFailedError(
                    "the provider's Secret cannot be read; see the log of the webhook inbox"
                ) from error
            try:
                authenticate(authentication, secret.reveal(), request.headers, request.content, now)
            except WebhookRefusedError:
                if fresh:  # the Secret has not been rotated in the meantime either
                    raise
            else:
                return

    async def _accept_for_executors(self, request: WebhookRequest) -> WebhookResponse:
        request = _parse_body(request)
        admitted = await self._parts.plugins.admit(request)
        if not admitted:
            return responses.ignored_response("the request does not refer to an action")
        source = WebhookSource(
            name=f"/integration{request.path}",
            namespace=self._shared_namespace,
            max_pending=DEFAULT_MAX_PENDING,
            ttl_seconds=DEFAULT_TTL_SECONDS,
        )
        header = next((name for name in _DELIVERY_HEADERS if name in request.headers), None)
        packed = pack_bytes(request.headers, request.body, request.content, source.secret_headers)
        delivery, now = delivery_of(request, header), self._parts.clock.now()
        events = [
            envelope(source, delivery.text, meant, packed, now, executors=names)
            for meant, names in matches_of(admitted)
        ]
        return await self._store(source, delivery, events, packed)

    async def _accept_callback(self, token: str, request: WebhookRequest) -> WebhookResponse:
        callbacks, now = self._parts.callbacks, self._parts.clock.now()
        if callbacks is None:
            return responses.NOT_CONFIGURED
        try:
            ticket = callbacks.read(token, now)
        except BadTokenError as error:
            return responses.refused_response(404, str(error))
        request = _parse_body(request) if request.content else replace(request, body=None)
        source = WebhookSource(
            name=f"callback of {ticket.namespace}",
            namespace=ticket.namespace,
            max_pending=DEFAULT_MAX_PENDING,
            ttl_seconds=DEFAULT_TTL_SECONDS,
        )
        target = {"name": ticket.name, "uid": ticket.uid, "attempt": ticket.attempt}
        delivery = DeliveryId(text=f"{ticket.uid}-{ticket.attempt} {digest(request.content)}", given=False)
        return await self._store_body(source, delivery, {"target": target}, request)

    async def _store_body(
        self, source: WebhookSource, delivery: DeliveryId, meant: Meant, request: WebhookRequest
    ) -> WebhookResponse:
        packed = pack_body(request.headers, request.body, source.secret_headers)
        event = envelope(source, delivery.text, meant, packed, self._parts.clock.now())
        return await self._store(source, delivery, [event], packed)

    async def _store(
        self, source: WebhookSource, delivery: DeliveryId, events: Sequence[Body], packed: PackedRequest
    ) -> WebhookResponse:
        stored = await self._parts.store.create_events(source, events, packed, once=delivery.given)
        return responses.ACCEPTED if stored is StoreResult.NEW else responses.DUPLICATE


def _parse_body(request: WebhookRequest) -> WebhookRequest:
    """Return the request with its body parsed.

    Raises:
        WebhookRefusedError: the body is not valid JSON, has a value that would change, or is nested too deeply.
    """
    try:
        body = parse_json(request.content)
    except JsonSyntaxError as error:
        raise WebhookRefusedError(_BAD, f"the body is not valid JSON: {error}") from None
    except JsonValueError as error:
        raise WebhookRefusedError(_BAD, error.under("the body")) from None
    if (problem := nesting_problem(body, "the body")) is not None:
        raise WebhookRefusedError(_BAD, problem)
    return replace(request, body=body)
