"""The ``http`` executor: prepares the request and interprets the response; the client does the transport."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import orjson
from pydantic import ValidationError

from taskaction.core.names import digest
from taskaction.executors.http.callback import (
    CALLBACK_URL,
    address_values,
    callback_deadline,
    callback_timeout_error,
    protect_callback,
    read_delivery,
)
from taskaction.executors.http.client import GuardedClient
from taskaction.executors.http.credentials import authenticate, protect_address
from taskaction.executors.http.effects import SAFE_METHODS, Effect, Sent, as_unrepeatable, effect_of
from taskaction.executors.http.forms import encode_pairs
from taskaction.executors.http.headers import merge_headers
from taskaction.executors.http.limits import LearnedLimits
from taskaction.executors.http.model import FollowUpRequest, HttpModel, HttpPolling
from taskaction.executors.http.refusals import AttemptId, Refusals
from taskaction.executors.http.request import HttpResponse, PreparedRequest
from taskaction.executors.http.responses import (
    build_output,
    check_follow_up,
    check_response,
    describe_value,
    excerpt,
    read_external_id,
    response_value,
)
from taskaction.executors.http.settings import HttpSettings
from taskaction.executors.templates import render, render_text, render_url, values_of
from taskaction.lifecycle.outcomes import Outcome, Pending, Succeeded
from taskaction.lifecycle.traits import Traits
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.callbacks import Callbacks
from taskaction.plugin.errors import (
    ActionError,
    ActionExecutionError,
    InvalidParametersError,
    RateLimitedError,
    TransientError,
)
from taskaction.plugin.json_schema import model_problem
from taskaction.plugin.secrets import reveal, secrets_in
from taskaction.plugin.toolbox import Toolbox

_TIMEOUT_SECONDS = 30.0
_FOREVER_SECONDS = 86_400.0
"""The wait for a callback if the attempt has its own bound, which ends it earlier."""

_GONE = frozenset({404, 410})
_STARTED = 202
_ERROR_TIMEOUT = timedelta(minutes=5)


class HttpExecutor(AbstractExecutor):
    """Executor of an HTTP request: the parameters of an inline action, or the ``config`` of a provider."""

    ACTION_NAME = "http"
    PARAMETERS = HttpModel
    CONFIG = HttpModel
    SETTINGS = HttpSettings
    INLINE = True

    def __init__(self, client: GuardedClient, callbacks: Callbacks | None = None) -> None:
        self._client = client
        self._callbacks = callbacks
        self._limits = LearnedLimits()
        self._refusals = Refusals()

    @classmethod
    def build(cls, toolbox: Toolbox) -> "HttpExecutor":
        """Create the executor with the address policy and the signer of callback addresses."""
        return cls(GuardedClient.build(toolbox), toolbox.callbacks)

    def traits(self, parameters: Mapping[str, Any], config: Mapping[str, Any]) -> Traits:
        """Report idempotence by method or key, and an external effect if ``cancel`` is set."""
        source = config or parameters
        sent = Sent.KEYED if "idempotencyHeader" in source else Sent.SOME
        lost = effect_of(str(source.get("method", "GET")), sent, None)
        return Traits(idempotent=lost.may_be_repeated, external_effect=source.get("cancel") is not None)

    async def is_close_to_rate_limit(self, run: Run) -> bool:
        """Whether an earlier response of this target reported that its quota is used up."""
        return self._limits.remaining(_quota_key(_model(run), run), run.now) > 0

    async def get_remaining_seconds_until_rate_limit(self, run: Run) -> float:
        """Return the seconds until the quota is renewed."""
        return self._limits.remaining(_quota_key(_model(run), run), run.now)

    def rate_limit_key(self, run: Run) -> str:
        """Return the target and credentials that the quota belongs to."""
        return _quota_key(_model(run), run)

    async def execute(self, run: Run) -> Outcome:
        """Send the request and interpret the response; a cancelled call waits for the external id first.

        Only the response contains it, and without it nothing can be cancelled.
        """
        model = _model(run)
        if model.cancel is None:
            return await self._start(model, run)
        starting = asyncio.create_task(self._start(model, run), name=f"start {run.uid}")
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            with suppress(ActionError):
                outcome = await starting
                if isinstance(outcome, Pending):
                    return outcome
            raise

    async def _start(self, model: HttpModel, run: Run) -> Outcome:
        values = values_of(run) | protect_callback(address_values(model, run, self._callbacks), run)
        request = await _prepare_request(model, run, values)
        answer = await self._send(model, request, run)
        check_response(model, answer, request, run)
        try:
            if model.polling is None and model.callback is None:
                return Succeeded(output=build_output(model, answer))
            external_id = read_external_id(model, values | {"response": response_value(answer)})
        except ActionError as error:
            raise as_unrepeatable(error, answer.effect) from error
        return Pending(external_id=external_id, poll_after=_next_poll_delay(model, run), message="started")

    async def poll(self, run: Run) -> Outcome:
        """Return the outcome by a delivered callback, otherwise by polling the target if `polling` is set."""
        model = _model(run)
        if (model.polling is None and model.callback is None) or run.external_id is None:
            return await self.execute(run)
        self._protect_address(model, run)
        if model.callback is not None and run.deliveries:
            await self._protect_credentials(model, run)
            if (told := read_delivery(model.callback, run)) is not None:
                return told
        outcome: Outcome = Pending(poll_after=_next_poll_delay(model, run), message="waiting for the callback")
        if model.polling is not None:
            outcome = await self._poll_target(model, model.polling, run)
        if isinstance(outcome, Pending) and (late := callback_timeout_error(model, run)) is not None:
            with suppress(ActionError):
                await self.cancel(run)
            raise late
        return outcome

    def _protect_address(self, model: HttpModel, run: Run) -> None:
        """Redact the callback address, which the target knows since the start."""
        with suppress(InvalidParametersError):  # a setting for it has been removed since
            protect_callback(address_values(model, run, self._callbacks), run)

    async def _protect_credentials(self, model: HttpModel, run: Run) -> None:
        """Redact the credentials that the target knows, before anything that it says without a request is shown."""
        try:
            await authenticate(model.auth, run)
        except ActionError as error:
            raise as_unrepeatable(error, effect_of(model.method, _sent(model), _STARTED)) from error

    async def _poll_target(self, model: HttpModel, polling: HttpPolling, run: Run) -> Outcome:
        try:
            request = await _prepare_follow_up("polling", polling, model, run)
            answer = await self._send(model, request, run)
            check_follow_up(model, answer, request, run)
            body = answer.body
        except ActionError as error:
            return await self._handle_poll_error(model, polling, run, error)
        self._refusals.clear(_attempt_id(run))
        if polling.success.holds(body):
            return Succeeded(output=build_output(model, answer))
        if polling.failure is not None and polling.failure.holds(body):
            raise ActionExecutionError(f"{run.external_id} failed: {excerpt(answer, run)}", code="ExternalFailure")
        found = describe_value(body, polling.success.path, run)
        return Pending(poll_after=_next_poll_delay(model, run), message=found)

    async def _handle_poll_error(self, model: HttpModel, polling: HttpPolling, run: Run, error: ActionError) -> Outcome:
        """Keep waiting for the started work, which continues; cancel it before the attempt is given up.

        Failing the attempt at once would start the work a second time next to the first.
        """
        waiting = Pending(poll_after=max(_next_poll_delay(model, run), error.retry_after or 0.0), message=str(error))
        if isinstance(error, RateLimitedError | TransientError):
            return waiting
        patience = polling.error_timeout if polling.error_timeout is not None else _ERROR_TIMEOUT
        if self._refusals.record(_attempt_id(run), run.now) < patience:
            return waiting
        self._refusals.clear(_attempt_id(run))
        effect = effect_of(model.method, _sent(model), _STARTED)
        if model.cancel is not None:
            with suppress(ActionError):
                await self.cancel(run)
                effect = Effect.NONE
        raise as_unrepeatable(error, effect) from error

    async def cancel(self, run: Run) -> None:
        """Send the cancel request if there is one and the work was started; 404 and 410 count as success."""
        model = _model(run)
        if model.cancel is None or run.external_id is None:
            return
        self._protect_address(model, run)
        request = await _prepare_follow_up("cancel", model.cancel, model, run)
        answer = await self._client.send(request)
        if answer.code not in _GONE:
            check_follow_up(model, answer, request, run)

    async def recover(self, run: Run) -> str | None:
        """Return the external id by sending the same request again, if `cancel` can stop what it names."""
        model = _model(run)
        if model.cancel is None and model.method not in SAFE_METHODS:
            raise ActionExecutionError("the request may have been sent, and without the field cancel nothing stops it")
        return await super().recover(run)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _send(self, model: HttpModel, request: PreparedRequest, run: Run) -> HttpResponse:
        answer = await self._client.send(request)
        self._limits.record_response(_quota_key(model, run), answer.code, answer.headers, run.now)
        return answer


def _model(run: Run) -> HttpModel:
    path = "config" if run.config else "parameters"
    source = run.config or run.reveal()
    try:
        return HttpModel.model_validate(source)
    except ValidationError as error:
        raise InvalidParametersError(model_problem(HttpModel, source, path) or str(error)) from error


async def _prepare_request(model: HttpModel, run: Run, values: Mapping[str, Any]) -> PreparedRequest:
    headers = {name: render_text(text, values) for name, text in model.headers.items()}
    body: bytes | None = None
    if model.json_body is not None:
        body = orjson.dumps(reveal(render(model.json_body, values)))
        headers = merge_headers({"Content-Type": "application/json"}, headers)
    elif model.form is not None:
        body = encode_pairs(reveal(render(model.form, values)), "form").encode()
        headers = merge_headers({"Content-Type": "application/x-www-form-urlencoded"}, headers)
    elif model.body is not None:
        body = render_text(model.body, values).encode()
    identity: dict[str, str] = {}
    if model.idempotency_header is not None:
        identity[model.idempotency_header] = run.idempotency_key
    if model.fencing_header is not None:
        identity[model.fencing_header] = str(run.fencing_token)
    url = render_url(model.url, values, "url")
    if model.query:
        url += ("&" if "?" in url else "?") + encode_pairs(reveal(render(model.query, values)), "query")
    private = await authenticate(model.auth, run)
    protect_address(url, model.url, values, run)
    return PreparedRequest(
        namespace=run.namespace,
        method=model.method,
        url=url,
        headers=merge_headers(headers, identity, private),
        body=body,
        timeout=_timeout(model),
        credential=_credential(run),
        keyed=_sent(model) is Sent.KEYED,
        public_headers=frozenset(name.lower() for name in identity),
    )


async def _prepare_follow_up(name: str, follow: FollowUpRequest, model: HttpModel, run: Run) -> PreparedRequest:
    """Return the request of the field ``name``."""
    values, field = values_of(run), f"{name}.url"
    private = await authenticate(model.auth, run)
    headers = {name: render_text(text, values) for name, text in follow.headers.items()}
    url = render_url(follow.url, values, field)
    protect_address(url, follow.url, values, run)
    return PreparedRequest(
        namespace=run.namespace,
        method=follow.method,
        url=url,
        headers=merge_headers(headers, private),
        body=None,
        timeout=_timeout(model),
        credential=_credential(run),
        url_field=field,
        keyed=True,  # whatever its method: asking again, or cancelling again, adds nothing
    )


def _sent(model: HttpModel) -> Sent:
    return Sent.SOME if model.idempotency_header is None else Sent.KEYED


def _attempt_id(run: Run) -> AttemptId:
    return run.uid, run.name, run.attempt


def _credential(run: Run) -> str:
    """Return a fingerprint of the credentials that may be anywhere in the request, such as in its URL."""
    return digest(orjson.dumps([run.config, [secret.reveal() for _, secret in secrets_in(run.parameters)]]))


def _next_poll_delay(model: HttpModel, run: Run) -> float:
    """Return the wait before the next poll: it grows with the elapsed time, so a restart does not reset it."""
    given_up = callback_deadline(model, run)
    left = (given_up - run.now).total_seconds() if given_up is not None else _FOREVER_SECONDS
    polling = model.polling
    if polling is None:
        return max(left, 0.0)
    usual, most = (1.0, 30.0) if model.callback is None else (60.0, 600.0)
    first = polling.interval.total_seconds() if polling.interval is not None else usual
    longest = polling.max_interval.total_seconds() if polling.max_interval is not None else max(most, first)
    waited = (run.now - run.started_at).total_seconds()
    return min(max(first, waited / 2), longest, max(left, 0.0))


def _quota_key(model: HttpModel, run: Run) -> str:
    """Return the identity of a quota: the host, and the credentials of the request."""
    auth = model.auth.model_dump_json() if model.auth is not None else ""
    try:
        host = urlsplit(render_url(model.url, values_of(run) | {CALLBACK_URL: ""}, "url")).netloc
    except ValueError as error:
        raise InvalidParametersError(f"url: {error}") from error
    return digest(f"{host} {run.namespace} {auth}".encode())  # the host may come from a Secret


def _timeout(model: HttpModel) -> float:
    return model.timeout.total_seconds() if model.timeout is not None else _TIMEOUT_SECONDS
