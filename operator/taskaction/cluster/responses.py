"""Mapping of error responses of the API server to exceptions; pure."""

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus

import orjson

from taskaction.cluster.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    QuotaReachedError,
    ThrottledError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
)
from taskaction.core.names import truncate

_LONGEST_MESSAGE = 512
_FAILED_TEST = "test operation"
_TOO_LARGE = ("etcdserver: request is too large", "trying to send message larger than max")
"""Messages of a 500 that is permanent: the API server returns it for the same object forever."""
_QUOTA = ("exceeded quota", "status unknown for quota")
"""Words of a 403 that a ResourceQuota causes: it is used up, or not counted yet."""
_STRICT = "strict decoding error"
_WARNING = re.compile(r'^299 \S+ "((?:[^"\\]|\\.)*)"')


def error_from_response(verb: str, code: int, content: bytes, headers: Mapping[str, str]) -> ClusterError:
    """Return the error for a response; ``verb`` is the Kubernetes verb of the request."""
    reason, text = _status(content)
    remedy = "; correct the spelling or remove the field" if _STRICT in text else ""
    message = truncate(text or f"{verb}: HTTP {code}", _LONGEST_MESSAGE) + remedy
    retry_after = _seconds(headers.get("Retry-After"))
    if code == HTTPStatus.TOO_MANY_REQUESTS:
        return ThrottledError(message, retry_after=retry_after)
    permanent = TooLargeError if any(mark in text for mark in _TOO_LARGE) else _BY_CODE.get(code)
    if permanent is ForbiddenError and is_quota_refusal(text):
        permanent = QuotaReachedError
    if permanent is not None:
        return permanent(message)
    if code >= HTTPStatus.INTERNAL_SERVER_ERROR or code == HTTPStatus.REQUEST_TIMEOUT:
        return UnavailableError(message, retry_after=retry_after)
    if code == HTTPStatus.CONFLICT:
        return _conflict(verb, reason, message)
    if code == HTTPStatus.UNPROCESSABLE_ENTITY and verb == "patch" and _is_failed_test(message):
        return ConflictError(message)
    return InvalidError(message)


def warning_texts(values: Iterable[str]) -> tuple[str, ...]:
    """Return the texts of `Warning` headers, which the API server writes for people (RFC 7234, section 5.5)."""
    found = (_WARNING.match(value) for value in values)
    return tuple(re.sub(r"\\(.)", r"\1", one[1]) for one in found if one is not None)


def is_quota_refusal(text: str) -> bool:
    """Whether a message of the API server, or of a controller that quotes one, is about a ResourceQuota."""
    return any(words in text for words in _QUOTA)


_BY_CODE: Mapping[int, type[ClusterError]] = {
    HTTPStatus.UNAUTHORIZED: UnauthorizedError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.GONE: ExpiredError,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TooLargeError,
}


def _conflict(verb: str, reason: str, message: str) -> ClusterError:
    if reason == "AlreadyExists":
        return AlreadyExistsError(message)
    return NotFoundError(message) if verb == "delete" else ConflictError(message)


def _is_failed_test(message: str) -> bool:
    """Whether a ``test`` of a JSON patch failed, which the API server reports like an invalid object."""
    return _FAILED_TEST in message or message.startswith("the server rejected our request due to an error")


def _status(content: bytes) -> tuple[str, str]:
    try:
        status = orjson.loads(content)
    except orjson.JSONDecodeError:
        return "", content[:_LONGEST_MESSAGE].decode(errors="replace").strip()
    if not isinstance(status, dict):
        return "", ""
    return str(status.get("reason", "")), str(status.get("message", ""))


def _seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None
