"""What an ``http`` action waits for after its request: a callback, for how long, and what its body means; no I/O."""

from datetime import datetime, timedelta
from typing import Any

import orjson

from taskaction.api.enums import RetryClass
from taskaction.executors.http.model import Callback, HttpModel
from taskaction.lifecycle.outcomes import Succeeded
from taskaction.plugin.base import Run
from taskaction.plugin.callbacks import Callbacks, Ticket
from taskaction.plugin.checks import at_path
from taskaction.plugin.errors import ActionError, ActionExecutionError, InvalidParametersError

CALLBACK_URL = "callbackUrl"
LONGEST_WAIT = timedelta(hours=1)
"""How long a callback is waited for where nothing else bounds the attempt."""

_LONGEST_LIFE = timedelta(days=7)
_SLACK = timedelta(minutes=5)
_WEBHOOK = "Webhook"
_SHOWN_CHARS = 512


class CallbackMissedError(ActionError):
    """The callback did not come in time."""

    CODE = "CallbackTimeout"
    RETRY_CLASS = RetryClass.TIMEOUT


def address_values(model: HttpModel, run: Run, callbacks: Callbacks | None) -> dict[str, str]:
    """Give what templates may name besides: the attempt's own address, where the request asks for one.

    Raises:
        InvalidParametersError: the request names it, and it cannot be made; the message names what is missing.
    """
    if CALLBACK_URL.encode() not in orjson.dumps(run.config or run.parameters):
        return {}
    if model.callback is None:
        raise InvalidParametersError("{{ callbackUrl }} needs callback, which says what the delivered body means")
    if callbacks is None or not callbacks.url:
        missing = "TASKACTION_WEBHOOKS_KEY_FILE" if callbacks is None else "TASKACTION_WEBHOOKS_URL"
        raise InvalidParametersError(f"{{{{ callbackUrl }}}} needs the operator's setting {missing}, which is not set")
    ends = run.deadline or due(model, run) or run.started_at + _LONGEST_LIFE
    ticket = Ticket(run.namespace, run.name, run.uid, run.attempt, int((ends + _SLACK).timestamp()))
    return {CALLBACK_URL: callbacks.address(ticket)}


def due(model: HttpModel, run: Run) -> datetime | None:
    """Give when the callback is given up, None where something else bounds the attempt."""
    if model.callback is None:
        return None
    if model.callback.timeout is not None:
        return run.started_at + model.callback.timeout
    if run.deadline is not None or model.polling is not None:
        return None
    return run.started_at + LONGEST_WAIT


def missed(model: HttpModel, run: Run) -> CallbackMissedError | None:
    """Give the error that ends the attempt, once the callback is given up."""
    given_up = due(model, run)
    if given_up is None or run.now < given_up:
        return None
    return CallbackMissedError(f"no callback came within {given_up - run.started_at}")


def delivered(callback: Callback, run: Run) -> Succeeded | None:
    """Give the success that a delivery tells of; None where none says how the action ended.

    Raises:
        ActionExecutionError: a delivery tells of a failure.
    """
    for delivery in run.deliveries:
        if delivery.type != _WEBHOOK:
            continue
        body: Any = delivery.payload.get("body")
        if callback.failure is not None and callback.failure.holds(body):
            shown = callback.failure.finding(body)[:_SHOWN_CHARS]
            raise ActionExecutionError(f"the callback says: {shown}", code="ExternalFailure")
        if callback.success is None or callback.success.holds(body):
            return Succeeded(output=body if callback.output_path is None else at_path(body, callback.output_path))
    return None
