"""ActionEvents as the inbox writes them: what is stored of a request, and under which name; pure, no I/O."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from taskaction.api.base import format_time
from taskaction.cluster.gateway import ACTION_EVENTS, Body
from taskaction.core.constants import API_VERSION, GROUP
from taskaction.core.names import digest, truncated
from taskaction.plugin.errors import WebhookRefusedError

SOURCE_LABEL = f"{GROUP}/webhook"
"""On an event of the inbox: a digest of where it came in, by which the ones that wait are counted."""

PAYLOAD_LIMIT_BYTES = 32 * 1024
TYPE = "Webhook"
_TOO_LARGE = 413
_SECRET = re.compile(r"authorization|cookie|token|secret|password|api-?key", re.ASCII)
_SENDER_CHARS = 253


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where requests come in, with the bounds of what is stored of them.

    Attributes:
        name: what it is called, such as ``/providers/team/github``; also the sender of its events.
        namespace: where its events are.
        max_pending: how many may wait.
        secret_headers: headers, in lower case, that are never stored.
    """

    name: str
    namespace: str
    max_pending: int
    ttl_seconds: int
    secret_headers: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """What its events are counted by."""
        return digest(self.name.encode())


Meant = Mapping[str, Any]
"""Whom a request is about, as an ActionEvent's spec says it."""


def payload(headers: Mapping[str, str], body: Any, secret_headers: frozenset[str]) -> dict[str, Any]:
    """Give what is stored; header names are in lower case.

    Raises:
        WebhookRefusedError: 413, it is more than an event may hold.
    """
    kept = {name: value for name, value in headers.items() if not (name in secret_headers or _SECRET.search(name))}
    found = {"headers": kept, "body": body}
    size = len(orjson.dumps(found))
    if size > PAYLOAD_LIMIT_BYTES:
        raise WebhookRefusedError(
            _TOO_LARGE,
            f"{size} bytes would have to be stored, more than {PAYLOAD_LIMIT_BYTES}: let the provider's"
            " webhook.bodyPath name the part that is needed",
        )
    return found


def envelope(source: Source, delivery: str, meant: Meant, content: Mapping[str, Any], now: datetime) -> Body:
    """Give the event; the same delivery about the same action has the same name, so that it is stored once."""
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
            "sender": truncated(source.name, _SENDER_CHARS),
            "receivedAt": format_time(now),
            "ttlSeconds": source.ttl_seconds,
        },
    }
