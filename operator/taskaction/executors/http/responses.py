"""Interpretation of responses: success, the error that another one means, the output and the external id; pure."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from taskaction.executors.http.effects import as_unrepeatable
from taskaction.executors.http.limits import TOO_MANY, retry_after
from taskaction.executors.http.model import HttpModel
from taskaction.executors.http.request import HttpResponse, PreparedRequest
from taskaction.executors.templates import render_text
from taskaction.plugin.base import Run
from taskaction.plugin.checks import at_path
from taskaction.plugin.errors import ActionError, ActionExecutionError, RateLimitedError, TransientError

_SHOWN_CHARS = 512
_ID_CHARS = 253
_GOOD = range(200, 300)


def check_response(model: HttpModel, answer: HttpResponse, request: PreparedRequest, run: Run) -> None:
    """Return if the response is a success; otherwise raise the error that it represents."""
    if answer.code == TOO_MANY or not any(_matches(code, answer.code) for code in model.success.codes):
        error = _status_error(model, answer, request, run)
        permitted = "codes" in model.retry.model_fields_set and answer.code in model.retry.codes
        raise error if permitted else as_unrepeatable(error, answer.effect)
    if model.success.body is not None and not model.success.body.holds(answer.body):
        found = describe_value(answer.body, model.success.body.path, run)
        error = ActionExecutionError(f"{_status_line(answer, request)}, but {found}", code="UnexpectedBody")
        raise as_unrepeatable(error, answer.effect)


def check_follow_up(model: HttpModel, answer: HttpResponse, request: PreparedRequest, run: Run) -> None:
    """Return if a poll or cancel was answered with success, by the usual codes or those of the first request."""
    if answer.code not in _GOOD and not any(_matches(code, answer.code) for code in model.success.codes):
        raise _status_error(model, answer, request, run)


def _status_error(model: HttpModel, answer: HttpResponse, request: PreparedRequest, run: Run) -> ActionError:
    shown = _status_line(answer, request)
    wait = retry_after(answer.headers, run.now)
    if answer.code == TOO_MANY:
        return RateLimitedError(shown, retry_after=wait)
    text = f"{shown}: {answer.redirect or excerpt(answer, run)}"
    if answer.code in model.retry.codes:
        return TransientError(text, code=f"Http{answer.code}", retry_after=wait)
    return _FinalStatusError(text, code=f"Http{answer.code}")


def _status_line(answer: HttpResponse, request: PreparedRequest) -> str:
    return f"{request.method} {urlsplit(request.url).hostname}: HTTP {answer.code}"


class _FinalStatusError(ActionExecutionError):
    """The status code would be the same on another attempt."""

    RETRY_CLASS = None


def build_output(model: HttpModel, answer: HttpResponse) -> Any:
    """Return the output of a success."""
    if model.output_path is not None:
        return at_path(answer.body, model.output_path)
    headers = {name.lower(): answer.headers.get(name.lower()) for name in model.output_headers}
    return {"status": answer.code, "body": answer.body} | ({"headers": headers} if headers else {})


def response_value(answer: HttpResponse) -> dict[str, Any]:
    """Return the response as templates see it."""
    return {"status": answer.code, "body": answer.body, "headers": dict(answer.headers)}


def read_external_id(model: HttpModel, values: Mapping[str, Any]) -> str:
    """Return the target's id of the started work."""
    field, template = "callback.externalId", model.callback.external_id if model.callback is not None else None
    if model.polling is not None:
        field, template = "polling.externalId", model.polling.external_id
    external_id = render_text(template or "{{ idempotencyKey }}", values)
    if not external_id or len(external_id) > _ID_CHARS:
        raise ActionExecutionError(f"{field}: rendered to {len(external_id)} characters; must be 1 to {_ID_CHARS}")
    return external_id


def _matches(pattern: str, code: int) -> bool:
    return pattern == str(code) or (pattern.endswith("xx") and pattern[0] == str(code)[0])


def excerpt(answer: HttpResponse, run: Run) -> str:
    """Return the beginning of the body, for a message."""
    return run.secrets.redact(answer.content.decode(errors="replace"))[:_SHOWN_CHARS]


def describe_value(body: Any, path: str, run: Run) -> str:
    """Return what is at ``path``, for a message."""
    return f"{path} is {run.secrets.redact(repr(at_path(body, path)))[:_SHOWN_CHARS]}"
