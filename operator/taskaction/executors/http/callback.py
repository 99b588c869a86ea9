"""The callback of an ``http`` action: its address, its deadline and the meaning of its body; no I/O."""

from collections.abc import Mapping
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
from taskaction.plugin.secrets import Secret

CALLBACK_URL = "callbackUrl"
LONGEST_WAIT = timedelta(hours=1)
"""Maximum wait for a callback if nothing else bounds the attempt."""

_LONGEST_LIFE = timedelta(days=7)
_SLACK = timedelta(minutes=5)
_WEBHOOK = "Webhook"
_SHOWN_CHARS = 512


class CallbackMissedError(ActionError):
    """The callback did not arrive in time."""

    CODE = "CallbackTimeout"
    RETRY_CLASS = RetryClass.TIMEOUT


def address_values(model: HttpModel, run: Run, callbacks: Callbacks | None) -> dict[str, str]:
    """Return the callback address of the attempt as a template value, if the request uses one.

    Raises:
        InvalidParametersError: the request uses it, but a setting or field for it is missing.
    """
    if CALLBACK_URL.encode() not in orjson.dumps(run.config or run.reveal()):
        return {}
    if model.callback is None:
        raise InvalidParametersError("{{ callbackUrl }} requires the field callback")
    if callbacks is None or not callbacks.url:
        missing = "TASKACTION_WEBHOOKS_KEY_FILE" if callbacks is None else "TASKACTION_WEBHOOKS_URL"
        raise InvalidParametersError(f"{{{{ callbackUrl }}}} requires the operator setting {missing}, which is not set")
    # The same in every call of the attempt, so that each one knows what to redact; a deadline may move meanwhile.
    ends = callback_deadline(model, run) or run.started_at + _LONGEST_LIFE
    if run.deadline is not None and run.deadline > ends:
        ends = run.deadline
    ticket = Ticket(run.namespace, run.name, run.uid, run.attempt, int((ends + _SLACK).timestamp()))
    return {CALLBACK_URL: callbacks.address(ticket)}


def protect_callback(address: Mapping[str, str], run: Run) -> dict[str, Secret]:
    """Return the values of ``address_values`` as secrets, and redact the address and its token from now on."""
    for text in address.values():
        run.secrets.protect(text.rpartition("/")[2])
    return {name: run.secrets.protect(text) for name, text in address.items()}


def callback_deadline(model: HttpModel, run: Run) -> datetime | None:
    """Return the deadline of the callback, or None if something else bounds the attempt."""
    if model.callback is None:
        return None
    if model.callback.timeout is not None:
        return run.started_at + model.callback.timeout
    if run.deadline is not None or model.polling is not None:
        return None
    return run.started_at + LONGEST_WAIT


def callback_timeout_error(model: HttpModel, run: Run) -> CallbackMissedError | None:
    """Return the error that ends the attempt after the deadline of the callback, or None before it."""
    given_up = callback_deadline(model, run)
    if given_up is None or run.now < given_up:
        return None
    return CallbackMissedError(f"no callback within {given_up - run.started_at}")


def read_delivery(callback: Callback, run: Run) -> Succeeded | None:
    """Return the success that a delivery reports, or None if no delivery reports an end.

    Raises:
        ActionExecutionError: a delivery reports a failure.
    """
    for delivery in run.deliveries:
        if delivery.type != _WEBHOOK:
            continue
        body: Any = delivery.payload.get("body")
        if callback.failure is not None and callback.failure.holds(body):
            shown = callback.failure.describe(body)[:_SHOWN_CHARS]
            raise ActionExecutionError(f"the callback reports a failure: {shown}", code="ExternalFailure")
        if callback.success is None or callback.success.holds(body):
            return Succeeded(output=body if callback.output_path is None else at_path(body, callback.output_path))
    return None
