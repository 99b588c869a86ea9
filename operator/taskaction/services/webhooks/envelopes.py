"""ActionEvents that the inbox writes: their names and the part of a request that they store; pure, no I/O."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from taskaction.api.action_event import EventContent
from taskaction.api.base import format_time
from taskaction.cluster.gateway import ACTION_EVENTS, Body
from taskaction.core.constants import API_VERSION, GROUP
from taskaction.core.names import digest, truncate
from taskaction.plugin.errors import WebhookRefusedError
from taskaction.plugin.event_content import pack_content

SOURCE_LABEL = f"{GROUP}/webhook"
"""Label on events of the inbox: a digest of their source, by which pending events are counted."""

BYTES_ANNOTATION = f"{GROUP}/webhook-bytes"
"""Annotation on events of the inbox: how much they take up, by which pending bytes are counted."""

PAYLOAD_LIMIT_BYTES = 32 * 1024
HEADERS_LIMIT_BYTES = 16 * 1024
TYPE = "Webhook"
_HEADERS_TOO_LARGE = 431
_SECRET = re.compile(r"authorization|cookie|token|secret|password|api-?key", re.ASCII)
_SENDER_CHARS = 253


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSource:
    """Source of requests, with the limits of what is stored.

    Attributes:
        name: name such as ``/providers/team/github``; also the sender of its events.
        namespace: namespace of its events.
        max_pending: maximum number of pending events.
        secret_headers: headers, in lower case, that are never stored.
    """

    name: str
    namespace: str
    max_pending: int
    ttl_seconds: int
    secret_headers: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """Label value by which its events are counted."""
        return digest(self.name.encode())


Meant = Mapping[str, Any]
"""Fields of an ActionEvent's spec that name the action."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedRequest:
    """Parts of an event's spec that hold a request.

    Attributes:
        body: the bytes of ``content``; empty without one.
    """

    payload: Mapping[str, Any]
    content: EventContent | None = None
    body: bytes = b""

    @property
    def must_be_stored(self) -> bool:
        """Whether the bytes do not fit into the event, so that the storage must have them."""
        return self.content is not None and self.content.data is None

    @property
    def size(self) -> int:
        """Number of bytes that the event takes up, in its object and in the storage."""
        data = 0 if self.content is None else len(self.content.data or "")
        return len(orjson.dumps(self.payload)) + (data or len(self.body))


def pack_body(headers: Mapping[str, str], body: Any, secret_headers: frozenset[str]) -> PackedRequest:
    """Return a request of which the executor needs the JSON: in the payload if it fits.

    Raises:
        WebhookRefusedError: 431, the headers are too large.
    """
    payload = _payload(headers, body, secret_headers)
    return PackedRequest(payload=payload) if "body" in payload else _with_content(payload, orjson.dumps(body))


def pack_bytes(headers: Mapping[str, str], body: Any, content: bytes, secret_headers: frozenset[str]) -> PackedRequest:
    """Return a request whose signature the executor checks, so the bytes are kept; raises like ``pack_body``."""
    return _with_content(_payload(headers, body, secret_headers), content)


def _with_content(payload: Mapping[str, Any], content: bytes) -> PackedRequest:
    return PackedRequest(payload=payload, content=pack_content(content), body=content)


def _payload(headers: Mapping[str, str], body: Any, secret_headers: frozenset[str]) -> dict[str, Any]:
    """Return headers and body, or the headers alone if both together are too large."""
    kept = {name: value for name, value in headers.items() if not (name in secret_headers or _SECRET.search(name))}
    size = len(orjson.dumps(kept))
    if size > HEADERS_LIMIT_BYTES:
        raise WebhookRefusedError(
            _HEADERS_TOO_LARGE, f"the headers have {size} bytes, the limit is {HEADERS_LIMIT_BYTES}"
        )
    payload = {"headers": kept, "body": body}
    return payload if len(orjson.dumps(payload)) <= PAYLOAD_LIMIT_BYTES else {"headers": kept}


def envelope(
    source: WebhookSource, delivery: str, meant: Meant, packed: PackedRequest, now: datetime, **matched: Any
) -> Body:
    """Return the event, with ``matched`` in its payload.

    Its name depends only on source, delivery and action, so that it is stored once.
    """
    mark = orjson.dumps([source.name, delivery, dict(meant)], option=orjson.OPT_SORT_KEYS)
    return {
        "apiVersion": API_VERSION,
        "kind": ACTION_EVENTS.kind,
        "metadata": {
            "name": f"webhook-{digest(mark)}",
            "namespace": source.namespace,
            "labels": {SOURCE_LABEL: source.label},
            "annotations": {BYTES_ANNOTATION: str(packed.size)},
        },
        "spec": {
            **meant,
            "type": TYPE,
            "payload": {**packed.payload, **matched},
            **({} if packed.content is None else {"content": packed.content.to_json()}),
            "sender": truncate(source.name, _SENDER_CHARS),
            "receivedAt": format_time(now),
            "ttlSeconds": source.ttl_seconds,
        },
    }
