"""ActionEvents as tests write them."""

from datetime import datetime, timedelta
from typing import Any

from support.records import NAMESPACE
from taskaction.core.constants import API_VERSION
from taskaction.testing.clock import START

Body = dict[str, Any]


def event_body(name: str, *, namespace: str = NAMESPACE, created: datetime = START, **spec: Any) -> Body:
    """Give an event as the API server stores it."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ActionEvent",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-of-{name}",
            "creationTimestamp": created.isoformat(),
            "resourceVersion": "1",
        },
        "spec": {"type": "Webhook", "payload": {"body": name}, "ttlSeconds": 600} | spec,
    }


def seconds_later(seconds: float) -> str:
    """Give a moment after ``START`` as events say it."""
    return (START + timedelta(seconds=seconds)).isoformat()
