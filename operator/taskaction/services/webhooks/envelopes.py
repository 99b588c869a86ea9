"""ActionEvents that the inbox writes: their names and the part of a request that they store; pure, no I/O."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from taskaction.api.base import format_time
from taskaction.cluster.gateway import ACTION_EVENTS, Body
from taskaction.core.constants import API_VERSION, GROUP
from taskaction.core.names import digest, truncate
from taskaction.plugin.errors import WebhookRefusedError

SOURCE_LABEL = f"{GROUP}/webhook"
"""Label on events of the inbox: a digest of their source, by which pending events are counted."""

PAYLOAD_LIMIT_BYTES = 32 * 1024
TYPE = "Webhook"
_TOO_LARGE = 413
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


def payload(headers: Mapping[str, str], body: Any, secret_headers: frozenset[str]) -> dict[str, Any]:
    """Return the payload to store; header names are in lower case.

    Raises:
        WebhookRefusedError: 413, the payload is larger than an event may be.
    """
    kept = {name: value for name, value in headers.items() if not (name in secret_headers or _SECRET.search(name))}
    found = {"headers": kept, "body": body}
    size = len(orjson.dumps(found))
    if size > PAYLOAD_LIMIT_BYTES:
        raise WebhookRefusedError(
            _TOO_LARGE,
            f"the payload has {size} bytes, the limit is {PAYLOAD_LIMIT_BYTES}: set webhook.bodyPath of the provider to"
            " the part that you need",
        )
    return found


def envelope(source: WebhookSource, delivery: str, meant: Meant, content: Mapping[str, Any], now: datetime) -> Body:
    """Return the event; its name depends only on source, delivery and action, so that it is stored once."""
    mark = orjson.dumps([source.name, delivery, dict(meant)], option=orjson.OPT_SORT_KEYS)
    return {
        "apiVersion": API_VERSION,
        "kind": ACTION_EVENTS.kind,
        "metadata": {
            "name": f"webhook-{digest(mark)}",
            "namespace": source.namespace,
            "labels": {SOURCE_LABEL: source.label},
        },
        "spec": {
            **meant,
            "type": TYPE,
            "payload": content,
            "sender": truncate(source.name, _SENDER_CHARS),
            "receivedAt": format_time(now),
            "ttlSeconds": source.ttl_seconds,
        },
    }
